"""Quantised vertices: the error bound, the fallback to 32 bits, what is refused."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect4d import store
from affect4d.store import Vertices, codec

LARGEST_DISTANCE = 0.01  # mm, all three coordinates together


def sequence(seed, frames, motion, size=50):
    rng = np.random.default_rng(seed)
    neutral = rng.uniform(-120, 120, (size, 3)).astype(np.float32)
    values = neutral + np.cumsum(rng.normal(0, motion, (frames, size, 3)), axis=0)
    return Vertices(values.astype(np.float32), neutral)


@st.composite
def sequences(draw):
    """Any number of frames and vertices: calm or jumping, near the origin or metres away."""
    frames, size = draw(st.integers(1, 41)), draw(st.integers(1, 17))
    far, jump = draw(st.sampled_from([0, 150, 4999])), draw(st.sampled_from([0, 1, 300, 4999]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    neutral = rng.uniform(-far, far, (size, 3)).astype(np.float32)
    shape = (frames, size, 3)
    moved = rng.uniform(-jump, jump, shape) * (rng.random(shape) < draw(st.floats(0, 1)))
    moved += draw(st.sampled_from([0, 0.005, 0.01, 0.125])) * rng.integers(-3, 4, shape)
    values = (neutral + np.clip(moved, -4999, 4999)).astype(np.float32)
    return Vertices(values.astype(draw(st.sampled_from([np.float32, np.float64]))), neutral)


def encode(vertices, dtype=np.uint32):
    return codec.encode(vertices.values, vertices.neutral, dtype)


def decode(stored, vertices, rows=None):
    return codec.decode(stored, vertices.neutral, rows=rows)


def roundtrip(vertices):
    return decode(encode(vertices), vertices)


def errors(decoded, vertices):
    return np.abs(decoded.astype(np.float64) - vertices.values)


@settings(max_examples=150, deadline=None)
@given(sequences())
def test_every_vertex_is_within_the_bound(vertices):
    stored = encode(vertices)
    error = errors(decode(stored, vertices), vertices)
    assert error.max() <= codec.error_bound(vertices.values)
    assert np.linalg.norm(error, axis=-1).max() < LARGEST_DISTANCE
    assert codec.is_within_bound(stored, vertices.neutral, vertices.values)


@settings(max_examples=100, deadline=None)
@given(sequences())
def test_sixteen_bits_hold_the_same_numbers_or_overflow(vertices):
    wide = encode(vertices)
    if wide.max() > np.iinfo(np.uint16).max:
        with pytest.raises(OverflowError):
            encode(vertices, np.uint16)
    else:
        np.testing.assert_array_equal(encode(vertices, np.uint16), wide)


@settings(max_examples=100, deadline=None)
@given(sequences(), st.data())
def test_selected_frames_equal_those_of_the_whole_sequence(vertices, data):
    stored, sequence = encode(vertices), roundtrip(vertices)
    indices = st.integers(0, len(stored) - 1)
    rows = np.array(data.draw(st.lists(indices, unique=True)), dtype=int)
    np.testing.assert_array_equal(decode(stored, vertices, rows), sequence[rows])
    start = codec.FRAMES * (data.draw(indices) // codec.FRAMES)
    np.testing.assert_array_equal(decode(stored[start:], vertices), sequence[start:])


@settings(max_examples=100, deadline=None)
@given(sequences(), st.data())
def test_one_number_off_by_two_is_detected(vertices, data):
    stored = encode(vertices)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in stored.shape)
    stored[index] ^= 4
    assert not codec.is_within_bound(stored, vertices.neutral, vertices.values)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.floats(0, 5))
def test_faces_are_within_half_a_step_and_rounding(seed, frames, motion):
    vertices = sequence(seed, frames, motion)
    assert errors(roundtrip(vertices), vertices).max() < 0.00502


def test_motion_of_faces_fits_sixteen_bits_and_jumps_do_not():
    calm = sequence(0, 9, 0.5)
    np.testing.assert_array_equal(encode(calm, np.uint16), encode(calm))
    values = calm.values.copy()
    values[5] += 400
    jump = Vertices(values, calm.neutral)
    with pytest.raises(OverflowError):
        encode(jump, np.uint16)
    assert np.abs(roundtrip(jump) - values).max() <= codec.error_bound(values)


@pytest.mark.parametrize("steps, fits", [(32767, True), (-32768, True), (32768, False)])
def test_sixteen_bits_end_exactly_where_zigzag_overflows(steps, fits):
    neutral = np.zeros((1, 3), np.float32)
    vertices = Vertices(np.full((1, 1, 3), steps * codec.STEP, np.float32), neutral)
    if fits:
        assert encode(vertices, np.uint16).dtype == np.uint16
    else:
        with pytest.raises(OverflowError):
            encode(vertices, np.uint16)
    assert np.allclose(roundtrip(vertices), vertices.values, atol=1e-4)


@pytest.mark.parametrize(
    "bad, words",
    [(np.nan, "not finite"), (np.inf, "not finite"), (1e9, "away"), (-5300, "5 m away")],
)
def test_impossible_coordinates_are_refused(bad, words):
    vertices = sequence(0, 3, 0.1)
    vertices.values[1, 2, 0] = bad
    with pytest.raises(ValueError, match=words):
        encode(vertices)


@pytest.mark.parametrize("bad", [np.nan, -np.inf, 5001])
def test_impossible_neutral_faces_are_refused(bad):
    vertices = sequence(0, 3, 0.1)
    vertices.neutral[2, 1] = bad
    with pytest.raises(ValueError, match="the neutral face"):
        encode(vertices)


@pytest.mark.parametrize("prepare", [np.asfortranarray, lambda a: a[:, ::-1], lambda a: a[::2]])
def test_any_layout_in_memory_gives_the_same_numbers(prepare):
    vertices = sequence(0, 11, 0.5)
    values, neutral = prepare(vertices.values), vertices.neutral
    neutral = neutral[::-1] if values.strides[1] < 0 else neutral
    values.flags.writeable = False
    stored = codec.encode(values, neutral, np.uint16)
    np.testing.assert_array_equal(stored, codec.encode(values.copy(), neutral.copy(), np.uint16))


@pytest.mark.parametrize(
    "shape, neutral", [((3, 5, 2), (5, 2)), ((3, 5, 3), (4, 3)), ((0, 5, 3), (5, 3))]
)
def test_wrong_shapes_are_refused(shape, neutral):
    with pytest.raises(ValueError, match="expected"):
        Vertices(np.zeros(shape), np.zeros(neutral))


@settings(max_examples=12, deadline=None)
@given(sequences(), st.data())
def test_selected_frames_equal_slices_of_the_whole_array(tmp_path_factory, vertices, data):
    path = tmp_path_factory.mktemp("store") / "x.zarr"
    times = data.draw(st.integers(1, 4))
    vertices = Vertices(np.tile(vertices.values, (times, 1, 1)), vertices.neutral)
    store.write(path, {"x": vertices})
    array = store.open(path)["x"]
    sequence = array[...]
    np.testing.assert_array_equal(sequence, roundtrip(vertices))
    frame = st.integers(-len(sequence), len(sequence) - 1)
    edge = st.none() | frame
    for key in (
        data.draw(frame),
        data.draw(st.lists(frame)),
        slice(data.draw(edge), data.draw(edge), data.draw(st.sampled_from([1, 3, 9, -1, -8]))),
    ):
        np.testing.assert_array_equal(array[key], sequence[key])


def test_the_command_line_starts_without_the_compiler():
    command = "import sys, affect4d.cli, affect4d.store; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
