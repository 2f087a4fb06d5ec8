"""Models of classes, and photographs of databases, that the build no longer has."""

import os
import shutil
from unittest import mock

import numpy as np
import pytest
from support.small_results import build_results, model

from affect4d import audit, store

LEFTOVER = "blendshapes/v-0.8_a-0.8"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    build_results(tmp_path / "results", tmp_path / "photo.jpg")
    return tmp_path / "results"


def leave_model(results, index):
    """A whole model, as a build with another grid left it."""
    ids = ["s1_7_0", "s1_7_1"]
    mean, label = np.ones((4, 3)), (-0.7, -0.7)
    arrays, attributes = model(ids, ["s1", "s1"], "v-0.8_a-0.8", label=label, mean=mean)
    attributes |= {"class": index}
    inputs = [results / "registered/s1.manifest.json"]
    made_from = store.Provenance(results, "blendshapes", LEFTOVER, inputs)
    store.write(results / f"{LEFTOVER}.zarr", arrays, attributes, provenance=made_from)


@pytest.mark.parametrize("index", [7, 1599])
def test_a_model_of_a_class_that_is_gone_is_one_finding_and_not_the_atlas_fault(results, index):
    before = audit.audit_build(results).problems
    leave_model(results, index)
    (finding,) = (p for p in audit.audit_build(results).problems if p not in before)
    assert (finding.artifact, finding.file) == (LEFTOVER, f"{LEFTOVER}.zarr")
    assert "a class that the plane does not have" in finding.what
    assert finding.kind == "stale" and "snakemake" in finding.remedy


def drop_photos(results):
    """A build whose only database is another one, with what an earlier one made of `photos`."""
    for stage in ("neutrals", "fits", "synthesis"):
        shutil.copytree(results / stage, results / "of photos" / stage)
    (results.parent / "photo.jpg").unlink()
    other = results.parent / "other" / "results"
    (other.parent / "photo.jpg").parent.mkdir()
    (other.parent / "photo.jpg").write_bytes(b"other")
    with mock.patch("support.small_results.DATABASE", "synthetic"):
        build_results(other, other.parent / "photo.jpg")
    for path in sorted((results / "of photos").rglob("*")):
        if path.is_file():
            target = other / path.relative_to(results / "of photos")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            os.utime(target, (1, 1))  # older than the dataset
    return other


def test_a_database_that_was_dropped_and_lost_is_named_and_removed_and_nothing_else(results):
    other = drop_photos(results)
    verdict = audit.audit_build(other)
    assert verdict.intact, verdict.text()
    assert set(verdict.leftovers) == {
        "fits/photos/000.manifest.json",
        "neutrals/photos/neutrals.manifest.json",
        "synthesis/photos/000.manifest.json",
    }
    assert "not checked: fits/photos/000, neutrals/photos/neutrals" in verdict.text()
    (other / "audit.json").write_bytes(store.canonical(verdict.record()))
    (other / "neutrals/photos/images/notes.txt").write_text("mine")
    audit.invalidate(other, audit.audit_build(other))
    left = sorted(p.relative_to(other).as_posix() for p in other.rglob("*photos*/**/*"))
    assert left == ["neutrals/photos/images", "neutrals/photos/images/notes.txt"]
    (other / "neutrals/photos/images/notes.txt").unlink()
    verdict = audit.audit_build(other)
    assert verdict.intact and not verdict.leftovers, verdict.text()


def test_what_is_newer_than_the_dataset_is_not_left_over(results):
    other = drop_photos(results)
    for path in other.rglob("photos/**/*"):
        os.utime(path)
    verdict = audit.audit_build(other)
    assert not verdict.leftovers and "no longer there" in verdict.text()


def test_a_missing_folder_of_neutral_images_does_not_hide_other_damage(results):
    shutil.rmtree(results / "neutrals")
    chunk = results / "registered/s1.zarr/vertices/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    verdict = audit.audit_build(results)
    assert verdict.exit_code == 1
    assert "registered/s1.zarr/vertices/c/0/0/0" in verdict.text()
    assert "neutrals/photos/neutrals.manifest.json: this input is missing" in verdict.text()
