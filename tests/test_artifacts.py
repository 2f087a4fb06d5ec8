"""Artifacts: one declaration each, from which paths, schemas, texts and pages follow."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from support.declared import undeclared

import affect4d.artifacts
from affect4d import audit, store
from affect4d.artifacts import affectspace, blendshapes, document, gallery, registration, registry
from affect4d.artifacts.declaration import Store
from affect4d.provenance import lineage
from affect4d.provenance.explain_artifact import describe_artifact
from affect4d.store.manifest import REBUILD

ROOT = Path(__file__).parents[1]

TOY = '''
"""A toy stage: how often each person smiles."""

from affect4d.artifacts import gallery
from affect4d.artifacts.declaration import Array, Artifact, Column, Store, Table

ORDER = 20
SMILES = Table(
    "toy/smiles.csv",
    "smiles per person",
    (
        Column("subject", "string", "Person.", references=f"{gallery.FRAMES.pattern}:subject"),
        Column("smiles", "int64", "Frames with a smile.", minimum=0),
    ),
    key="subject",
)
WIDTHS = Store(
    "toy/widths/{sequence}.zarr",
    "how wide the mouth is",
    (Array("width", "float32", ("frames",), "Distance of its corners.", unit="mm"),),
)
ARTIFACTS = (
    Artifact("toy/smiles", "who smiles", rules=("toy",), files=(SMILES,)),
    Artifact("toy/widths/{sequence}", "mouths of a sequence", rules=("toy",), files=(WIDTHS,)),
)
'''


@pytest.fixture(scope="module")
def results(small_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    return shutil.copytree(small_build, folder, dirs_exist_ok=True) / "results"


@pytest.fixture
def toy_stage(tmp_path, monkeypatch):
    """One more module among the declarations: all that a new stage must say of its artifacts."""
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/toy.py").write_text(TOY)
    path = [*affect4d.artifacts.__path__, str(tmp_path / "stage")]
    monkeypatch.setattr(affect4d.artifacts, "__path__", path)
    caches = (registry.stages, registry.artifacts, registry.files)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def test_the_page_of_artifacts_is_the_generated_one():
    assert (ROOT / "docs/artifacts.md").read_text() == document.page(), "run `make docs`"


def test_a_path_follows_from_the_declaration(tmp_path):
    assert affectspace.FRAMES.path(tmp_path) == tmp_path / "affectspace/frames.parquet"
    assert gallery.SCANS.name(chunk="c0") == "gallery/scans/c0.csv"
    assert registration.REGISTERED.path("r", sequence="s1") == Path("r/registered/s1.zarr")
    manifest = registration.REGISTERED.manifest("r", sequence="s1")
    assert manifest == store.manifest_of(Path("r/registered/s1.zarr"))
    assert gallery.GALLERY.manifest("r") == Path("r/gallery/frames.manifest.json")
    with pytest.raises(KeyError):
        gallery.SCANS.path(tmp_path)


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("blendshapes/atlas.zarr", blendshapes.ATLAS),
        ("blendshapes/v-0.9_a+0.5.zarr", blendshapes.MODEL),
        ("gallery/scans/c0.csv", gallery.SCANS),
        ("gallery/scans/c0.quarantine.csv", gallery.SCANS_QUARANTINE),
        ("gallery/portraits/01/01.json", gallery.PORTRAIT_LANDMARKS),
        ("gallery/portraits/01/02.json", None),
        ("gallery/scans/c0/deeper/c0.csv", None),
    ],
)
def test_the_declaration_with_most_fixed_characters_counts(path, file):
    assert registry.find_file(path) is file


def test_no_pattern_is_declared_twice_and_every_store_is_an_artifact():
    for declared in (registry.artifacts(), registry.files()):
        patterns = [each.pattern for each in declared]
        assert len(patterns) == len(set(patterns))
    for artifact in registry.artifacts():
        for file in artifact.files:
            if isinstance(file, Store):
                assert file.pattern == f"{artifact.pattern}.zarr" and artifact.files == (file,)


def test_every_length_of_an_index_is_that_of_an_array_or_a_list():
    for declared in (file for file in registry.files() if isinstance(file, Store)):
        lengths = {length for array in declared.arrays for length in array.shape}
        lengths |= {attribute.length for attribute in declared.attributes}
        assert {array.counts for array in declared.arrays} <= {*lengths, ""}


def test_the_small_build_is_as_declared(results):
    assert undeclared(results) == []


def test_a_toy_stage_is_declared_in_one_place(results, toy_stage):
    folder = results / "toy"
    folder.mkdir()
    rows = pd.DataFrame({"subject": ["s1", "s9"], "smiles": [2, -1]})
    rows.to_csv(folder / "smiles.csv", index=False)
    made = store.Provenance(results, "toy", "toy", [], {}, "c")
    store.record(results / "toy/smiles.manifest.json", [folder / "smiles.csv"], made)
    store.write(
        folder / "widths/s1.zarr", {"breadth": pd.Series([1.5]).to_numpy()}, {}, provenance=made
    )

    found = {(p.artifact, p.what) for p in audit.audit_build(results).problems}
    assert found == {
        ("toy/smiles", "column smiles: a value is below 0 in 1 of 2 rows, first in row 1 (-1)"),
        (
            "toy/smiles",
            "column subject: a value is not in gallery/frames.parquet:subject in 1 of 2 rows, "
            "first in row 1 ('s9')",
        ),
        ("toy/widths/s1", "this array is missing"),
        ("toy/widths/s1", "this array is not in its schema"),
    }
    build = lineage.load_build(results)
    assert describe_artifact(build, "toy/smiles")["what"] == "who smiles"
    assert set(undeclared(results)) == {
        f"toy/widths/s1: toy/widths/s1.zarr/width: this array is missing; {REBUILD}",
        f"toy/widths/s1: toy/widths/s1.zarr/breadth: this array is not in its schema; {REBUILD}",
    }

    store.write(
        folder / "widths/s1.zarr",
        {"width": pd.Series([1.5], dtype="f4").to_numpy()},
        {},
        provenance=made,
    )
    (array,) = describe_artifact(lineage.load_build(results), "toy/widths/s1")["arrays"]
    assert (array["unit"], array["description"]) == ("mm", "Distance of its corners.")
    page = document.page()
    assert (
        "## toy" in page and "| `smiles` | int64 |  | at least 0 | Frames with a smile. |" in page
    )
