"""The audit of a small build: all damage is found."""

import errno
import json
import os
import shutil
from pathlib import Path
from random import Random

import pandas as pd
import pytest
from support.folder_content import build_files
from support.rewritten_manifests import rewrite_manifests
from support.small_results import build_results

from affect4d import audit, store
from affect4d.audit import digests
from affect4d.pipeline.results_folder import claim_results
from affect4d.store.build_root import MARKER

IMAGE = "photos-ann1-v-0.9_a+0.5"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    (folder / "photo.jpg").write_bytes(b"jpeg")
    build_results(folder / "results", folder / "photo.jpg")
    return folder / "results"


@pytest.fixture
def results(original, tmp_path):
    """A copy to damage; its lineage leads to the same photograph outside."""
    return shutil.copytree(original, tmp_path / "results")


def audited(results):
    return audit.audit_build(results)


def test_a_whole_build_is_whole(original):
    verdict = audited(original)
    assert verdict.text().splitlines()[-1].endswith(": intact")
    assert verdict.intact and verdict.exit_code == 0 and verdict.problems == ()
    assert verdict.artifacts == 16
    assert json.loads(json.dumps(verdict.record()))["whole"] is True


@pytest.mark.parametrize("folder", digests._PACKAGES, ids=["package", "environment"])
def test_a_packages_file_is_an_input_wherever_the_package_lies_now(results, folder, monkeypatch):
    """Built in a checkout, with an environment, that have been moved since."""
    same, other = [path for path in sorted(folder.rglob("*.py")) if path.stat().st_size][:2]
    moved = Path("/moved/since") / folder.name
    closed = Path("/closed") / folder.name  # the home of somebody else
    stated = {
        moved / same.relative_to(folder): store.digest(same),
        closed / same.relative_to(folder): store.digest(same),
        moved / other.relative_to(folder): "0" * 64,
        moved / "no_such_file.py": "0" * 64,
    }

    def edit(artifact, content):
        if artifact == "neutrals/photos/neutrals":
            content["inputs"] |= {str(path): sha256 for path, sha256 in stated.items()}

    def refuse(path, *arguments, stat=os.stat, **options):
        if str(path).startswith(str(closed)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *arguments, **options)

    rewrite_manifests(results, edit)
    monkeypatch.setattr(os, "stat", refuse)
    lines = [line for line in audited(results).text().splitlines() if str(moved) in line]
    assert [line.split(": ")[2].split(";")[0] for line in sorted(lines)] == [
        "was built from another version of this input",
        "this input is no longer there",
    ]


@pytest.mark.parametrize("damage", ["removed", "truncated"])
def test_every_file_removed_or_truncated_is_named(results, damage):
    def spoil(path, content):
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2])

    assert_all_found(results, spoil)
    assert audited(results).intact


def test_one_flipped_bit_in_any_file_is_named(results):
    drawn = Random(0)

    def spoil(path, content):
        flipped = bytearray(content)
        bit = drawn.randrange(8 * len(content))
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)

    assert_all_found(results, spoil)


def assert_all_found(results, spoil):
    """Spoil every file once, a manifest alone, of others one an artifact; each must be named."""
    waiting = {name: owner(results, name) for name in build_files(results)}
    while waiting:
        alone = [name for name in waiting if name.endswith(".manifest.json")][:1]
        turn = {waiting[name]: name for name in alone or waiting}
        kept = {name: (results / name).read_bytes() for name in turn.values()}
        for name, content in kept.items():
            spoil(results / name, content)
        verdict = audited(results)
        assert verdict.exit_code == 1
        assert all(";" in line for line in verdict.text().splitlines()[:-1])
        for artifact, name in turn.items():
            assert is_named(verdict, artifact, name), (name, verdict.text())
            (results / name).write_bytes(kept[name])
            del waiting[name]


