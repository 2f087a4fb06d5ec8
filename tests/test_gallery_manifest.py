"""A user's table of scans: what is wrong with it is reported, and the other scans are built."""

import csv
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.contexts import context

from affect4d import store
from affect4d.artifacts.gallery import FRAME_COLUMNS, SCAN_COLUMNS
from affect4d.config.gallery import Manifest, Settings, files_root
from affect4d.formats import markup
from affect4d.gallery.frames import write_annotations, write_frames
from affect4d.gallery.jobs import (
    FileState,
    chunk_state,
    chunks,
    chunks_of,
    file_states,
    scans_digest,
)
from affect4d.gallery.manifest import read_annotations, write_scans, write_table
from affect4d.gallery.user_table import TABLE_COLUMNS, scan_rows
from affect4d.quarantine import BadInput

MARKUPS = Path(markup.__file__).parent / "markups"
DESIGN = (
    "frame_id", "subject", "session", "sequence", "frame", "mesh", "landmarks", "valence",
    "arousal", "expression", "is_apex", "is_neutral",
)  # fmt: skip


class Source:
    """A folder of scans with its table, and the build of its gallery."""

    def __init__(self, folder):
        self.folder, self.results = folder / "scans", folder / "results"
        self.settings = Settings(
            source="manifest",
            manifest=Manifest(
                root=str(self.folder), table=str(folder / "t.csv"), sequences_per_job=2
            ),
        )
        self.folder.mkdir()
        self.rows = [
            self._row(subject, kind, frame)
            for subject in ("p1", "p2")
            for kind in ("talk", "fear")
            for frame in range(3)
        ]
        self.write()

    def _row(self, subject, kind, frame):
        posed, sequence = kind == "fear", f"{subject}_1_{kind}"
        for suffix in ("obj", "jpg", "pts"):
            (self.folder / f"{sequence}_{frame}.{suffix}").write_text(sequence)
        return {
            "subject": subject,
            "session": "1",
            "sequence": sequence,
            "frame": str(frame),
            "mesh": f"{sequence}_{frame}.obj",
            "texture": f"{sequence}_{frame}.jpg",
            "landmarks": f"{sequence}_{frame}.pts",
            "valence": "" if posed else str(frame / 4),
            "arousal": "" if posed else "-0.5",
            "expression": "fear" if posed else "",
            "is_apex": "true" if posed and frame == 2 else "false",
            "is_neutral": "true" if frame == 0 else "false",
        }

    def write(self):
        with Path(self.settings.manifest.table).open("w", newline="") as handle:
            writer = csv.DictWriter(handle, list(dict.fromkeys(k for r in self.rows for k in r)))
            writer.writeheader()
            writer.writerows(self.rows)

    def context(self, inputs=(), strict=False):
        return context(self.results, "gallery", strict=strict, inputs=tuple(inputs))

    def build(self, strict=False):
        """Run the four rules; the frames and the quarantine."""
        gallery, settings = self.results / "gallery", self.settings
        write_table(settings, self.context([Path(settings.manifest.table)], strict))
        for chunk in chunks(settings):
            write_scans(chunk, settings, self.context([], strict))
        here = self.context([gallery / "table.manifest.json"], strict)
        write_annotations(read_annotations(settings, here), here)
        manifests = [gallery / f"scans/{chunk}.manifest.json" for chunk in chunks(settings)]
        here = self.context([*manifests, gallery / "annotations.manifest.json"])
        write_frames(list(chunks(settings)), files_root(settings, self.results), here)
        rejected = pd.read_csv(gallery / "quarantine.csv", dtype=str, keep_default_na=False)
        return pd.read_parquet(gallery / "frames.parquet"), rejected

    def scans(self):
        """The bytes of every chunk's table and manifest."""
        found = sorted((self.results / "gallery/scans").glob("*.*"))
        return {path.name: path.read_bytes() for path in found}

    def digests(self):
        """What the scans of each chunk depend on."""
        return {
            chunk: scans_digest(rows, file_states(rows, str(self.folder)))
            for chunk, rows in scan_rows(self.settings).items()
        }


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


