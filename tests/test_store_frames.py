"""`store.gather` equals single reads, on any number of threads, in bounded memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect4d import store

LENGTHS = [1, 8, 21, 150]
VERTICES = 40
RNG = np.random.default_rng(0)


def write(path, frames, vertices=VERTICES):
    neutral = RNG.uniform(-100, 100, (vertices, 3)).astype(np.float32)
    values = (neutral + RNG.normal(0, 1, (frames, vertices, 3))).astype(np.float32)
    store.write(path, {"vertices": store.Vertices(values, neutral)})
    return path


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    return [write(folder / f"s{frames}.zarr", frames) for frames in LENGTHS]


@pytest.fixture(scope="module")
def read(paths):
    """All frames of each sequence."""
    return {path: store.open(path)["vertices"][...] for path in paths}


@pytest.fixture
def broken(tmp_path):
    """Sequences of which a test damages the second."""
    return [write(tmp_path / f"{name}.zarr", 20) for name in "abc"]


def naive(read, selection, origins=None):
    rows = [np.empty((0, VERTICES, 3), np.float32)]
    for path, frames in selection.items():
        for frame in frames:
            row = read[path][frame]
            if origins:
                row = row - np.mean(read[path][origins[path]], 0, np.float64).astype(np.float32)
            rows.append(row[None])
    return np.concatenate(rows)


some_frames = st.fixed_dictionaries(
    {
        number: st.lists(st.integers(0, length - 1), max_size=30)
        for number, length in enumerate(LENGTHS)
    }
)


@settings(max_examples=40, deadline=None)
@given(some_frames, st.permutations(range(len(LENGTHS))), st.integers(1, 4))
def test_any_selection_is_what_single_reads_give(paths, read, frames, order, workers):
    selection = {paths[number]: frames[number] for number in order}
    got = store.gather(selection, workers=workers)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, naive(read, selection))


@settings(max_examples=25, deadline=None)
@given(some_frames, st.data())
def test_the_mean_of_other_frames_is_subtracted(paths, read, frames, data):
    selection = {paths[number]: chosen for number, chosen in frames.items()}
    origins = {
        path: data.draw(st.lists(st.integers(0, length - 1), min_size=1, max_size=100))
        for path, length in zip(paths, LENGTHS, strict=True)
    }
    got = store.gather(selection, origins=origins)
    # The order in which the mean is summed may cost the last bit of its float32.
    np.testing.assert_allclose(got, naive(read, selection, origins), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "vertices", [slice(5, 9), np.array([7, 3, 3]), np.arange(VERTICES) % 2 > 0]
)
def test_only_the_vertices_asked_for_are_kept(paths, read, vertices):
    selection = {paths[2]: [20, 0], paths[3]: [149, 149, 64]}
    origins = {path: [0] for path in selection}
    got = store.gather(selection, vertices=vertices, origins=origins)
    np.testing.assert_array_equal(got, naive(read, selection, origins)[:, vertices])


def test_the_number_of_threads_changes_no_byte(tmp_path):
    paths = [write(tmp_path / f"{number}.zarr", 40) for number in range(30)]
    selection = {path: RNG.integers(0, 40, 9) for path in paths}
    origins = {path: [3, 1, 20] for path in paths}
    bytes_of = {
        store.gather(selection, origins=origins, workers=workers).tobytes()
        for workers in (1, 2, 3, 7)
    }
    assert len(bytes_of) == 1


def test_it_fills_what_it_is_given(paths, read, tmp_path):
    selection = {paths[3]: [100, 2], paths[0]: [0]}
    mapped = np.memmap(tmp_path / "D", np.float32, "w+", shape=(3, VERTICES, 3))
    for out in (mapped, store.scratch(mapped.shape), np.ones((9, VERTICES, 3), np.float32)[2:5]):
        assert store.gather(selection, out) is out
        np.testing.assert_array_equal(out, naive(read, selection))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((4, VERTICES, 3), np.float32), ((3, VERTICES, 3), np.float64)]
)
def test_a_result_that_does_not_fit_is_refused(paths, shape, dtype):
    with pytest.raises(ValueError, match="expected"):
        store.gather({paths[1]: [0, 1, 2]}, np.empty(shape, dtype))


def test_what_names_no_frames_is_refused(paths):
    with pytest.raises(ValueError, match="no sequence"):
        store.gather({})
    with pytest.raises(ValueError, match=r"s21\.zarr.*integers"):
        store.gather({paths[2]: np.ones(21, bool)})
    with pytest.raises(ValueError, match=r"s21\.zarr.*mean"):
        store.gather({paths[2]: [0]}, origins={paths[2]: []})


def test_each_sequence_is_opened_once_and_only_the_chunks_needed_are_read(paths, monkeypatch):
    opened, decoded = [], []
    original = store.Store.__init__
    monkeypatch.setattr(
        store.Store, "__init__", lambda self, path: opened.append(path) or original(self, path)
    )
    array = type(store.open(paths[3])["vertices"])
    stored = array._stored
    monkeypatch.setattr(
        array, "_stored", lambda self, *run: decoded.append(run) or stored(self, *run)
    )
    opened.clear()
    # 8 frames per chunk, 64 per shard: chunks 0, 1 and 8, neighbours together.
    store.gather({paths[3]: [70, 3, 9, 3], paths[1]: []})
    assert decoded == [(0, 16), (64, 72)]
    # once more for the number of vertices, of the first sequence only
    assert opened == [paths[3], paths[3]]


def test_memory_beyond_the_result_does_not_grow_with_the_frames(tmp_path):
    vertices = 2000
    paths = [write(tmp_path / f"{number}.zarr", 512, vertices) for number in range(4)]

    def beyond(selection):
        out = np.empty((sum(map(len, selection.values())), vertices, 3), np.float32)
        tracemalloc.start()
        store.gather(selection, out, origins=selection, workers=2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    beyond({paths[0]: [0]})
    few = beyond({path: range(128) for path in paths})
    many = beyond({path: np.tile(range(512), 3) for path in paths})
    one_piece = 64 * vertices * 12
    assert many < 1.3 * few
    # Two threads, each with 64 frames as float32 and, at half and a quarter of that, as stored, as
    # Zarr joins them, and compressed: 2.25 pieces, and what a store's metadata take.
    assert many < 2 * 4 * one_piece


def test_a_missing_sequence_is_named(broken):
    store.manifest_of(broken[1]).unlink()
    with pytest.raises(store.StoreError, match=r"b\.manifest\.json"):
        store.gather({path: [0] for path in broken}, workers=2)


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_sequence_is_named(broken, damage):
    shard = broken[1] / "vertices/c/0/0/0"
    content = bytearray(shard.read_bytes())
    if damage == "gone":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(content[:-9])
    else:
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    with pytest.raises(store.StoreError, match=r"b\.zarr"):
        store.gather({path: [0, 9, 17] for path in broken}, workers=2)


@pytest.mark.parametrize("frame", [20, -1])
def test_a_frame_that_is_not_there_is_named(broken, frame):
    selection = {path: [0] for path in broken}
    with pytest.raises(store.StoreError, match=rf"b\.zarr: has 20 frames.*no frame {frame}"):
        store.gather(selection | {broken[1]: [3, frame]})
    with pytest.raises(store.StoreError, match=rf"b\.zarr: has 20 frames.*no frame {frame}"):
        store.gather(selection, origins=selection | {broken[1]: [frame]})


def test_a_sequence_of_another_template_is_named(broken):
    write(broken[1], 20, VERTICES + 1)
    with pytest.raises(store.StoreError, match=r"b\.zarr: has 41 vertices.*40"):
        store.gather({path: [0] for path in broken})


def test_a_store_without_vertices_is_named(broken):
    store.write(broken[1], {"images": np.zeros((20, 40, 3))})
    with pytest.raises(store.StoreError, match=r"b\.zarr: has no array vertices"):
        store.gather({path: [0] for path in broken})


def test_scratch_is_unnamed_and_goes_with_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = store.scratch((5, 7, 3))
    assert array.dtype == np.float32 and array.shape == (5, 7, 3) and not array.any()
    array[...] = 2
    assert array.sum() == 210 and not list(tmp_path.iterdir())


def test_scratch_without_space_is_one_line_not_a_crash(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(store.StoreError, match=r"disk is full|larger than"):
        store.scratch((2**50,))