@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_missing_or_damaged_marker_is_named_with_its_remedy(results, content):
    (results / MARKER).unlink()
    if content is not None:
        (results / MARKER).write_bytes(content)
    verdict = audited(results)
    assert verdict.exit_code == 1 and [p.file for p in verdict.problems] == [MARKER]
    assert "`snakemake --forcerun audit` writes it" in verdict.text()
    claim_results(results)  # as every job does at its start
    assert audited(results).intact


def owner(results, name):
    """The artifact to which a file belongs."""
    listed = [
        manifest
        for manifest in map(store.read_manifest, results.rglob("*.manifest.json"))
        for file in manifest.files
        if manifest.locate(file) == results / name and not name.endswith(".manifest.json")
    ]
    return listed[0].artifact if listed else name.removesuffix(".manifest.json")


def is_named(verdict, artifact, name):
    """Whether a line names the file, or the artifact where it is the manifest of one."""
    if name.endswith(".manifest.json"):
        places = {name, artifact, f"{artifact}.zarr"}
        return any(places & {p.artifact, p.file} for p in verdict.problems)
    return any((p.artifact, p.file) == (artifact, name) for p in verdict.problems)


def test_swapped_files_and_manifests_of_others_are_found(results):
    first, second = (results / f"registered/s{i}.manifest.json" for i in (1, 2))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    text = audited(results).text()
    assert "registered/s1: registered/s1.manifest.json" in text and "registered/s2" in text


def test_orphans_in_stores_unlisted_files_and_uncommitted_stores_are_found(results):
    (results / "registered/s1.zarr/vertices/c/9").write_bytes(b"x")
    (results / "registered/stray.csv").write_text("a")
    shutil.copytree(results / "registered/s1.zarr", results / "registered/new.zarr")
    verdict = audited(results)
    found = {(p.kind.value, p.file) for p in verdict.problems}
    assert found == {
        ("unlisted", "registered/s1.zarr/vertices/c/9"),
        ("unlisted", "registered/stray.csv"),
        ("unlisted", "registered/new.zarr"),
    }


