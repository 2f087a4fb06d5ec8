"""Neutral faces: what adapters find in tiny databases, what is refused and in which words."""

import json
import os
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError
from support.contexts import context
from support.hostile_images import encoded, random_damage, random_exif, with_exif
from support.mesh_files import tem_text

from affect4d import store
from affect4d.config import document
from affect4d.config.neutrals import Database, Settings
from affect4d.config.project import ConfigError, load, schema
from affect4d.fitting import landmark_evidence
from affect4d.formats.images import encode_jpeg, encode_png, read_image
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.neutrals import databases, landmarks, loading
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.candidates import (
    COLUMNS,
    distinct,
    make_image_id,
    normalise,
    short_digest,
)
from affect4d.neutrals.databases.registry import adapter_names, layout_file, load_adapter
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.selection import UNUSABLE, Quota, select
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store.protocol import LIST
from affect4d.template.ibug68 import BROWS, EYES

LONDON = Path(os.environ.get("AFFECT4D_LONDON", Path(__file__).parents[2] / "shared/data/london"))
POINTS = np.stack([np.linspace(10, 50, 68), np.linspace(12, 40, 68)], axis=1)
PICTURE = np.full((60, 64, 3), 90, np.uint8)


def photograph(folder, name, points=POINTS, data=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = encode_png if path.suffix == ".png" else encode_jpeg
    path.write_bytes(encode(PICTURE) if data is None else data)
    if points is not None:
        write_pts(path.with_suffix(".pts"), points)
    return path


def a_frame(valence=0, arousal=0, points=POINTS):
    marks = np.asarray(points).tolist()
    return {"valence": valence, "arousal": arousal, "landmarks": marks}


def a_clip(root, name, frames, actor="Jane Doe", suffix=".png", clip=None):
    """One AFEW-VA clip: JSON and images."""
    folder = root / name
    folder.mkdir(parents=True)
    clip = clip or folder.name[:3]
    content = {"actor": actor, "video_id": clip, "frames": frames}
    (folder / f"{clip}.json").write_text(json.dumps(content))
    for frame in frames:
        if frame.isdecimal() and len(frame) < 200:
            photograph(folder, f"{frame}{suffix}", None)
    return folder


def find(root, adapter, layout=None, name="db"):
    quarantine = Quarantine("neutrals")
    database = Database(adapter=adapter, root=str(root), layout=layout)
    return find_candidates(name, database, results=root, quarantine=quarantine), quarantine.rows


def build(results, database, strict=False, **settings):
    """Build a database called db; gives accepted.csv and the quarantine's rows."""
    here = context(results, "neutrals", strict=strict, item="db")
    build_neutrals("db", Settings(databases={"db": database}, **settings), here)
    folder = results / "neutrals" / "db"
    rows = pd.read_csv(folder / "quarantine.csv")
    assert len(rows) == len(here.quarantine.rows)
    assert store.verify(folder / "neutrals.manifest.json") == []
    return pd.read_csv(folder / "accepted.csv"), rows


class TestFolder:
    def test_every_photograph_is_neutral_and_a_subject(self, tmp_path):
        photograph(tmp_path, "Anna.png")
        photograph(tmp_path, "sub/Béla 2.jpg")
        found, rows = find(tmp_path, "folder")
        assert [c.image_id for c in found] == ["db_Anna", "db_sub-B-la-2"]
        assert [c.subject_id for c in found] == ["anna", "sub_bela_2"]
        assert {c.evidence for c in found} == {"only neutral faces in this set"}
        assert rows == []

    def test_points_count_from_one(self, tmp_path):
        path = photograph(tmp_path, "a.png")
        first = path.with_suffix(".pts").read_text().splitlines()[3].split()
        assert [float(value) for value in first] == [11.0, 13.0]
        found, _ = find(tmp_path, "folder")
        np.testing.assert_allclose(found[0].read_landmarks(), POINTS, atol=1e-3)

    def test_ljson_is_read_too(self, tmp_path):
        photograph(tmp_path, "a.png", None)
        points = {"points": POINTS[:, ::-1].tolist()}
        (tmp_path / "a.ljson").write_text(json.dumps({"landmarks": points, "version": 1}))
        found, _ = find(tmp_path, "folder")
        np.testing.assert_allclose(found[0].read_landmarks(), POINTS)

    def test_subjects_come_from_the_table(self, tmp_path):
        photograph(tmp_path, "a.png")
        photograph(tmp_path, "b.png")
        text = "image,subject\na.png,José Núñez\nb.png,JOSE  NUNEZ\n../c.png,x\nb.png,\n"
        (tmp_path / "subjects.csv").write_text(text)
        found, rows = find(tmp_path, "folder")
        assert [c.subject_id for c in found] == ["jose_nunez", "jose_nunez"]
        assert [row.item for row in rows] == ["subjects.csv:4", "subjects.csv:5"]
        assert "'../c.png'" in rows[0].rule
        assert "empty" in rows[1].rule

    @pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
    def test_a_table_of_any_editor(self, tmp_path, start, end):
        photograph(tmp_path, "Béla/1.jpg")
        photograph(tmp_path, unicodedata.normalize("NFD", "Béla/2.jpg"))
        text = end.join(["image,subject", "Béla/1.jpg,Béla", '"Béla/2.jpg",BÉLA', ""])
        (tmp_path / "subjects.csv").write_bytes(start + text.encode())
        found, rows = find(tmp_path, "folder")
        assert [c.subject_id for c in found] == ["bela", "bela"]
        assert len({c.image_id for c in found}) == 2
        assert rows == []

    @pytest.mark.parametrize(
        "content",
        [
            "image,subject\na.png,Béla\n".encode("latin-1"),
            b"image,subject\na.png," + b"x" * 200_000,
            b"image,subject\n\xff\xfe,x\n",
            None,
        ],
    )
    def test_a_table_that_cannot_be_read_is_one_line(self, tmp_path, content):
        photograph(tmp_path, "a.png")
        if content is None:
            (tmp_path / "subjects.csv").symlink_to("subjects.csv")
        else:
            (tmp_path / "subjects.csv").write_bytes(content)
        with pytest.raises(BadInput, match=r"subjects\.csv"):
            find(tmp_path, "folder")

    @pytest.mark.parametrize(
        "names",
        [
            ["anna/neutral.jpg", "bert/neutral.jpg", "carl/neutral.jpg"],
            ["Anna.jpg", "anna.jpg", "ANNA.jpg"],
            ["a b.jpg", "a_b.jpg", "a/b.jpg"],
            ["Анна.jpg", "Иван.jpg", "花子.jpg"],
            ["Анна/1.jpg", "Иван/1.jpg", "花子/1.jpg"],
            ["---.jpg", "___.jpg", "(-).jpg"],
            ["x" * 120 + f"{number}.jpg" for number in range(3)],
        ],
    )
    def test_every_file_is_a_person_of_its_own(self, tmp_path, names):
        for name in names:
            photograph(tmp_path / "root", name)
        accepted, rows = build(tmp_path, Database(adapter="folder", root=str(tmp_path / "root")))
        assert accepted["subject"].nunique() == 3
        assert accepted["image_id"].str.fullmatch(r"[A-Za-z0-9.+_-]{4,100}").all()
        assert accepted["subject"].str.fullmatch(r"[a-z0-9_-]+").all()
        assert len(rows) == 0

    @pytest.mark.parametrize(
        ("form", "name"), [("NFC", "Анна/Ёлка.jpg"), ("NFD", "José/Núñez.jpg"), ("NFD", "が.jpg")]
    )
    def test_names_are_kept_as_they_are_written(self, tmp_path, form, name):
        photograph(tmp_path / "root", unicodedata.normalize(form, name))
        photograph(tmp_path / "root", "b.png")
        (tmp_path / "root/subjects.csv").write_text("image,subject\nb.png, 花子 \n", "utf-8")
        accepted, _ = build(tmp_path, Database(adapter="folder", root=str(tmp_path / "root")))
        whole = unicodedata.normalize("NFC", name.removesuffix(".jpg"))
        assert set(accepted["subject_name"]) == {whole, "花子"}
        table = pd.read_parquet(tmp_path / "neutrals/db/candidates.parquet")
        assert set(table["subject_name"]) == {whole, "花子"}
        assert table["subject_id"].str.fullmatch("[a-z0-9_-]+").all()

    def test_no_two_names_share_an_id(self):
        names = ["a b", "a_b", f"a_b-{short_digest('a b')}", f"a_b-{short_digest('a_b')}", "A b"]
        names += [f"{first}{second}" for first in "ЖДЛ花子李" for second in "あいう. -"]
        ids = distinct(names, lambda name: normalise(name) or "id")
        assert len(set(ids.values())) == len(names)

    def test_limits_are_settings(self, tmp_path):
        root = tmp_path / "root"
        for name in ("large.png", "wide.png", "heavy.png", "good.png"):
            photograph(root, name)
        (root / "wide.png").write_bytes(encode_png(np.zeros((9, 65, 3), np.uint8)))
        (root / "heavy.pts").write_text("version: 1\n" + " " * (1 << 20))
        with pytest.raises(ValidationError):
            Settings(limits={"image_side": 32_768})
        limits = {"image_pixels": 64 * 60, "image_side": 64, "side_file_mb": 1}
        (root / "large.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8)))
        database = Database(adapter="folder", root=str(root))
        accepted, rows = build(tmp_path, database, limits=limits)
        assert list(accepted["image_id"]) == ["db_good"] and len(rows) == 3
        text = " ".join(rows["rule"])
        assert "65 x 9" in text and "64 x 64" in text and "1 MB of a landmark file" in text

    def test_transparent_and_foreign_is_noted(self, tmp_path, caplog):
        clear = np.dstack([PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
        photograph(tmp_path / "root", "a.png", data=encoded(Image.fromarray(clear), "PNG"))
        accepted, _ = build(tmp_path, Database(adapter="folder", root=str(tmp_path / "root")))
        note = accepted["notes"][0]
        assert "100.00% of the pixels are transparent" in note
        assert "seem not to belong to the picture" in note
        assert note in caplog.text

    def test_a_person_named_by_a_pattern_is_the_same_in_any_folder(self, tmp_path):
        for name in ("part1/12a.jpg", "part2/12b.jpg"):
            photograph(tmp_path, name)
        found, _ = find(tmp_path, "folder", "fei")
        assert [c.subject_id for c in found] == ["12", "12"]

    def test_what_is_no_photograph_is_one_row_each(self, tmp_path):
        good = photograph(tmp_path / "root", "good.png")
        root = good.parent
        os.mkfifo(root / "pipe.png")
        (root / "folder.png").mkdir()
        (root / "loop.png").symlink_to("loop.png")
        (root / "gone.png").symlink_to("absent.png")
        (root / "device.png").symlink_to("/dev/zero")
        photograph(root, "x" * 251 + ".png", None)  # no landmark file can have a longer name
        odd = root / os.fsdecode(b"\xff.png")
        odd.write_bytes(good.read_bytes())
        write_pts(odd.with_suffix(".pts"), POINTS)
        accepted, rows = build(tmp_path, Database(adapter="folder", root=str(root)))
        assert list(accepted["image_id"]) == ["db_good"]
        assert len(rows) == 7
        assert rows["remedy"].notna().all()

    def test_a_table_of_other_columns_is_refused(self, tmp_path):
        photograph(tmp_path, "a.png")
        (tmp_path / "subjects.csv").write_text("file,who\na.png,x\n")
        with pytest.raises(BadInput, match="lacks the columns image, subject"):
            find(tmp_path, "folder")

    def test_a_table_with_a_byte_order_mark_is_read(self, tmp_path):
        photograph(tmp_path, "a.png")
        (tmp_path / "subjects.csv").write_text("image,subject\na.png,Anna\n", encoding="utf-8-sig")
        found, rows = find(tmp_path, "folder")
        assert [c.subject_id for c in found] == ["anna"] and not rows

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            ("image,subject\na.png,José\n".encode("latin-1"), "is not utf-8-sig text"),
            (b"image,subject\na.png," + b"x" * 200_000 + b"\n", "field larger than"),
            ("image,subject\n".encode("utf-16"), "is not utf-8-sig text"),
        ],
    )
    def test_a_table_that_cannot_be_read_is_refused(self, tmp_path, content, rule):
        photograph(tmp_path, "a.png")
        (tmp_path / "subjects.csv").write_bytes(content)
        with pytest.raises(BadInput, match=rule):
            find(tmp_path, "folder")

    def test_a_short_row_names_no_subject(self, tmp_path):
        photograph(tmp_path, "a.png")
        (tmp_path / "subjects.csv").write_text("image,subject\na.png\n")
        found, rows = find(tmp_path, "folder")
        assert [c.subject_id for c in found] == ["a"] and "empty" in rows[0].rule

    def test_people_whose_names_leave_nothing_are_not_one_person(self, tmp_path):
        for name in ("李.png", "王.png", "anna.png"):
            photograph(tmp_path, name)
        found, rows = find(tmp_path, "folder")
        people = {c.source: c.subject_id for c in found}
        assert people["anna.png"] == "anna" and people["李.png"] == normalise("李")
        assert len(set(people.values())) == 3 and rows == []

    def test_codes_in_the_name(self, tmp_path):
        for name in ("12a.jpg", "12b.jpg", "thumbs.jpg"):
            photograph(tmp_path, name)
        found, rows = find(tmp_path, "folder", "fei")
        assert [(c.subject_id, c.expression, c.is_neutral) for c in found] == [
            ("12", "a", True),
            ("12", "b", False),
        ]
        assert [row.item for row in rows] == ["db_thumbs"]

    def test_the_london_set_is_read_as_published(self, tmp_path):
        marks = np.random.default_rng(1).uniform(5, 55, (189, 2))
        for name in ("neutral_front/001_03.jpg", "smiling_front/001_08.jpg"):
            photograph(tmp_path, name, None).with_suffix(".tem").write_text(tem_text(marks))
        for name in ("._001_03.jpg", "._001_03.tem"):  # macOS's own, beside each file
            (tmp_path / "neutral_front" / name).write_bytes(b"\0\5\x16\7")
        (tmp_path / "london_faces_info.csv").write_text("face_id,face_age\n001,24\n")
        found, rows = find(tmp_path, "london")
        assert not rows
        assert [(c.subject_id, c.expression, c.is_neutral) for c in found] == [
            ("001", "03", True),
            ("001", "08", False),
        ]
        np.testing.assert_allclose(found[0].read_landmarks()[[36, 8]], marks[[18, 129]])

    @pytest.mark.skipif(not LONDON.is_dir(), reason="AFFECT4D_LONDON names no folder")
    def test_the_london_set_itself(self):
        found, _ = find(LONDON, "london")
        assert found and all(c.is_neutral == (c.path.parent.name == "neutral_front") for c in found)
        points = np.array([c.read_landmarks() for c in found if c.is_neutral])
        eyes = np.linalg.norm(points[:, 45] - points[:, 36], axis=1)
        # upright faces: brows above eyes above nostrils above lips above the chin
        heights = [points[:, rows, 1].mean(1) for rows in (BROWS, EYES, [33], [51], [57], [8])]
        assert (np.diff(heights, axis=0) > 0.1 * eyes).all()

    def test_a_photograph_without_landmarks(self, tmp_path, monkeypatch):
        monkeypatch.setattr(landmarks, "can_detect", lambda: False)
        photograph(tmp_path, "a.png", None)
        found, rows = find(tmp_path, "folder")
        assert found == []
        assert "no landmark file" in rows[0].rule

    def test_a_detector_finds_the_landmarks_that_nobody_marked(self, tmp_path, monkeypatch):
        monkeypatch.setattr(landmarks, "can_detect", lambda: True)
        seen = []
        monkeypatch.setattr(
            loading, "detect_faces", lambda image, name: seen.append(name) or [POINTS]
        )
        root = tmp_path / "root"
        photograph(root, "a.png", None)
        photograph(root, "b.png", POINTS + 2)
        accepted, rows = build(tmp_path, Database(adapter="folder", root=str(root)))
        table = pd.read_parquet(tmp_path / "neutrals/db/candidates.parquet")
        assert list(table["landmarks_by"]) == ["detector", "user"] and len(rows) == 0
        assert seen == [root / "a.png"]
        for path, points in zip(accepted["landmarks"], (POINTS, POINTS + 2), strict=True):
            np.testing.assert_allclose(read_landmarks(tmp_path / path), points, atol=1e-3)

    def test_a_link_out_of_the_folder(self, tmp_path):
        outside = photograph(tmp_path / "outside", "a.png")
        root = tmp_path / "root"
        root.mkdir()
        (root / "a.png").symlink_to(outside)
        found, rows = find(root, "folder")
        assert found == []
        assert "leads out of" in rows[0].rule

    def test_two_files_of_one_id(self, tmp_path):
        photograph(tmp_path, "a.jpg")
        photograph(tmp_path, "a.png")
        found, rows = find(tmp_path, "folder")
        assert len(found) == 1
        assert "same image_id db_a" in rows[0].rule

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(BadInput, match="no such folder"):
            find(tmp_path / "absent", "folder")


class TestAfewVa:
    def test_neutral_frames_by_annotation(self, tmp_path):
        frames = {"00000": a_frame(), "00001": a_frame(5, -10), "00002": a_frame(0, 1)}
        a_clip(tmp_path, "001", frames)
        found, rows = find(tmp_path, "afew_va")
        assert [c.image_id for c in found] == ["db_001_00000", "db_001_00001", "db_001_00002"]
        assert [c.is_neutral for c in found] == [True, False, False]
        assert (found[1].valence, found[1].arousal) == (0.5, -1.0)
        assert found[0].evidence == "valence = arousal = 0"
        assert {c.subject_id for c in found} == {"jane_doe"}
        np.testing.assert_allclose(found[0].read_landmarks(), POINTS)
        assert rows == []

    @pytest.mark.parametrize(
        ("name", "suffix"),
        [("001", ".png"), ("001", ".jpg"), ("01/001", ".png"), ("12/001_cropped", ".jpg")],
    )
    def test_repackaged_layouts(self, tmp_path, name, suffix):
        a_clip(tmp_path, name, {"00000": a_frame()}, suffix=suffix)
        found, rows = find(tmp_path, "afew_va")
        assert [c.image_id for c in found] == ["db_001_00000"]
        assert found[0].source == f"{name}/00000{suffix}"
        assert rows == []

    def test_points_in_files_beside_the_frames(self, tmp_path):
        folder = a_clip(tmp_path, "001", {"00000": {"valence": 0, "arousal": 0}})
        write_pts(folder / "00000.pts", POINTS)
        found, _ = find(tmp_path, "afew_va")
        np.testing.assert_allclose(found[0].read_landmarks(), POINTS, atol=1e-3)

    def test_an_actor_is_one_subject_whatever_the_spelling(self, tmp_path):
        a_clip(tmp_path, "001", {"00000": a_frame()}, actor="  jane DOE ")
        a_clip(tmp_path, "002", {"00000": a_frame()}, actor="Jane_Doe")
        found, _ = find(tmp_path, "afew_va")
        assert {c.subject_id for c in found} == {"jane_doe"}

    @pytest.mark.parametrize(
        ("frame", "content", "rule"),
        [
            ("00000", a_frame(valence=14), r"valence 14 lies outside \[-10, 10\]"),
            ("00000", a_frame(arousal=float("nan")), "arousal nan lies outside"),
            ("00000", a_frame(valence="3"), "valence is '3'"),
            ("00000", {"arousal": 0, "landmarks": POINTS.tolist()}, "valence is None"),
            ("00000", a_frame(points=POINTS[:67]), r"found \(67, 2\)"),
            ("00000", a_frame() | {"landmarks": None}, "expected 68 points"),
            ("00000", a_frame() | {"landmarks": [[1, 2], [3]]}, "landmarks are not numbers"),
            ("00000", [], "holds no annotation"),
            ("../../secret", a_frame(), "must stay under"),
            ("/etc/passwd", a_frame(), "must stay under"),
            ("frame", a_frame(), "name is not a number"),
            ("1" * 30, a_frame(), "name is not a number"),
            ("1" * 300, a_frame(), "name is not a number"),
            ("\ud800", a_frame(), "no file has such a name"),
            ("00000", a_frame(valence=10**4000), "lies outside"),
            ("00000", a_frame() | {"landmarks": [[10**400, 1]] * 68}, "landmarks are not numbers"),
        ],
    )
    def test_a_bad_frame_goes_and_the_others_stay(self, tmp_path, frame, content, rule):
        a_clip(tmp_path, "001", {frame: content, "00007": a_frame()})
        found, rows = find(tmp_path, "afew_va")
        assert [c.frame for c in found] == [7]
        assert len(rows) == 1
        assert pd.Series([rows[0].rule]).str.contains(rule).all()
        assert rows[0].remedy

    def test_a_frame_without_image(self, tmp_path):
        folder = a_clip(tmp_path, "001", {"00000": a_frame()})
        (folder / "00000.png").unlink()
        found, rows = find(tmp_path, "afew_va")
        assert found == []
        assert rows[0].rule == "the frame has no image"

    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            (None, "the clip has no annotation"),
            ("{", "cannot be read as JSON"),
            ("[1]", "holds no `frames`"),
            ('{"frames": {}, "actor": ""}', "names no `actor`"),
            ('{"frames":' * 100_000, "cannot be read as JSON"),
            ('{"actor": "x", "frames": {"00000": {"valence": ' + "1" * 5000, "as JSON"),
        ],
    )
    def test_a_bad_clip_goes_and_the_others_stay(self, tmp_path, text, rule):
        a_clip(tmp_path, "002", {"00000": a_frame()})
        (tmp_path / "001").mkdir()
        if text is not None:
            (tmp_path / "001" / "001.json").write_text(text)
        found, rows = find(tmp_path, "afew_va")
        assert len(found) == 1
        assert rule in rows[0].rule

    def test_a_clip_in_two_folders_is_a_duplicate(self, tmp_path):
        a_clip(tmp_path, "001", {"00000": a_frame()})
        a_clip(tmp_path, "01/001", {"00000": a_frame()})
        found, rows = find(tmp_path, "afew_va")
        assert len(found) == 1
        assert "same image_id" in rows[0].rule


