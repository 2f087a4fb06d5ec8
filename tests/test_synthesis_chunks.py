"""Photographs one by one and by chunks: classes, paths, expressions, what is refused."""

import csv
import json
import shutil

import numpy as np
import pytest
from support.contexts import context
from support.faces import (
    FITS,
    bump,
    chunk_of_people,
    morphable_model,
    photographed,
    write_atlas,
    write_expressions,
)

from affect4d import store
from affect4d.artifacts.blendshapes import EXPRESSIONS
from affect4d.artifacts.statuses import STATUSES
from affect4d.artifacts.synthesis import EXPRESSION_SHEET, FIT_SHEET, PICTURES_STATED, SHEET
from affect4d.blendshapes.model import model_arrays
from affect4d.blendshapes.natural_neighbour import natural_neighbour_weights
from affect4d.blendshapes.path import resample
from affect4d.blendshapes.targets import Expressions
from affect4d.config.synthesis import Settings
from affect4d.dataset.rows import collect_rows
from affect4d.formats.images import read_image
from affect4d.quarantine import BadInput
from affect4d.store.protocol import LIST
from affect4d.synthesis import Atlas, PhotographEditor, sheet
from affect4d.synthesis.illustrate import TILE_PX, take_turns, write_pictures
from affect4d.synthesis.imposed import deformations
from affect4d.synthesis.sheet import GAP, STRIP, points_of_plane
from affect4d.template.anatomy import default_anatomy


@pytest.fixture(scope="module")
def atlas_path(tmp_path_factory):
    return write_atlas(tmp_path_factory.mktemp("atlas") / "atlas.zarr")


@pytest.fixture(scope="module")
def model():
    return morphable_model()


@pytest.fixture(scope="module")
def person():
    return photographed()


def test_labels_are_the_class_medians(atlas_path, model, person):
    image, _ = person
    target = Atlas(atlas_path).target(0.51, 0.5)
    made, record = PhotographEditor(*person, model).impose(target)
    assert made.shape == image.shape and not np.array_equal(made, image)
    assert (record["class"], record["valence"], record["arousal"]) == ("v+0.5_a+0.5", 0.55, 0.41)
    assert record["accepted"] and not record["reason"]
    cropped, _ = PhotographEditor(*person, model, crop=True).impose(target)
    assert cropped.shape == (256, 256, 3)


def test_a_class_without_data_names_the_nearest(atlas_path):
    atlas = Atlas(atlas_path)
    with pytest.raises(BadInput, match=r"is empty; the nearest class with data is v\+0.5_a\+0.5"):
        atlas.target(0.9, 0.9)
    with pytest.raises(BadInput, match="outside the plane"):
        atlas.target(1.4, 0.0)


def test_a_path_interpolates_between_classes(atlas_path, model, person):
    atlas = Atlas(atlas_path)
    points = resample([(0.55, 0.41), (0.5, 0.5), (0.5, 0.6)], 3)
    editor = PhotographEditor(*person, model)
    images = [editor.impose(atlas.between(*point)) for point in points]
    medians = atlas.median[atlas.own]
    for (_, record), point in zip(images, points, strict=True):
        label = natural_neighbour_weights(point, medians)[0] @ medians
        assert np.allclose([record["valence"], record["arousal"]], label)
    assert [record["interpolated"] for _, record in images] == [False, False, True]
    assert np.array_equal(atlas.between(0.55, 0.41).deformation, atlas.target(0.5, 0.5).deformation)
    with pytest.raises(BadInput):
        atlas.between(0.0, -0.9)