def test_what_looks_like_a_manifest_and_links_to_folders_are_orphans_too(results, tmp_path):
    (results / "registered/s1.zarr/more.manifest.json").write_text("{}")
    (results / "gallery/.hidden.manifest.json").write_text("{}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (results / "more").symlink_to(elsewhere)
    (results / "registered/s2.zarr/more").symlink_to(elsewhere)
    found = {(p.kind.value, p.file) for p in audited(results).problems}
    assert found == {
        ("unlisted", "registered/s1.zarr/more.manifest.json"),
        ("unlisted", "gallery/.hidden.manifest.json"),
        ("unlisted", "more"),
        ("unlisted", "registered/s2.zarr/more"),
    }


def test_names_that_are_no_unicode_or_hold_a_newline_are_one_line_each(results):
    for name in (b"a\xff.txt", b"b\nc.txt"):
        (results / "gallery" / os.fsdecode(name)).write_text("x")
    verdict = audited(results)
    assert len(verdict.problems) == 1 and len(verdict.text().splitlines()) == 2
    store.canonical(verdict.record()).decode("utf-8")
    verdict.text().encode("utf-8")


def test_a_changed_verdict_of_the_last_audit_is_found(results):
    path = results / "audit.json"
    path.write_bytes(store.canonical(audited(results).record()))
    assert audited(results).intact
    before = path.read_bytes()
    at = before.index(b"dataset.manifest.json")
    flipped = bytearray(before)
    flipped[at] ^= 1
    for content in (bytes(flipped), before[:-3], b"", b"[]", b"3", b"[" * 100_000):
        path.write_bytes(content)
        (problem,) = audited(results).problems
        assert problem.file == "audit.json" and "not what was written" in problem.what


def test_logs_and_reports_are_no_part_of_the_results(results):
    for name in ("logs/a/b.log", "benchmarks/a.tsv", "report.html"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("x")
    assert audited(results).intact


def test_leftovers_of_killed_jobs_are_notes_and_are_swept(results):
    (results / "registered/.s1.zarr.tmp-node7-1-0").mkdir()
    (results / "registered/.s1.zarr.lock").write_text("")
    verdict = audited(results)
    assert verdict.exit_code == 0 and "killed job" in verdict.notes[0]
    assert audit.invalidate(results, verdict) == ["registered/.s1.zarr.tmp-node7-1-0"]
    assert not (results / "registered/.s1.zarr.lock").exists()


def test_a_changed_photograph_makes_its_artifact_stale_a_lost_one_leaves_it(original, results):
    photograph = original.parent / "photo.jpg"
    content = photograph.read_bytes()
    photograph.write_bytes(b"other")
    stale = audited(results)
    photograph.unlink()
    lost = audited(results)
    photograph.write_bytes(content)
    assert [p.kind.value for p in stale.problems] == ["stale"]
    assert [(p.kind.value, p.remedy) for p in lost.problems] == [
        ("unresolved", "bring it back to its place, or drop the database from the configuration")
    ]
    assert audit.invalidate(results, lost) == []
    assert "neutrals/photos/neutrals.manifest.json" in audit.invalidate(results, stale)
    assert (results / "neutrals/photos/accepted.csv").exists()


def test_an_input_without_a_manifest_leaves_the_lineage_open(results):
    (results / "notes.csv").write_text("x")
    provenance = store.Provenance(results, "rule", "x", [results / "notes.csv"], {}, "c")
    store.record(results / "a.manifest.json", [], provenance)
    kinds = {p.kind.value for p in audited(results).problems if p.artifact == "a"}
    assert kinds == {"unresolved"}


def test_labels_that_are_not_the_class_median_are_found(results):
    path = results / "affectspace/frames.parquet"
    frames = pd.read_parquet(path)
    frames.loc[frames["class"] == 7, "valence"] -= 0.005
    frames.to_parquet(path, index=False)
    record_again(results, "affectspace/affectspace", path.parent)
    text = audited(results).text()
    assert "affectspace/classes.parquet: the median valence of class 7" in text
    atlas = results / "blendshapes/atlas.zarr"
    stored = store.open(atlas)
    arrays = {name: stored[name][...] for name in ("median", "count", "status", "shares")}
    arrays["mean"] = store.Vertices(stored["mean"][...], stored["mean_neutral"][...])
    arrays["median"][7, 0] -= 0.005
    made = store.read_manifest(store.manifest_of(atlas))
    inputs = [results / name for name in made.inputs]
    provenance = store.Provenance(results, "atlas", "atlas", inputs)
    store.write(atlas, arrays, stored.attributes, provenance=provenance)
    assert f"the valence of {IMAGE} is not the median of its class" in audited(results).text()


def test_counts_that_disagree_are_found(results):
    path = results / "affectspace/frames.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
    record_again(results, "affectspace/affectspace", path.parent)
    text = audited(results).text()
    assert "has 11 frames, the gallery 12" in text
    assert "class 7 counts 6 frames, 5 are in it" in text


def test_a_dataset_with_fewer_images_than_its_chunks_is_found(results):
    shard = sorted((results / "dataset/data").glob("*.parquet"))[0]
    shard.unlink()
    record_again(results, "dataset", results / "dataset")
    text = audited(results).text()
    assert "dataset/data: the table has 0 rows in place of 6, by the chunks" in text
    assert f"dataset/data: {IMAGE} occurs 0 times in place of 1" in text


def record_again(results, name, folder):
    """Record files anew, as a program that writes wrong content would."""
    path = results / f"{name}.manifest.json"
    old = store.read_manifest(path)
    inputs = [results / i for i in old.inputs]
    provenance = store.Provenance(results, old.rule, old.item, inputs, old.settings, old.code)
    store.record(path, [folder], provenance)


@pytest.mark.parametrize("there", [True, False])
def test_where_nothing_was_built_the_audit_could_not_look(tmp_path, there):
    verdict = audited(tmp_path if there else tmp_path / "absent")
    assert verdict.exit_code == 2 and not verdict.intact
    assert verdict.text().startswith("audit failed to run: ")
