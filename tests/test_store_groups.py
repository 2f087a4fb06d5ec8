"""Stores: round trip, indexing, equal bytes, what readers refuse, and a reader that is not ours."""

import numpy as np
import pytest
import zarr

from affect4d import store

RNG = np.random.default_rng(0)
NEUTRAL = RNG.uniform(-100, 100, (40, 3)).astype(np.float32)
VALUES = (NEUTRAL + RNG.normal(0, 1, (21, 40, 3))).astype(np.float32)
ARRAYS = {
    "vertices": store.Vertices(VALUES, NEUTRAL),
    "seen": RNG.random((21, 40)) < 0.5,
    "quality": RNG.normal(size=(21, 4)).astype(np.float32),
    "zeros": np.zeros((5, 3), np.int64),
    "none": np.zeros((0, 7)),
    "scale": np.float64(2.5),
}
ATTRIBUTES = {"subject": "s001", "frame_ids": ["b", "a"], "quality": ["x", "y"]}


@pytest.fixture
def path(tmp_path):
    store.write(tmp_path / "a.zarr", ARRAYS, ATTRIBUTES)
    return tmp_path / "a.zarr"


def test_what_is_written_is_read(path):
    opened = store.open(path)
    assert opened.attributes == ATTRIBUTES
    assert opened.keys() == sorted([*ARRAYS, "vertices_neutral"])
    assert "seen" in opened and "unseen" not in opened
    for name in ("seen", "quality", "zeros", "none", "scale"):
        assert opened[name].dtype == np.asarray(ARRAYS[name]).dtype
        np.testing.assert_array_equal(opened[name][...], ARRAYS[name])
    assert opened["vertices"][...].dtype == np.float32
    np.testing.assert_allclose(opened["vertices"][...], VALUES, atol=0.00502)
    np.testing.assert_array_equal(opened["vertices"].neutral, NEUTRAL)
    assert store.verify(path) == []


@pytest.mark.parametrize(
    "key",
    [
        0, -1, 9, slice(3, 18), slice(None, None, -4), [20, 3, 3], [], np.arange(21) % 5 == 0,
        (4, slice(None), 2), (slice(2, 9), [3, 1]), (Ellipsis, 0), Ellipsis, ([1, 17], 5),
    ],
)  # fmt: skip
def test_vertices_are_indexed_like_an_array(path, key):
    got = store.open(path)["vertices"][key]
    np.testing.assert_allclose(got, VALUES[key], atol=0.00502)
    assert got.shape == VALUES[key].shape


class OnDisk:
    """Sliced like an array; notes the largest number of rows read at once."""

    def __init__(self, values):
        self._values, self.shape, self.dtype, self.max_rows = values, values.shape, values.dtype, 0

    def __getitem__(self, key):
        rows = self._values[key]
        self.max_rows = max(self.max_rows, len(rows))
        return rows


def test_a_long_sequence_is_written_one_shard_at_a_time(tmp_path):
    values = (NEUTRAL + RNG.normal(0, 1, (150, 40, 3))).astype(np.float32)
    lazy, seen = OnDisk(values), OnDisk(RNG.random((150, 40)) < 0.5)
    store.write(tmp_path / "lazy.zarr", {"x": store.Vertices(lazy, NEUTRAL), "seen": seen})
    assert lazy.max_rows == 64
    opened = store.open(tmp_path / "lazy.zarr")
    np.testing.assert_allclose(opened["x"][...], values, atol=0.00502)
    np.testing.assert_array_equal(opened["x"][[149, 3, 64]], opened["x"][...][[149, 3, 64]])
    np.testing.assert_array_equal(opened["seen"][...], seen[:])
    direct = {"x": store.Vertices(values, NEUTRAL), "seen": seen[:]}
    store.write(tmp_path / "direct.zarr", direct)
    for file in sorted((tmp_path / "direct.zarr").rglob("*")):
        if file.is_file():
            other = tmp_path / "lazy.zarr" / file.relative_to(tmp_path / "direct.zarr")
            assert file.read_bytes() == other.read_bytes()


def test_frames_far_apart_fall_back_to_thirty_two_bits(tmp_path):
    values = np.repeat(VALUES, 5, axis=0)
    values[90:] += 400
    store.write(tmp_path / "jump.zarr", {"x": store.Vertices(values, NEUTRAL)})
    assert zarr.open_array(tmp_path / "jump.zarr/x", mode="r").dtype == np.uint32
    np.testing.assert_allclose(store.open(tmp_path / "jump.zarr")["x"][...], values, atol=0.00502)