class TestSelection:
    def candidates(self, tmp_path, actors, frames=9):
        for k, actor in enumerate(actors, 1):
            clip = {f"{f:05d}": a_frame() for f in range(frames)}
            a_clip(tmp_path, f"{k:03d}", clip, actor=actor)
        return find(tmp_path, "afew_va")[0]

    def test_frames_are_spread_in_time(self, tmp_path):
        found = self.candidates(tmp_path, ["a"])
        chosen = select(found, lambda candidate: True, Quota(3, 10))
        assert [candidate.frame for candidate, _ in chosen.accepted] == [1, 4, 7]

    def test_the_neighbour_replaces_a_bad_frame(self, tmp_path):
        found = self.candidates(tmp_path, ["a"])
        chosen = select(
            found, lambda candidate: None if candidate.frame == 4 else True, Quota(1, 10)
        )
        assert [candidate.frame for candidate, _ in chosen.accepted] == [3]

    def test_people_take_turns_up_to_the_limit(self, tmp_path):
        found = self.candidates(tmp_path, ["a", "b", "c"])
        chosen = select(found, lambda candidate: True, Quota(2, 4))
        assert [candidate.subject_id for candidate, _ in chosen.accepted] == ["a", "a", "b", "c"]

    def test_the_order_of_candidates_does_not_matter(self, tmp_path):
        found = self.candidates(tmp_path, ["a", "b"])
        one, other = (select(c, lambda candidate: True, Quota(2, 3)) for c in (found, found[::-1]))
        assert [c.image_id for c, _ in one.accepted] == [c.image_id for c, _ in other.accepted]
        assert one.reasons == other.reasons

    def test_frames_of_a_clip_lie_apart(self, tmp_path):
        found = self.candidates(tmp_path, ["a"])
        chosen = select(found, lambda candidate: True, Quota(3, 10, min_spacing=4))
        assert [candidate.frame for candidate, _ in chosen.accepted] == [1, 5]
        assert chosen.reasons["db_001_00004"] == "3 frames from db_001_00001, which is used"

    def test_frames_of_a_clip_that_show_the_same_are_one(self, tmp_path):
        found = self.candidates(tmp_path, ["a", "a"])
        quota = Quota(4, 10, are_alike=lambda one, other: abs(one - other) < 6)
        chosen = select(found, lambda candidate: candidate.frame, quota)
        frames = [(candidate.clip[-3:], candidate.frame) for candidate, _ in chosen.accepted]
        assert frames == [("001", 2), ("001", 8), ("002", 2), ("002", 8)]
        assert "shows the same as db_001_00002" in chosen.reasons["db_001_00007"]

    def test_every_candidate_is_used_or_has_a_reason(self, tmp_path):
        found = self.candidates(tmp_path, ["a", "b"], frames=3)
        found.append(replace(found[0], image_id="smiles", is_neutral=False, evidence="code b"))
        found.append(replace(found[0], image_id="turned", unwanted="view 90L is none of 00F"))
        chosen = select(found, lambda candidate: candidate.frame != 1 or None, Quota(1, 1))
        used = {candidate.image_id for candidate, _ in chosen.accepted}
        assert used.isdisjoint(chosen.reasons) and all(chosen.reasons.values())
        assert used | chosen.reasons.keys() == {candidate.image_id for candidate in found}
        assert chosen.reasons["smiles"] == "not neutral: code b"
        assert chosen.reasons["turned"] == "view 90L is none of 00F"
        assert chosen.reasons["db_001_00001"] == UNUSABLE
        assert chosen.reasons["db_001_00002"] == "the person has enough images"


