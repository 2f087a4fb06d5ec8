"""The formats of a published dataset: independent readers agree with the store, image by image."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.contexts import context
from support.small_results import KINDS, write_chunk

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.dataset import publish_dataset, tars
from affect4d.dataset.facts import PROHIBITED
from affect4d.dataset.shards import divide_people

READERS = os.environ.get("AFFECT4D_READERS")
SETTINGS = Settings(image_format="png", shard_rows=4, webdataset=True)


@pytest.fixture(scope="module")
def chunks(tmp_path_factory):
    root = tmp_path_factory.mktemp("formats")
    people = {"photos": ["ann", "bob.2", "cyd"], "synthetic": ["p1", "p2", "p3"]}
    return [write_chunk(root, name, n, who) for n, (name, who) in enumerate(people.items())]


def publish(chunks, out):
    root = chunks[0].parents[2]
    publish_dataset(context(root), chunks, kinds=KINDS, settings=SETTINGS, out=out)
    return out


@pytest.fixture(scope="module")
def dataset(chunks, tmp_path_factory):
    return publish(chunks, tmp_path_factory.mktemp("published") / "dataset")


def samples(folder):
    """{split: {key: {extension: bytes}}} of the archives, in order, by the standard library."""
    found = {}
    for path in sorted((folder / "webdataset").glob("*.tar")):
        with tarfile.open(path) as archive:
            for entry in archive:
                key, _, name = entry.name.partition(".")
                sample = found.setdefault(path.name.split("-")[0], {}).setdefault(key, {})
                sample[name] = archive.extractfile(entry).read()
    return found


def test_a_sample_is_a_neutral_image_with_all_that_was_made_of_it(dataset, chunks):
    shown = {}
    for split, of_split in samples(dataset).items():
        for sample in of_split.values():
            about = json.loads(sample.pop("json"))
            assert about["split"] == split
            names = [row["file"] for row in about["images"]]
            assert names == sorted(sample) and about["images"][0]["class"] == -1
            assert about["images"][0]["image_id"] == about["neutral_image_id"]
            for row in about["images"]:
                shown[row["image_id"]] = row, sample[row["file"]]
    for path in chunks:
        chunk = store.open(path)
        for i, image_id in enumerate(chunk.attributes["image_ids"]):
            row, content = shown.pop(image_id)
            assert row["valence"] == chunk["valence"][i]
            pixels = np.array(Image.open(io.BytesIO(content)))
            np.testing.assert_array_equal(pixels, chunk["images"][i])
    assert len(shown) == 6 and all(row["class"] == -1 for row, _ in shown.values())


def test_archives_hold_no_time_and_no_owner_and_are_not_longer_than_asked(dataset):
    for path in dataset.glob("webdataset/*.tar"):
        with tarfile.open(path) as archive:
            entries = archive.getmembers()
        assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {
            (0, 0, 0, "", "", 0o644)
        }
        images = [e for e in entries if not e.name.endswith(".json")]
        assert len(images) < SETTINGS.shard_rows + 3  # the images of a sample stay together
    listed = (dataset / "SHA256SUMS").read_text()
    assert all(p.name in listed for p in dataset.glob("webdataset/*.tar"))


def test_an_export_that_was_cut_off_ends_with_the_same_checksums(chunks, dataset, tmp_path):
    out, calls = tmp_path / "dataset", []

    def cut_off(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return added(*arguments, **options)

    added = tars._add_sample
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tars, "_add_sample", cut_off)
        with pytest.raises(KeyboardInterrupt):
            publish(chunks, out)
    assert not out.exists()
    publish(chunks, out)
    assert (out / "SHA256SUMS").read_bytes() == (dataset / "SHA256SUMS").read_bytes()


def test_a_new_person_changes_one_shard_and_the_others_are_not_written_again(
    chunks, tmp_path, tmp_path_factory
):
    out = publish(chunks, tmp_path / "dataset")
    before = {store.digest(path): path.stat().st_ino for path in out.glob("*/*.*")}
    grown = [*chunks, write_chunk(chunks[0].parents[2], "photos", 9, ["eve"])]
    publish(grown, out)
    scratch = publish(grown, tmp_path_factory.mktemp("scratch") / "dataset")
    assert (out / "SHA256SUMS").read_bytes() == (scratch / "SHA256SUMS").read_bytes()
    after = {path.relative_to(out): path for path in out.glob("*/*.*")}
    new = {name for name, path in after.items() if store.digest(path) not in before}
    for name, path in after.items():
        assert (path.stat().st_ino in before.values()) == (name not in new)
    assert len(after) >= 8 and 0 < len(new) <= len(after) / 2
    shown = {
        subject
        for name in new
        if name.suffix == ".parquet"
        for subject in pd.read_parquet(out / name, columns=["subject"])["subject"]
    }
    assert "eve" in shown


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 12), st.randoms())
def test_whoever_comes_changes_one_part_of_a_split(images, shard_rows, random):
    """A part is halved at most: every other one has the rows that it had."""
    people = [f"p{random.random()}" for _ in images]
    rows = pd.DataFrame({"database": "d", "subject": np.repeat(people, images), "split": "train"})
    rows["image_id"] = [f"i{number}" for number in range(len(rows))]
    one = people[-1]
    found = []
    for table in (rows, rows[rows["subject"] != one]):
        parts = dict(divide_people(table, shard_rows))["train"]
        assert sorted(i for part in parts for i in part["image_id"]) == sorted(table["image_id"])
        assert all(len(p) <= shard_rows or p["subject"].nunique() == 1 for p in parts)
        found.append({tuple(part["image_id"]): set(part["subject"]) for part in parts})
    (theirs,) = (people for people in found[0].values() if one in people)
    gone = [shown for ids, shown in found[1].items() if ids not in found[0]]
    # either the part without them, or the one whose halves they parted
    assert len(gone) <= 1 and all(shown >= theirs - {one} for shown in gone)


@pytest.mark.skipif(not READERS, reason="AFFECT4D_READERS is not set")
def test_datasets_webdataset_and_mlcroissant_agree_with_the_store(dataset, chunks, tmp_path):
    script = Path(__file__).parent / "support/read_everywhere.py"
    command = [str(READERS), str(script), str(dataset), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, lineage = map(json.loads, done.stdout.splitlines()[-2:])
    table = pd.concat(map(pd.read_parquet, sorted(dataset.glob("data/*.parquet"))))
    expected = sorted(
        [
            row["image_id"],
            row["class"],
            None if np.isnan(row["valence"]) else row["valence"],
            row["split"],
            hashlib.sha256(row["image"]["bytes"]).hexdigest(),
        ]
        for row in table.to_dict("records")
    )
    assert len(expected) == sum(
        len(store.open(path)["images"]) + len(store.open(path)["neutral"]) for path in chunks
    )
    assert set(found) == {"datasets", "streamed", "webdataset", "mlcroissant"}
    for rows in found.values():
        assert rows == expected
    derived = lineage.pop("derived")
    assert [text.partition(":")[0] for text in derived] == [
        "annotated 4D scans",
        "neutral images of 3 people, database photos (photograph)",
        "neutral images of 3 people, database synthetic (rendered)",
    ]
    assert lineage == {
        "version": "http://mlcommons.org/croissant/1.1",
        "issues": [],
        "used": True,
        "by": "affect4d",
        "prohibited": sorted(PROHIBITED),
    }
