"""The faces that the benchmark's second reader is given (benchmarks/second_reader.py)."""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import second_reader


def test_a_face_is_the_box_of_its_landmarks_padded_to_a_square():
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:220, 150:250] = 200  # the box of the landmarks, enlarged by a tenth on each side
    rng = np.random.default_rng(0)
    landmarks = rng.uniform([158.5, 110.5], [241.5, 209.5], (68, 2))
    landmarks[:2] = [[158.4, 110.1], [241.6, 209.9]]
    face = second_reader.cut(image, landmarks)
    assert face.shape == (112, 112, 3)
    width = round(112 * 100 / 120)
    left = (112 - width) // 2
    assert (face[:, left : left + width] == 200).all()
    assert not face[:, :left].any() and not face[:, left + width :].any()


def test_pictures_without_a_face_are_not_read(monkeypatch):
    face = second_reader.cut(np.zeros((9, 9, 3), np.uint8), np.full((68, 2), np.nan))
    assert face is None
    for away in ([-20, 2], [2, 20], [20, 2], [2, -20]):
        landmarks = np.random.default_rng(0).uniform(0, 5, (68, 2)) + away
        assert second_reader.cut(np.zeros((9, 9, 3), np.uint8), landmarks) is None
    monkeypatch.setattr(
        second_reader, "_run", lambda _, faces, shape: np.eye(*shape)[[6] * len(faces)]
    )
    whole = np.zeros((112, 112, 3), np.uint8)
    assert second_reader.read_expressions([None, whole]).tolist() == ["", "surprise"]


def test_agreement_shares_add_up():
    shares = second_reader.agreement(
        ["fear", "", "fear", "anger"], ["fear", "fear", "", ""], "fear"
    )
    assert list(shares.values()) == [0.25, 0.25, 0.25, 0.25]


@pytest.mark.skipif(
    "AFFECT4D_SECOND_READER" not in os.environ,
    reason="`make second-reader`, then set AFFECT4D_SECOND_READER to build/second_reader",
)
def test_the_networks_answer_for_every_face_in_order():
    drawn = np.full((112, 112, 3), 60, np.uint8)
    cv2.ellipse(drawn, (56, 56), (42, 52), 0, 0, 360, (214, 170, 140), -1)
    for x in (38, 74):
        cv2.ellipse(drawn, (x, 46), (9, 5), 0, 0, 360, (40, 30, 30), -1)
    cv2.ellipse(drawn, (56, 84), (18, 6), 0, 0, 360, (150, 40, 50), -1)
    faces = [drawn, None, np.roll(drawn, 8, axis=0)]
    marks = second_reader.find_landmarks(faces)
    assert np.isnan(marks[1]).all() and np.isfinite(marks[[0, 2]]).all()
    right, left, mouth = (
        marks[0, part].mean(axis=0) for part in np.split(np.r_[36:48, 48:68], [6, 12])
    )
    assert right[0] < left[0] and max(right[1], left[1]) < mouth[1]
    assert abs(marks[0] - marks[2]).max() > 1
    np.testing.assert_allclose(second_reader.find_landmarks(faces[::-1]), marks[::-1], atol=1e-4)
    read = second_reader.read_expressions(faces)
    assert read[1] == "" and set(read[[0, 2]]) <= set(second_reader.ORDER)
