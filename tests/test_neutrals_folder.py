"""Folders of photographs: what the adapter finds, what is refused and in which words."""

import json
import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError
from support.hostile_images import encoded
from support.mesh_files import tem_text
from support.neutral_databases import PICTURE, POINTS, build, find, photograph

from affect4d.config.neutrals import Database, Settings
from affect4d.fitting import landmark_evidence
from affect4d.formats.images import encode_png
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.neutrals import landmarks, loading
from affect4d.neutrals.candidates import (
    distinct,
    normalise,
    short_digest,
)
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import BROWS, EYES

LONDON = Path(os.environ.get("AFFECT4D_LONDON", Path(__file__).parents[2] / "shared/data/london"))


@pytest.fixture(autouse=True)
def no_look_at_the_evidence(monkeypatch):
    """A detector would search these pictures, which show no face, at every scale and rotation."""
    monkeypatch.setattr(landmark_evidence, "has_detector", lambda: False)


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