class TestBuild:
    def test_embedded_photographs(self, tmp_path):
        accepted, rows = build(tmp_path, Database(adapter="embedded"))
        assert list(accepted["subject"]) == ["breakingbad", "einstein", "hopper", "takeo"]
        assert len(rows) == 0
        table = pd.read_parquet(tmp_path / "neutrals" / "db" / "candidates.parquet")
        assert list(table.columns) == [*COLUMNS, "accepted", "reason"]
        rejected = table[~table["accepted"]]
        assert list(rejected["reason"]) == ["not neutral: smiles with teeth"]
        assert set(table["landmarks_by"]) == {"database"}
        assert list(rejected["evidence"]) == ["smiles with teeth"]
        for row in accepted.itertuples():
            image = read_image(tmp_path / row.path)
            points = read_landmarks(tmp_path / row.landmarks)
            assert (points > 0).all()
            assert (points < [image.shape[1], image.shape[0]]).all()

    def test_bad_photographs_are_named_and_the_others_are_built(self, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "good.png")
        photograph(root, "cut.jpg", data=encode_jpeg(PICTURE)[:300])
        photograph(root, "text.png", data=b"no picture")
        photograph(root, "few.png", POINTS[:67])
        photograph(root, "far.png", POINTS * 100)
        accepted, rows = build(tmp_path, Database(adapter="folder", root=str(root)))
        assert list(accepted["image_id"]) == ["db_good"]
        rules = dict(zip(rows["item"], rows["rule"], strict=True))
        assert "cannot be read as an image" in rules["db_cut"]
        assert "cannot be read as an image" in rules["db_text"]
        assert "67" in rules["db_few"]
        assert "far outside the image" in rules["db_far"]
        assert rows["remedy"].notna().all()

    def test_hostile_photographs_take_no_neighbour_along(self, tmp_path, monkeypatch):
        # a detector would search a picture without a face at every scale and rotation
        monkeypatch.setattr(landmark_evidence, "has_detector", lambda: False)
        rng = np.random.default_rng(19)
        root = tmp_path / "photographs"
        good = ["a.jpg", "m.png", "z.jpg"]
        for name in good:
            photograph(root, name)
        for number in range(100):
            content = with_exif(encode_jpeg(PICTURE), random_exif(rng))
            if number % 2:
                content = random_damage(rng, content)
            photograph(root, f"n{number:03d}.jpg", data=content)
        database = Database(adapter="folder", root=str(root))
        accepted, rows = build(tmp_path, database, max_images=200)
        assert {"db_a", "db_m", "db_z"} <= set(accepted["image_id"])
        assert len(accepted) + len(rows) == 103
        assert len(accepted) >= 53  # bad metadata alone refuse none
        assert len(rows) > 0 and rows["remedy"].notna().all()

    def test_strict_stops_at_the_first(self, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "text.png", data=b"no picture")
        with pytest.raises(BadInput, match="cannot be read as an image"):
            build(tmp_path, Database(adapter="folder", root=str(root)), strict=True)

    def test_a_database_that_the_build_makes(self, tmp_path):
        a_clip(tmp_path / "gallery" / "portraits", "001", {"00000": a_frame()})
        database = Database(adapter="afew_va", root="{results}/gallery/portraits")
        accepted, _ = build(tmp_path, database)
        assert list(accepted["path"]) == ["neutrals/db/images/db_001_00000.png"]
        table = pd.read_parquet(tmp_path / "neutrals" / "db" / "candidates.parquet")
        assert list(table["path"]) == ["gallery/portraits/001/00000.png"]

    def test_builds_are_identical_and_leave_no_old_files(self, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "a.png")
        stale = photograph(root, "b.png")
        database = Database(adapter="folder", root=str(root))
        results = [tmp_path / name for name in ("one", "other")]
        build(results[0], database)
        stale.unlink()
        for folder in results:
            build(folder, database)
        files = [
            {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
            for folder in results
        ]
        assert files[0] == files[1]
        assert len(files[0].keys() - {Path("neutrals/db/images", LIST)}) == 6

    def test_a_folder_without_a_usable_image_stops_with_one_line(self, tmp_path):
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos/notes.txt").touch()
        database = Database(adapter="folder", root=str(tmp_path / "photos"))
        with pytest.raises(BadInput, match="no image of the database db can be used"):
            build(tmp_path, database)

    def test_nothing_neutral_gives_empty_tables(self, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1b.jpg")
        accepted, _ = build(tmp_path, Database(adapter="folder", root=str(root), layout="fei"))
        assert len(accepted) == 0


def test_names_are_safe():
    assert normalise("  Çelik,  ÖMER ") == "celik_omer"
    assert make_image_id("db", "../a b") == "db_..-a-b"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("clip: '('\n", "clip"),
        ("clip: [\n", "not YAML"),
        ("colour: red\n", "afew_va.yaml"),
    ],
)
def test_a_broken_layout_file(tmp_path, text, rule):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=rule):
        find(tmp_path, "afew_va", str(path))


