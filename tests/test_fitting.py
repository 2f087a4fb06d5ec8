"""Fitting: a known face seen by a known camera comes back, and figures say what was found."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from support.fitting_faces import IMAGE, a_face, camera_at, seen_landmarks, smooth_model

from affect4d import store
from affect4d.config.fitting import Settings
from affect4d.fitting import Camera, MorphableModel, fit
from affect4d.fitting.contour import SHARES
from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.quality import METRICS, inter_ocular, mouth_opening
from affect4d.fitting.storage import CAMERA, read_fits, read_model, write_fits, write_model
from affect4d.template.ibug68 import INTERNAL, JAW
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import load_template

WEAK = Settings(camera="weak")


@pytest.fixture(scope="module")
def model():
    return smooth_model()


def test_the_nose_tip_of_photographs_is_the_tip():
    template = load_template()
    moved = photograph_vertices(template.vertices, template.landmark_vertices)
    assert list(np.flatnonzero(moved != template.landmark_vertices)) == [28, 29, 30]
    near = np.linalg.norm(template.vertices - template.landmarks[30], axis=1) < 30
    assert template.vertices[moved[30], 2] == pytest.approx(
        template.vertices[near, 2].max(), abs=0.2
    )
    ridge = template.vertices[moved[27:31]]
    steps = np.linalg.norm(np.diff(ridge, axis=0), axis=1)
    assert steps.max() < 1.2 * steps.min()
    np.testing.assert_array_equal(photograph_vertices(template.vertices, moved), moved)


def test_camera_projects_y_down_and_nearer_is_deeper():
    camera = Camera(2.0, np.eye(3), np.array([10.0, 20.0]))
    points = np.array([[1.0, 2.0, 3.0], [0, 0, -1]], np.float32)
    projected = camera.project(points)
    assert projected.dtype == np.float32
    np.testing.assert_allclose(projected, [[12, 16, 6], [10, 20, -2]])


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0, 0, 0), (30, 10, -20), (-50, -15, 25)])
def test_angles_of_a_camera(yaw, pitch, roll):
    camera = camera_at(yaw, pitch, roll)
    np.testing.assert_allclose(camera.angles_degrees, (yaw, pitch, roll), atol=1e-9)


def test_initial_camera_is_exact_without_noise(model):
    points = model.mean[model.landmark_vertices].astype(np.float64)
    truth = camera_at(25)
    found = initial_cameras(points, truth.project(points)[None, :, :2])[0]
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-9)
    assert found.scale == pytest.approx(truth.scale)


@pytest.mark.parametrize("yaw", [-20, 0, 12])
def test_recovers_pose_and_landmarks(model, yaw):
    truth = camera_at(yaw)
    turns = []
    for seed in range(3):
        landmarks = seen_landmarks(model, truth, a_face(model, seed))
        landmarks += np.random.default_rng(seed).normal(size=landmarks.shape) * 0.2
        found = fit(IMAGE, landmarks, model, settings=WEAK)
        turns.append(Rotation.from_matrix(found.camera.rotation @ truth.rotation.T).magnitude())
        assert found.quality["error_model"] < 0.015
        assert found.quality["error_corrected"] < 0.006
        assert found.quality["accepted"] == 1.0
        assert found.vertices.dtype == np.float32
        assert found.offset.shape == (len(model.mean), 2)
    assert np.degrees(np.mean(turns)) < 1.0


def test_offset_meets_inner_landmarks_and_dies_away(model):
    landmarks = seen_landmarks(model, camera_at(0), np.zeros(10))
    landmarks[36:48] += [6, -4]
    found = fit(IMAGE, landmarks, model)
    moved = found.camera.project(found.vertices)[:, :2] + found.offset
    inner = moved[model.landmark_vertices[INTERNAL]] - landmarks[INTERNAL]
    assert np.linalg.norm(inner, axis=1).mean() / inter_ocular(landmarks) < 0.01
    away = np.abs(model.mean[:, 1]) > 100
    assert np.abs(found.offset[away]).max() < 0.1


def mean_turn(model):
    """Mean error (degrees) of the rotation of turned heads with jaw points on the silhouette."""
    turns = []
    for yaw in (-40, 35):
        truth = camera_at(yaw)
        landmarks = seen_landmarks(model, truth, a_face(model), silhouette=True)
        found = fit(IMAGE, landmarks, model, settings=Settings(jaw_weight=1.0, camera="weak"))
        turns.append(Rotation.from_matrix(found.camera.rotation @ truth.rotation.T).magnitude())
    return np.degrees(np.mean(turns))


def test_picking_the_contour_helps_turned_heads(model, monkeypatch):
    picked = mean_turn(model)
    anatomical = np.full(len(JAW), np.abs(SHARES).argmin())
    monkeypatch.setattr("affect4d.fitting.solver.pick_contour", lambda *_, **__: anatomical[None])
    assert picked < 3.0
    assert picked < 0.6 * mean_turn(model)


def test_is_deterministic(model):
    landmarks = seen_landmarks(model, camera_at(15), a_face(model))
    one, other = fit(IMAGE, landmarks, model), fit(IMAGE, landmarks, model)
    assert one.vertices.tobytes() == other.vertices.tobytes()
    assert one.offset.tobytes() == other.offset.tobytes()
    assert one.quality == other.quality


def test_coefficients_stay_within_their_bound(model):
    landmarks = seen_landmarks(model, camera_at(0), np.full(10, 6.0))
    found = fit(
        IMAGE, landmarks, model, settings=Settings(coefficient_bound=1.0, landmark_sd=0.005)
    )
    assert np.abs(found.identity).max() <= 1.0


@pytest.mark.parametrize(
    ("gate", "settings", "yaw"),
    [
        ("gate_yaw", Settings(max_yaw=20), 35),
        ("gate_residual", Settings(max_residual=0.001), 0),
        ("gate_mouth", Settings(max_mouth_opening=0.0001), 0),
    ],
)
def test_gates_mark_and_do_not_stop(model, gate, settings, yaw):
    landmarks = seen_landmarks(model, camera_at(yaw), a_face(model))
    landmarks[65:68] += [0, 3]
    quality = fit(IMAGE, landmarks, model, settings=settings).quality
    assert set(quality) == set(METRICS)
    assert quality[gate] == 1.0
    assert quality["accepted"] == 0.0


def test_mouth_opening_does_not_grow_with_yaw(model):
    vertices = model.mean.copy()
    vertices[model.landmark_vertices[65:68]] += [0, -8, 0]
    gaps = []
    for yaw in (0, 40):
        camera = camera_at(yaw, 0, 0)
        landmarks = camera.project(vertices)[model.landmark_vertices, :2]
        size = camera.scale * inter_ocular(vertices[model.landmark_vertices])
        gaps.append(mouth_opening(landmarks, size))
    assert gaps[0] == pytest.approx(gaps[1], rel=0.05)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.zeros((67, 2)), "68 finite landmarks"),
        (np.full((68, 2), np.nan), "68 finite landmarks"),
        (np.zeros((68, 2)), "outer eye corners"),
        (np.arange(136.0).reshape(68, 2) * 100, "outside the image"),
    ],
)
def test_refuses_impossible_landmarks(model, landmarks, message):
    with pytest.raises(ValueError, match=message):
        fit(IMAGE, landmarks, model)


def test_model_refuses_modes_of_another_topology(model):
    with pytest.raises(ValueError, match="identity modes"):
        MorphableModel(
            model.mean, model.identity[:, :-1], model.expression, model.triangles,
            model.landmark_vertices,
        )  # fmt: skip


def test_store_round_trip(model, tmp_path):
    write_model(tmp_path / "model.zarr", model, None)
    again = read_model(tmp_path / "model.zarr")
    assert again.identity.tobytes() == model.identity.tobytes()
    assert again.landmark_vertices.dtype == model.landmark_vertices.dtype

    images = pd.DataFrame(
        {"image_id": ["db_a", "db_b"], "subject": ["a", "b"], "path": ["a.png", "b.png"]}
    )
    fits = [
        fit(IMAGE, seen_landmarks(model, camera_at(yaw), a_face(model)), again) for yaw in (5, -9)
    ]
    write_fits(tmp_path / "000.zarr", fits, images, model=model, provenance=None)
    assert store.verify(tmp_path / "000.zarr") == []
    read = read_fits(tmp_path / "000.zarr")
    for before, after in zip(fits, read, strict=True):
        assert before.quality == after.quality
        for name in ("identity", "expression", "vertices", "offset", "landmarks"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
        np.testing.assert_array_equal(
            before.camera.project(before.vertices), after.camera.project(after.vertices)
        )
    attributes = store.open(tmp_path / "000.zarr").attributes
    assert attributes["image_ids"] == ["db_a", "db_b"]
    assert len(attributes["camera"]) == len(CAMERA) == 15


def test_an_empty_chunk_is_a_store_of_no_fits(model, tmp_path):
    images = pd.DataFrame({"image_id": [], "subject": [], "path": []})
    write_fits(tmp_path / "001.zarr", [], images, model=model, provenance=None)
    assert read_fits(tmp_path / "001.zarr") == []
