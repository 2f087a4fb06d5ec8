"""Landmarks of a sequence are freed of noise together."""

from dataclasses import replace

import numpy as np
import pytest

from affect4d.registration.denoise import denoise_landmarks


def test_denoising_brings_landmarks_nearer_the_truth(template, registrar):
    rng = np.random.default_rng(0)
    way = np.zeros((68, 3))
    way[48:68] = [0, -6, 0]
    clean = [template.landmarks + np.sin(t / 5) * way for t in range(30)]
    noisy = [points + rng.normal(size=points.shape) for points in clean]
    noisy[7][40] += 30
    checks = denoise_landmarks([registrar.check(points) for points in noisy])
    relative = [check.displacement - checks[0].displacement for check in checks]
    expected = [points - clean[0] for points in clean]
    assert np.abs(np.array(relative) - expected).mean() < 0.4
    assert checks[7].keep[40] and np.isnan(checks[7].residual[40])
    for points in noisy:
        points[:17] = np.nan
    fewer = denoise_landmarks([registrar.check(points) for points in noisy])
    assert not fewer[3].keep[:17].any() and fewer[3].keep[17:].all()
    np.testing.assert_allclose(fewer[3].displacement[50], checks[3].displacement[50], atol=1)


def _relative(checks):
    return np.array([check.displacement - checks[0].displacement for check in checks])


@pytest.mark.parametrize("apex_mm", [3.0, 4.0, 6.0])
def test_an_expression_of_few_frames_keeps_the_amplitude_of_its_landmarks(
    template, registrar, apex_mm
):
    """Means over people are as weak as what is left of the movement of each of them.

    Of one way of moving, with singular value x in Gavish & Donoho's units, a matrix cut to rank 1
    keeps 1 - beta / x^4 on average.
    """
    way = np.zeros((68, 3))
    way[48:68] = [0, -apex_mm, 0]
    shown = template.landmarks + np.array([0, 0.5, 1, 1, 1, 0.5])[:, None, None] * way
    still = [registrar.check(points) for points in shown]
    clean, matrix = _relative(still), np.array([check.displacement.ravel() for check in still])
    kept, errors, noises = [], [], []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=shown.shape)
        checks = [registrar.check(points) for points in shown + noise]
        noisy, found = _relative(checks), _relative(denoise_landmarks(checks))
        kept.append((found * clean).sum() / (noisy * clean).sum())
        errors.append(np.square(found - clean).mean())
        noises.append(np.square(noisy - clean).mean())
    rows, columns = len(matrix) - 1, matrix.shape[1]
    squared = np.linalg.svd(matrix - matrix.mean(0), compute_uv=False)[0] ** 2 / columns
    expected = 1 - rows / columns / squared**2
    assert abs(np.mean(kept) - expected) < 3 * np.std(kept) / np.sqrt(len(kept))
    assert expected > 0.89 and np.mean(errors) < np.mean(noises) / 2


@pytest.mark.parametrize("frames", [5, 6, 10, 20, 40])
@pytest.mark.parametrize("ways", [1, 2, 3])
def test_movement_in_few_ways_keeps_its_amplitude(template, registrar, ways, frames):
    """Three ways in six frames are most of their singular values: the median is no noise, and the
    weakest way was lost for it."""
    one = registrar.check(template.landmarks)
    course = np.sin(np.pi * np.outer(np.linspace(0, 1, frames), 1 + np.arange(ways)))
    kept = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        directions = np.linalg.qr(rng.normal(size=(3 * 68, ways)))[0].T
        clean = (course @ (2 * np.sqrt(3 * 68) * directions)).reshape(frames, 68, 3)  # 2 mm
        noisy = clean + rng.normal(size=clean.shape)
        checks = denoise_landmarks([replace(one, displacement=each) for each in noisy])
        found = np.array([check.displacement for check in checks])
        moved = clean - clean.mean(0)
        kept.append((found * moved).sum() / np.square(moved).sum())
    assert np.mean(kept) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("frames", [20, 60, 400])
def test_the_stiffness_of_a_sequence_is_what_noise_remains(template, registrar, frames):
    """Of many frames more remained than was stated: ways of moving are estimated from 68 points."""
    rng, one = np.random.default_rng(0), registrar.check(template.landmarks)
    over_time = np.sin(np.arange(frames)[:, None] * [0.3, 0.7, 1.1])
    clean = np.tensordot(over_time, 6 * rng.normal(size=(3, 68, 3)), axes=1)
    noisy = clean + rng.normal(size=clean.shape)
    checks = denoise_landmarks([replace(one, displacement=each, stiffness=1.0) for each in noisy])
    remaining = np.square([check.displacement for check in checks] - clean).mean()
    assert checks[0].stiffness == pytest.approx(remaining, rel=0.1)


def test_few_marked_points_of_a_long_sequence_are_denoised(template, registrar):
    """Columns of points that nobody marked once counted as noise of 0 mm."""
    rng, marked = np.random.default_rng(0), [0, 8, 16, 19, 24, 30, 33, 36, 39, 42, 45, 48, 51, 54]
    way = 3 * rng.normal(size=(len(marked), 3))
    clean = template.landmarks[marked] + np.sin(np.arange(100) / 5)[:, None, None] * way
    points = np.full((100, 68, 3), np.nan)
    points[:, marked] = clean
    expected = np.array([registrar.check(each).displacement[marked] for each in points])
    points[:, marked] += rng.normal(size=clean.shape)
    noisy = [registrar.check(each) for each in points]
    before, after = (
        np.var([check.displacement[marked] for check in checks] - expected, axis=0).mean()
        for checks in (noisy, denoise_landmarks(noisy))
    )
    assert after < before / 2


def test_frames_that_mark_other_points_keep_their_own(template, registrar):
    rng = np.random.default_rng(0)
    noisy = [template.landmarks + rng.normal(size=(68, 3)) for _ in range(6)]
    for frame, points in enumerate(noisy):
        points[slice(0, 34) if frame % 2 else slice(34, 68)] = np.nan
    checks = [registrar.check(points) for points in noisy]
    assert denoise_landmarks(checks) == checks
