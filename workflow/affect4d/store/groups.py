"""Stores: one Zarr v3 group an artifact, whole shards, committed whole, read by its manifest.

Zarr returns fill values for a shard that is missing or empty, so every read first holds the files
against the manifest; each chunk also carries a CRC-32C, without which Blosc decodes most flipped
bits into other numbers without a word.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from affect4d.store import codec, images
from affect4d.store.arrays import Array, ImageArray, VertexArray
from affect4d.store.checks import Problem, check_digest, check_size
from affect4d.store.codec import Vertices
from affect4d.store.commit import Provenance, atomic_replace
from affect4d.store.images import Images
from affect4d.store.manifest import manifest_of, read_manifest
from affect4d.store.protocol import StoreError

if TYPE_CHECKING:
    import zarr

_CHUNK_BYTES = 16 * 2**20
# A shard is written whole, and is what a writer holds in memory: chunks of one array.
_SHARD_CHUNKS, _SHARD_FRAMES = 4, 64
# Up to here two files may well be of one size, as two columns of labels are: readers digest them,
# and larger ones where two of a store are of one size.
_SMALL_BYTES = 2**20


def write(
    path: Path,
    arrays: Mapping[str, np.ndarray | Vertices | Images],
    attributes: dict | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write a store and commit it: either all of it is there afterwards or nothing.

    The data are read back and compared before they get their name; the manifest is written last.

    Parameters
    ----------
    path : ends in `.zarr`; the manifest becomes `X.manifest.json` beside it
    arrays : dict of arrays, Vertices and Images
        Booleans, integers and floats, kept exactly, as are `Images`; `Vertices`, kept within .005
        mm a coordinate.
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
    with atomic_replace(path, provenance) as unfinished:
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
        self.manifest = read_manifest(manifest_of(path))
        for file in self.manifest.files:
            small = file.path.endswith("zarr.json")
            _raise(path, (check_digest if small else check_size)(self.manifest, file))
        group = zarr.open_group(path, mode="r", zarr_format=3)
        self.attributes: dict[str, Any] = dict(group.attrs)
        self._digested: set[str] = set()
        self._sizes = Counter(file.size for file in self.manifest.files)
        listed = {file.path for file in self.manifest.files}
        self._arrays = {
            name: self._array(name, array)
            for name, array in sorted(group.arrays())
            if f"{path.name}/{name}/zarr.json" in listed
        }

    def __getitem__(self, name: str) -> "Array":
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def keys(self) -> list[str]:
        """The names of the arrays, sorted."""
        return list(self._arrays)

    def check(self, name: str) -> None:
        """Hold the files of an array against the manifest: sizes, and sha256 once where it may lie.

        That is in small files, and in those that share their size with another of the store.

        Raises
        ------
        StoreError
            One is missing or not what was written.
        """
        for file in self.manifest.files:
            if not file.path.startswith(f"{self.path.name}/{name}/"):
                continue
            alike = file.size <= _SMALL_BYTES or self._sizes[file.size] > 1
            check = alike and file.path not in self._digested
            _raise(
                self.path,
                (check_digest if check else check_size)(self.manifest, file),
            )
            self._digested.add(file.path)

    def _array(self, name: str, array: "zarr.Array") -> "Array":
        kinds = {codec.ENCODING: VertexArray, images.ENCODING: ImageArray}
        encoding = array.attrs.get("encoding")
        if encoding is not None and encoding not in kinds:
            raise StoreError(self.path, f"array {name} has a newer encoding", "update affect4d")
        return kinds.get(str(encoding), Array)(self, name, array)


def _write_group(folder: Path, arrays: Mapping[str, Any], attributes: dict[str, Any]) -> None:
    import zarr

    group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
    for name, array in sorted(arrays.items()):
        if isinstance(array, Vertices):
            neutral = f"{name}_neutral"
            if neutral in arrays:
                raise ValueError(f"the name {neutral} is kept for the neutral face of {name}")
            _write_vertices(group, name, array, codec.describe(neutral))
            _write_array(group, neutral, np.asarray(array.neutral, np.float32), {"unit": "mm"})
        elif isinstance(array, Images):
            _write_images(group, name, array, _bases(arrays, name) if array.base else None)
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
        # Shuffled by vertex, not by number: the bytes of each coordinate come to lie together.
        compressor = _zstd(3 * np.dtype(dtype).itemsize, level=2)
        target = _create(group, name, shape, dtype, frames, chunks, attributes, compressor)
        try:
            for start, stop in _blocks(shape[0], frames * chunks):
                values = np.asarray(array.values[start:stop])
                target[start:stop] = codec.encode(values, array.neutral, dtype)
        except OverflowError:
            del group[name]
        else:
            return


def _bases(arrays: Mapping[str, Any], name: str) -> Any:
    """(start, stop) -> the base of each picture of `name`."""
    found = arrays[name]
    base, which = arrays.get(found.base), np.asarray(arrays.get(found.which))
    if not isinstance(base, Images) or base.base:
        raise ValueError(
            f"{found.base} is not the base of {name}: Images that have none themselves"
        )
    same = base.values.shape[1:] == found.values.shape[1:]
    if not same or which.shape != found.values.shape[:1] or which.dtype.kind not in "iu":
        raise ValueError(
            f"{found.base} and {found.which} do not fit {name}: pictures of one size, and an "
            "integer a picture"
        )
    if len(which) and not 0 <= which.min() <= which.max() < len(base.values):
        raise ValueError(f"{found.which} points outside {found.base}")
    values = base.values
    return lambda start, stop: np.stack([values[i] for i in which[start:stop]])


def _write_images(group: "zarr.Group", name: str, array: Images, bases: Any) -> None:
    """Add pictures, each a chunk, so that one is read by itself; those without a base plainly."""
    from zarr.codecs import BloscCodec

    count, height, width, _ = array.values.shape
    chunks = min(max(count, 1), images.CHUNKS)
    if bases is None:
        target = _create(group, name, (count, height, width, 3), np.uint8, 1, chunks, {})
    else:
        shape, attributes = (count, 3, height, width), images.describe(array)
        # Most of what is left is noise: its upper bits are few, its lower ones not worth a search.
        # Beyond level 5 a picture takes 5 to 50 ms more, for 1 to 5 % of its bytes.
        compressor = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle", typesize=1)
        target = _create(group, name, shape, np.uint8, 1, chunks, attributes, compressor)
    for start, stop in _blocks(count, chunks):
        values = np.asarray(array.values[start:stop])
        target[start:stop] = (
            images.encode(values, bases(start, stop)) if bases is not None else values
        )


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
    compressor: Any = None,
) -> "zarr.Array":
    """An empty array: chunks of `rows` whole rows, `chunks` of them a shard."""
    from zarr.codecs import Crc32cCodec

    rest = tuple(max(size, 1) for size in shape[1:])
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(rows, *rest) if shape else (),
        shards=(rows * chunks, *rest) if shape else None,
        compressors=[compressor or _zstd(np.dtype(dtype).itemsize), Crc32cCodec()],
        attributes=_json_values(attributes),
        # An array of zeros gets its shard too: a missing file must always mean lost data.
        config={"write_empty_chunks": True},
    )


def _zstd(item_bytes: int, level: int = 3) -> Any:
    """Blosc's zstd, the bytes of an item shuffled where it has several."""
    from zarr.codecs import BloscCodec

    shuffle: Literal["shuffle", "noshuffle"] = "shuffle" if item_bytes > 1 else "noshuffle"
    return BloscCodec(cname="zstd", clevel=level, shuffle=shuffle, typesize=item_bytes)


def _read_back(folder: Path, path: Path, arrays: Mapping[str, Any]) -> None:
    """Raise a StoreError unless what lies in `folder` decodes to `arrays`."""
    import zarr

    group = zarr.open_group(folder, mode="r", zarr_format=3)
    for name, array in arrays.items():
        if isinstance(array, Vertices):
            same = _same_vertices(group, name, array)
        elif isinstance(array, Images) and array.base:
            same = _same_images(group[name], array, _bases(arrays, name))
        elif isinstance(array, Images):
            same = _same(group[name], array.values)
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
        if not codec.is_within_bound(np.asarray(stored[start:stop]), neutral, values):
            return False
    return True


def _same_images(stored: Any, array: Images, bases: Any) -> bool:
    return all(
        np.array_equal(
            images.decode(np.asarray(stored[start:stop]), bases(start, stop)),
            np.asarray(array.values[start:stop]),
        )
        for start, stop in _blocks(stored.shape[0], stored.shards[0])
    )


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


def _raise(path: Path, problem: Problem | None) -> None:
    if problem:
        raise StoreError(path.parent / problem.file, problem.what, problem.remedy)