@pytest.mark.parametrize("column", TABLE_COLUMNS)
def test_a_missing_column_stops_before_any_work(source, column):
    for row in source.rows:
        del row[column]
    source.write()
    with pytest.raises(BadInput, match=rf"t.csv: the table has no column {column}; see docs"):
        chunks(source.settings)


def test_an_unusable_table_stops_before_any_work(source):
    table = Path(source.settings.manifest.table)
    table.write_text(",".join(TABLE_COLUMNS) + "\n")
    with pytest.raises(BadInput, match="the table has no row"):
        chunks(source.settings)
    for content in (b"\xff\xfe\x00", b"PAR1 but not"):
        path = table.with_suffix(".parquet" if content.startswith(b"PAR1") else ".csv")
        path.write_bytes(content)
        manifest = Manifest(root=str(source.folder), table=str(path))
        with pytest.raises(BadInput, match="the table cannot be read"):
            chunks(Settings(source="manifest", manifest=manifest))
    manifest = Manifest(root=str(source.folder / "no"), table=str(table))
    with pytest.raises(BadInput, match="there is no such folder"):
        chunks(Settings(source="manifest", manifest=manifest))


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


def test_a_changed_annotation_leaves_the_scans_as_they_are(source):
    frames, _ = source.build()
    scans, digests = source.scans(), source.digests()
    source.rows[1]["valence"] = "-0.75"
    source.rows[7]["arousal"] = "abc"
    source.write()
    changed, _ = source.build()
    assert source.scans() == scans and source.digests() == digests
    assert changed.loc[1, "valence"] == -0.75 and frames.loc[1, "valence"] == 0.25


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


def test_an_annotated_sequence_is_spontaneous_and_the_task_column_decides(source):
    source.rows[4] |= {"valence": "0.1", "arousal": "0.1"}
    for row in source.rows[:3]:
        row["task"] = "posed"
    source.write()
    frames, _ = source.build()
    tasks = frames.drop_duplicates("sequence")["task"].tolist()
    assert tasks == ["posed", "spontaneous", "spontaneous", "posed"]


def test_parquet_and_csv_give_the_same_gallery(source):
    source.rows[1]["texture"] = ""
    source.write()
    frames, _ = source.build()
    scans = {name: raw for name, raw in source.scans().items() if name.endswith(".csv")}
    table = pd.read_csv(source.settings.manifest.table)
    path = Path(source.settings.manifest.table).with_suffix(".parquet")
    table.to_parquet(path, index=False)
    manifest = source.settings.manifest.model_copy(update={"table": str(path)})
    source.settings = source.settings.model_copy(update={"manifest": manifest})
    again, _ = source.build()
    assert {name: raw for name, raw in source.scans().items() if name.endswith(".csv")} == scans
    pd.testing.assert_frame_equal(frames, again)
    assert pd.isna(again.loc[1, "texture"]) and pd.isna(again.loc[0, "expression"])


def test_the_same_table_gives_the_same_bytes(source):
    source.build()
    files = [p for p in sorted(source.results.rglob("*")) if p.is_file()]
    before = [path.read_bytes() for path in files]
    source.build()
    assert [path.read_bytes() for path in files] == before


def test_a_person_may_be_called_na(source):
    for row in source.rows[:6]:
        row["subject"] = "NA"
    source.write()
    frames, _ = source.build()
    assert frames["subject"].tolist() == ["NA"] * 6 + ["p2"] * 6


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


def test_rows_of_a_sequence_need_not_be_adjacent(source):
    frames, _ = source.build()
    source.rows = source.rows[::2] + source.rows[1::2]
    source.write()
    again, rejected = source.build()
    assert rejected.empty
    assert set(again["frame_id"]) == set(frames["frame_id"])
    assert again.groupby("sequence", sort=False).ngroup().is_monotonic_increasing


def test_a_strict_build_stops_before_the_first_chunk(source):
    source.rows[-1]["mesh"] = "no.obj"
    source.write()
    with pytest.raises(BadInput, match="the mesh does not exist"):
        write_table(source.settings, source.context(strict=True))
    assert not list(source.results.rglob("*.parquet"))