@pytest.mark.parametrize("key", [2, slice(3, 9), [4, 1], (slice(None), 2), Ellipsis])
def test_plain_arrays_are_indexed_like_an_array(path, key):
    np.testing.assert_array_equal(store.open(path)["quality"][key], ARRAYS["quality"][key])


def test_an_index_beyond_the_end_is_an_index_error(path):
    for name in ("vertices", "quality"):
        with pytest.raises(IndexError):
            store.open(path)[name][21]


def test_two_writes_give_the_same_bytes(path, tmp_path):
    reordered = dict(reversed(ARRAYS.items()))
    store.write(tmp_path / "other" / "a.zarr", reordered, dict(reversed(ATTRIBUTES.items())))
    first, second = files(tmp_path, path), files(tmp_path / "other", tmp_path / "other" / "a.zarr")
    assert first == second and len(first) == 15


def files(root, path):
    every = [*path.rglob("*"), path.with_suffix(".manifest.json")]
    return {str(p.relative_to(root)): p.read_bytes() for p in every if p.is_file()}


def test_a_large_array_is_cut_into_chunks_and_kept_in_one_shard(tmp_path):
    large = np.arange(6 * 2**20, dtype=np.float64).reshape(6, -1)
    store.write(tmp_path / "a.zarr", {"large": large})
    assert zarr.open_group(tmp_path / "a.zarr", mode="r")["large"].chunks == (2, 2**20)
    shards = [p for p in (tmp_path / "a.zarr/large/c").rglob("*") if p.is_file()]
    assert len(shards) == 1
    np.testing.assert_array_equal(store.open(tmp_path / "a.zarr")["large"][3], large[3])


def test_zarr_and_numpy_alone_can_decode_the_vertices(path):
    array = zarr.open_group(path, mode="r")["vertices"]
    about = array.attrs
    folded = array[...].astype(np.int64)
    steps = (folded >> 1) ^ -(folded & 1)
    for start in range(0, len(steps), about["frames_per_chunk"]):
        block = slice(start, start + about["frames_per_chunk"])
        steps[block] = np.cumsum(steps[block], axis=0)
    neutral = zarr.open_group(path, mode="r")[about["neutral"]][...]
    assert about["unit"] == "mm" and about["encoding"] == "zigzag-time-difference"
    np.testing.assert_allclose(neutral + steps * about["step"], VALUES, atol=0.00502)


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped"])
@pytest.mark.parametrize("name", ["vertices", "vertices_neutral", "quality", "zeros"])
def test_damaged_shards_raise_and_never_read_as_zeros(path, name, damage):
    shard = next(p for p in (path / name / "c").rglob("*") if p.is_file())
    opened = store.open(path)
    harm(shard, damage)
    wanted = "vertices" if name.startswith("vertices") else name
    with pytest.raises(store.StoreError, match="affect4d audit --invalidate"):
        opened[wanted][...]
    assert len(store.verify(path)) == 1
    if damage != "flipped":
        with pytest.raises(store.StoreError, match=name):
            store.open(path)


def harm(file, damage):
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "flipped":
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    else:
        file.write_bytes(b"" if damage == "empty" else content[:-1])


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped"])
@pytest.mark.parametrize("name", ["a.manifest.json", "a.zarr/zarr.json", "a.zarr/seen/zarr.json"])
def test_damaged_metadata_is_refused_at_the_door(path, name, damage):
    harm(path.parent / name, damage)
    with pytest.raises(store.StoreError):
        store.open(path)
    assert store.verify(path)


def test_an_unlisted_file_in_a_store_is_a_problem(path):
    (path / "quality/c/7").write_bytes(b"x")
    assert "not listed" in store.verify(path)[0]


def test_strings_nan_attributes_and_reserved_names_are_refused(tmp_path):
    with pytest.raises(TypeError, match="attributes"):
        store.write(tmp_path / "a.zarr", {"names": np.array(["x"])})
    with pytest.raises(ValueError, match="JSON"):
        store.write(tmp_path / "a.zarr", {}, {"valence": float("nan")})
    with pytest.raises(ValueError, match="reserved for"):
        vertices = {"v": ARRAYS["vertices"], "v_neutral": np.zeros(3)}
        store.write(tmp_path / "a.zarr", vertices)
    with pytest.raises(ValueError, match=r"ends in \.zarr"):
        store.write(tmp_path / "a", {})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_what_was_there(path):
    with pytest.raises(TypeError):
        store.write(path, {"names": np.array(["x"])})
    assert store.verify(path) == []
    assert store.open(path).attributes == ATTRIBUTES
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]