def test_an_unknown_layout_names_the_known(tmp_path):
    with pytest.raises(ValidationError, match=r"known here: .*afew_va, .*fei, .*folder"):
        find(tmp_path, "folder", "xm2vts")


def test_settings_refuse_a_folder_without_root():
    with pytest.raises(ValidationError, match="`root` is needed"):
        Database(adapter="folder")
    with pytest.raises(ValidationError):
        Settings(databases={"Bad Name": Database(adapter="embedded")})
    with pytest.raises(ValidationError, match="`root` is not used"):
        Database(adapter="embedded", root="photographs")


TOY = """
import json

from affect4d.neutrals.candidates import Candidate, make_image_id, normalise
from affect4d.neutrals.databases.layout import Layout
from affect4d.neutrals.databases.registry import Adapter, Source


class ToyLayout(Layout):
    index: str


def find_toy(source: Source[ToyLayout]) -> list[Candidate]:
    people = json.loads((source.root / source.layout.index).read_text())
    return [
        Candidate(
            database=source.name,
            subject_id=normalise(person),
            image_id=make_image_id(source.name, person),
            path=source.root / image,
            source=image,
            frame=0,
            is_neutral=True,
            evidence="listed in the index",
            landmarks_path=(source.root / image).with_suffix(".pts"),
        )
        for person, image in people.items()
    ]


ADAPTER = Adapter(ToyLayout, find_toy)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An adapter of one module and one layout file, found as those of the package are."""
    folder = tmp_path / "adapters"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    (folder / "toy.yaml").write_text("index: people.json\n")
    monkeypatch.setattr(databases, "__path__", [*databases.__path__, str(folder)])
    yield "toy"
    sys.modules.pop(f"{databases.__name__}.toy", None)


