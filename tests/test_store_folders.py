"""Folders that a rule replaces as a whole: never one that holds a file of somebody else."""

import os
import shutil

import numpy as np
import pytest
import zarr
from support.contexts import context
from support.folder_content import content
from support.small_results import KINDS

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.dataset import publish_dataset
from affect4d.pipeline.results_folder import claim_results
from affect4d.provenance.crate import write_crate
from affect4d.store import protocol
from affect4d.store.build_root import MARKER
from affect4d.store.protocol import LIST


def publish(results):
    chunks = [results / "synthesis/photos/000.zarr"]
    run = context(results, "dataset", inputs=tuple(map(store.manifest_of, chunks)))
    publish_dataset(run, chunks, kinds=KINDS, settings=Settings())


def describe(results, tmp_path):
    (tmp_path / "Snakefile").write_text("rule all:\n")
    run = context(results, "crate", inputs=(results / "dataset.manifest.json",))
    write_crate(run, workflow=[tmp_path / "Snakefile"], about=Settings(), engine="9")


def rewrite(folder, manifest):
    with store.replace_folder(folder, manifest) as unfinished:
        (unfinished / "new.txt").write_text("new")


def test_a_folder_of_the_user_where_the_dataset_goes_is_refused(results):
    shutil.rmtree(results / "dataset")
    (results / "dataset.manifest.json").unlink()
    (results / "dataset/data").mkdir(parents=True)
    (results / "dataset/data/train-00000-of-00001.parquet").write_bytes(b"of the user")
    (results / "dataset/README.md").write_text("of the user")
    before = content(results)
    with pytest.raises(store.StoreError, match="was not written by this program; move it away"):
        publish(results)
    assert content(results) == before


def test_a_file_that_the_user_put_into_the_dataset_is_kept_and_named(results):
    (results / "dataset/notes.txt").write_text("of the user")
    before = content(results)
    with pytest.raises(store.StoreError, match=r"dataset/notes.txt: was not written"):
        publish(results)
    assert content(results) == before
    (results / "dataset/notes.txt").unlink()
    (results / "dataset/notes").symlink_to(results.parent)
    with pytest.raises(store.StoreError, match="dataset/notes: was not written"):
        publish(results)
    (results / "dataset/notes").unlink()
    publish(results)


def test_the_dataset_is_replaced_where_snakemake_has_removed_its_manifest(results):
    before = content(results)
    (results / "dataset.manifest.json").unlink()
    publish(results)
    assert content(results)["dataset/README.md"] == before["dataset/README.md"]
    shutil.rmtree(results / "dataset")
    (results / "dataset").mkdir()  # an empty folder is nobody's
    publish(results)


def test_a_crate_of_the_user_is_refused_and_the_build_s_own_is_replaced(results, tmp_path):
    (results / "crate").mkdir()
    (results / "crate/config.json").write_text("of the user")
    before = content(results)
    with pytest.raises(store.StoreError, match=r"crate/config.json: was not written"):
        describe(results, tmp_path)
    assert content(results) == before
    (results / "crate/config.json").unlink()
    describe(results, tmp_path)
    before = content(results)
    (results / "crate.manifest.json").unlink()
    describe(results, tmp_path)
    assert content(results) == before


@pytest.mark.parametrize("kind", ["file", "link to a file", "link to a folder", "foreign folder"])
def test_what_is_in_the_place_of_a_folder_is_refused(tmp_path, kind):
    folder, manifest = tmp_path / "images", tmp_path / "neutrals.manifest.json"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/0.png").write_bytes(b"of the user")
    if kind == "file":
        folder.write_text("of the user")
    elif kind == "foreign folder":
        shutil.copytree(tmp_path / "mine", folder)
    else:
        folder.symlink_to(tmp_path / ("mine/0.png" if kind == "link to a file" else "mine"))
    before = content(tmp_path)
    with pytest.raises(store.StoreError, match="move it away, then run snakemake again"):
        rewrite(folder, manifest)
    assert content(tmp_path) == before


