"""Stores: one Zarr v3 group per artifact, committed at once, read by its manifest.

Zarr returns fill values for a shard that is missing or empty, so every read first compares the
files with the manifest; each chunk also carries a CRC-32C, without which Blosc silently decodes
most flipped bits into other numbers.
"""

import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from affect4d.store import codec, images
from affect4d.store.arrays import Array, ImageArray, VertexArray
from affect4d.store.checks import Problem, check_digest, check_size
from affect4d.store.codec import Sliceable, Vertices
from affect4d.store.commit import Provenance, atomic_replace
from affect4d.store.images import Images
from affect4d.store.listed import NO_SHARD, files_by_shard
from affect4d.store.manifest import File, manifest_of, read_manifest
from affect4d.store.protocol import StoreError

if TYPE_CHECKING:
    import zarr
    from zarr.codecs import BloscCodec

_CHUNK_BYTES = 16 * 2**20  # few files, and little memory per reader
# A shard is written at once, and is what a writer holds in memory: chunks of one array.
_SHARD_CHUNKS, _SHARD_FRAMES = 4, 64
# Up to here two files often have the same size, as two columns of labels do: readers digest them,
# and larger ones where two of a store have the same size.
_SMALL_BYTES = 2**20

_Bases: TypeAlias = Callable[[int, int], NDArray[np.uint8]]  # of the pictures start to stop


