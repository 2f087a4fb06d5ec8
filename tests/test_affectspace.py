"""The grid of classes, the frames' status, and the job."""

import re
import shutil
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import small_gallery
from support.contexts import context
from support.recorded import record

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.affectspace.build import build_affectspace
from affect4d.affectspace.classes import classify, report_classes, summarise
from affect4d.affectspace.histogram import number_size
from affect4d.config.affectspace import Settings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.quarantine import BadInput, Quarantine

GRID = Grid()
inside = st.floats(-1, 1, allow_nan=False)


def decimal_bin(text):
    """The bin in exact decimal arithmetic."""
    return min(int((Decimal(text) + 1) // Decimal("0.2")), 9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("tenths", range(-10, 11))
def test_a_typed_value_belongs_to_the_class_whose_lower_edge_it_is(tenths, dtype):
    value = np.array([tenths / 10], dtype=dtype)
    expected = decimal_bin(str(Decimal(tenths) / 10))
    assert GRID.assign(value, np.zeros(1, dtype))[0] // 10 == expected
    assert GRID.assign(np.zeros(1, dtype), value)[0] % 10 == expected


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_typed_decimals_agree_with_exact_arithmetic(v, a):
    texts = [str(Decimal(number) / 10_000) for number in (v, a)]
    index = GRID.assign(*map(float, texts))
    assert index == decimal_bin(texts[0]) * 10 + decimal_bin(texts[1])


@given(inside, inside, st.integers(1, 25))
def test_a_value_lies_between_the_edges_of_its_class(v, a, n):
    grid = Grid(n)
    column, row = divmod(int(grid.assign(v, a)), n)
    for value, index in ((v, column), (a, row)):
        assert grid.edges[index] <= value
        assert value < grid.edges[index + 1] or value == 1.0


@given(st.floats().filter(lambda x: not -1 <= x <= 1), inside)
def test_outside_or_nan_is_invalid_and_never_clipped(bad, good):
    assert GRID.assign(bad, good) == -1
    assert GRID.assign(good, bad) == -1


@pytest.mark.parametrize("n", [1, 2, 5, 10, 20, 40])
def test_each_centre_lies_in_its_own_class_and_names_are_unique(n):
    grid = Grid(n)
    assert np.array_equal(grid.assign(*grid.centres.T), np.arange(n * n))
    assert len({grid.name(i) for i in range(n * n)}) == n * n


def test_names_are_those_of_the_centres():
    assert GRID.name(int(GRID.assign(0.7, -0.3))) == "v+0.7_a-0.3"
    assert Grid(1).name(0) == "v+0.0_a+0.0"
    with pytest.raises(IndexError):
        GRID.name(100)


def test_assign_keeps_the_shape_and_takes_integers():
    assert GRID.assign([[0, 1], [-1, 2]], [[0, 1], [-1, 0]]).tolist() == [[55, 99], [0, -1]]


def test_impossible_grids_are_refused():
    for arguments in ((0,), (10, 1.0, -1.0)):
        with pytest.raises(ValueError, match="n >= 1"):
            Grid(*arguments)


def frames_table():
    return pd.DataFrame(
        {
            "frame_id": list("abcdefg"),
            "sequence": "q",
            "frame": range(7),
            "subject": ["s", "s", "t", "t", "t", "t", "t"],
            "task": ["spontaneous"] * 3 + ["posed"] + ["spontaneous"] * 3,
            "valence": [0.1, 0.15, 1.4, np.nan, np.nan, 0.1, 0.1],
            "arousal": [0.1, 0.12, 0.0, np.nan, 0.2, 0.1, 0.1],
            "delay": 0.0,
            "is_late": False,
        }
    )


def classified(flags, strict=False):
    quarantine = Quarantine("affectspace", strict)
    return classify(frames_table(), flags, GRID, quarantine=quarantine, source="frames")


def test_every_frame_gets_one_status_and_bad_annotations_a_row():
    quarantine = Quarantine("affectspace")
    flags = dict.fromkeys("abcde", 0) | {"f": 2}
    table = classify(frames_table(), flags, GRID, quarantine=quarantine, source="frames.parquet")
    assert table["status"].tolist() == [
        "used", "used", "quarantined", "unannotated", "quarantined", "flagged", "unregistered",
    ]  # fmt: skip
    assert table["class"].tolist() == [55, 55, -1, -1, -1, -1, -1]
    assert [row.item for row in quarantine.rows] == ["c", "e"]
    assert "1.4" in quarantine.rows[0].rule and quarantine.rows[0].remedy


def test_a_spontaneous_frame_without_annotation_is_quarantined():
    quarantine = Quarantine("affectspace")
    frames, flags = frames_table().assign(task="spontaneous"), dict.fromkeys("abcdefg", 0)
    table = classify(frames, flags, GRID, quarantine=quarantine, source="frames.parquet")
    assert table["status"][3] == "quarantined"
    assert "d" in [row.item for row in quarantine.rows]


def test_a_class_without_a_model_has_a_row_and_is_no_bad_input():
    flags = dict.fromkeys("abcdefg", 0)
    frames = classified(flags)
    quarantine, settings = Quarantine("affectspace"), Settings(min_frames=2, min_subjects=2)
    classes = summarise(frames, GRID, min_frames=2, min_subjects=2)
    report_classes(classes, settings, quarantine)
    assert len(quarantine.rows) == 99
    assert {row.item for row in quarantine.rows} == {GRID.name(i) for i in range(100) if i != 55}
    assert "0 frames" in quarantine.rows[0].rule and "min_frames" in quarantine.rows[0].remedy
    strict = Quarantine("affectspace", strict=True)
    report_classes(classes, settings, strict)
    assert strict.rows == quarantine.rows


def test_strict_stops_at_the_first_bad_annotation():
    with pytest.raises(BadInput, match=r"1\.4"):
        classified({}, strict=True)


def test_classes_state_counts_medians_and_whether_they_suffice():
    flags = dict.fromkeys("abcdefg", 0)
    frames = classified(flags)
    classes = summarise(frames, GRID, min_frames=4, min_subjects=2)
    assert classes["status"].value_counts().to_dict() == {"empty": 99, "ok": 1}
    row = classes.iloc[55]
    assert (row["count"], row["subjects"]) == (4, 2)
    assert row["median_valence"] == pytest.approx(0.1)
    assert np.isnan(classes.iloc[0]["median_valence"])
    for min_frames, min_subjects in ((5, 2), (4, 3)):
        limits = {"min_frames": min_frames, "min_subjects": min_subjects}
        assert summarise(frames, GRID, **limits).iloc[55]["status"] == "insufficient"


def test_classes_of_the_journal_version_are_one_setting(tmp_path):
    """Forty bins an axis are classes of .05, of which 550 hold frames here as they do there."""
    grid = Grid(Settings(bins=40).bins)
    assert grid.edges[1] - grid.edges[0] == pytest.approx(0.05) and len(grid) == 1600
    filled = np.random.default_rng(0).choice(1600, 550, replace=False)
    rng, count = np.random.default_rng(1), 550 * 8
    place = np.repeat(grid.centres[filled], 8, axis=0) + rng.uniform(-0.024, 0.024, (count, 2))
    table = pd.DataFrame(
        {
            "frame_id": [f"f{i}" for i in range(count)],
            "sequence": "q",
            "frame": range(count),
            "subject": np.tile(list("stuvwxyz"), 550),
            "task": "spontaneous",
            "valence": place[:, 0],
            "arousal": place[:, 1],
        }
    )
    (tmp_path / "gallery").mkdir()
    table.to_parquet(tmp_path / "gallery/frames.parquet", index=False)
    record(tmp_path, tmp_path / "gallery/frames.parquet")
    store.write(
        tmp_path / "registered/q.zarr",
        {"flags": np.zeros(count, np.uint8)},
        {"frame_ids": table["frame_id"].tolist()},
        provenance=None,
    )
    run = context(tmp_path, "affectspace")
    build_affectspace(run, Settings(bins=40, max_delay=0))
    classes = pd.read_parquet(tmp_path / "affectspace/classes.parquet")
    assert classes["status"].value_counts().to_dict() == {"empty": 1050, "ok": 550}
    assert set(classes.loc[classes["status"] == "ok", "class"]) == set(filled)
    assert classes["name"].is_unique and len(run.quarantine.rows) == 1050
    for row in classes.itertuples():
        valence, arousal = re.fullmatch(r"v([+-]\d\.\d+)_a([+-]\d\.\d+)", row.name).groups()
        assert grid.assign(float(valence), float(arousal)) == row.Index
    jobs = BlendshapeSettings().classes_per_job
    groups = [classes.iloc[g * jobs : (g + 1) * jobs] for g in range(-(-len(grid) // jobs))]
    assert pd.concat(groups)["class"].tolist() == list(range(1600)) and len(groups) == 64
    assert Image.open(tmp_path / "affectspace/histogram.png").size == (864, 744)


def test_numbers_stand_in_the_histogram_only_where_they_fit():
    assert number_size(10, 50_000) == number_size(10, 9) == 8
    assert 5 <= number_size(20, 9_999) < 8
    assert number_size(40, 999) is None and number_size(40, 9) == 8


def test_the_job_reads_flags_and_gives_the_same_bytes_twice(tmp_path):
    small_gallery.build(tmp_path, subjects=3, length=20)
    flagged = store.open(tmp_path / "registered/s000_1_spontaneous.zarr")
    store.write(
        flagged.path,
        {
            "vertices": store.Vertices(flagged["vertices"][...], flagged["vertices"][0]),
            "flags": np.arange(20, dtype=np.uint8) // 15,
        },
        flagged.attributes,
    )
    store.manifest_of(tmp_path / "registered/s001_1_spontaneous.zarr").unlink()
    contents = []
    for _ in range(2):
        shutil.rmtree(tmp_path / "affectspace", ignore_errors=True)
        settings = Settings(min_frames=2, min_subjects=1, max_delay=0)
        files = build_affectspace(context(tmp_path, "affectspace"), settings)
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]
    status = pd.read_parquet(tmp_path / "affectspace/frames.parquet")["status"].value_counts()
    assert status.to_dict() == {"unannotated": 45, "used": 35, "unregistered": 20, "flagged": 5}
    rows = pd.read_csv(tmp_path / "affectspace/quarantine.csv")
    assert rows["rule"].str.startswith("the class holds").all()
