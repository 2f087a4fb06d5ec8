"""The arrays of an open store: what an index asks for, read and decoded.

Every read first holds the array's files against the manifest (`Store.check`).
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from affect4d.store import codec, images
from affect4d.store.manifest import REBUILD
from affect4d.store.protocol import StoreError

if TYPE_CHECKING:
    import zarr

_BASES = 16  # pictures kept by a reader: 3 MB at 256 x 256


class Opened(Protocol):
    """The store in which an array lies."""

    path: Path

    def __getitem__(self, name: str) -> "Array": ...

    def check(self, name: str) -> None:
        """Hold the files of an array against the manifest; StoreError where they differ."""


class Array:
    """An array of a store; indexing it with NumPy's basic indices, or a list of rows, reads."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array"):
        self._store, self._name, self._zarr = store, name, array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = np.dtype(array.dtype)
        self.attributes: dict[str, Any] = dict(array.attrs)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, (list, np.ndarray)):
            rows = np.arange(len(self))[key]
            rest = (slice(None),) * (len(self.shape) - 1)
            return self._read(lambda: self._zarr.oindex[(rows, *rest)])
        return self._read(lambda: np.asarray(self._zarr[key]))

    def _read(self, read: Any) -> np.ndarray:
        self._store.check(self._name)
        try:
            return read()
        except IndexError:
            raise
        except (ValueError, RuntimeError, OSError) as error:
            raise StoreError(
                self._store.path, f"array {self._name} cannot be decoded ({error})", REBUILD
            ) from error


class VertexArray(Array):
    """A quantised vertex sequence (T, V, 3); reads give float32 mm and touch only chunks needed."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array"):
        super().__init__(store, name, array)
        self.dtype = np.dtype(np.float32)
        if self.attributes["encoding_version"] != codec.VERSION:
            raise StoreError(store.path, f"array {name} has a newer encoding", "update affect4d")
        self._frames: int = self.attributes["frames_per_chunk"]
        self._step: float = self.attributes["step"]

    @cached_property
    def neutral(self) -> np.ndarray:
        """The neutral face (V, 3) float32 mm."""
        return self._store[self.attributes["neutral"]][...]

    def __getitem__(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        if not key or key[0] is Ellipsis:
            return self._decode(np.arange(len(self)))[key]
        frames = np.arange(len(self))[key[0]]
        if frames.ndim > 1:
            raise IndexError("frames are chosen by one index, a slice, or a flat list")
        rows, places = np.unique(frames, return_inverse=True)
        values = self._decode(rows)
        if not np.array_equal(places.ravel(), np.arange(frames.size)):
            values = values[places.ravel()]
        return values.reshape(*frames.shape, *self.shape[1:])[
            (slice(None),) * frames.ndim + key[1:]
        ]

    def _decode(self, rows: np.ndarray) -> np.ndarray:
        """The frames `rows`, each named once and in order."""
        values: np.ndarray = np.empty((len(rows), *self.shape[1:]), np.float32)
        for start, stop in self._runs(rows):
            first, last = np.searchsorted(rows, (start, stop))
            codec.decode(
                self._stored(start, stop),
                self.neutral,
                self._step,
                self._frames,
                rows[first:last] - start,
                values[first:last],
            )
        return values

    def _stored(self, start: int, stop: int) -> np.ndarray:
        return self._read(lambda: np.asarray(self._zarr[start:stop]))

    def _runs(self, rows: np.ndarray) -> list[tuple[int, int]]:
        """The ranges of whole chunks in which `rows` lie; neighbours in one shard are joined."""
        size, shard = self._frames, (self._zarr.shards or self._zarr.chunks)[0]
        chunks = np.unique(rows // size) * size
        apart = (np.diff(chunks) > size) | (np.diff(chunks // shard) > 0)
        runs = np.split(chunks, np.flatnonzero(apart) + 1) if len(chunks) else []
        return [(int(run[0]), min(int(run[-1]) + size, len(self))) for run in runs]


class ImageArray(Array):
    """Pictures (N, H, W, 3) uint8; reads touch only those asked for, and their bases."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array"):
        super().__init__(store, name, array)
        if self.attributes["encoding_version"] != images.VERSION:
            raise StoreError(store.path, f"array {name} has a newer encoding", "update affect4d")
        count, planes, height, width = array.shape
        self.shape = (count, height, width, planes)
        self._bases: dict[int, np.ndarray] = {}

    def __getitem__(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        if not key or key[0] is Ellipsis:
            return self[:][key]
        rows = np.arange(len(self))[key[0]]
        if rows.ndim > 1:
            raise IndexError("pictures are chosen by one index, a slice, or a flat list")
        values: np.ndarray = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for start in range(0, rows.size, images.CHUNKS):
            part = rows.ravel()[start : start + images.CHUNKS]
            bases = np.stack([self._base(number) for number in self._which[part].tolist()])
            values[start : start + len(part)] = images.decode(self._stored(part), bases)
        return values.reshape(*rows.shape, *self.shape[1:])[(slice(None),) * rows.ndim + key[1:]]

    def _stored(self, rows: np.ndarray) -> np.ndarray:
        first, last = int(rows[0]), int(rows[-1])
        if np.array_equal(rows, np.arange(first, last + 1)):
            return self._read(lambda: np.asarray(self._zarr[first : last + 1]))
        return super().__getitem__(rows)

    @cached_property
    def _which(self) -> np.ndarray:
        return self._store[self.attributes["which"]][...]

    def _base(self, number: int) -> np.ndarray:
        """The base (H, W, 3) of that number; the last few read are kept."""
        base = self._bases.get(number)
        if base is None:
            base = self._store[self.attributes["base"]][number]
            for old in list(self._bases)[: 1 - _BASES]:
                self._bases.pop(old, None)
            self._bases[number] = base
        return base
