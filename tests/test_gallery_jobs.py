"""A user's table in jobs: which scans are built again, and whose, when rows or files change."""

import hashlib
from itertools import pairwise

import pandas as pd
import pytest
from support.scan_table import Source

from affect4d.config.gallery import Manifest, Settings
from affect4d.gallery.jobs import (
    FileState,
    chunk_state,
    chunks,
    chunks_of,
    file_states,
)
from affect4d.gallery.user_table import TABLE_COLUMNS, scan_rows
from affect4d.quarantine import BadInput


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


def test_only_the_chunk_whose_rows_or_files_changed_is_built_again(source):
    before = source.digests()
    source.rows[0]["is_apex"] = "true"
    source.write()
    after = source.digests()
    assert before["c0000"] != after["c0000"] and before["c0001"] == after["c0001"]
    (source.folder / source.rows[-1]["mesh"]).unlink()
    assert after["c0001"] != source.digests()["c0001"], "a file that comes back is found"


def test_a_repeated_frame_id_in_another_chunk_counts_as_a_change(source):
    before = source.digests()
    source.rows[0]["frame_id"] = "p2_1_talk/00001"
    source.write()
    assert before["c0001"] != source.digests()["c0001"]


def test_a_replaced_file_changes_its_chunk_only(source):
    before = {c: chunk_state(r, source.settings) for c, r in scan_rows(source.settings).items()}
    (source.folder / source.rows[0]["landmarks"]).write_text("marked again")
    after = {c: chunk_state(r, source.settings) for c, r in scan_rows(source.settings).items()}
    assert before["c0000"] != after["c0000"] and before["c0001"] == after["c0001"]
    rows = {c: state[0] for c, state in after.items()}
    assert rows == {c: state[0] for c, state in before.items()}, "the rows are as they were"


def test_a_job_keeps_its_members_while_others_are_appended(source):
    few, digests = chunks(source.settings), source.digests()
    source.rows += [source._row("p3", "talk", frame) for frame in range(3)]
    source.write()
    many = chunks(source.settings)
    assert list(many) == ["c0000", "c0001", "c0002"] and many["c0002"] == ["p3_1_talk"]
    assert {name: many[name] for name in few} == few
    assert {name: source.digests()[name] for name in few} == digests


def test_the_chunks_of_the_chosen_people_stay_when_others_join(tmp_path):
    manifest = Manifest(root=str(tmp_path), table=str(tmp_path / "t.csv"), sequences_per_job=2)
    here = Settings(source="manifest", manifest=manifest)

    def chosen(people, neutral=1):
        rows = pd.DataFrame("x", range(2 * people), TABLE_COLUMNS)
        rows["subject"] = [f"p{row // 2:02d}" for row in rows.index]
        rows["sequence"] = [f"s{row:02d}" for row in rows.index]
        rows["is_neutral"] = ["TRUE" if row // 2 % neutral == 0 else "0" for row in rows.index]
        rows.to_csv(tmp_path / "t.csv", index=False)
        return chunks_of(4, here)

    def expected(people, neutral=1):
        names = {f"p{k:02d}": f"c{k:04d}" for k in range(0, people, neutral)}
        by_digest = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        return sorted(names[name] for name in by_digest[:4])

    made = [chosen(people) for people in range(20, 41)]
    assert made == [expected(people) for people in range(20, 41)]
    assert len(made[0]) == 4 and set(made[0]) < set(chunks(here))
    # who joins n - 1 others is one of the four in 4 of n cases: of these 20 people 2.7 in the mean
    assert sum(one != before for one, before in pairwise(made)) == 4
    assert chosen(2) == ["c0000", "c0001"]
    # nobody is chosen of whom there is no neutral scan
    assert chosen(40, neutral=8) == expected(40, neutral=8) != expected(40)
    assert len(chosen(40, neutral=8)) == 4 and chosen(40, neutral=39) == ["c0000", "c0039"]


def test_people_who_are_asked_for_are_missed_where_no_row_is_neutral(tmp_path):
    manifest = Manifest(root=str(tmp_path), table=str(tmp_path / "t.csv"))
    here = Settings(source="manifest", manifest=manifest)
    pd.DataFrame("x", range(4), TABLE_COLUMNS).assign(is_neutral="0").to_csv(manifest.table)
    assert chunks_of(4, here) == []
    with pytest.raises(BadInput, match=r"t\.csv.*no row is neutral.*set is_neutral"):
        chunks_of(4, here, required=True)
    made = Settings()  # whose people all have neutral scans
    assert chunks_of(4, made, required=True) == chunks_of(4, made)


def test_every_file_that_rows_name_has_the_state_that_the_system_says(source):
    (source.folder / source.rows[1]["mesh"]).unlink()
    (source.folder / "link.obj").symlink_to(source.folder / source.rows[0]["mesh"])
    source.rows[2]["mesh"], source.rows[4]["mesh"] = "link.obj", "."
    source.write()
    states = file_states(scan_rows(source.settings)["c0000"], str(source.folder))
    names = [row[column] for column in ("mesh", "texture", "landmarks") for row in source.rows[:6]]
    assert list(states) == names
    for name, state in states.items():
        path = source.folder / name
        if not path.is_file():
            assert state is None and name in (source.rows[1]["mesh"], ".")
            continue
        expected = path.stat()
        assert state == FileState(expected.st_size, expected.st_mtime_ns, path.is_symlink())


def test_a_changed_annotation_leaves_the_scans_as_they_are(source):
    frames, _ = source.build()
    scans, digests = source.scans(), source.digests()
    source.rows[1]["valence"] = "-0.75"
    source.rows[7]["arousal"] = "abc"
    source.write()
    changed, _ = source.build()
    assert source.scans() == scans and source.digests() == digests
    assert changed.loc[1, "valence"] == -0.75 and frames.loc[1, "valence"] == 0.25


def test_rows_of_a_sequence_need_not_be_adjacent(source):
    frames, _ = source.build()
    source.rows = source.rows[::2] + source.rows[1::2]
    source.write()
    again, rejected = source.build()
    assert rejected.empty
    assert set(again["frame_id"]) == set(frames["frame_id"])
    assert again.groupby("sequence", sort=False).ngroup().is_monotonic_increasing
