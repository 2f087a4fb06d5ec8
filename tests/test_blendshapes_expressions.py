"""The basic expressions: models of posed apex frames, and their atlas."""

import shutil

import numpy as np
import pandas as pd
import pytest
from support import small_gallery
from support.contexts import context

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.blendshapes import read_class, sample
from affect4d.blendshapes.classes import ClassFitter
from affect4d.blendshapes.expressions import fit_expressions
from affect4d.blendshapes.targets import Expressions
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings
from affect4d.config.gallery import EXPRESSIONS
from affect4d.quarantine import BadInput, Quarantine

PLANE = PlaneSettings(bins=4, min_frames=3, min_subjects=2)
SHOWN = ("anger", "fear", "happiness")


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Four subjects with posed sequences of three expressions, two apexes each."""
    root = tmp_path_factory.mktemp("results")
    table = small_gallery.build(root, subjects=4, length=20)
    kind = table["sequence"].str.split("_").str[-1]
    table["expression"] = kind.where(table["task"] == "posed", None)
    flagged("s001_1_fear", [4], root)
    table.to_parquet(root / "gallery/frames.parquet", index=False)
    store.record(root / "gallery/frames.manifest.json", [root / "gallery/frames.parquet"], None)
    build_affectspace(context(root, "affectspace"), PLANE)
    run(root)
    return root


def flagged(sequence, frames, root):
    stored = store.open(root / f"registered/{sequence}.zarr")
    flags = np.zeros(len(stored["flags"]), np.uint8)
    flags[frames] = 2
    vertices = store.Vertices(stored["vertices"][...], stored["vertices"][0])
    store.write(
        stored.path, {"vertices": vertices, "flags": flags}, stored.attributes, provenance=None
    )


def run(root, plane=PLANE, quarantine=None, **settings):
    fitter = ClassFitter(
        context(
            root,
            "expressions",
            quarantine=quarantine or Quarantine("blendshapes"),
            settings=settings,
        ),
        small_gallery.template(),
        settings=Settings(**{"outer_radius": 45.0, "components": 3, **settings}),
        plane=plane,
    )
    fit_expressions(fitter)
    return fitter


def differences(root, expression):
    """Apex minus the mean of the two neutral frames, read and subtracted here."""
    found = []
    for subject in range(4):
        name = f"s{subject:03d}_1_{expression}"
        vertices = store.open(root / f"registered/{name}.zarr")["vertices"][...].astype(np.float64)
        apexes = [3] if name == "s001_1_fear" else [3, 4]
        found += [vertices[apex] - vertices[:2].mean(0) for apex in apexes]
    return np.array(found)


@pytest.mark.parametrize("expression", SHOWN)
def test_an_expression_is_the_mean_of_its_apexes(gallery, expression):
    expected = differences(gallery, expression)
    model = store.open(gallery / f"blendshapes/{expression}.zarr")
    assert len(model.attributes["frame_ids"]) == len(expected)
    assert model.attributes["strength"] == 1
    target = expected.mean(0)
    np.testing.assert_allclose(model["mean"][...], target, rtol=0, atol=1e-4)
    atlas = store.open(gallery / "blendshapes/expressions.zarr")
    index = EXPRESSIONS.index(expression)
    np.testing.assert_allclose(atlas["mean"][index], target, rtol=0, atol=0.006)
    assert atlas["count"][index] == len(expected)
    assert model.attributes["expression"] == expression
    assert model.attributes["median_valence"] is None and np.isnan(atlas["median"][index]).all()


def test_strength_makes_the_atlas_as_strong_as_the_median_frame(gallery, tmp_path):
    root = shutil.copytree(gallery, tmp_path / "results")
    fitter = run(root, target="strength")
    expected = differences(root, "happiness")
    squared = np.square(fitter.face * expected).sum((1, 2))
    steps = np.square(fitter.face * (expected[1::2] - expected[::2])).sum((1, 2))
    length = np.square(fitter.face * expected.mean(0)).sum()
    strength = np.sqrt((np.median(squared) - np.median(steps) / 2) / length)
    model = read_class(root / "blendshapes/happiness.zarr")
    np.testing.assert_allclose(model.mean, expected.mean(0), rtol=0, atol=1e-4)
    atlas = store.open(root / "blendshapes/expressions.zarr")["mean"]
    index = EXPRESSIONS.index("happiness")
    assert strength > 1.001
    np.testing.assert_allclose(atlas[index], strength * expected.mean(0), rtol=0, atol=0.006)


def test_an_expression_has_components_and_unseen_faces_like_a_class(gallery):
    model = read_class(gallery / "blendshapes/happiness.zarr")
    assert (model.weights.max(0) == 1).all() and len(model.components) >= 2
    first, other = sample(model, 0), sample(model, 1)
    assert not np.array_equal(first, other)
    assert np.abs(first).max() < 2 * np.abs(differences(gallery, "happiness")).max()


def test_expressions_that_nobody_posed_have_no_deformation(gallery):
    expressions = Expressions(gallery / "blendshapes/expressions.zarr")
    assert expressions.names == list(EXPRESSIONS)
    assert dict(zip(expressions.names, expressions.status, strict=True)) == {
        name: "ok" if name in SHOWN else "empty" for name in EXPRESSIONS
    }
    assert not (gallery / "blendshapes/surprise.zarr").exists()
    assert expressions.target("fear").name == "fear"
    with pytest.raises(BadInput, match=r"empty.*choose one of anger, fear, happiness"):
        expressions.target("surprise")


def test_what_is_current_is_kept(gallery):
    manifests = sorted((gallery / "blendshapes").glob("*.manifest.json"))
    before = [path.read_bytes() for path in manifests]
    written = (gallery / "blendshapes/fear.manifest.json").stat().st_mtime_ns
    run(gallery)
    assert [path.read_bytes() for path in manifests] == before
    assert (gallery / "blendshapes/fear.manifest.json").stat().st_mtime_ns == written


def test_too_few_apexes_are_quarantined(gallery, tmp_path):
    for folder in ("gallery", "registered", "affectspace"):
        (tmp_path / folder).symlink_to(gallery / folder)
    quarantine = Quarantine("blendshapes")
    run(tmp_path, PlaneSettings(bins=4, min_frames=8, min_subjects=2), quarantine)
    assert [row.item for row in quarantine.rows] == ["fear"]
    assert "7 clean apex frames of 4 people" in quarantine.rows[0].rule
    rows = pd.read_csv(tmp_path / "blendshapes/quarantine/expressions.csv")
    assert rows["item"].tolist() == ["fear"]
    assert Expressions(tmp_path / "blendshapes/expressions.zarr").status[2] == "insufficient"