def test_chunk_holds_every_class_of_every_usable_photograph(tmp_path, atlas_path):
    settings = Settings(size=96)
    out = chunk_of_people(tmp_path / "one", atlas_path, settings)
    stored = store.open(out / "000.zarr")
    assert stored.attributes["image_ids"] == ["people-a-v-0.5_a+0.3", "people-a-v+0.5_a+0.5"]
    assert [p["subject"] for p in stored.attributes["photographs"]] == ["p1"]
    assert stored["images"].shape == (2, 96, 96, 3)
    assert stored["neutral"].shape == (1, 96, 96, 3)
    assert stored["valence"][...].tolist() == [-0.52, 0.55]
    assert stored["arousal"][...].tolist() == [0.33, 0.41]
    assert stored["landmarks"].shape == (2, 68, 2)
    assert (stored["images"][...] != stored["neutral"][...]).any(axis=(1, 2, 3)).all()
    with (out / "quarantine" / "000.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["item"] for row in rows] == ["gated", "missing"]
    assert store.verify(out / "000.zarr") == []

    again = chunk_of_people(tmp_path / "two", atlas_path, settings)
    assert (out / "000.manifest.json").read_bytes() == (again / "000.manifest.json").read_bytes()


def test_one_picture_alone_is_that_of_its_photograph_not_of_one_whose_name_begins_alike(
    tmp_path, atlas_path
):
    only = "people-a-2-v+0.5_a+0.5"
    out = chunk_of_people(tmp_path, atlas_path, Settings(size=96), second="a-2", only=only)
    stored = store.open(out / "000.zarr")
    assert stored.attributes["image_ids"] == [only]
    assert [each["image_id"] for each in stored.attributes["photographs"]] == ["a-2"]


def test_an_interpolated_class_says_so_in_the_chunk_and_in_the_dataset(tmp_path, atlas_path):
    stored = store.open(atlas_path)
    status, shares = stored["status"][...], stored["shares"][...]
    own, other = np.flatnonzero(status)
    median = stored["median"][...]
    status[other], shares[other], median[other] = STATUSES.index("interpolated"), 0, [0.5, 0.5]
    shares[other, own] = 1
    mean = store.Vertices(stored["mean"][...], stored["mean"].neutral)
    arrays = {"mean": mean, "median": median, "count": stored["count"][...]}
    arrays |= {"status": status, "shares": shares}
    store.write(tmp_path / "atlas.zarr", arrays, stored.attributes, provenance=None)
    settings = Settings(size=96)
    out = chunk_of_people(tmp_path / "one", tmp_path / "atlas.zarr", settings)
    chunk = store.open(out / "000.zarr")
    assert chunk["class"][...].tolist() == [own, other]
    assert chunk["interpolated"][...].tolist() == [False, True]
    assert (chunk["valence"][1], chunk["arousal"][1]) == (0.5, 0.5)
    rows = collect_rows({"000": store.open(out / "000.zarr")}, {"people": "photograph"})
    assert rows.set_index("class")["interpolated"].to_dict() == {-1: False, own: False, other: True}


def test_a_basic_expression_is_imposed_by_name(tmp_path, model, person):
    expressions = Expressions(write_expressions(tmp_path / "expressions.zarr"))
    target = expressions.target("happiness")
    image, record = PhotographEditor(*person, model).impose(target)
    assert record["class"] == "happiness" and np.isnan(record["valence"])
    assert not np.array_equal(image, person[0])
    for name, words in (("fear", "insufficient"), ("joy", "unknown")):
        with pytest.raises(BadInput, match=f"{words}.*choose one of happiness"):
            expressions.target(name)


def test_chunk_lists_refused_pictures(tmp_path, atlas_path):
    settings = Settings(size=96, max_yaw=5.0)
    out = chunk_of_people(tmp_path, atlas_path, settings)
    assert store.open(out / "000.zarr")["images"].shape == (0, 96, 96, 3)
    text = (out / "quarantine" / "000.csv").read_text()
    assert text.count("the head is turned by 8 degrees") == 2


def test_samples_are_unseen_faces_and_reproducible(atlas_path, tmp_path):
    components = np.stack([bump(place, 15, [0, 3, 0]) for place in (48, 54)])
    weights = np.array([[0.2, 0.8], [0.9, 0.1], [0.5, 0.7]])
    arrays = model_arrays(components.mean(0), components, weights, subjects=np.arange(len(weights)))
    atlas = Atlas(atlas_path)
    for index in atlas.usable:
        path = tmp_path / f"{atlas.names[index]}.zarr"
        store.write(path, arrays, {"constraint": "nonnegative"}, provenance=None)
    drawn = [deformations(atlas, tmp_path, default_anatomy(), samples=2, seed=s) for s in (0, 0, 1)]
    assert [target.name(atlas.names) for target in drawn[0]] == [
        *(f"v-0.5_a+0.3{suffix}" for suffix in ("", "-s0", "-s1")),
        *(f"v+0.5_a+0.5{suffix}" for suffix in ("", "-s0", "-s1")),
    ]
    first, second = drawn[0][1].deformation, drawn[0][2].deformation
    assert not np.array_equal(first, second)
    assert np.array_equal(first, drawn[1][1].deformation)
    assert not np.array_equal(first, drawn[2][1].deformation)


def test_strict_stops_at_a_bad_photograph(tmp_path, atlas_path):
    with pytest.raises(BadInput):
        chunk_of_people(tmp_path, atlas_path, Settings(size=96), strict=True)


def test_the_contact_sheets_of_a_photograph(tmp_path, atlas_path, monkeypatch):
    monkeypatch.setattr(sheet, "REACH", 0.5)
    settings = Settings(size=96)
    chunk_of_people(tmp_path, atlas_path, settings)
    write_expressions(EXPRESSIONS.path(tmp_path))
    run = context(tmp_path, "synthesis")
    write_pictures(run, [tmp_path / FITS], anatomy=default_anatomy(), settings=settings)
    folder = tmp_path / "synthesis/pictures"
    assert store.verify(folder) == []
    stated = json.loads(PICTURES_STATED.path(tmp_path).read_text())
    assert stated["photographs"] == ["a"]  # one is gated, one is missing
    around = [p for p in points_of_plane(3).reshape(-1, 2) if _has_data(Atlas(atlas_path), p)]
    assert len(around) == 2 and stated["empty"] == 2 * (9 - len(around))
    picture = read_image(SHEET.path(tmp_path))
    assert picture.shape[0] == 2 * (STRIP + TILE_PX) + GAP
    assert picture.shape[1] == 10 * TILE_PX + 9 * GAP
    row, column = STRIP + TILE_PX, 2 * TILE_PX + GAP
    assert read_image(EXPRESSION_SHEET.path(tmp_path)).shape[:2] == (row, column)  # one has a model
    assert read_image(FIT_SHEET.path(tmp_path)).shape[:2] == (2 * row + GAP, TILE_PX)


def test_people_of_one_name_in_two_databases_are_two(tmp_path, atlas_path, monkeypatch):
    monkeypatch.setattr(sheet, "REACH", 0.5)
    settings = Settings(size=96)
    chunk_of_people(tmp_path, atlas_path, settings)
    write_expressions(EXPRESSIONS.path(tmp_path))
    first = tmp_path / FITS
    second = shutil.copytree(first.parent, first.parent.with_name("other")) / first.name
    run = context(tmp_path, "synthesis")
    chunks = [first, first, second]
    write_pictures(run, chunks, anatomy=default_anatomy(), settings=settings)
    stated = json.loads(PICTURES_STATED.path(tmp_path).read_text())
    assert stated["photographs"] == ["a", "a"] and stated["expressions_doubted"] == 0


def _has_data(atlas, place):
    try:
        return bool(atlas.between(*place))
    except BadInput:
        return False


def test_without_an_accepted_photograph_there_is_no_sheet(tmp_path, atlas_path):
    shutil.copytree(atlas_path.parent, tmp_path / "blendshapes")
    run = context(tmp_path, "synthesis")
    write_pictures(run, [], anatomy=default_anatomy(), settings=Settings())
    assert {path.name for path in (tmp_path / "synthesis/pictures").iterdir()} == {
        LIST,
        PICTURES_STATED.path(tmp_path).name,
    }


@pytest.mark.parametrize(
    ("counts", "shown"),
    [((4, 13), "aaaabbbb"), ((4, 13, 40), "aaabbbcc"), ((1, 0, 9), "accccccc"), ((2, 1), "aab")],
)
def test_every_database_is_on_the_sheets_as_evenly_as_it_can_be(counts, shown):
    drawn = []

    def queue(name, count):
        for number in range(count):
            drawn.append(name)
            yield name, number

    found = take_turns([queue(*each) for each in zip("abc", counts, strict=False)], 8)
    assert "".join(name for name, _ in found) == shown
    assert [number for name, number in found if name == "a"] == list(range(shown.count("a")))
    assert sorted(drawn) == sorted(shown)  # nothing is opened that is not shown
