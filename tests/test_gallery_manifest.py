"""A user's scans: what is wrong with a row or file is reported, and the other scans are built."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.scan_table import Source

from affect4d import store
from affect4d.artifacts.gallery import FRAME_COLUMNS, SCAN_COLUMNS
from affect4d.config.gallery import files_root
from affect4d.formats import markup
from affect4d.gallery.jobs import (
    chunk_state,
)
from affect4d.gallery.manifest import write_table
from affect4d.gallery.user_table import scan_rows
from affect4d.quarantine import BadInput

MARKUPS = Path(markup.__file__).parent / "markups"


DESIGN = (
    "frame_id", "subject", "session", "sequence", "frame", "mesh", "landmarks", "valence",
    "arousal", "expression", "is_apex", "is_neutral",
)  # fmt: skip


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


def test_a_valid_table_becomes_the_frames_of_the_design(source):
    frames, rejected = source.build()
    assert rejected.empty and list(rejected) == ["stage", "item", "file", "rule", "remedy"]
    assert list(frames) == list(FRAME_COLUMNS)
    assert set(DESIGN) <= set(frames)
    assert frames["frame_id"].tolist()[:2] == ["p1_1_talk/00000", "p1_1_talk/00001"]
    assert frames["frame"].tolist() == [0, 1, 2] * 4
    assert frames["is_neutral"].dtype == bool and frames["valence"].dtype == float
    assert frames["session"].tolist() == ["1"] * 12
    posed = frames["task"] == "posed"
    assert posed.tolist() == ([False] * 3 + [True] * 3) * 2
    assert frames.loc[posed, ["valence", "arousal"]].isna().all(axis=None)
    np.testing.assert_allclose(frames.loc[~posed, "valence"], [0, 0.25, 0.5] * 2)
    for name in ("mesh", "texture", "landmarks"):
        assert all((files_root(source.settings, "x") / path).is_file() for path in frames[name])
    for name in ("scans/c0000", "scans/c0001", "annotations", "frames"):
        assert store.verify(source.results / f"gallery/{name}.manifest.json") == []


def test_scans_have_the_columns_that_registration_reads_and_no_annotation(source):
    source.build()
    table = pd.read_csv(source.results / "gallery/scans/c0001.csv")
    assert tuple(table) == SCAN_COLUMNS
    assert table["mesh"].tolist()[0] == "p2_1_talk_0.obj"
    assert table["is_apex"].tolist() == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("column", "value", "item", "file", "rule"),
    [
        ("subject", "p/1", "p1_1_talk/00001", "t.csv", "cannot serve as a file name"),
        ("subject", "p2", "p1_1_talk/00001", "t.csv", "has subject 'p1' and 'p2'"),
        ("session", "", "p1_1_talk/00001", "t.csv", "cannot serve as a file name"),
        ("expression", "f e", "p1_1_talk/00001", "t.csv", "cannot serve as a file name"),
        ("task", "acted", "p1_1_talk/00001", "t.csv", "has task"),
        ("mesh", "../t.csv", "p1_1_talk/00001", "../t.csv", "the path must stay under"),
        ("mesh", "/etc/passwd", "p1_1_talk/00001", "/etc/passwd", "the path must stay under"),
        ("mesh", "", "p1_1_talk/00001", "t.csv", "no mesh is named"),
        ("mesh", "no.obj", "p1_1_talk/00001", "no.obj", "the mesh does not exist"),
        ("mesh", "n" * 300, "p1_1_talk/00001", "n" * 300, "the mesh does not exist"),
        ("texture", "no.jpg", "p1_1_talk/00001", "no.jpg", "the texture does not exist"),
        ("landmarks", "no.pts", "p1_1_talk/00001", "no.pts", "the landmarks does not exist"),
        ("frame", "1.5", "p1_1_talk/001.5", "t.csv", "is not an integer"),
        ("frame", "", "p1_1_talk/00000", "t.csv", "frame_id p1_1_talk/00000 is in an earlier row"),
        ("frame", "0", "p1_1_talk/00000", "t.csv", "frame_id p1_1_talk/00000 is in an earlier row"),
        ("is_apex", "yes", "p1_1_talk/00001", "t.csv", "is_apex 'yes' is not a boolean"),
        ("is_neutral", "", "p1_1_talk/00001", "t.csv", "is_neutral '' is not a boolean"),
    ],
)
def test_a_bad_row_is_quarantined_and_the_others_stay(source, column, value, item, file, rule):
    source.rows[1][column] = value
    source.write()
    frames, rejected = source.build()
    assert len(rejected) == 1
    (row,) = rejected.itertuples()
    assert (row.stage, row.item) == ("gallery", item)
    assert row.file.endswith(file) and rule in row.rule and row.remedy
    assert len(frames) == 11
    assert frames["frame_id"].tolist()[:2] == ["p1_1_talk/00000", "p1_1_talk/00002"]
    with pytest.raises(BadInput, match="; "):
        source.build(strict=True)


def test_a_link_that_leads_out_of_the_root_is_refused(source):
    (source.folder / "link.obj").symlink_to(source.settings.manifest.table)
    source.rows[1]["mesh"] = "link.obj"
    source.write()
    assert "leads out of" in source.build()[1]["rule"][0]


def test_of_rows_that_share_a_frame_id_the_first_stays_across_jobs(source):
    for row in source.rows:
        row["frame_id"] = f"{row['sequence']}.{row['frame']}"
    source.rows[10]["frame_id"] = source.rows[1]["frame_id"]
    source.write()
    frames, rejected = source.build()
    assert rejected["item"].tolist() == ["p1_1_talk.1"]
    assert frames["frame_id"].is_unique and len(frames) == 11
    kept = frames.set_index("frame_id").loc["p1_1_talk.1"]
    assert kept["sequence"] == "p1_1_talk" and kept["valence"] == 0.25


def test_a_sequence_without_a_usable_row_is_empty(source):
    for row in source.rows[:3]:
        row["mesh"] = "no.obj"
    source.write()
    frames, rejected = source.build()
    assert "p1_1_talk" not in set(frames["sequence"]) and len(frames) == 9
    assert len(rejected) == 4 and rejected["item"].tolist()[-1] == "p1_1_talk"
    assert "is empty" in rejected["rule"].tolist()[-1]


def test_a_sequence_without_a_neutral_frame_is_left_out(source):
    source.rows[3]["is_neutral"] = "false"
    source.write()
    frames, rejected = source.build()
    assert len(frames) == 9 and "p1_1_fear" not in set(frames["sequence"])
    assert rejected["item"].tolist() == ["p1_1_fear"]
    assert "no neutral frame; its 3 frames" in rejected["rule"][0]


def test_a_build_without_any_usable_scan_stops_and_says_where_to_look(source):
    for row in source.rows:
        row["landmarks"] = "no.pts"
    source.write()
    with pytest.raises(BadInput, match=r"quarantine.csv: every scan is in quarantine"):
        source.build()


def test_a_bad_annotation_costs_the_annotation_not_the_scan(source):
    source.rows[1]["valence"] = "abc"
    source.rows[2]["valence"] = "1.4"
    source.write()
    frames, rejected = source.build()
    assert rejected["item"].tolist() == ["p1_1_talk/00001"]
    assert rejected["rule"].tolist() == ["valence 'abc' is not a number"]
    assert frames.loc[1, ["valence", "arousal"]].isna().all()
    assert frames.loc[2, "valence"] == 1.4, "the affect space checks the range"
    with pytest.raises(BadInput, match="not a number"):
        source.build(strict=True)


def test_an_annotated_sequence_is_spontaneous_and_the_task_column_decides(source):
    source.rows[4] |= {"valence": "0.1", "arousal": "0.1"}
    for row in source.rows[:3]:
        row["task"] = "posed"
    source.write()
    frames, _ = source.build()
    tasks = frames.drop_duplicates("sequence")["task"].tolist()
    assert tasks == ["posed", "spontaneous", "spontaneous", "posed"]


def test_a_strict_build_stops_before_the_first_chunk(source):
    source.rows[-1]["mesh"] = "no.obj"
    source.write()
    with pytest.raises(BadInput, match="the mesh does not exist"):
        write_table(source.settings, source.context(strict=True))
    assert not list(source.results.rglob("*.parquet"))


def test_the_markup_of_the_settings_and_of_the_row(source):
    (source.folder / "mine.yaml").write_text((MARKUPS / "ibug49.yaml").read_text())
    named = {0: "ibug49", 1: "mine.yaml", 2: "../mine.yaml", 4: "nobody", 5: "no.yaml"}
    for index, name in named.items():
        source.rows[index]["markup"] = name
    manifest = source.settings.manifest.model_copy(update={"markup": "bu3dfe83"})
    source.settings = source.settings.model_copy(update={"manifest": manifest})
    source.write()
    _, rejected = source.build()
    scans = pd.read_csv(source.results / "gallery/scans/c0000.csv")
    assert scans["markup"].tolist() == ["ibug49", str(source.folder / "mine.yaml"), "bu3dfe83"]
    assert rejected["rule"].str.contains("must stay under|no such mark-up|does not exist").all()
    assert len(rejected) == 3
    state = chunk_state(scan_rows(source.settings)["c0000"], source.settings)
    with (source.folder / "mine.yaml").open("a") as handle:
        handle.write("# changed\n")
    assert state != chunk_state(scan_rows(source.settings)["c0000"], source.settings)


def test_a_markup_that_is_none_stops_before_any_work(source):
    manifest = source.settings.manifest.model_copy(update={"markup": "nobody"})
    settings = source.settings.model_copy(update={"manifest": manifest})
    with pytest.raises(BadInput, match="nobody: no such mark-up"):
        write_table(settings, source.context())
