"""The rendered stand-in for AFEW-VA: the database's own adapter reads it, and nobody is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affect4d.config.synthesis import Settings
from affect4d.gallery.synthetic.action_units import action_fields
from affect4d.gallery.synthetic.affect import ceiling
from affect4d.gallery.synthetic.identity import identity_modes
from affect4d.gallery.synthetic.model import Model
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.wild import clip_affect, write_wild
from affect4d.neutrals.candidates import Candidate
from affect4d.quarantine import BadInput, Quarantine
from affect4d.synthesis.imposed import Imposed
from affect4d.training import augmentation
from affect4d.training.face_set import FaceSet
from affect4d.training.faces import find_frames, read_frames


@pytest.fixture(scope="module")
def model():
    face = Face()
    return Model(face.template, identity_modes(face), action_fields(face), [])


def test_clips_are_read_as_afew_va_and_are_the_same_bytes_again(model, tmp_path):
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        write_wild(tmp_path / name, model, sizes=(2, 1, 8), seed=0)
    quarantine = Quarantine("test")
    real = read_frames(find_frames(tmp_path / "first", quarantine), 32, quarantine)
    again = read_frames(find_frames(tmp_path / "again", quarantine), 32, quarantine)
    assert not quarantine.rows
    assert real.images.shape == (16, 32, 32, 3)
    assert set(real.table["subject"]) == {"wild_001", "wild_002"}
    assert real.table["clip"].nunique() == 2
    assert np.abs(real.labels).max() <= 1 and np.ptp(real.labels, axis=0).min() > 0.5
    np.testing.assert_array_equal(again.images, real.images)
    # frames of a clip differ less than clips do: one light, one person, one background
    clips = real.images.reshape(2, 8, -1).astype(float)
    assert clips.std(axis=1).mean() < np.abs(clips[0] - clips[1]).mean()


@pytest.mark.parametrize("length", [8, 12, 40])
def test_annotators_keep_up_with_the_faces_however_few_frames_there_are(length):
    """As in the gallery, a reader of the faces could reach a CCC of .8: labels are not noise."""
    clips = [clip_affect(n, length, np.random.default_rng(n)) for n in range(1, 61)]
    shown, noted = (np.concatenate(each) for each in zip(*clips, strict=True))
    assert ceiling(shown, noted).min() > 0.8


def test_classes_are_imposed_with_the_build_s_own_template_and_settings(monkeypatch):
    class Built:
        anatomy = object()

        def __init__(self, results):
            pass

        def settings(self):
            return Settings(intensity=0.5)

    used = []
    imposed = [Imposed(0, -1, np.ones((4, 3), np.float32))]
    monkeypatch.setattr(augmentation, "Build", Built)
    monkeypatch.setattr(augmentation, "Atlas", lambda path: path)
    monkeypatch.setattr(
        augmentation, "deformations", lambda *given, **_: used.append(given) or imposed
    )
    monkeypatch.setattr(augmentation, "stack_deformations", lambda *given: used.append(given))
    augmentation.Augmenter(Path("results"), 8)
    assert used[0][2] is Built.anatomy and used[1][1] == 0.5


def test_each_persons_frame_nearest_to_neutral_is_edited(monkeypatch):
    edited = []

    class Editor:
        def __init__(self, results, size):
            pass

        def edit(self, frame):
            edited.append(frame.image_id)
            if frame.subject_id == "c":
                raise BadInput(frame.path, "cannot be fitted", "nothing")
            table = pd.DataFrame({"image_id": [f"real-{frame.image_id}-v"], "subject": ["x"]})
            return FaceSet(np.zeros((1, 8, 8, 3), np.uint8), table)

    monkeypatch.setattr(augmentation, "Augmenter", Editor)
    labels = {"a1": (0.4, 0), "a2": (0.1, -0.1), "b1": (-0.9, 0.9), "c1": (0, 0)}
    frames = [
        Candidate("real", name[0], name, Path(name), name, 0, False, "", None, "", *label)
        for name, label in labels.items()
    ]
    quarantine = Quarantine("test")
    added = augmentation.augment(frames, Path(), 8, quarantine=quarantine)
    assert edited == ["a2", "b1", "c1"] and [row.item for row in quarantine.rows] == ["c1"]
    assert added.table["image_id"].tolist() == ["real-a2-v", "real-b1-v"]
