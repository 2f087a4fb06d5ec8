"""Landmarks that do not belong to their picture are found, those that do are not."""

import numpy as np
import pytest
from PIL import Image

from affect4d.config.neutrals import Database
from affect4d.fitting import landmark_evidence
from affect4d.fitting.landmark_evidence import describe_mismatch, gradient_evidence
from affect4d.formats.images import read_image
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import Quarantine
from affect4d.template.ibug68 import OUTER_EYE_CORNERS


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The photographs of package data: {subject: (image, landmarks)}."""
    found = find_candidates(
        "db",
        Database(adapter="embedded"),
        results=tmp_path_factory.mktemp("r"),
        quarantine=Quarantine("neutrals"),
    )
    return {c.subject_id: (read_image(c.path), c.read_landmarks()) for c in found}


@pytest.fixture(params=["detector", "gradient"])
def method(request, monkeypatch):
    """Either method; the detector only where it is installed."""
    if request.param == "gradient":
        monkeypatch.setattr(landmark_evidence, "has_detector", lambda: False)
    else:
        pytest.importorskip("mediapipe")
    return request.param


PEOPLE = ["einstein", "takeo", "breakingbad", "hopper"]


@pytest.mark.parametrize("person", PEOPLE)
def test_landmarks_of_their_picture_are_not_flagged(photographs, person, method):
    assert describe_mismatch(*photographs[person]) == ""


@pytest.mark.parametrize("person", PEOPLE)
def test_half_the_size_another_crop_and_another_picture_are_flagged(photographs, person, method):
    image, landmarks = photographs[person]
    right, left = landmarks[OUTER_EYE_CORNERS]
    size = np.linalg.norm(left - right)
    half = np.asarray(Image.fromarray(image).reduce(2))
    other = photographs[PEOPLE[PEOPLE.index(person) - 1]]
    for picture, points in (
        (image, landmarks / 2),
        (half, landmarks),
        (image, landmarks + 0.5 * size),
        (image[:, round(0.6 * size) :], landmarks),
        (other[0], landmarks),
    ):
        line = describe_mismatch(picture, points)
        assert "seem not to belong to the picture" in line and "mark them" in line


def test_a_picture_without_contrast_and_landmarks_beside_it_are_flagged(photographs, method):
    image, landmarks = photographs["takeo"]
    for picture, points in ((np.zeros_like(image), landmarks), (image, landmarks + 1e5)):
        assert describe_mismatch(picture, points)


def test_evidence_does_not_depend_on_size_or_brightness(photographs):
    image, landmarks = photographs["hopper"]
    expected = gradient_evidence(image, landmarks)
    larger = np.asarray(Image.fromarray(image).resize((image.shape[1] * 2, image.shape[0] * 2)))
    assert gradient_evidence(larger, landmarks * 2 + 0.5) == pytest.approx(expected, rel=0.1)
    dark = (image // 2).astype(np.uint8)
    assert gradient_evidence(dark, landmarks) == pytest.approx(expected, rel=0.15)
