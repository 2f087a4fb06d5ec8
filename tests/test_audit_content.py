"""What the bytes say: one fault planted in each kind of table, store, image and list, and named.

Each fault has a manifest that lists it, as a program that writes wrong content would.
"""

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.planted_faults import assert_all_found, assert_found, found, provenance, record_again
from support.small_results import model

from affect4d import store
from affect4d.artifacts import validation
from affect4d.artifacts.registry import find_table
from affect4d.artifacts.statuses import STATUSES
from affect4d.blendshapes.atlas import write_expressions
from affect4d.validation.split import TEST, TRAIN
from affect4d.validation.table import MEASURES

IMAGE = "photos-ann1-v-0.9_a+0.5"
CHUNK, ATLAS, FITS = "synthesis/photos/000", "blendshapes/atlas", "fits/photos/000"
MODEL = "blendshapes/v-0.9_a+0.5"


def restore(results, name, arrays=None, attributes=None, drop=()):
    """Write a store again with some arrays and attributes changed."""
    path = results / f"{name}.zarr"
    stored = store.open(path)
    kept = {n: stored[n][...] for n in stored.keys() if n not in drop}  # noqa: SIM118
    for array in [n for n in kept if f"{n}_neutral" in kept]:
        kept[array] = store.Vertices(kept[array], kept.pop(f"{array}_neutral"))
    made_from = provenance(results, name)
    content = {**stored.attributes, **(attributes or {})}
    store.write(path, {**kept, **(arrays or {})}, content, provenance=made_from)


# table, artifact, column, row and value to plant, what must be said
CELLS = [
    ("affectspace/frames.parquet", "affectspace/affectspace", "frame_id", "s9_7_0", "is not in"),
    ("affectspace/frames.parquet", "affectspace/affectspace", "status", "fine", "is none of used"),
    ("affectspace/frames.parquet", "affectspace/affectspace", "sequence", None, "is missing"),
    ("affectspace/classes.parquet", "affectspace/affectspace", "centre_valence", 1.5, "above 1"),
    ("affectspace/classes.parquet", "affectspace/affectspace", "count", -1, "below 0"),
    ("affectspace/classes.parquet", "affectspace/affectspace", "class", 1, "occur twice"),
    ("gallery/frames.parquet", "gallery/frames", "frame_id", "s1_7_1", "occur twice"),
    ("gallery/frames.parquet", "gallery/frames", "task", "asleep", "is none of posed"),
    ("gallery/scans/c0.csv", "gallery/scans/c0", "frame", -2, "below 0"),
    ("gallery/scans/c0.csv", "gallery/scans/c0", "frame", "two", "conversion error"),
    ("gallery/scans/c0.csv", "gallery/scans/c0", "is_apex", "maybe", "conversion error"),
    ("neutrals/photos/accepted.csv", "neutrals/photos/neutrals", "image_id", "bob1", "occur twice"),
    ("neutrals/photos/accepted.csv", "neutrals/photos/neutrals", "path", "x.png", "no manifest"),
    ("dataset/splits.csv", "dataset", "split", "exam", "is none of train"),
    ("dataset/splits.csv", "dataset", "images", 7, "7 images, 3 are there"),
]


@pytest.mark.parametrize("turn", range(max(Counter(cell[0] for cell in CELLS).values())))
def test_a_wrong_cell_of_a_table_is_named(results, turn):
    """One cell of each table at a time."""
    by_table = {}
    for cell in CELLS:
        by_table.setdefault(cell[0], []).append(cell)
    planted = [cells[turn] for cells in by_table.values() if turn < len(cells)]
    for table, artifact, column, value, _ in planted:
        rows = read(results / table)
        rows[column] = rows[column].astype(object)
        rows.loc[0, column] = value
        write(results / table, rows if isinstance(value, str | None) else rows.infer_objects())
        record_again(results, artifact)
    assert_all_found(results, [(of, table, said) for table, of, _, _, said in planted])


@pytest.mark.parametrize("change", ["dropped", "renamed", "of another type"])
def test_a_column_that_is_not_as_stated_is_named(results, change):
    expected = []
    for table, artifact in (
        ("gallery/scans/c0.csv", "gallery/scans/c0"),
        ("affectspace/classes.parquet", "affectspace/affectspace"),
        ("gallery/frames.parquet", "gallery/frames"),
    ):
        rows = read(results / table)
        name = rows.columns[-1] if table.endswith("classes.parquet") else "frame_id"
        if change == "of another type":
            rows[name] = [1.5] * len(rows)
            if table.endswith(".csv"):
                name, rows = "is_neutral", rows.assign(is_neutral="2.5")
        elif change == "dropped":
            rows = rows.drop(columns=name)
        else:
            rows = rows.rename(columns={name: "x"})
        write(results / table, rows)
        record_again(results, artifact)
        told = {"dropped": f"column {name} is missing", "renamed": "column x is not in its schema"}
        expected.append((artifact, table, told.get(change, "")))
    assert_all_found(results, expected)


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, keep_default_na=False)


