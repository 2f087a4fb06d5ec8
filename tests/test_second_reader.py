"""The faces that the benchmark's second reader is given (benchmarks/second_reader.py)."""

import sys
from pathlib import Path

import numpy as np

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
    monkeypatch.setattr(second_reader, "_probabilities", lambda faces: np.eye(7)[[6] * len(faces)])
    whole = np.zeros((112, 112, 3), np.uint8)
    assert second_reader.read_expressions([None, whole]).tolist() == ["", "surprise"]


def test_agreement_shares_add_up():
    shares = second_reader.agreement(
        ["fear", "", "fear", "anger"], ["fear", "fear", "", ""], "fear"
    )
    assert list(shares.values()) == [0.25, 0.25, 0.25, 0.25]
