"""A user's table as it is read: its columns, forms and rules, before any scan is."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scan_table import Source

from affect4d.config.gallery import Manifest, Settings
from affect4d.gallery.jobs import (
    chunks,
)
from affect4d.gallery.manifest import write_table
from affect4d.gallery.user_table import TABLE_COLUMNS, scan_rows
from affect4d.quarantine import BadInput


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


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