def write(path, rows):
    if path.suffix == ".parquet":
        rows.to_parquet(path, index=False)
    else:
        rows.to_csv(path, index=False)


def test_every_table_of_the_build_has_a_schema_and_another_is_named(results):
    folder = results / "notes"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    store.record(
        results / "notes.manifest.json",
        [folder / "a.csv"],
        store.Provenance(results, "notes", "notes", [], {}, "c"),
    )
    assert found(results) == [("notes", "notes/a.csv", "no schema is known for this table")]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(400) + b"PAR1", b"\xff\xfe\x00"])
def test_nonsense_that_a_manifest_vouches_for_is_a_finding_and_no_traceback(results, content):
    files = {
        "affectspace/affectspace": ("affectspace/classes.parquet",),
        "gallery/scans/c0": ("gallery/scans/c0.csv",),
        "dataset": ("dataset/splits.csv", "dataset/SHA256SUMS", "dataset/croissant.json"),
    }
    for artifact, names in files.items():
        for name in names:
            (results / name).write_bytes(content)
        record_again(results, artifact)
    assert_all_found(results, [(of, name, "") for of, names in files.items() for name in names])


STORES = [
    (CHUNK, {"class": np.full(4, 99)}, None, "class", "has no deformation"),
    (CHUNK, {"class": np.full(4, 100)}, None, "class", "100 is none of the 100 classes"),
    (CHUNK, {"photograph": np.full(4, 2)}, None, "photograph", "none of the 2 photographs"),
    (CHUNK, {"valence": np.zeros(4)}, None, "valence", f"{IMAGE} is not the median"),
    (CHUNK, {"arousal": np.full(4, np.nan)}, None, "arousal", f"{IMAGE} is not the median"),
    (CHUNK, {"sample": np.full(4, 3)}, None, "zarr.json", f"{IMAGE} is the image {IMAGE}-s3"),
    (CHUNK, {"quality": np.ones((3, 2))}, None, "quality", "shape (3, 2) in place of (4, 2)"),
    (CHUNK, None, {"image_ids": [IMAGE] * 4}, "zarr.json", "occurs twice"),
    (CHUNK, None, {"image_ids": [IMAGE] * 3}, "zarr.json", "3 values for 4 images"),
    (CHUNK, None, {"subjects": ["eve"] * 4}, "zarr.json", "another subject than its photograph"),
    (CHUNK, None, {"classes": ["a"] * 100}, "zarr.json", "other classes than the atlas"),
    (FITS, None, {"image_ids": ["ann2", "bob1"]}, None, "ann1 was not fitted as such"),
    (FITS, None, {"subjects": ["ann", "eve"]}, None, "bob1 was not fitted as such"),
    (FITS, {"camera": np.ones((1, 2))}, None, "quality", "in place of"),
    (ATLAS, {"count": np.zeros(100, np.int64)}, None, "count", "class 7 is not that of its model"),
    (ATLAS, {"status": np.zeros(100, np.uint8)}, None, None, "which has no deformation"),
    (ATLAS, {"status": np.full(100, 2, np.uint8)}, None, "mean", "class 0 has a mean and no model"),
    (ATLAS, None, {"names": ["a"] * 100}, "zarr.json", "other classes than the plane"),
    (
        MODEL,
        {"mean": np.ones((4, 3), np.float32)},
        None,
        None,
        "the mean of class 7 is not that of its model",
    ),
    (MODEL, None, {"median_valence": 0.0}, "zarr.json", "median valence of its frames is -0.88"),
    (MODEL, None, {"class": 66}, "zarr.json", "class 66 is v+0.3_a+0.3"),
    (MODEL, {"components": np.ones((2, 4, 3))}, None, "weights", "in place of (6, 2)"),
    (MODEL, {"mean": np.zeros((4, 3))}, None, "mean", "of type float64 in place of float32"),
    (MODEL, {"extra": np.zeros(3)}, None, "extra", "this array is not in its schema"),
    ("registered/s1", {"flags": np.zeros(3, np.uint16)}, None, "flags", "in place of (4,)"),
    ("registered/s1", None, {"frame_ids": list("abcd")}, "zarr.json", "frame a is not in"),
]


@pytest.mark.parametrize(("name", "arrays", "attributes", "part", "said"), STORES)
def test_a_store_that_contradicts_itself_or_another_is_named(
    results, name, arrays, attributes, part, said
):
    restore(results, name, arrays, attributes)
    problems = found(results)
    assert any(
        said in what and (part is None or file == f"{name}.zarr/{part}")
        for _, file, what in problems
    ), problems


