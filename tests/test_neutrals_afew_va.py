"""Clips in AFEW-VA's layout: which frames are neutral, and who is in them."""

import numpy as np
import pandas as pd
import pytest
from support.neutral_databases import POINTS, a_clip, a_frame, find

from affect4d.formats.landmarks import write_pts


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
