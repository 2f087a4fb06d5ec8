"""A smooth field for faces that no identity modes span."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from support.faces import bump
from support.fitting_faces import IMAGE, a_face, camera_at, seen_landmarks, smooth_model

from affect4d import store
from affect4d.config.fitting import Settings
from affect4d.fitting import fit
from affect4d.fitting.amplitudes import estimate_amplitudes
from affect4d.fitting.smooth_identity import AMPLITUDES_MM, likeliest_amplitudes, smooth_modes
from affect4d.fitting.solver import Solver
from affect4d.fitting.storage import read_model, write_model
from affect4d.geometry.similarity import fit_similarity
from affect4d.template.ibug68 import MOUTH_CORNERS
from affect4d.template.template import load_template

TEMPLATE, MODEL = load_template(), smooth_model()
INNER = np.flatnonzero(TEMPLATE.inner)


@pytest.fixture(scope="module")
def smooth():
    """The model with the smooth field."""
    return replace(MODEL, smooth=smooth_modes(MODEL.mean, TEMPLATE))


@pytest.fixture(scope="module")
def narrow(smooth):
    """One to which most people are strangers."""
    return replace(smooth, identity=smooth.identity[:1])


def error(face, truth):
    """Mean distance (mm) of two inner faces after a similarity."""
    moved = fit_similarity(face[INNER], truth[INNER]).apply(face[INNER])
    return np.linalg.norm(moved - truth[INNER], axis=1).mean()


def test_smooth_fields_are_smooth_mostly_symmetric_and_of_a_millimetre(smooth):
    variance = (smooth.smooth[:, INNER] ** 2).sum(0).mean(0)
    assert (variance > 0.7).all() and (variance < 1.3).all()
    edges = smooth.triangles[np.isin(smooth.triangles, INNER).all(1)][:, :2]
    step = np.abs(smooth.smooth[:, edges[:, 0]] - smooth.smooth[:, edges[:, 1]])
    assert step.max() < 0.3
    image = np.linalg.norm(
        MODEL.mean[INNER, None] * [-1, 1, 1] - MODEL.mean[None, INNER[::40]], axis=2
    ).argmin(0)
    one, other = smooth.smooth[:, INNER[::40]], smooth.smooth[:, INNER[image]] * [-1, 1, 1]
    kept, broken = ((one + sign * other).var() for sign in (1, -1))
    assert kept > 3 * broken


def test_strangers_and_their_cameras_come_out_nearer(narrow):
    """The inner face, and how it lies before the camera: whatever a frame calls upright."""
    apart, turns = [], []
    for seed in range(12):
        identity, yaw = a_face(MODEL, seed), 5 * seed - 30
        truth = MODEL.shape(identity, np.zeros(len(MODEL.expression)))
        camera = camera_at(yaw, distance=900)
        landmarks = seen_landmarks(MODEL, camera, identity)
        for model in (replace(narrow, smooth=MODEL.smooth), narrow):
            found = fit(IMAGE, landmarks, model)
            one, other = (
                face[INNER] @ seen.rotation.T
                for face, seen in ((found.vertices, found.camera), (truth, camera))
            )
            rotation = Rotation.from_matrix(fit_similarity(one, other).rotation)
            apart.append(error(found.vertices, truth))
            turns.append(np.degrees(rotation.magnitude()))
    assert np.mean(apart[1::2]) < 0.85 * np.mean(apart[::2])
    assert np.median(turns[1::2]) < 0.85 * np.median(turns[::2])


def test_who_is_spanned_by_the_model_stays_as_without_a_field(smooth):
    identity = a_face(MODEL)
    truth = MODEL.shape(identity, np.zeros(len(MODEL.expression)))
    landmarks = seen_landmarks(MODEL, camera_at(10, distance=900), identity)
    landmarks = landmarks + np.random.default_rng(0).normal(size=landmarks.shape)
    without, found = fit(IMAGE, landmarks, MODEL), fit(IMAGE, landmarks, smooth)
    assert error(found.vertices, truth) < error(without.vertices, truth) + 0.05
    state = Solver(smooth, Settings()).run(landmarks[None], np.array([[299.5, 299.5]]))
    assert np.abs(state.coefficients[0, -len(smooth.smooth) :]).max() < 3 * AMPLITUDES_MM[1]


def test_a_smile_that_the_field_follows_is_still_found(narrow):
    smile = bump(48, 14, [-3, 4, -1]) + bump(54, 14, [3, 4, -1])
    model = replace(narrow, expression=MODEL.expression[:0])
    smiling = replace(model, mean=model.mean + smile)
    found = fit(IMAGE, seen_landmarks(smiling, camera_at(10, distance=900), np.zeros(1)), model)
    field = found.vertices - model.shape(found.identity, found.expression)
    corners = MODEL.landmark_vertices[MOUTH_CORNERS]
    assert np.linalg.norm(field[corners], axis=1).min() > 1
    assert estimate_amplitudes(found, model, smile[None]) == pytest.approx([1], abs=0.15)


def test_a_model_of_an_earlier_version_has_no_field(smooth, tmp_path):
    write_model(tmp_path / "new.zarr", smooth, None)
    np.testing.assert_array_equal(read_model(tmp_path / "new.zarr").smooth, smooth.smooth)
    stored = store.open(tmp_path / "new.zarr")
    former = {name: stored[name][...] for name in stored.keys() if name != "smooth"}  # noqa: SIM118
    store.write(tmp_path / "old.zarr", former, {"unit": "mm"}, provenance=None)
    assert read_model(tmp_path / "old.zarr").smooth.shape == MODEL.smooth.shape


@pytest.mark.parametrize("amplitude", [0.25, 1.0, 4.0])
def test_the_amplitude_of_a_simulated_field_is_found(amplitude):
    rng, count = np.random.default_rng(1), 40
    by_smooth, explained = rng.normal(size=(count, 136, 60)), rng.normal(size=(count, 136, 20))
    values = explained @ rng.normal(size=(count, 20, 1))
    values = values + amplitude * by_smooth @ rng.normal(size=(count, 60, 1))
    values = (values[..., 0] + 0.5 * rng.normal(size=(count, 136))).reshape(count, 68, 2)
    weight = np.full((count, 68), 0.5**-2)
    found = likeliest_amplitudes(values, weight, explained=explained, by_smooth=by_smooth)
    assert (found == amplitude).mean() > 0.8
