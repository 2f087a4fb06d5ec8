"""Of whom the benchmark measures smiles (benchmarks/smile_skin.py)."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import smile_skin


def readings(*found):
    """Landmarks of so many pictures, NaN where none are found."""
    return SimpleNamespace(landmarks=np.where(np.array(found)[:, None, None], 1.0, np.nan))


def test_people_without_a_face_in_one_of_their_pictures_are_left_out(monkeypatch):
    people = SimpleNamespace(
        names=list("abcd"),
        neutral=readings(True, False, True, True),
        smiling=readings(True, True, False, True),
        photograph=lambda number, smiling=False: number,
    )
    made = []

    def make(number, blend, targets):
        made.append(number)
        return SimpleNamespace(images={"smile": number})

    monkeypatch.setattr(smile_skin, "read_faces", lambda images: readings(images[0] != 3))
    monkeypatch.setattr(smile_skin, "skin_motion", lambda neutral, other: other[0])
    real, ours = smile_skin.measure(people, SimpleNamespace(make=make), target=None)
    assert real == ours == [0] and made == [0, 3]
