"""How strong a class's target is beside its frames."""

from pathlib import Path

import numpy as np
import pytest

from affect4d.blendshapes.averaging import FrameMean

VERTICES = 400


def _people(rng, *, people, frames, style, noise):
    """Frames of people who share a motion of length 1 and add one of their own, by person."""
    shared = rng.normal(size=(VERTICES, 3))
    shared /= np.linalg.norm(shared)
    for number in range(people):
        own = rng.normal(size=shared.shape)
        motion = shared + style * own / np.linalg.norm(own)
        errors = rng.normal(size=(frames, *shared.shape)) * noise / np.sqrt(shared.size)
        yield Path(f"s{number}"), (motion + errors).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_the_target_is_as_strong_as_frames_are_without_noise(noise):
    mean = FrameMean(np.ones((VERTICES, 1), np.float32))
    people = _people(np.random.default_rng(0), people=40, frames=12, style=0.6, noise=noise)
    for path, frames in people:
        # in two blocks, as classes are read
        mean.add(frames[:5], {path: np.arange(5)})
        mean.add(frames[5:], {path: np.arange(5, 12)})
    length = np.linalg.norm(mean.mean)
    assert length == pytest.approx(1.0, abs=0.02)
    assert mean.strength * length == pytest.approx(np.hypot(1, 0.6), rel=0.03)


def test_without_frames_that_follow_each_other_the_mean_stays():
    mean = FrameMean(np.ones((VERTICES, 1), np.float32))
    for path, frames in _people(np.random.default_rng(0), people=5, frames=3, style=0.6, noise=0.5):
        mean.add(frames, {path: np.arange(0, 6, 2)})
    assert mean.strength == 1.0


def test_noise_alone_is_not_made_stronger():
    rng = np.random.default_rng(1)
    mean = FrameMean(np.ones((VERTICES, 1), np.float32))
    mean.add(rng.normal(size=(200, VERTICES, 3)).astype(np.float32), {Path("a"): np.arange(200)})
    assert mean.strength == 1.0


def test_a_motion_below_half_of_the_noise_is_not_made_stronger():
    mean = FrameMean(np.ones((VERTICES, 1), np.float32))
    rng = np.random.default_rng(2)
    for path, frames in _people(rng, people=40, frames=12, style=0.0, noise=1.5):
        mean.add(frames, {path: np.arange(12)})
    assert mean.strength == 1.0


def test_the_length_is_that_of_the_weighted_vertices():
    weights = np.zeros((VERTICES, 1), np.float32)
    weights[:10] = 1
    mean = FrameMean(weights)
    frames = np.zeros((2, VERTICES, 3), np.float32)
    frames[:, :10], frames[:, 10:] = 1, [[[5]], [[-5]]]
    mean.add(frames, {Path("a"): np.arange(2)})
    assert mean.strength == 1.0
