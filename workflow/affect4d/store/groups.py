"""Stores: one Zarr v3 group an artifact, whole shards, committed whole, read by its manifest.

Zarr returns fill values for a shard that is missing or empty, so every read first holds the files
against the manifest; each chunk also carries a CRC-32C, without which Blosc decodes most flipped
bits into other numbers without a word.
"""

import json
import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from affect4d.store import codec, manifest
from affect4d.store.codec import Vertices
from affect4d.store.manifest import REBUILD, Provenance
from affect4d.store.protocol import StoreError

if TYPE_CHECKING:
    import zarr

_CHUNK_BYTES = 16 * 2**20
# A shard is written whole, and is what a writer holds in memory: chunks of one array.
_SHARD_CHUNKS, _SHARD_FRAMES = 4, 64


def write(
    path: Path,
    arrays: dict[str, np.ndarray | Vertices],
    attributes: dict | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write a store and commit it: either all of it is there afterwards or nothing.

    The data are read back and compared before they get their name; the manifest is written last.

    Parameters
    ----------
    path : ends in `.zarr`; the manifest becomes `X.manifest.json` beside it
    arrays : dict of arrays and Vertices
        Booleans, integers and floats, kept exactly; `Vertices`, kept within .005 mm a coordinate.
        The neutral face of `Vertices` called `name` is kept as `name_neutral`. What has `shape`,
        `dtype` and slices like an array is read a shard at a time.
    attributes : JSON values, such as names and lists of strings
    provenance : what it was built from, for the manifest

    Raises
    ------
    StoreError
        Another writer is at it, or what was read back is not what was written.
    ValueError, TypeError
        Something in `arrays` or `attributes` cannot be stored.
    """
    path = Path(path)
    if path.suffix != ".zarr":
        raise ValueError(f"{path}: the name of a store ends in .zarr")
    attributes = _json_values(attributes or {})
    with manifest.replacing(path, provenance) as unfinished:
        _write_group(unfinished, arrays, attributes)
        _read_back(unfinished, path, arrays)


def open(path: Path) -> "Store":
    """Open a committed store for reading.

    Raises
    ------
    StoreError
        It has no valid manifest, a file is missing or of another size, or the metadata are not what
        was written.
    """
    return Store(Path(path))


class Store:
    """A committed store: `store[name][...]` reads, `store.attributes` holds the attributes."""

    def __init__(self, path: Path):
        import zarr

        self.path = path
        self.manifest = manifest.read_manifest(manifest.manifest_of(path))
        for file in self.manifest.files:
            small = file.path.endswith("zarr.json")
            _raise(
                path, (manifest.check_digest if small else manifest.check_size)(self.manifest, file)
            )
        group = zarr.open_group(path, mode="r", zarr_format=3)
        self.attributes: dict[str, Any] = dict(group.attrs)
        self._arrays = {name: self._array(name, array) for name, array in sorted(group.arrays())}

    def __getitem__(self, name: str) -> "Array":
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def keys(self) -> list[str]:
        """The names of the arrays, sorted."""
        return list(self._arrays)

    def _array(self, name: str, array: "zarr.Array") -> "Array":
        kind = VertexArray if array.attrs.get("encoding") == codec.ENCODING else Array
        return kind(self, name, array)


class Array:
    """An array of a store; indexing it with NumPy's basic indices, or a list of rows, reads."""

    def __init__(self, store: Store, name: str, array: "zarr.Array"):
        self._store, self._name, self._zarr = store, name, array
        self.shape: tuple[int, ...] = array.shape
        self.dtype = np.dtype(array.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, (list, np.ndarray)):
            rows = np.arange(len(self))[key]
            rest = (slice(None),) * (len(self.shape) - 1)
            return self._read(lambda: self._zarr.oindex[(rows, *rest)])
        return self._read(lambda: np.asarray(self._zarr[key]))

    def _read(self, read: Any) -> np.ndarray:
        prefix = f"{self._store.path.name}/{self._name}/"
        for file in self._store.manifest.files:
            if file.path.startswith(prefix):
                _raise(self._store.path, manifest.check_size(self._store.manifest, file))
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

    def __init__(self, store: Store, name: str, array: "zarr.Array"):
        super().__init__(store, name, array)
        self.dtype = np.dtype(np.float32)
        if array.attrs["encoding_version"] != codec.VERSION:
            raise StoreError(store.path, f"array {name} has a newer encoding", "update affect4d")
        attributes: dict[str, Any] = dict(array.attrs)
        self._frames: int = attributes["frames_per_chunk"]
        self._step: float = attributes["step"]
        self._neutral: str = attributes["neutral"]

    @cached_property
    def neutral(self) -> np.ndarray:
        """The neutral face (V, 3) float32 mm."""
        return self._store[self._neutral][...]

    def __getitem__(self, key: Any) -> np.ndarray:
        key = key if isinstance(key, tuple) else (key,)
        if not key or key[0] is Ellipsis:
            return self._decode(0, len(self))[key]
        frames = np.arange(len(self))[key[0]]
        if frames.ndim > 1:
            raise IndexError("frames are chosen by one index, a slice, or a flat list")
        rows = np.atleast_1d(frames)
        values = np.empty((len(rows), *self.shape[1:]), np.float32)
        for start, stop in self._runs(rows):
            inside = (rows >= start) & (rows < stop)
            values[inside] = self._decode(start, stop)[rows[inside] - start]
        return values.reshape(*frames.shape, *self.shape[1:])[
            (slice(None),) * frames.ndim + key[1:]
        ]

    def _runs(self, rows: np.ndarray) -> list[tuple[int, int]]:
        """The ranges of whole chunks in which `rows` lie; neighbouring chunks are joined."""
        size = self._frames
        chunks = np.unique(rows // size)
        runs = np.split(chunks, np.flatnonzero(np.diff(chunks) > 1) + 1) if len(chunks) else []
        return [(int(run[0]) * size, min((int(run[-1]) + 1) * size, len(self))) for run in runs]

    def _decode(self, start: int, stop: int) -> np.ndarray:
        stored = self._read(lambda: np.asarray(self._zarr[start:stop]))
        return codec.decode(stored, self.neutral, self._step, self._frames)


def _write_group(folder: Path, arrays: dict[str, Any], attributes: dict[str, Any]) -> None:
    import zarr

    group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
    for name, array in sorted(arrays.items()):
        if isinstance(array, Vertices):
            neutral = f"{name}_neutral"
            if neutral in arrays:
                raise ValueError(f"the name {neutral} is kept for the neutral face of {name}")
            _write_vertices(group, name, array, codec.describe(neutral))
            _write_array(group, neutral, np.asarray(array.neutral, np.float32), {"unit": "mm"})
        else:
            _write_array(group, name, _sliceable(array), {})


def _sliceable(array: Any) -> Any:
    """`array` as it stands where it is read by slices, else as a NumPy array."""
    return array if hasattr(array, "shape") and hasattr(array, "dtype") else np.asarray(array)


def _write_vertices(group: "zarr.Group", name: str, array: Vertices, attributes: dict) -> None:
    """Add a quantised sequence, in 16 bits or, where two frames are too far apart for it, in 32."""
    shape, frames = tuple(array.values.shape), codec.FRAMES
    chunks = min(math.ceil(shape[0] / frames), _SHARD_FRAMES // frames)
    for dtype in (np.uint16, np.uint32):
        target = _create(group, name, shape, dtype, frames, chunks, attributes)
        try:
            for start, stop in _blocks(shape[0], frames * chunks):
                values = np.asarray(array.values[start:stop])
                target[start:stop] = codec.encode(values, array.neutral, dtype)
        except OverflowError:
            del group[name]
        else:
            return


def _write_array(group: "zarr.Group", name: str, array: Any, attributes: dict) -> None:
    """Add one array: chunks of whole rows, about 16 MB."""
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"array {name} is of type {array.dtype}; strings and objects are attributes"
        )
    shape = tuple(array.shape)
    if not shape:
        _create(group, name, shape, array.dtype, 0, 0, attributes)[...] = array
        return
    row_bytes = max(array.dtype.itemsize * math.prod(shape[1:]), 1)
    rows = max(1, min(shape[0], _CHUNK_BYTES // row_bytes))
    chunks = min(max(math.ceil(shape[0] / rows), 1), _SHARD_CHUNKS)
    target = _create(group, name, shape, array.dtype, rows, chunks, attributes)
    for start, stop in _blocks(shape[0], rows * chunks):
        target[start:stop] = array[start:stop]


def _blocks(length: int, size: int) -> list[tuple[int, int]]:
    """The ranges of rows of each shard."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def _create(
    group: "zarr.Group",
    name: str,
    shape: tuple[int, ...],
    dtype: Any,
    rows: int,
    chunks: int,
    attributes: dict,
) -> "zarr.Array":
    """An empty array: chunks of `rows` whole rows, `chunks` of them a shard."""
    from zarr.codecs import BloscCodec, Crc32cCodec

    rest = tuple(max(size, 1) for size in shape[1:])
    shuffle: Literal["shuffle", "noshuffle"] = (
        "shuffle" if np.dtype(dtype).itemsize > 1 else "noshuffle"
    )
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(rows, *rest) if shape else (),
        shards=(rows * chunks, *rest) if shape else None,
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle=shuffle), Crc32cCodec()],
        attributes=_json_values(attributes),
        # An array of zeros gets its shard too: a missing file must always mean lost data.
        config={"write_empty_chunks": True},
    )


def _read_back(folder: Path, path: Path, arrays: dict[str, Any]) -> None:
    """Raise a StoreError unless what lies in `folder` decodes to `arrays`."""
    import zarr

    group = zarr.open_group(folder, mode="r", zarr_format=3)
    for name, array in arrays.items():
        if isinstance(array, Vertices):
            same = _same_vertices(group, name, array)
        else:
            same = _same(group[name], _sliceable(array))
        if not same:
            raise StoreError(
                path,
                f"array {name} read back differs from what was written",
                "check disk and memory",
            )


def _same_vertices(group: "zarr.Group", name: str, array: Vertices) -> bool:
    stored: Any = group[name]
    neutral: Any = np.asarray(group[f"{name}_neutral"][...])  # type: ignore[index]
    for start, stop in _blocks(stored.shape[0], stored.shards[0]):
        values = np.asarray(array.values[start:stop])
        frames = np.asarray(stored[start:stop])
        decoded = codec.decode(frames, neutral, codec.STEP, codec.FRAMES)
        np.subtract(decoded, values, out=decoded)
        if not max(decoded.max(), -decoded.min()) <= codec.error_bound(values):
            return False
    return True


def _same(stored: Any, array: Any) -> bool:
    if not stored.shape:
        return np.asarray(stored[...]).tobytes() == np.asarray(array).tobytes()
    return all(
        np.array_equal(_bytes(stored[start:stop]), _bytes(array[start:stop]))
        for start, stop in _blocks(stored.shape[0], stored.shards[0])
    )


def _bytes(rows: Any) -> np.ndarray:
    """The bytes of some rows: NaN equals itself, and 0 is not -0."""
    return np.ascontiguousarray(rows).reshape(-1).view(np.uint8)


def _json_values(attributes: dict) -> dict[str, Any]:
    """The attributes with their keys sorted, so that the same content gives the same bytes."""
    return json.loads(json.dumps(attributes, sort_keys=True, allow_nan=False))


def _raise(path: Path, problem: manifest.Problem | None) -> None:
    if problem:
        raise StoreError(path.parent / problem.file, problem.what, problem.remedy)