def interpolate(results, label=(-0.9, 0.7), mean=0.0, source=7):
    """Let the atlas say that class 8 is class 7's neighbours' mean."""
    stored = store.open(results / f"{ATLAS}.zarr")
    kept = {name: stored[name][...] for name in ("median", "count", "status", "shares", "mean")}
    kept["median"][8], kept["status"][8] = label, STATUSES.index("interpolated")
    kept["shares"][8, source], kept["mean"][8] = 1, mean
    kept["mean"] = store.Vertices(kept["mean"], np.zeros((4, 3)))
    restore(results, ATLAS, kept)


def test_an_interpolated_class_is_held_to_what_it_is_mixed_from(results):
    interpolate(results)
    assert not [p for p in found(results) if p[0] == ATLAS]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"label": (-0.88, 0.71)}, "interpolated, is not its centre"),
        ({"mean": 0.5}, "not the stated mixture"),
        ({"source": 9}, "no mixture of classes with a model"),
    ],
)
def test_a_wrong_mixture_is_named(results, fault, said):
    interpolate(results, **fault)
    assert any(said in what for artifact, _, what in found(results) if artifact == ATLAS)


def test_an_image_must_say_whether_its_class_is_interpolated(results):
    restore(results, CHUNK, {"interpolated": np.ones(4, bool)})
    assert_found(results, CHUNK, f"{CHUNK}.zarr/interpolated", "whether it is interpolated")


@pytest.fixture
def with_expression(results):
    """A build whose gallery has one apex of happiness, and the model of it."""
    table = results / "gallery/frames.parquet"
    rows = pd.read_parquet(table)
    rows.loc[0, ["expression", "is_apex"]] = ["happiness", True]
    rows.to_parquet(table, index=False)
    record_again(results, "gallery/frames")
    ids, name, mean = [rows.loc[0, "frame_id"]], "happiness", np.ones((4, 3))
    arrays, attributes = model(ids, ["s1"], name, label=(None, None), mean=mean)
    made = replace(provenance(results, ATLAS), rule="expressions")
    folder = results / "blendshapes"
    store.write(folder / f"{name}.zarr", arrays, attributes | {"expression": name}, provenance=made)
    row = {"name": "happiness", "status": "ok", "median_valence": None, "median_arousal": None}
    write_expressions(results, pd.DataFrame([row]), vertex_count=4, provenance=made)
    return results


def test_an_expression_is_held_to_its_apexes_and_its_atlas(with_expression):
    concerned = ("blendshapes/happiness", "blendshapes/expressions")
    assert not [p for p in found(with_expression) if p[0] in concerned]
    ids = pd.read_parquet(with_expression / "gallery/frames.parquet")["frame_id"]
    restore(with_expression, concerned[0], attributes={"frame_ids": [ids[1]]})
    file = "blendshapes/happiness.zarr/zarr.json"
    assert_found(with_expression, concerned[0], file, "no apex of happiness")
    restore(with_expression, concerned[0], {"mean": np.zeros((4, 3), np.float32)})
    assert_found(
        with_expression, concerned[1], f"{concerned[1]}.zarr/mean", "not that of its model"
    )


@pytest.mark.parametrize("name", ["registered/s1", MODEL, ATLAS, FITS, CHUNK])
def test_an_array_that_is_missing_is_named(results, name):
    array = "median" if name == ATLAS else "quality" if "/photos/" in name else None
    array = array or ("flags" if "registered" in name else "weights")
    restore(results, name, drop=[array])
    assert_found(results, name, f"{name}.zarr/{array}", "is missing")


def test_images_without_fits_model_or_photograph_have_no_known_origin(results):
    table = results / "neutrals/photos/accepted.csv"
    rows = read(table)
    write(table, rows[rows["image_id"] != "ann1"])
    record_again(results, "neutrals/photos/neutrals")
    for name in (FITS, MODEL):
        shutil.rmtree(results / f"{name}.zarr")
        (results / f"{name}.manifest.json").unlink()
    problems = found(results)
    for file, what in (
        (f"{CHUNK}.zarr/zarr.json", "photograph ann1 was not accepted as such"),
        (f"{FITS}.zarr", "the fits of its photographs are missing"),
        (f"{MODEL}.zarr", "the model of class 7 is missing"),
    ):
        assert (CHUNK, file, what) in problems, problems


def test_schemas_take_their_columns_from_the_stages():
    shard, table1 = find_table("dataset/data/train-0.parquet"), validation.TABLE1
    assert "image" in shard.names
    assert shard.column("quality_yaw") is not None
    assert shard.column("colour") is None
    assert set(MEASURES) < set(table1.names)
    assert validation.SPLIT.column("set").values == (TRAIN, TEST)
