"""Landmarks that are followed from one photograph to another (benchmarks/dense_flow.py)."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import dense_flow
from readers_landmarks import displacements, motion_found


@pytest.fixture(scope="module")
def face():
    """A picture of fine texture, and landmarks within it."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 60, (300, 300, 3)).astype(np.float32)
    image = np.clip(128 + 3 * cv2.GaussianBlur(noise, (0, 0), 2), 0, 255).astype(np.uint8)
    landmarks = rng.uniform([100, 110], [200, 200], (68, 2))
    landmarks[[36, 45]] = [[105, 100], [195, 100]]  # one pixel a mm
    return image, landmarks


def test_landmarks_are_followed_where_the_skin_goes(face):
    image, landmarks = face
    y, x = np.mgrid[0:300, 0:300].astype(np.float32)
    lift = 4 * np.exp(-((x - 150) ** 2 + (y - 175) ** 2) / (2 * 15**2))
    start, end = dense_flow.follow(
        image, landmarks, cv2.remap(image, x, y + lift, cv2.INTER_LINEAR)
    )
    moved = (end - start) / dense_flow.PER_MM
    columns, rows = landmarks.T
    expected = -4 * np.exp(-((columns - 150) ** 2 + (rows - 175) ** 2) / (2 * 15**2))
    assert abs(moved[:, 0]).max() < 0.3
    assert abs(moved[:, 1] - expected).max() < 0.5 and expected.min() < -3.5
    still = dense_flow.follow(image, landmarks, image)
    assert abs(still[1] - still[0]).max() < 0.01


def test_a_flow_is_searched_from_the_spline_of_landmarks(face):
    start = 3 * face[1]
    field = dense_flow.spline(start, start + np.array([6.0, -4.0]))
    near = dense_flow.at(field, start)
    assert abs(np.median(near, axis=0) - [6.0, -4.0]).max() < 0.5
    image, _ = dense_flow.bring(*face)
    again = dense_flow.flow(image, image, field)
    assert abs(dense_flow.at(again, start)).mean() < abs(near).mean()


def test_motion_found_of_motion_asked(face):
    before = np.stack([face[1]] * 3)
    moved = np.random.default_rng(1).normal(0, 5, before.shape)
    moved[:, [36, 39, 42, 45, 27, 28, 29]] = 0  # what aligns the faces
    asked = {"as asked": moved, "half": moved, "opposite": moved}
    found = {
        name: displacements(before, before + factor * moved)
        for name, factor in (("as asked", 1), ("half", 0.5), ("opposite", -1))
    }
    table = motion_found(found, asked)
    assert table.correlation.round(6).tolist() == [1, 1, -1]
    assert table.amplitude.round(6).tolist() == [1, 0.5, 1]
    assert table["outer lips"]["as asked"] == pytest.approx(0, abs=1e-9)
    off = np.linalg.norm(moved[:, 17:27], axis=-1)
    assert table.brows["half"] == pytest.approx(np.median(off) / 2)
