"""The arrays of an open store: what an index asks for, read and decoded.

Every read first compares the files that it needs with the manifest (`Store.check`).
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affect4d.store import codec, images
from affect4d.store.manifest import REBUILD
from affect4d.store.protocol import StoreError

if TYPE_CHECKING:
    import zarr

_MAX_BASES = 16  # neutral pictures cached by a reader: 3 MB at 256 x 256


class Opened(Protocol):
    """The store that holds an array."""

    path: Path

    def __getitem__(self, name: str) -> "Array": ...

    def check(self, name: str, shards: Iterable[int] | None = None) -> None:
        """Compare files of an array with the manifest; StoreError where they differ."""


class Array:
    """An array of a store; indexing it with NumPy's basic indices, or a list of rows, reads."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array[Any]"):
        self._store, self._name, self._zarr = store, name, array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = np.dtype(array.dtype)
        self.attributes: dict[str, Any] = dict(array.attrs)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if isinstance(key, (list, np.ndarray)):
            rows = np.arange(len(self))[key]
            others = (slice(None),) * (len(self.shape) - 1)
            return self._read(lambda: np.asarray(self._zarr.oindex[(rows, *others)]), rows)
        first = key[0] if isinstance(key, tuple) and key else key
        is_plain = isinstance(first, (int, np.integer, slice)) and bool(self.shape)
        needed = np.arange(len(self))[first] if is_plain else None
        return self._read(lambda: np.asarray(self._zarr[key]), needed)

    def _read(
        self, read: Callable[[], NDArray[Any]], rows: NDArray[np.int64] | None
    ) -> NDArray[Any]:
        """What `read` gives, once the files that hold `rows` (None: all) were checked."""
        shards = None
        if rows is not None:
            size = (self._zarr.shards or self._zarr.chunks)[0]
            shards = np.unique(rows // size).tolist()
        self._store.check(self._name, shards)
        try:
            return read()
        except IndexError:
            raise
        except (ValueError, RuntimeError, OSError) as error:
            raise StoreError(
                self._store.path, f"array {self._name} cannot be decoded ({error})", REBUILD
            ) from error


class VertexArray(Array):
    """A quantised vertex sequence (T, V, 3); reads give float32 mm and decode few chunks."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array[Any]"):
        super().__init__(store, name, array)
        self.dtype = np.dtype(np.float32)
        if self.attributes["encoding_version"] != codec.VERSION:
            raise StoreError(store.path, f"array {name} has a newer encoding", "update affect4d")
        self._frames: int = self.attributes["frames_per_chunk"]
        self._step: float = self.attributes["step"]

    @cached_property
    def neutral(self) -> NDArray[np.float32]:
        """The neutral face (V, 3) mm."""
        return self._store[self.attributes["neutral"]][...]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        key = key if isinstance(key, tuple) else (key,)
        if not key or key[0] is Ellipsis:
            sequence: NDArray[np.float32] = self._decode(np.arange(len(self)))[key]
            return sequence
        frames = np.arange(len(self))[key[0]]
        if frames.ndim > 1:
            raise IndexError("frames are selected by one index, a slice, or a flat list")
        rows, inverse = np.unique(frames, return_inverse=True)
        values = self._decode(rows)
        if not np.array_equal(inverse.ravel(), np.arange(frames.size)):
            values = values[inverse.ravel()]
        return _select(values.reshape(*frames.shape, *self.shape[1:]), frames.ndim, key)

    def _decode(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The frames `rows`, unique and ascending."""
        values = np.empty((len(rows), *self.shape[1:]), np.float32)
        for start, stop in self._runs(rows):
            first, last = np.searchsorted(rows, (start, stop))
            codec.decode(
                self._stored(start, stop),
                self.neutral,
                step=self._step,
                frames=self._frames,
                rows=rows[first:last] - start,
                out=values[first:last],
            )
        return values

    def _stored(self, start: int, stop: int) -> NDArray[Any]:
        return self._read(lambda: np.asarray(self._zarr[start:stop]), np.arange(start, stop))

    def _runs(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Ranges of complete chunks that hold `rows`; adjacent chunks of a shard are joined."""
        size, shard = self._frames, (self._zarr.shards or self._zarr.chunks)[0]
        chunks = np.unique(rows // size) * size
        is_gap = (np.diff(chunks) > size) | (np.diff(chunks // shard) > 0)
        runs = np.split(chunks, np.flatnonzero(is_gap) + 1) if len(chunks) else []
        return [(int(run[0]), min(int(run[-1]) + size, len(self))) for run in runs]


class ImageArray(Array):
    """Pictures (N, H, W, 3) uint8; reads decode only those selected."""

    def __init__(self, store: Opened, name: str, array: "zarr.Array[Any]"):
        super().__init__(store, name, array)
        if self.attributes["encoding_version"] != images.VERSION:
            raise StoreError(store.path, f"array {name} has a newer encoding", "update affect4d")
        count, planes, height, width = array.shape
        self.shape = (count, height, width, planes)
        self._bases: dict[int, NDArray[np.uint8]] = {}

    def __getitem__(self, key: Any) -> NDArray[Any]:
        key = key if isinstance(key, tuple) else (key,)
        if not key or key[0] is Ellipsis:
            pictures: NDArray[np.uint8] = self[:][key]
            return pictures
        rows = np.arange(len(self))[key[0]]
        if rows.ndim > 1:
            raise IndexError("pictures are selected by one index, a slice, or a flat list")
        values = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for start in range(0, rows.size, images.CHUNKS):
            block = rows.ravel()[start : start + images.CHUNKS]
            bases = np.stack([self._base(number) for number in self._which[block].tolist()])
            values[start : start + len(block)] = images.decode(self._stored(block), bases)
        return _select(values.reshape(*rows.shape, *self.shape[1:]), rows.ndim, key)

    def _stored(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        first, last = int(rows[0]), int(rows[-1])
        if np.array_equal(rows, np.arange(first, last + 1)):
            return self._read(lambda: np.asarray(self._zarr[first : last + 1]), rows)
        return super().__getitem__(rows)

    @cached_property
    def _which(self) -> NDArray[np.integer]:
        return self._store[self.attributes["which"]][...]

    def _base(self, number: int) -> NDArray[np.uint8]:
        """The base (H, W, 3) of that number; the last `_MAX_BASES` read are cached."""
        base = self._bases.get(number)
        if base is None:
            base = self._store[self.attributes["base"]][number]
            for old in list(self._bases)[: 1 - _MAX_BASES]:
                self._bases.pop(old, None)
            self._bases[number] = base
        return base


def _select(values: NDArray[Any], dimensions: int, key: tuple[Any, ...]) -> NDArray[Any]:
    """Apply what `key` says of the axes after the first, of which `dimensions` are left."""
    selected: NDArray[Any] = values[(slice(None),) * dimensions + key[1:]]
    return selected