def write(
    path: Path,
    arrays: Mapping[str, NDArray[Any] | Sliceable | Vertices | Images],
    attributes: Mapping[str, Any] | None = None,
    *,
    provenance: Provenance | None = None,
) -> None:
    """Write a store and commit it: afterwards it is complete, or absent.

    The data are read back and compared before they get their name; the manifest is written last.

    Parameters
    ----------
    path : ends in `.zarr`; the manifest of `X.zarr` is `X.manifest.json` beside it
    arrays : arrays by name
        Booleans, integers and floats, stored exactly, as are `Images`; `Vertices`, stored within
        .005 mm per coordinate. The neutral face of `Vertices` called `name` is stored as
        `name_neutral`. What is not in memory is read one shard at a time.
    attributes : JSON values, such as names and lists of strings
    provenance : what it was built from, for the manifest

    Raises
    ------
    StoreError
        Another process writes the store, or what was read back differs from what was written.
    ValueError, TypeError
        Something in `arrays` or `attributes` cannot be stored.
    """
    path = Path(path)
    if path.suffix != ".zarr":
        raise ValueError(f"{path}: the name of a store ends in .zarr")
    values = _json_values(attributes or {})
    with atomic_replace(path, provenance) as unfinished:
        _write_group(unfinished, arrays, values)
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
        self._files = files_by_shard(path.name, self.manifest)
        listed = {file.path for file in self.manifest.files}
        with warnings.catch_warnings():
            # of files that operating systems put there
            warnings.filterwarnings("ignore", ".*is not recognized as a component of a Zarr")
            arrays = sorted(group.arrays())
        self._arrays = {
            name: self._array(name, array)
            for name, array in arrays
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

    def check(self, name: str, shards: Iterable[int] | None = None) -> None:
        """Compare the files of an array with the manifest.

        Sizes each time; once the sha256 of files that another one may have replaced: small ones,
        and those of the same size as another of the store.

        Parameters
        ----------
        name : of the array
        shards : the numbers of those that are read; None: all

        Raises
        ------
        StoreError
            A file is missing or differs from what was written.
        """
        files = self._files[name]
        for number in files if shards is None else (NO_SHARD, *shards):
            self._check(files.get(number, ()))

    def _check(self, files: Iterable[File]) -> None:
        for file in files:
            replaceable = file.size <= _SMALL_BYTES or self._sizes[file.size] > 1
            check = check_size
            if replaceable and file.path not in self._digested:
                check = check_digest
            _raise(self.path, check(self.manifest, file))
            self._digested.add(file.path)

    def _array(self, name: str, array: "zarr.Array[Any]") -> "Array":
        readers = {codec.ENCODING: VertexArray, images.ENCODING: ImageArray}
        encoding = array.attrs.get("encoding")
        if encoding is not None and encoding not in readers:
            raise StoreError(self.path, f"array {name} has a newer encoding", "update affect4d")
        return readers.get(str(encoding), Array)(self, name, array)


def _write_group(folder: Path, arrays: Mapping[str, Any], attributes: dict[str, Any]) -> None:
    import zarr

    group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
    for name, array in sorted(arrays.items()):
        if isinstance(array, Vertices):
            neutral = f"{name}_neutral"
            if neutral in arrays:
                raise ValueError(f"the name {neutral} is reserved for the neutral face of {name}")
            _write_vertices(group, name, array)
            _write_array(group, neutral, np.asarray(array.neutral, np.float32), unit="mm")
        elif isinstance(array, Images):
            bases = _bases(arrays, name) if array.base else None
            _write_images(group, name, array, bases=bases)
        else:
            _write_array(group, name, _sliceable(array))


def _sliceable(array: Any) -> Any:
    """`array` unchanged where it is read by slices, else as a NumPy array."""
    return array if hasattr(array, "shape") and hasattr(array, "dtype") else np.asarray(array)


def _write_vertices(group: "zarr.Group", name: str, array: Vertices) -> None:
    """Add a quantised sequence, in 16 bits or, where two frames are too far apart for it, in 32."""
    shape, frames = tuple(array.values.shape), codec.FRAMES
    chunks = min(math.ceil(shape[0] / frames), _SHARD_FRAMES // frames)
    for dtype in (np.uint16, np.uint32):
        # Shuffled by vertex, not by number, so that the bytes of each coordinate are adjacent.
        target = _create(
            group,
            name,
            shape,
            dtype=dtype,
            rows=frames,
            chunks=chunks,
            attributes=codec.describe(f"{name}_neutral"),
            compressor=_zstd(3 * np.dtype(dtype).itemsize, level=2),
        )
        try:
            for start, stop in _blocks(shape[0], frames * chunks):
                values = np.asarray(array.values[start:stop])
                target[start:stop] = codec.encode(values, array.neutral, dtype)
        except OverflowError:
            del group[name]
        else:
            return


def _bases(arrays: Mapping[str, Any], name: str) -> _Bases:
    """The base of each picture of `name`, from start to stop: (stop - start, H, W, 3)."""
    pictures: Images = arrays[name]
    base, which = arrays.get(pictures.base), np.asarray(arrays.get(pictures.which))
    if not isinstance(base, Images) or base.base:
        raise ValueError(
            f"{pictures.base} is not the base of {name}: expected Images without a base"
        )
    same = base.values.shape[1:] == pictures.values.shape[1:]
    if not same or which.shape != pictures.values.shape[:1] or which.dtype.kind not in "iu":
        raise ValueError(
            f"{pictures.base} and {pictures.which} do not fit {name}: expected pictures of the "
            "same size, and one integer per picture"
        )
    if len(which) and not 0 <= which.min() <= which.max() < base.values.shape[0]:
        raise ValueError(f"{pictures.which} has an index outside {pictures.base}")
    values = base.values
    return lambda start, stop: np.stack([values[i] for i in which[start:stop]])


def _write_images(group: "zarr.Group", name: str, array: Images, *, bases: _Bases | None) -> None:
    """Add pictures, each a chunk, so that one can be read alone; those without a base plainly."""
    from zarr.codecs import BloscCodec

    count, height, width, planes = array.values.shape
    chunks, compressor = min(max(count, 1), images.CHUNKS), None
    shape, attributes = (count, height, width, planes), dict[str, Any]()
    if bases is not None:
        shape, attributes = (count, planes, height, width), images.describe(array)
        # Residuals are mostly noise in their lower bits and zero in their upper ones. Beyond level
        # 5 a picture takes 5 to 50 ms more, for 1 to 5 % of its bytes.
        compressor = BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle", typesize=1)
    target = _create(
        group,
        name,
        shape,
        dtype=np.uint8,
        rows=1,
        chunks=chunks,
        attributes=attributes,
        compressor=compressor,
    )
    for start, stop in _blocks(count, chunks):
        values = np.asarray(array.values[start:stop])
        target[start:stop] = images.encode(values, bases(start, stop)) if bases else values


def _write_array(group: "zarr.Group", name: str, array: Any, **attributes: str) -> None:
    """Add one array: chunks of complete rows, about 16 MB."""
    dtype, shape = array.dtype, tuple(array.shape)
    if dtype.kind not in "biuf":
        raise TypeError(f"array {name} is of type {dtype}; strings and objects are attributes")
    row_bytes = max(dtype.itemsize * math.prod(shape[1:]), 1)
    length = shape[0] if shape else 1
    rows = max(1, min(length, _CHUNK_BYTES // row_bytes))
    chunks = min(max(math.ceil(length / rows), 1), _SHARD_CHUNKS)
    target = _create(
        group, name, shape, dtype=dtype, rows=rows, chunks=chunks, attributes=attributes
    )
    if not shape:
        target[...] = array
        return
    for start, stop in _blocks(length, rows * chunks):
        target[start:stop] = array[start:stop]


def _blocks(length: int, size: int) -> list[tuple[int, int]]:
    """The ranges of rows of each shard."""
    return [(start, min(start + size, length)) for start in range(0, length, size)]


def _create(
    group: "zarr.Group",
    name: str,
    shape: tuple[int, ...],
    *,
    dtype: Any,
    rows: int,
    chunks: int,
    attributes: Mapping[str, Any],
    compressor: "BloscCodec | None" = None,
) -> "zarr.Array[Any]":
    """An empty array: chunks of `rows` complete rows, `chunks` of them per shard."""
    from zarr.codecs import Crc32cCodec

    others = tuple(max(size, 1) for size in shape[1:])
    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(rows, *others) if shape else (),
        shards=(rows * chunks, *others) if shape else None,
        compressors=[compressor or _zstd(np.dtype(dtype).itemsize), Crc32cCodec()],
        attributes=_json_values(attributes),
        # An array of zeros has its shard too: a missing file always means lost data.
        config={"write_empty_chunks": True},
    )


def _zstd(item_bytes: int, level: int = 3) -> "BloscCodec":
    """Blosc's zstd, the bytes of an item shuffled where it has several."""
    from zarr.codecs import BloscCodec

    shuffle: Literal["shuffle", "noshuffle"] = "shuffle" if item_bytes > 1 else "noshuffle"
    return BloscCodec(cname="zstd", clevel=level, shuffle=shuffle, typesize=item_bytes)


def _read_back(folder: Path, path: Path, arrays: Mapping[str, Any]) -> None:
    """Raise a StoreError unless the group in `folder` decodes to `arrays`."""
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


def _same_images(stored: Any, array: Images, bases: _Bases) -> bool:
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


def _bytes(rows: Any) -> NDArray[np.uint8]:
    """The bytes of some rows: NaN equals itself, and 0 is not -0."""
    return np.ascontiguousarray(rows).reshape(-1).view(np.uint8)


def _json_values(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with their keys sorted, so that the same content gives the same bytes."""
    text = json.dumps(dict(attributes), sort_keys=True, allow_nan=False)
    return cast(dict[str, Any], json.loads(text))


def _raise(path: Path, problem: Problem | None) -> None:
    if problem:
        raise StoreError(path.parent / problem.file, problem.what, problem.remedy)
