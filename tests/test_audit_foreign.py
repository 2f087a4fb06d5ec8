"""`audit --invalidate` deletes what this build wrote and is broken: nothing else, nowhere else."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from support.folder_content import content
from support.small_results import build_results
from typer.testing import CliRunner

from affect4d import audit, store
from affect4d.cli import app, builds
from affect4d.pipeline.results_folder import claim_results
from affect4d.store.build_root import CONTENT, MARKER

CHUNK = "registered/s1.zarr/vertices/c/0/0/0"


def damage(results):
    path = results / CHUNK
    path.write_bytes(path.read_bytes()[:-1])


def invalidate(results):
    return audit.invalidate(results, audit.audit_build(results))


def test_a_folder_above_builds_is_refused_and_nothing_in_it_changes(original, tmp_path):
    for name in ("first", "second"):
        shutil.copytree(original, tmp_path / "above" / name)
    damage(tmp_path / "above/first")
    zarr.save(tmp_path / "above/mine.zarr", np.arange(9))
    before = content(tmp_path)
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "above"), "--invalidate", "--yes"])
    assert done.exit_code == 2 and content(tmp_path) == before
    (tmp_path / "above" / MARKER).write_bytes(CONTENT)  # even where it is marked as a build
    before = content(tmp_path)
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "above"), "--invalidate", "--yes"])
    assert content(tmp_path) == before


def test_what_would_be_deleted_is_said_first_and_nothing_goes_without_a_yes(results):
    damage(results)
    (results / "benchmarks/registration").mkdir(parents=True)
    record = "s\th:m:s\tmax_rss\tcpu_time\n90.0\t0:01:30\t504.34\t80.0\n"
    (results / "benchmarks/registration/item.tsv").write_text(record)
    before = content(results)
    refused = CliRunner().invoke(app, ["audit", str(results), "--invalidate"])
    assert refused.exit_code == 2 and "give --yes" in refused.stderr
    assert content(results) == before
    files = len(store.read_manifest(results / "registered/s1.manifest.json").files)
    assert f"registered/s1: {files} files (" in refused.stderr
    assert "only the manifests of" in refused.stderr and "dataset 1" in refused.stderr
    assert "which took 2 min in all" in refused.stderr
    done = CliRunner().invoke(app, ["audit", str(results), "--invalidate", "--yes"])
    assert done.exit_code == 1 and "deleted" in done.stderr.splitlines()[-1]
    assert not (results / "registered/s1.zarr").exists()


def test_where_somebody_can_be_asked_no_is_an_answer(results, monkeypatch):
    damage(results)
    monkeypatch.setattr(builds, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True)))
    call = ["audit", str(results), "--invalidate"]
    done = CliRunner().invoke(app, call, input="n\n")
    assert done.exit_code == 2 and (results / "registered/s1.zarr").exists()
    CliRunner().invoke(app, call, input="y\n")
    assert not (results / "registered/s1.zarr").exists()
    while invalidate(results):
        pass
    assert "nothing to delete" in CliRunner().invoke(app, [*call, "--yes"]).stderr


@pytest.mark.parametrize("marked", [True, False])
def test_a_build_below_another_and_backups_in_it_are_kept(results, original, marked):
    shutil.copytree(original, results / "backup")
    shutil.copytree(original / "registered", results / "backup of registered")
    for end in (".zarr", ".manifest.json"):
        copy = shutil.copytree if end == ".zarr" else shutil.copy
        copy(results / f"registered/s1{end}", results / f"registered/s1-copy{end}")
        copy(results / f"registered/s2{end}", results / f"gallery/s2{end}")
    if not marked:
        (results / "backup" / MARKER).unlink()
    damage(results)
    before = content(results)
    assert "registered/s1.zarr" in invalidate(results)
    after = content(results)
    gone = before.keys() - after.keys()
    assert gone and all(before[path] == after[path] for path in after)
    assert not [name for name in gone if name.startswith("backup") or "copy" in name]
    assert not [name for name in gone if name.startswith("gallery/s2")]


def test_what_others_put_into_a_build_is_kept(results):
    zarr.save(results / "mine.zarr", np.arange(9))
    zarr.save(results / "registered/mine.zarr", np.arange(9))
    (results / "registered/mine.manifest.json").write_text('{"name": "of another program"}')
    (results / "registered/s1.zarr/notes.txt").write_text("mine")
    (results / "notes").mkdir()
    (results / "notes/.editor.lock").write_text("pid 17")
    damage(results)
    before = content(results)
    invalidate(results)
    gone = before.keys() - content(results).keys()
    assert CHUNK in gone
    assert not [name for name in gone if "mine" in name or "notes" in name]
    assert (results / "registered/s1.zarr/notes.txt").read_text() == "mine"


def test_a_file_that_another_manifest_lists_too_is_kept(results):
    """A manifest that lists the files of others does not make them go when it is stale."""
    file = results / "gallery/frames.parquet"
    made_from = store.Provenance(results, "affectspace", "affectspace", [], {}, "c0")
    store.record(
        results / "affectspace/affectspace.manifest.json",
        [file, results / "affectspace"],
        made_from,
    )
    histogram = results / "affectspace/frames.parquet"
    histogram.write_bytes(b"damaged")
    invalidate(results)
    assert file.exists() and not histogram.exists()


def test_links_are_neither_followed_nor_deleted(results, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "0").write_text("precious")
    chunk = results / CHUNK
    chunk.unlink()
    chunk.symlink_to(outside / "0")
    shutil.move(results / "fits", outside / "fits")
    (results / "fits").symlink_to(outside / "fits")
    before = content(outside)
    invalidate(results)
    assert content(outside) == before and chunk.is_symlink() and (results / "fits").is_symlink()


def test_a_build_of_an_older_version_is_told_how_to_get_its_marker(results):
    (results / MARKER).unlink()
    damage(results)
    before = content(results)
    done = CliRunner().invoke(app, ["audit", str(results), "--invalidate", "--yes"])
    assert (
        done.exit_code == 2 and "`snakemake --forcerun audit` marks an older build" in done.stderr
    )
    assert content(results) == before
    claim_results(results)
    assert "registered/s1.zarr" in invalidate(results)


def test_only_an_empty_folder_or_a_build_is_claimed(tmp_path, original):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    shutil.copytree(original, tmp_path / "above/first")
    for folder in ("mine", "above"):
        with pytest.raises(store.StoreError, match="holds files and no build of this program"):
            claim_results(tmp_path / folder)
        assert not (tmp_path / folder / MARKER).exists()
    (tmp_path / "new/logs").mkdir(parents=True)
    (tmp_path / "new/logs/a.log").write_text("")
    for folder in ("new", "absent"):
        claim_results(tmp_path / folder)
        assert (tmp_path / folder / MARKER).read_bytes() == CONTENT


def test_what_has_the_name_of_the_verdict_and_is_none_is_kept(results, tmp_path):
    (tmp_path / "outside.json").write_text("{}")
    path = results / "audit.json"
    for make in (
        lambda: path.write_text("mine"),
        lambda: path.symlink_to(tmp_path / "outside.json"),
    ):
        make()
        damage(results)
        before = content(tmp_path)
        verdict = audit.audit_build(results)
        assert "audit.json: the verdict of the last audit is not what was written" in verdict.text()
        audit.invalidate(results, verdict)
        after = content(tmp_path)
        assert {name: after[name] for name in ("results/audit.json", "outside.json")} == {
            name: before[name] for name in ("results/audit.json", "outside.json")
        }
        path.unlink()
        shutil.rmtree(results)
        build_results(results, tmp_path / "outside.json")
