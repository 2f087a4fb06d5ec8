"""What `audit --invalidate` deletes: what is broken and what follows from it, and nothing else."""

import shutil

import pytest
from support.folder_content import build_files

from affect4d import audit, store
from affect4d.store import protocol


@pytest.fixture
def results(small_build, tmp_path):
    """A copy to damage; its lineage leads to the same photograph outside."""
    return shutil.copytree(small_build / "results", tmp_path / "results")


def test_invalidate_takes_away_the_broken_and_what_follows_and_keeps_the_rest(results):
    before = set(build_files(results))
    shard = results / "registered/s1.zarr/vertices/c/0/0/0"
    shard.write_bytes(shard.read_bytes()[:-1])
    audit.invalidate(results, audit.audit_build(results))
    gone = before - set(build_files(results))
    assert all(n.startswith("registered/s1.zarr/") or n.endswith(".manifest.json") for n in gone)
    kept = {n for n in set(build_files(results)) if n.endswith(".manifest.json")}
    assert kept == {
        "fits/photos/000.manifest.json",
        "gallery/frames.manifest.json",
        "gallery/scans/c0.manifest.json",
        "neutrals/photos/neutrals.manifest.json",
        "registered/s2.manifest.json",
        "registered/s3.manifest.json",
    }


@pytest.mark.parametrize("content", ["", "s\n", "s\tmax_rss\tcpu_time\n7\t1\t2\n"])
def test_what_would_be_deleted_is_said_with_the_cost_that_is_recorded(results, content):
    (results / "registered/s1.zarr/zarr.json").write_bytes(b"{}")
    removals = audit.plan_removals(results, audit.audit_build(results))
    rule = store.read_manifest(results / "registered/s1.manifest.json").rule
    (results / "benchmarks").mkdir(exist_ok=True)
    (results / f"benchmarks/{rule}.tsv").write_text(content)
    said = audit.describe_removals(results, removals)
    assert "registered/s1: " in said and "files (" in said
    assert f"which took {7 if '7' in content else 0} s in all" in said


def test_invalidate_after_any_damage_leaves_nothing_damaged(results, small_build):
    for name in build_files(small_build / "results")[::4]:
        shutil.rmtree(results)
        shutil.copytree(small_build / "results", results)
        content = (results / name).read_bytes()
        (results / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert audit.invalidate(results, audit.audit_build(results))
        left = audit.audit_build(results)
        assert {p.kind.value for p in left.problems} <= {"unlisted"}, (name, left.text())
        assert not (results / "dataset.manifest.json").exists()


def test_invalidate_touches_nothing_of_a_whole_build_and_nothing_outside(results):
    before = build_files(results)
    assert audit.invalidate(results, audit.audit_build(results)) == []
    outside = results.parent / "outside.txt"
    outside.write_text("precious")
    provenance = store.Provenance(results, "rule", "x", [], {}, "c")
    store.record(results / "a.manifest.json", [outside], provenance)
    outside.write_text("changed")
    audit.invalidate(results, audit.audit_build(results))
    assert outside.read_text() == "changed" and build_files(results) == before


def test_an_artifact_that_is_gone_with_its_manifest_is_missed(results):
    (results / "audit.json").write_bytes(store.canonical(audit.audit_build(results).record()))
    assert audit.audit_build(results).intact
    shutil.rmtree(results / "dataset")
    (results / "dataset.manifest.json").unlink()
    verdict = audit.audit_build(results)
    assert verdict.exit_code == 1 and "dataset.manifest.json" in verdict.text()
    audit.invalidate(results, verdict)
    assert audit.audit_build(results).exit_code == 1


def test_what_was_invalidated_is_missed_until_it_is_rebuilt(results):
    (results / "audit.json").write_bytes(store.canonical(audit.audit_build(results).record()))
    shard = next((results / "dataset").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert audit.invalidate(results, audit.audit_build(results))
    assert not shard.exists()
    verdict = audit.audit_build(results)
    assert "dataset.manifest.json" in verdict.text() and verdict.exit_code == 1


def test_what_was_built_anew_since_the_audit_or_is_being_written_is_kept(results, caplog):
    shard = results / "registered/s1.zarr/vertices/c/0/0/0"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1])
    verdict = audit.audit_build(results)
    with protocol.lock(results / "registered/s1.zarr"):
        deleted = audit.invalidate(results, verdict)
    assert shard.exists() and "is being written by process" in caplog.text
    assert "registered/s1.manifest.json" not in deleted
    shard.write_bytes(content)
    path = results / "registered/s1.manifest.json"
    kept = store.read_manifest(path)
    provenance = store.Provenance(results, "registered", "s1", [], {"built": "anew"}, "c")
    store.record(path, [kept.locate(file) for file in kept.files], provenance)
    assert not any("s1" in name for name in audit.invalidate(results, verdict))
    assert path.exists() and "registered/s1 was rebuilt since the audit" in caplog.text
