"""Quantised vertices: the error bound, the fallback to 32 bits, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect4d.store import Vertices, codec


def sequence(seed, frames, motion, size=50):
    rng = np.random.default_rng(seed)
    neutral = rng.uniform(-120, 120, (size, 3)).astype(np.float32)
    values = neutral + np.cumsum(rng.normal(0, motion, (frames, size, 3)), axis=0)
    return Vertices(values.astype(np.float32), neutral)


def encode(vertices, dtype=np.uint32):
    return codec.encode(vertices.values, vertices.neutral, dtype)


def roundtrip(vertices):
    return codec.decode(encode(vertices), vertices.neutral, codec.STEP, codec.FRAMES)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 20), st.floats(0, 50))
def test_every_coordinate_is_within_half_a_step(seed, frames, motion):
    vertices = sequence(seed, frames, motion)
    error = np.abs(roundtrip(vertices).astype(np.float64) - vertices.values)
    assert error.max() <= codec.error_bound(vertices.values)
    assert motion > 5 or codec.error_bound(vertices.values) < 0.00502


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


@pytest.mark.parametrize("bad, words", [(np.nan, "not finite"), (np.inf, "away"), (1e9, "away")])
def test_impossible_coordinates_are_refused(bad, words):
    vertices = sequence(0, 3, 0.1)
    vertices.values[1, 2, 0] = bad
    with pytest.raises(ValueError, match=words):
        encode(vertices)


@pytest.mark.parametrize(
    "shape, neutral", [((3, 5, 2), (5, 2)), ((3, 5, 3), (4, 3)), ((0, 5, 3), (5, 3))]
)
def test_wrong_shapes_are_refused(shape, neutral):
    with pytest.raises(ValueError, match="expected"):
        Vertices(np.zeros(shape), np.zeros(neutral))
