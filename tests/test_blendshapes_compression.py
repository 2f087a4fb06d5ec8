"""Frames that do not fit into memory: read by blocks, compressed, with nothing lost unsaid."""

import tracemalloc
import warnings

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_components import CONSTRAINTS, TRIANGLES, VERTICES, fit, matched, planted

from affect4d import store
from affect4d.blendshapes import Geodesics, StoredFrames, compression


@pytest.fixture
def small_blocks(monkeypatch):
    """Arrays are read some sixteen frames at a time."""
    monkeypatch.setattr(compression, "BLOCK_BYTES", 1)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("shape", [(300, -1), (300, -1, 3)])
def test_an_array_read_by_blocks_gives_the_same_but_for_what_compression_lost(
    constraint, shape, small_blocks
):
    D, _ = planted(constraint, frames=300, noise=0.02)
    parameters = {"constraint": constraint, "centre_updates": 0}
    inside, outside = fit(D, **parameters), fit(zarr.array(D.reshape(shape)), **parameters)
    energy = (D**2).sum()
    noise = ((D - D @ np.linalg.pinv(inside.components_.reshape(5, -1)) @ (
        inside.components_.reshape(5, -1))) ** 2).sum()  # fmt: skip
    assert 0 < outside.lost_energy_ < 1.1 * noise < 0.1 * energy
    assert inside.lost_energy_ == 0
    error = D - outside.inverse_transform(outside.weights_)
    L = np.linalg.norm(outside.components_, axis=2)
    ramp = np.array([outside._ramp(Geodesics(VERTICES, TRIANGLES, 45.0).from_vertex(c))
                     for c in outside.centres_])  # fmt: skip
    true = (error**2).sum() / (2 * len(D)) + 0.02 * (ramp * L).sum()
    seen = outside.objective_[-1]
    # |E| |D - E - W C| / m, where the second norm follows from the fit that was seen.
    remaining = 2 * len(D) * (seen - 0.02 * (ramp * L).sum()) - outside.lost_energy_
    bound = np.sqrt(outside.lost_energy_ * remaining) / len(D)
    assert abs(true - seen) <= bound
    assert abs(true - inside.objective_[-1]) <= bound
    cosine, _ = matched(outside.components_, inside.components_)
    assert cosine.min() > 0.9999


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_kept_and_what_is_lost_make_up_the_energy(dtype, small_blocks):
    D, fields = planted(frames=200, noise=0.05)
    D = D.astype(dtype)
    frames = compression.compress(da.from_array(D, chunks=(50, -1)), 0.02)
    assert frames.rows.dtype == dtype and len(frames) == 200
    assert 5 <= len(frames.rows) < 40
    rest = D - frames.left @ frames.rows
    assert frames.energy == pytest.approx((D.astype(np.float64) ** 2).sum(), rel=1e-6)
    assert frames.lost == pytest.approx((rest**2).sum(), rel=1e-3)
    assert np.allclose(frames.left.T @ frames.left, np.eye(len(frames.rows)), atol=1e-5)
    components = fields.reshape(len(fields), -1).T.astype(dtype)
    assert np.allclose(frames.match(components), D @ components, rtol=1e-3, atol=1)


def test_without_tolerance_nothing_is_lost_and_little_compression_is_said(small_blocks):
    D, _ = planted(frames=60, noise=0.2)
    with pytest.warns(UserWarning, match="60 of 60 dimensions are kept"):
        model = fit(da.from_array(D, chunks=(7, -1)), energy_tolerance=0.0)
    whole = fit(D)
    assert model.lost_energy_ < 1e-9 * (D**2).sum()
    assert model.objective_ == pytest.approx(whole.objective_, rel=1e-8)
    assert np.allclose(model.components_, whole.components_, atol=1e-6)


@given(
    st.integers(1, 40),
    st.integers(1, 30),
    st.floats(0, 0.99),
    st.floats(0, 3),
    st.integers(1, 40),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_no_more_is_lost_than_was_allowed(frames, vertices, tolerance, falling, block, seed):
    """Whatever the spectrum, from white noise to one direction, and however it is read."""
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(frames, 3 * vertices)) * np.exp(-falling * np.arange(3 * vertices))
    read = [D[i : i + block] for i in range(0, frames, block)]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(compression, "read_blocks", lambda D: read)
        found = compression.compress(da.from_array(D), tolerance)
    energy = (D**2).sum()
    lost = ((D - found.left @ found.rows) ** 2).sum()
    assert lost <= tolerance * energy + 1e-9 * energy
    assert found.lost == pytest.approx(lost, rel=1e-6, abs=1e-9 * energy)


def test_white_noise_is_kept_but_for_the_share_allowed_and_that_is_said(small_blocks):
    D = np.random.default_rng(0).normal(size=(600, 60 * 3))
    with pytest.warns(UserWarning, match="compresses these frames little"):
        frames = compression.compress(da.from_array(D[:150], chunks=(50, -1)), 1e-2)
    assert len(frames.rows) > 130 and 0 < frames.lost <= 1e-2 * frames.energy


class MadeOnDemand:
    """Frames of five bumps and a noise, made as they are read."""

    shape, dtype = (8000, len(VERTICES), 3), np.dtype(np.float32)

    def __init__(self):
        rng = np.random.default_rng(0)
        self.weights = rng.beta(0.5, 1.0, size=(self.shape[0], 5)).astype(np.float32)
        self.fields = planted()[1].reshape(5, -1).astype(np.float32)

    def __getitem__(self, rows):
        motion = self.weights[rows] @ self.fields
        noise = np.random.default_rng(rows.start).normal(scale=0.02, size=motion.shape)
        return (motion + noise.astype(np.float32)).reshape(-1, *self.shape[1:])


def test_an_array_read_by_blocks_is_never_whole_in_memory(monkeypatch):
    monkeypatch.setattr(compression, "BLOCK_BYTES", 1 << 20)
    D = MadeOnDemand()
    whole = 4 * int(np.prod(D.shape))
    fit(zarr.array(planted()[0].astype(np.float32)))  # what is compiled and imported counts not
    tracemalloc.start()
    model = fit(D, max_iter=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.weights_.shape == (8000, 5)
    assert peak < 0.3 * whole


def test_without_a_frame_there_is_nothing_to_read(tmp_path):
    for selection in ({}, {tmp_path / "a.zarr": []}):
        with pytest.raises(ValueError, match="no frame"):
            StoredFrames(selection, {})


def test_stored_sequences_are_read_as_they_are_sliced(tmp_path, small_blocks):
    D, _ = planted(frames=40)
    D = D.astype(np.float32).reshape(40, -1, 3)
    for name in ("a", "b"):
        values = np.concatenate([np.zeros_like(D[:2]), D]) + VERTICES.astype(np.float32)
        store.write(tmp_path / f"{name}.zarr", {"vertices": store.Vertices(values, VERTICES)})
    selection = {tmp_path / "a.zarr": [2, 5, 3], tmp_path / "b.zarr": 2 + np.arange(40)}
    half = np.full((len(VERTICES), 1), 0.5, np.float32)
    rows = StoredFrames(selection, {path: [0, 1] for path in selection}, half)
    assert rows.shape == (43, len(VERTICES), 3) and len(rows) == 43
    expected = 0.5 * np.concatenate([D[[0, 3, 1]], D])
    assert np.allclose(rows[0:43], expected, atol=1e-2)
    assert np.array_equal(rows[1:5], rows[0:43][1:5])
    assert fit(rows).components_.shape == (5, len(VERTICES), 3)
