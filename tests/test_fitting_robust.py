"""Fitting of landmarks that lie wrong, of many photographs at once, and what pixels say."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.fitting_faces import IMAGE, MIDDLE, a_face, camera_at, seen_landmarks, smooth_model

from affect4d.config.fitting import Settings
from affect4d.fitting import fit, fit_many
from affect4d.fitting.image_quality import covered, sharpness
from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.residual import gross_errors, noise_shares, smooth_residual

MODEL = smooth_model()
NOSE_TIP, EYE_CORNER = 30, 45


def noisy_landmarks(camera, seed=3):
    landmarks = seen_landmarks(MODEL, camera, a_face(MODEL, seed))
    return landmarks + np.random.default_rng(seed).normal(size=landmarks.shape)


def turn(fitted, truth):
    """Degrees between a fit's rotation and the true one."""
    return np.degrees(Rotation.from_matrix(fitted.camera.rotation @ truth.rotation.T).magnitude())


@pytest.mark.parametrize("wrong", [[EYE_CORNER, 60, 8], [NOSE_TIP, 20, 3], [36, 39, 54]])
def test_three_landmarks_far_off_change_next_to_nothing(wrong):
    truth = camera_at(-18, distance=900)
    landmarks = noisy_landmarks(truth)
    thrown = landmarks.copy()
    thrown[wrong] += [[150, -90], [-60, 170], [140, 110]]
    clean, fitted = fit(IMAGE, landmarks, MODEL), fit(IMAGE, thrown, MODEL)
    assert clean.quality["outliers"] == 0
    assert fitted.quality["outliers"] == 3
    assert fitted.quality["accepted"] == 1
    assert turn(fitted, truth) < turn(clean, truth) + 0.7
    size = np.linalg.norm(landmarks[36] - landmarks[45])
    # what was left out stands about where it should have been, the others where they were
    assert np.linalg.norm(fitted.landmarks - landmarks, axis=1)[wrong].max() < 0.1 * size
    others = np.delete(np.arange(68), wrong)
    np.testing.assert_array_equal(fitted.landmarks[others], landmarks[others])
    apart = np.linalg.norm(fitted.offset - clean.offset, axis=1)
    assert apart.max() < 0.1 * size
    careless = Settings(outlier_distance=1e6, gross_error=1e6)
    assert turn(fit(IMAGE, thrown, MODEL, settings=careless), truth) > turn(fitted, truth) + 2


def test_the_first_camera_does_not_bend_towards_wrong_landmarks():
    points = MODEL.mean[MODEL.landmark_vertices[17:]].astype(np.float64)
    truth = camera_at(20)
    landmarks = truth.project(points)[:, :2]
    landmarks[[3, 20, 40]] += [[200, 0], [0, -250], [180, 180]]
    robust, least_squares = (initial_cameras(points, landmarks[None], k)[0] for k in (12, 0))
    away = [
        np.degrees(Rotation.from_matrix(c.rotation @ truth.rotation.T).magnitude())
        for c in (robust, least_squares)
    ]
    assert away[0] < 0.5 < 5 < away[1]


