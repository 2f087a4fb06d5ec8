"""The rendered clips: the adapters of AFEW-VA and Aff-Wild read them, and nobody is known."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from support.database_chain import replace_detector
from support.database_layouts import write_database

from affect4d.config.synthesis import Settings
from affect4d.config.training import Settings as Training
from affect4d.gallery.synthetic.action_units import action_fields
from affect4d.gallery.synthetic.affect import ceiling
from affect4d.gallery.synthetic.identity import identity_modes
from affect4d.gallery.synthetic.model import Model
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.wild import clip_affect, film_clips
from affect4d.neutrals.candidates import Candidate
from affect4d.quarantine import BadInput, Quarantine
from affect4d.synthesis.imposed import Imposed
from affect4d.training import augmentation, prepare
from affect4d.training.face_set import FaceSet
from affect4d.training.faces import RENDERED_FOLDER, cut, find_frames, read_frames
from affect4d.training.folds import make_folds
from affect4d.training.sequences import windows
from affect4d.training.wild_layouts import WRITERS


@pytest.fixture(scope="module")
def model():
    face = Face()
    return Model(face.template, identity_modes(face), action_fields(face), [])


def film(model, clips=1):
    """Clips of eight frames of two people."""
    return list(film_clips(model, sizes=(2, clips, 8), seed=0))


def written(folder, clips, settings):
    """The frames of clips, written and read in the layout."""
    root = folder / RENDERED_FOLDER
    root.mkdir(parents=True)
    for clip in clips:
        WRITERS[settings.layout](root, clip)
    quarantine = Quarantine("test")
    frames = read_frames(find_frames(folder, settings, quarantine), 32, quarantine)
    assert not quarantine.rows
    return frames


def test_clips_are_read_as_afew_va_and_are_the_same_bytes_again(model, tmp_path):
    real, again = (written(tmp_path / name, film(model), Training()) for name in ("first", "again"))
    assert real.images.shape == (16, 32, 32, 3)
    assert set(real.table["subject"]) == {"wild_001", "wild_002"}
    assert real.table["clip"].nunique() == 2
    assert np.abs(real.labels).max() <= 1 and np.ptp(real.labels, axis=0).min() > 0.5
    np.testing.assert_array_equal(again.images, real.images)
    # frames of a clip differ less than clips do: one light, one person, one background
    clips = real.images.reshape(2, 8, -1).astype(float)
    assert clips.std(axis=1).mean() < np.abs(clips[0] - clips[1]).mean()


def test_clips_that_were_rendered_in_part_are_rendered_again(tmp_path, monkeypatch):
    rendered, first, other = [], Training(), Training(layout="aff_wild")

    def clips(model, *, sizes, seed):
        yield "first"
        if len(rendered) == 3:
            raise KeyboardInterrupt
        yield "second"

    monkeypatch.setattr(prepare, "read_model", lambda path: None)
    monkeypatch.setattr(prepare, "film_clips", clips)
    note = dict.fromkeys(WRITERS, lambda folder, clip: rendered.append(clip))
    monkeypatch.setattr(prepare, "WRITERS", note)
    prepare._render(tmp_path, tmp_path, first)
    prepare._render(tmp_path, tmp_path, first)
    assert rendered == ["first", "second"]
    with pytest.raises(KeyboardInterrupt):
        prepare._render(tmp_path, tmp_path, other)
    prepare._render(tmp_path, tmp_path, first)
    assert rendered[3:] == ["first", "second"]


def test_aff_wild_s_layout_gives_the_same_frames_and_a_person_s_videos_are_in_one_fold(
    model, tmp_path
):
    clips = film(model, clips=2)
    afew_va = written(tmp_path / "afew_va", clips, Training())
    aff_wild = written(tmp_path / "aff_wild", clips, Training(layout="aff_wild"))
    columns = ["subject", "clip", "frame"]
    pd.testing.assert_frame_equal(aff_wild.table[columns], afew_va.table[columns])
    # landmarks have three digits there, four here
    assert np.abs(aff_wild.images.astype(int) - afew_va.images).max() <= 1
    # tenths there, as annotated here
    assert np.abs(aff_wild.labels - afew_va.labels).max() <= 0.0501
    assert len(np.unique(aff_wild.labels)) > 25
    folds = make_folds(aff_wild.table, 2, seed=0)
    assert folds[["subject", "frames"]].to_numpy().tolist() == [["wild_001", 16], ["wild_002", 16]]
    for sequence in windows(aff_wild.table, 6):
        assert aff_wild.table["clip"].iloc[sequence[sequence >= 0]].nunique() == 1
    settings = Training(layout="aff_wild", every=3)
    frames = find_frames(tmp_path / "aff_wild", settings, Quarantine("test"))
    assert [frame.frame for frame in frames] == [0, 3, 6] * 4


def test_of_aff_wild2_every_frame_is_read_that_has_labels_and_a_crop(tmp_path, monkeypatch):
    replace_detector(monkeypatch.setattr)
    write_database("aff_wild2", tmp_path / "root")
    settings = Training(layout="aff_wild2", real=str(tmp_path / "root"))
    frames = read_frames(
        find_frames(tmp_path, settings, Quarantine("test")), 32, Quarantine("test")
    )
    by_track = frames.table.groupby("clip")["frame"].agg(list).to_dict()
    # crops count from 1 and some are missing; the labels of the last frame are -5
    usual, other = [0, 1, 2, 4], [0, 1, 2, 3]
    assert by_track == {"10-60-1280x720": usual, "video5": usual, "video5_right": other}
    assert frames.labels.min() == -0.5 and len(set(frames.table["subject"])) == 3


@pytest.mark.parametrize("length", [8, 12, 40])
def test_annotators_keep_up_with_the_faces_however_few_frames_there_are(length):
    """As in the gallery, a reader of the faces could reach a CCC of .8: labels are not noise."""
    clips = [clip_affect(n, length, np.random.default_rng(n)) for n in range(1, 61)]
    shown, noted = (np.concatenate(each) for each in zip(*clips, strict=True))
    assert ceiling(shown, noted).min() > 0.8


class Built:
    """In place of a build; it opens no photograph."""

    anatomy = object()
    opened: ClassVar[list] = []

    def __init__(self, results):
        pass

    def settings(self):
        return Settings(intensity=0.5)

    def open(self, photograph, landmarks, *, crop):
        self.opened.append((photograph, landmarks))
        raise ValueError("no face")


@pytest.fixture
def used(monkeypatch):
    """What an Augmenter asks of a build."""
    given = []
    imposed = [Imposed(0, -1, np.ones((4, 3), np.float32))]
    monkeypatch.setattr(augmentation, "Build", Built)
    monkeypatch.setattr(augmentation, "Atlas", lambda path: path)
    monkeypatch.setattr(augmentation, "deformations", lambda *of, **_: given.append(of) or imposed)
    monkeypatch.setattr(augmentation, "stack_deformations", lambda *of: given.append(of))
    return given


def test_classes_are_imposed_with_the_build_s_own_template_and_settings(used):
    augmentation.Augmenter(Path("results"), 8)
    assert used[0][2] is Built.anatomy and used[1][1] == 0.5


def test_a_frame_of_a_video_is_edited(used, model, tmp_path):
    settings = Training(layout="aff_wild")
    read = written(tmp_path, film(model), settings)
    frame = find_frames(tmp_path, settings, Quarantine("test"))[9]
    with pytest.raises(BadInput, match="no face"):
        augmentation.Augmenter(tmp_path, 32).edit(frame)
    np.testing.assert_array_equal(cut(*Built.opened[-1], 32), read.images[9])


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