def test_a_folder_without_its_list_is_replaced_where_its_manifest_lists_all(tmp_path):
    folder, manifest = tmp_path / "images", tmp_path / "neutrals.manifest.json"
    rewrite(folder, manifest)
    store.record(manifest, [folder], None)
    (folder / LIST).unlink()  # as a version without lists left it
    rewrite(folder, manifest)
    assert not manifest.exists() and (folder / LIST).read_text() == "new.txt\n"
    store.record(manifest, [folder], None)
    (folder / LIST).unlink()
    left = protocol.temporary_name(manifest)  # as a killed writer left it
    manifest.rename(left)
    rewrite(folder, manifest)
    left.unlink()
    (folder / LIST).unlink()
    with pytest.raises(store.StoreError, match="was not written by this program"):
        rewrite(folder, manifest)


def test_a_store_of_the_user_is_refused_and_one_without_a_manifest_is_replaced(tmp_path):
    path = tmp_path / "model.zarr"
    zarr.save(path, a=np.arange(9))
    before = content(tmp_path)
    with pytest.raises(store.StoreError, match="was not written by this program"):
        store.write(path, {"a": np.ones(3)})
    assert content(tmp_path) == before
    shutil.rmtree(path)
    store.write(path, {"a": np.ones(3), "scalar": np.float64(2)}, {"names": ["x"]})
    store.manifest_of(path).unlink()
    store.write(path, {"a": np.zeros(3)})
    store.manifest_of(path).unlink()
    (path / "notes.txt").write_text("of the user")
    with pytest.raises(store.StoreError, match=r"notes\.txt: was not written"):
        store.write(path, {"a": np.ones(3)})


def test_a_build_of_an_older_version_gets_its_lists_with_its_marker(results, tmp_path):
    describe(results, tmp_path)
    for path in (results / MARKER, results / "crate" / LIST):
        path.unlink()
    claim_results(results)
    assert (results / "crate" / LIST).read_text() == "Snakefile\nconfig.json\n"
    (results / "crate.manifest.json").unlink()  # as Snakemake does before the job
    describe(results, tmp_path)


@pytest.mark.parametrize("content", ["pid 17", None])
def test_a_file_with_the_name_of_a_lock_keeps_its_folder(results, tmp_path, content):
    folder = results / "neutrals/photos/images"
    lock = folder / ".notes-of-others.lock"
    if content is None:
        lock.symlink_to(tmp_path)
    else:
        lock.write_text(content)
    with pytest.raises(store.StoreError, match="was not written by this program; move it away"):
        rewrite(folder, results / "neutrals/photos/neutrals.manifest.json")
    assert os.path.lexists(lock)


def test_locks_that_a_killed_writer_left_do_not_keep_a_folder(results):
    folder = results / "neutrals/photos/images"
    (folder / ".left-before-it-was-held.lock").touch()
    written = next(path for path in folder.iterdir() if path.suffix == ".png")
    (folder / f".{written.name}.lock").write_text("process 17 on a-host")
    rewrite(folder, results / "neutrals/photos/neutrals.manifest.json")
    assert (folder / "new.txt").exists()


def test_a_link_in_the_place_of_a_file_of_a_store_is_not_removed(results, tmp_path):
    shard = results / "fits/photos/000.zarr/landmarks/c/0/0/0"
    shard.unlink()
    shard.symlink_to(tmp_path)
    with pytest.raises(store.StoreError, match="was not written by this program; move it away"):
        store.write(results / "fits/photos/000.zarr", {"a": np.ones(3)})
    assert shard.is_symlink()


def test_a_folder_with_the_name_of_a_lock_is_refused_in_one_line(results):
    (results / ".dataset.lock").mkdir()
    with pytest.raises(store.StoreError, match="a folder is in its place; move it away"):
        publish(results)