def test_too_many_wrong_landmarks_close_a_gate():
    thrown = noisy_landmarks(camera_at(0))
    thrown[20:48:4] += 150 * np.array([[(-1) ** k, (-1) ** (k // 2)] for k in range(7)])
    quality = fit(IMAGE, thrown, MODEL).quality
    assert quality["outliers"] > Settings().max_outliers
    assert quality["gate_outliers"] == 1
    assert quality["accepted"] == 0


def test_a_common_shift_of_neighbours_is_no_gross_error():
    modelled = seen_landmarks(MODEL, camera_at(0), np.zeros(10))
    landmarks = modelled.copy()
    landmarks[36:42] += [25, -25]
    landmarks[NOSE_TIP] += [0, 80]
    assert list(
        np.flatnonzero(gross_errors(modelled, landmarks, size=225.0, max_distance=0.25))
    ) == [NOSE_TIP]


def test_nothing_is_corrected_that_annotators_could_not_tell():
    modelled = seen_landmarks(MODEL, camera_at(0), np.zeros(10))
    size, defaults = 225.0, Settings()
    random = np.random.default_rng(0).normal(size=modelled.shape)
    facing = np.ones(68)
    shares = {}
    for missed in (defaults.landmark_sd, 10 * defaults.landmark_sd):
        shares[missed] = noise_shares(missed * size * random, facing, size=size, settings=defaults)
        assert (shares[missed][:17] == shares[missed][17] / defaults.jaw_weight).all()
    small, large = (shares[missed][17] for missed in shares)
    assert small > 1 > 0.05 > large
    facing = np.where(np.arange(68) == 40, 0.0, 1.0)
    grazing = noise_shares(random, facing, size=size, settings=defaults)
    assert grazing[40] > grazing[41]


def test_the_correction_is_that_of_the_whole_kernel_sum():
    random = np.random.default_rng(0)
    source, points = random.uniform(0, 200, (20, 2)), random.uniform(-50, 250, (500, 2))
    target, noise = source + random.normal(size=(20, 2)) * 5, np.full(20, 0.1)
    offsets = smooth_residual(points, source, target, noise=noise, reach=30.0)

    def kernel(one, other):
        return np.exp(-((one[:, None] - other) ** 2).sum(2) / (2 * 30.0**2))

    weights = np.linalg.solve(kernel(source, source) + np.diag(noise), target - source)
    exact = kernel(points, source) @ weights
    assert np.abs(offsets - exact).max() < 0.002 * np.abs(weights).sum(0).max()
    assert np.abs(offsets - exact).max() < 0.01 * np.abs(exact).max()


def test_many_at_once_are_each_as_alone():
    cameras = [camera_at(-35, distance=700), camera_at(0), camera_at(20, scale=0.8, distance=500)]
    images = [IMAGE, np.zeros((580, 640, 3), np.uint8), IMAGE]
    landmarks = [noisy_landmarks(camera, seed) for seed, camera in enumerate(cameras)]
    landmarks[2][NOSE_TIP] += 90
    together = fit_many(images, landmarks, MODEL)
    for image, points, fitted in zip(images, landmarks, together, strict=True):
        alone = fit(image, points, MODEL)
        np.testing.assert_allclose(fitted.vertices, alone.vertices, atol=2e-3)
        np.testing.assert_allclose(fitted.offset, alone.offset, atol=2e-3)
        np.testing.assert_allclose(fitted.landmarks, alone.landmarks, atol=2e-3)
        assert fitted.quality == pytest.approx(alone.quality, abs=1e-4)
        np.testing.assert_allclose(fitted.camera.rotation, alone.camera.rotation, atol=1e-6)
    assert fit_many([], [], MODEL) == []


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["any", "line", "mirrored", "mixed", "one off"]))
def test_landmarks_of_no_face_end_in_finite_figures(seed, kind):
    random = np.random.default_rng(seed)
    face = seen_landmarks(MODEL, camera_at(10), a_face(MODEL))
    landmarks = {
        "any": random.uniform(-200, 800, (68, 2)),
        "line": random.uniform(0, 600, 2) + np.linspace(0, 1, 68)[:, None] * [300, 5],
        "mirrored": [600, 0] - face * [1, -1],
        "mixed": random.permutation(face),
        "one off": np.where(np.arange(68)[:, None] == random.integers(68), [-290, 880], face),
    }[kind]
    fitted = fit(IMAGE, landmarks, MODEL)
    for values in (fitted.vertices, fitted.offset, fitted.landmarks, list(fitted.quality.values())):
        assert np.isfinite(values).all()


def test_refuses_landmarks_in_one_place():
    landmarks = np.full((68, 2), 100.0)
    landmarks[EYE_CORNER] = [500, 300]
    with pytest.raises(ValueError, match="most of the landmarks"):
        fit(IMAGE, landmarks, MODEL)


def a_photograph():
    """Skin in uneven light with fine grain, and a fit's landmarks on it."""
    x, y = np.meshgrid(np.linspace(-1, 1, 600), np.linspace(-1, 1, 600))
    light = 1 - 0.35 * x - 0.2 * y
    grain = np.random.default_rng(0).normal(size=(600, 600, 1)) * 6
    skin = light[..., None] * np.array([190, 140, 115]) * 0.8 + grain
    return np.clip(skin, 0, 255).astype(np.uint8), seen_landmarks(MODEL, camera_at(8), np.zeros(10))


def test_sharpness_falls_with_blur_and_not_with_size():
    image, landmarks = a_photograph()
    pattern = np.random.default_rng(1).uniform(-60, 60, (150, 150)).astype(np.float32)
    image = np.clip(image + cv2.resize(pattern, (600, 600))[..., None], 0, 255).astype(np.uint8)
    values = [sharpness(cv2.GaussianBlur(image, (0, 0), s), landmarks, 225) for s in (0.1, 3, 8)]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0
    double = cv2.resize(image, (1200, 1200), interpolation=cv2.INTER_CUBIC)
    assert sharpness(double, 2 * landmarks + 0.5, 450) == pytest.approx(values[0], rel=0.25)
    assert sharpness(IMAGE, landmarks, 225) == 0
    assert sharpness(image, landmarks + 5000, 225) == 0


def test_what_covers_the_skin_is_noticed():
    image, landmarks = a_photograph()
    assert fit(image, landmarks, MODEL).quality["covered"] < 0.01
    low, high = landmarks[48:60].min(0).astype(int), landmarks[48:60].max(0).astype(int)
    masked = image.copy()
    masked[low[1] - 25 : high[1] + 60, low[0] - 60 : high[0] + 60] = [110, 170, 210]
    assert 0.1 < fit(masked, landmarks, MODEL).quality["covered"] < 0.5
    assert covered(image, MIDDLE + np.full((30, 2), 900.0)) == 0


@pytest.mark.parametrize(("cut", "accepted"), [(0.0, 1), (0.2, 0), (0.6, 0)])
def test_a_face_that_the_edge_cuts_off_closes_a_gate(cut, accepted):
    landmarks = noisy_landmarks(camera_at(0))
    low, high = landmarks.min(0), landmarks.max(0)
    shifted = landmarks - [low[0] + cut * (high[0] - low[0]), 0]
    quality = fit(IMAGE, shifted, MODEL).quality
    assert quality["outside"] == (shifted[:, 0] < -0.5).sum()
    assert quality["gate_outside"] == 1 - accepted
    assert quality["accepted"] == accepted


@pytest.mark.parametrize(
    "image", [IMAGE[..., 0], IMAGE.astype(float), np.dstack([IMAGE, IMAGE[..., :1]]), "image.png"]
)
def test_refuses_what_is_no_image_of_three_colours(image):
    with pytest.raises(ValueError, match="uint8"):
        fit(image, noisy_landmarks(camera_at(0)), MODEL)
