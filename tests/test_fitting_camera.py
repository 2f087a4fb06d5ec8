"""The camera: a pinhole as textbooks have it, weak perspective as its limit, exact derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.fitting_faces import IMAGE, MIDDLE, a_face, camera_at, seen_landmarks, smooth_model

from affect4d.config.fitting import Settings
from affect4d.fitting import Camera, fit
from affect4d.fitting.camera import PINHOLE, WEAK

POINTS = np.random.default_rng(0).normal(size=(40, 3)) * 60
angles = st.floats(-70, 70)


@pytest.fixture(scope="module")
def model():
    return smooth_model()


def stack(*cameras):
    """Several cameras as one stack."""
    names = ("scale", "rotation", "translation", "centre", "inverse_distance")
    return Camera(*(np.array([getattr(c, name) for c in cameras]) for name in names))


def pinhole(focal, principal, rotation, position, points):
    """x = K (R X + t), the axes of the image to the right, downwards and ahead."""
    turned = (points @ rotation.T + position) * [1, -1, -1]
    return focal * turned[:, :2] / turned[:, 2:] + principal


@settings(deadline=None)  # the machine may be busy
@given(angles, angles, st.floats(300, 5000), st.floats(-80, 80), st.floats(400, 4000))
def test_is_a_pinhole(yaw, pitch, distance, aside, focal):
    rotation = Rotation.from_euler("YXZ", [yaw, pitch, 10], degrees=True).as_matrix()
    position, principal = np.array([aside, -20.0, -distance]), np.array([320.0, 240.0])
    scale = focal / distance
    shift = principal + scale * position[:2] * [1, -1]
    camera = Camera(scale, rotation, shift, principal, 1 / distance)
    wanted = pinhole(focal, principal, rotation, position, POINTS)
    np.testing.assert_allclose(camera.project(POINTS)[:, :2], wanted, rtol=0, atol=1e-7)


def test_far_away_it_is_weak_perspective():
    near, far = (camera_at(30, distance=distance) for distance in (1e9, np.inf))
    np.testing.assert_allclose(near.project(POINTS), far.project(POINTS), atol=1e-4)
    moved = Camera(far.scale, far.rotation, far.translation, far.centre + 100)
    np.testing.assert_allclose(moved.project(POINTS), far.project(POINTS), rtol=0, atol=1e-10)


def test_depth_is_linear_on_a_projected_plane():
    camera = camera_at(40, distance=400)
    one, other = camera.project(POINTS[:2])
    share = np.linspace(0, 1, 9)[:, None]
    line = camera.project(POINTS[0] + share * (POINTS[1] - POINTS[0]))
    along = (line[:, 0] - one[0]) / (other[0] - one[0])
    np.testing.assert_allclose(line[:, 2], one[2] + along * (other[2] - one[2]), rtol=1e-9)
    assert np.abs(along - share[:, 0]).max() > 0.005


@settings(deadline=None)  # the machine may be busy
@given(angles, angles, st.floats(250, 3000))
def test_derivatives_are_those_of_the_projection(yaw, pitch, distance):
    camera = camera_at(yaw, pitch, distance=distance)
    cameras = stack(camera, camera)
    projected, by_camera, by_point = cameras.linearise(np.array([POINTS, POINTS]))
    # in pixels: a point may lie at the picture's very edge, where nothing is left to be relative to
    np.testing.assert_allclose(projected[1], camera.project(POINTS)[:, :2], rtol=0, atol=1e-10)
    step = 1e-6
    for k in range(PINHOLE):
        change = np.zeros((2, PINHOLE))
        change[:, k] = [step, -step]
        ends = cameras.moved(change).project(POINTS)[..., :2]
        slope = (ends[0] - ends[1]) / (2 * step)
        np.testing.assert_allclose(by_camera[0, :, :, k], slope, rtol=1e-5, atol=1e-4)
    jacobian = camera.jacobian(POINTS)
    for k in range(3):
        aside = step * np.eye(3)[k]
        slope = (camera.project(POINTS + aside) - camera.project(POINTS - aside)) / (2 * step)
        np.testing.assert_allclose(jacobian[..., k], slope, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(by_point[0, :, :, k], slope[:, :2], rtol=1e-5, atol=1e-5)


def test_weak_perspective_has_no_distance_to_fit():
    camera = stack(camera_at(20), camera_at(-20))
    assert camera.linearise(np.array([POINTS, POINTS]))[1].shape[-1] == WEAK
    moved = camera.moved(np.full((2, WEAK), 0.1))
    assert not moved.inverse_distance.any()


def test_a_head_beside_the_axis_looks_turned():
    # to the right of a camera past which it looks straight ahead
    aside = Camera(2.5, np.eye(3), MIDDLE + np.array([2.5 * 500, 0]), MIDDLE, 1 / 500)
    assert aside.yaw_degrees == pytest.approx(-45)


@pytest.mark.parametrize("yaw", [-30, 0, 25])
def test_perspective_pays_near_the_camera(model, yaw):
    turns = {"weak": [], "perspective": []}
    for seed in range(4):
        truth = camera_at(yaw, distance=600)
        landmarks = seen_landmarks(model, truth, a_face(model, seed))
        landmarks += np.random.default_rng(seed).normal(size=landmarks.shape) * 0.5
        for camera, angles_found in turns.items():
            camera_found = fit(IMAGE, landmarks, model, settings=Settings(camera=camera)).camera
            change = Rotation.from_matrix(camera_found.rotation @ truth.rotation.T)
            angles_found.append(np.degrees(change.magnitude()))
            assert (camera_found.inverse_distance > 0) == (camera == "perspective")
    assert np.mean(turns["perspective"]) < 1.5
    assert np.mean(turns["perspective"]) < 0.6 * np.mean(turns["weak"])


def test_the_distance_stays_within_its_bound(model):
    settings = Settings(distance_spread=0.1, coefficient_bound=2.0)
    landmarks = seen_landmarks(model, camera_at(20, distance=300), a_face(model))
    inverse = fit(IMAGE, landmarks, model, settings=settings).camera.inverse_distance
    assert inverse == pytest.approx(np.exp(0.2) / settings.distance)
