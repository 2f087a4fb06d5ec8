"""The settings that manifests state, against those of the configuration."""

import pytest
from support.small_results import build_results

from affect4d import store
from affect4d.pipeline.recorded import differs
from affect4d.provenance.lineage import load_build
from affect4d.provenance.recorded_settings import stated_settings

CHUNK = "synthesis/photos/000.manifest.json"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    build_results(tmp_path / "results", tmp_path / "photo.jpg", people=(("ann",), ("bob",)))
    return tmp_path / "results"


def test_an_artifact_that_states_other_settings_or_code_differs_and_no_other(results):
    path, made = results / CHUNK, {"synthesis": {"size": 3}}
    assert not differs(path, made, "c0")
    assert differs(path, {"synthesis": {"size": 4}}, "c0")
    assert differs(path, {**made, "seed": 0}, "c0")  # a rule depends on more than it did
    assert differs(path, made, "c1")
    assert not differs(results / "absent.manifest.json", made, "c0")
    path.write_text("{}")
    assert not differs(path, made, "c0")  # damage is for the audit to find


def test_a_report_states_what_the_artifacts_state_and_by_whom_where_they_differ(results):
    sections = ["neutrals", "synthesis"]
    stated = stated_settings(load_build(results), sections)
    assert {name: stated[name]["size"] for name in stated} == dict.fromkeys(sections, 3)
    old = store.read_manifest(results / CHUNK)
    store.record(
        results / CHUNK,
        [old.locate(file) for file in old.files],
        store.Provenance(results, old.rule, old.item, [], {"synthesis": {"size": 4}}, "c0"),
    )
    assert stated_settings(load_build(results), sections)["synthesis"]["size"] == [
        {"value": 4, "stated by": "synthesis/photos/000"},
        {"value": 3, "stated by": "synthesis/photos/001"},
    ]
