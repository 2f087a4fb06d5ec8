"""Which neutral faces are taken, and the files that the build makes of them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from support.database_layouts import face
from support.hostile_images import random_damage, random_exif, with_exif
from support.neutral_databases import PICTURE, POINTS, a_clip, a_frame, build, find, photograph

from affect4d.config.neutrals import Database, FaceRules
from affect4d.fitting import landmark_evidence
from affect4d.formats.images import encode_jpeg, read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.neutrals.candidates import COLUMNS
from affect4d.neutrals.scores import Scores, find_broken_rule, score_face
from affect4d.neutrals.selection import UNUSABLE, Quota, select
from affect4d.quarantine import BadInput
from affect4d.readers.environment import VARIABLE
from affect4d.store.protocol import LIST

LONDON = Path(os.environ.get("AFFECT4D_LONDON", Path(__file__).parents[2] / "shared/data/london"))


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


SCORES = Scores(
    eye_distance=80, sharpness=0.2, landmark_error=0.03, yaw=-20, covered=0.1, neutral=0.7
)


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "kept", "broken", "reason"),
        [
            ("min_eye_distance", 80, 90, "eye_distance 80 is less than min_eye_distance 90"),
            ("min_sharpness", 0.2, 0.3, "sharpness 0.2 is less than min_sharpness 0.3"),
            ("max_landmark_error", 0.03, 0.02, "landmark_error 0.03 is more than"),
            ("max_yaw", 20, 15, "yaw 20 is more than max_yaw 15"),
            ("max_covered", 0.1, 0.05, "covered 0.1 is more than max_covered 0.05"),
            ("min_neutral", 0.7, 0.9, "neutral 0.7 is less than min_neutral 0.9"),
        ],
    )
    def test_a_face_that_breaks_a_rule_has_its_measure_as_the_reason(
        self, rule, kept, broken, reason
    ):
        assert find_broken_rule(SCORES, FaceRules()) == ""
        assert find_broken_rule(SCORES, FaceRules(**{rule: kept})) == ""
        assert find_broken_rule(SCORES, FaceRules(**{rule: broken})).startswith(reason)

    def test_the_next_frame_is_tried_where_a_face_is_not_good_enough(self, tmp_path):
        found = TestSelection().candidates(tmp_path, ["a"])
        quota = Quota(1, 10, find_fault=lambda frame: "too dark" if frame == 4 else "")
        chosen = select(found, lambda candidate: candidate.frame, quota)
        assert [candidate.frame for candidate, _ in chosen.accepted] == [3]
        assert chosen.reasons["db_001_00004"] == "too dark"

    def test_what_is_measured_follows_the_picture(self):
        picture, points = face()
        sharp = score_face(picture, points)
        assert abs(sharp.yaw) < 15 and sharp.landmark_error < 0.1 and sharp.covered < 0.1
        blurred = score_face(cv2.GaussianBlur(picture, (0, 0), 3), points)
        assert blurred.sharpness < sharp.sharpness / 2
        assert blurred[2:4] == sharp[2:4] and blurred.eye_distance == sharp.eye_distance
        shuffled = score_face(picture, points[np.random.default_rng(1).permutation(68)])
        assert shuffled.landmark_error > 3 * sharp.landmark_error


class TestBuild:
    def test_embedded_photographs(self, tmp_path):
        accepted, rows = build(tmp_path, Database(adapter="embedded"))
        assert list(accepted["subject"]) == ["breakingbad", "einstein", "hopper", "takeo"]
        assert len(rows) == 0
        table = pd.read_parquet(tmp_path / "neutrals" / "db" / "candidates.parquet")
        assert list(table.columns) == [*COLUMNS, *Scores._fields, "accepted", "reason"]
        measured = table[list(set(Scores._fields) - {"neutral"})].notna()
        assert (measured.all(axis=1) == table["accepted"]).all()  # the others were not tried
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

    def test_a_rule_of_a_reader_that_is_not_installed_stops_the_build(self, tmp_path, monkeypatch):
        """In quarantine for it, nobody would be used once the reader is there."""
        monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
        rules = FaceRules(min_neutral=0)
        with pytest.raises(BadInput, match="make face-readers"):
            build(tmp_path, Database(adapter="embedded"), faces=rules)
        assert not list(tmp_path.iterdir())

    @pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no interpreter")
    @pytest.mark.skipif(not LONDON.is_dir(), reason="AFFECT4D_LONDON names no folder")
    def test_the_expression_reader_s_neutral_is_a_measure_and_a_rule(self, tmp_path):
        for path in sorted((LONDON / "neutral_front").glob("[0-9]*"))[:8]:
            (tmp_path / "faces").mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / "faces")
        database = Database(adapter="london", root=str(tmp_path / "faces"))

        def built(least):
            folder = tmp_path / f"least {least}"
            accepted, _ = build(folder, database, faces=FaceRules(min_neutral=least))
            rows = pd.read_parquet(folder / "neutrals/db/candidates.parquet")
            return set(accepted["image_id"]), rows.set_index("image_id")

        used, rows = built(0)
        assert len(used) == 4 and rows["neutral"].between(0, 1).all()
        assert rows["neutral"].median() > 0.5  # they were asked not to smile
        least = float(rows["neutral"].sort_values().iloc[2])
        kept, others = built(least)
        assert kept == set(rows.index[rows["neutral"] >= least]) and len(kept) == 2
        left_out = others.loc[sorted(used - kept), "reason"]
        assert left_out.str.match(r"neutral \S+ is less than min_neutral").all()

    def test_nothing_neutral_gives_empty_tables(self, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1b.jpg")
        accepted, _ = build(tmp_path, Database(adapter="folder", root=str(root), layout="fei"))
        assert len(accepted) == 0