def test_the_complete_table_is_checked_at_once_and_the_first_mistake_named(source, caplog):
    source.rows[7]["mesh"], source.rows[9]["frame"] = "no.obj", "x"
    source.write()
    gallery = source.results / "gallery"
    with caplog.at_level("WARNING", logger="affect4d"):
        write_table(source.settings, source.context())
    assert "2 of 12 rows will be in quarantine" in caplog.text and "no.obj" in caplog.text
    assert len(pd.read_parquet(gallery / "table.parquet")) == 12


def test_rows_that_no_class_can_use_are_counted_before_any_work(source, caplog):
    for row in source.rows[1:3]:  # of a spontaneous sequence
        row["valence"] = ""
    source.rows[3]["expression"] = ""
    source.write()
    with caplog.at_level("WARNING", logger="affect4d"):
        write_table(source.settings, source.context())
    assert "3 of 12 rows have neither expression nor annotation" in caplog.text


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


def test_a_repeated_column_is_refused(source):
    table = Path(source.settings.manifest.table)
    head, rest = table.read_text().split("\n", 1)
    table.write_text(f"{head},valence\n" + "".join(f"{line},1\n" for line in rest.splitlines()))
    with pytest.raises(BadInput, match="repeats the column valence"):
        chunks(source.settings)


def test_other_columns_and_a_byte_order_mark_do_not_matter(source):
    frames, _ = source.build()
    for row in source.rows:
        row["remark"] = 'a "long"\nstory, told'
    source.write()
    table = Path(source.settings.manifest.table)
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    again, rejected = source.build()
    assert rejected.empty
    pd.testing.assert_frame_equal(frames, again)


_cell = st.sampled_from(["", "a", "b", " a ", "NaN", "nan", "1", "01", "1.0", "true", "ä", 'q"x'])


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(*[_cell] * 7), min_size=1, max_size=12),
    size=st.integers(1, 3),
    at_random=st.randoms(),
)
def test_the_table_reads_as_its_rows_say(tmp_path_factory, rows, size, at_random):
    """Compared with a reading row by row."""
    folder = tmp_path_factory.mktemp("any")
    varied = ("sequence", "frame", "expression", "valence", "arousal", "task", "frame_id")
    table = [
        dict.fromkeys((*TABLE_COLUMNS, "task", "frame_id"), "x") | dict(zip(varied, r, strict=True))
        for r in rows
    ]
    names = list(table[0])
    at_random.shuffle(names)
    with (folder / "t.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, names)
        writer.writeheader()
        writer.writerows(table)
    manifest = Manifest(root=str(folder), table=str(folder / "t.csv"), sequences_per_job=size)
    here = Settings(source="manifest", manifest=manifest)
    read = {name: part.to_pylist() for name, part in scan_rows(here).items()}
    expected = by_rows(table, size)
    assert list(read) == list(expected) == list(chunks(here))
    for name, members in expected.items():
        assert chunks(here)[name] == list(dict.fromkeys(row["sequence"] for row in members))
        assert [{k: row[k] for k in members[0]} for row in read[name]] == members


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


def by_rows(table, size):
    """The rows of each chunk with frame_id, task and repeated, by the rules of docs/own-data.md."""
    rows, known = [], set()
    for raw in table:
        row = {key: "" if value.strip().lower() == "nan" else value.strip()
               for key, value in raw.items()}  # fmt: skip
        number = row["frame"].removesuffix(".0").zfill(5)
        row["frame_id"] = row["frame_id"] or f"{row['sequence']}/{number}"
        row["repeated"] = "true" if row["frame_id"] in known else ""
        known.add(row["frame_id"])
        rows.append(row)
    sequences = list(dict.fromkeys(row["sequence"] for row in rows))
    made: dict[str, list] = {}
    for number, sequence in enumerate(sequences):
        members = [row for row in rows if row["sequence"] == sequence]
        annotated = any(row["valence"] or row["arousal"] for row in members)
        posed = any(row["expression"] for row in members) and not annotated
        for row in members:
            row["task"] = row["task"] or ("posed" if posed else "spontaneous")
            made.setdefault(f"c{number // size:04d}", []).append(row)
    return made


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