class TestRegistry:
    def test_a_module_and_a_layout_file_are_an_adapter(self, toy, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1.png")
        photograph(root, "2.png")
        (root / "people.json").write_text('{"Anna": "1.png", "Béla": "2.png"}')
        project = load({"neutrals": {"databases": {"db": {"adapter": toy, "root": str(root)}}}})
        accepted, rows = build(tmp_path, project.neutrals.databases["db"])
        assert list(accepted["subject"]) == ["anna", "bela"]
        assert len(rows) == 0

    def test_a_person_without_a_name_is_left_out(self, toy, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1.png")
        photograph(root, "2.png")
        (root / "people.json").write_text('{"Anna": "1.png", "--": "2.png"}')
        found, rows = find(root, toy)
        assert [c.subject_id for c in found] == ["anna"]
        assert len(rows) == 1 and "or splits would leak" in rows[0].remedy

    def test_an_adapter_is_in_schema_page_and_messages(self, toy):
        names = adapter_names()
        assert names == sorted(names) and {"afew_va", "embedded", "folder", toy} <= set(names)
        assert schema()["$defs"]["Database"]["properties"]["adapter"]["enum"] == names
        assert ", ".join(f"`{name}`" for name in names) in document.page()
        with pytest.raises(ConfigError) as caught:
            load({"neutrals": {"databases": {"db": {"adapter": "toi", "root": "x"}}}})
        text = str(caught.value)
        assert "neutrals.databases.db.adapter: " in text and "did you mean 'toy'?" in text
        assert all(name in text for name in names)

    def test_without_a_layout_file_a_module_is_no_adapter(self, toy, tmp_path):
        (tmp_path / "adapters" / "toy.yaml").unlink()
        assert toy not in adapter_names()
        with pytest.raises(ValidationError, match=r"no such adapter among .*afew_va.*no toy.yaml"):
            Database(adapter=toy, root="x")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("import no_such_package", "No module named 'no_such_package'"),
            ("from affect4d.quarantine import Nothing", "cannot import name 'Nothing'"),
            ("def find(:", "invalid syntax"),
            ("1 / 0", "ZeroDivisionError"),
            ("", "defines no `ADAPTER"),
            ("ADAPTER = 'toy'", "defines no `ADAPTER"),
        ],
    )
    def test_a_module_that_is_no_adapter_is_one_line(self, toy, tmp_path, text, words):
        (tmp_path / "adapters" / "toy.py").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load({"neutrals": {"databases": {"db": {"adapter": toy, "root": "x"}}}})
        line = str(caught.value)
        assert "\n" not in line and "toy.py: " in line and words in line

    def test_every_adapter_reads_its_default_layout(self):
        for name in adapter_names():
            content = yaml.safe_load(layout_file(name).read_text())
            load_adapter(name).layout.model_validate(content)
