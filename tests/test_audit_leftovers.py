"""Models of classes that the plane does not have: found, once, and not held against others."""

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
