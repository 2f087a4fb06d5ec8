"""What is behind the changes between two builds."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_chain import CHAIN, ITEMS, SETTINGS, build
from typer.testing import CliRunner

from affect4d import provenance, store
from affect4d.cli import app
from affect4d.provenance.dataset_diff import compare_datasets


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"jpeg")
    return path


@pytest.fixture
def old(tmp_path, photograph):
    build(tmp_path / "old", photograph)
    return tmp_path / "old"


def causes(found):
    """kind, name, old and new of the causes that have consequences."""
    return [
        (e.cause.kind, e.cause.name, e.cause.old, e.cause.new) for e in found.effects if e.changed
    ]


def test_the_same_build_twice_is_the_same(old, tmp_path, photograph):
    build(tmp_path / "new", photograph)
    found = provenance.compare_builds(old, tmp_path / "new")
    assert found.exit_code == 0 and found.same and found.effects == ()
    assert found.counts["same"] == len(CHAIN) + len(ITEMS)
    assert found.text() == "artifacts: 11 same, 0 changed, 0 removed, 0 added"


def test_a_changed_setting_is_the_cause_and_all_that_follows_is_counted(old, tmp_path, photograph):
    changed = {"registration": {"resolution": 2.0, "nested": {"depth": 3}}}
    build(tmp_path / "new", photograph, settings={"registration": changed})
    found = provenance.compare_builds(old, tmp_path / "new")
    assert causes(found) == [("setting", "registration.nested.depth", "1", "3")]
    assert found.effects[0].changed == {
        "registration": 4,
        "blendshapes": 2,
        "affectspace": 1,
        "synthesis": 1,
    }
    lines = found.text().splitlines()
    assert lines[0] == "setting registration.nested.depth: 1 -> 3"
    assert lines[1].startswith("  behind 8 artifacts: registration 4")
    assert found.exit_code == 1


def test_a_setting_added_or_taken_away_is_named(old, tmp_path, photograph):
    changed = {"synthesis": {"synthesis": {"samples": 2}}}
    build(tmp_path / "new", photograph, settings=changed)
    assert causes(provenance.compare_builds(old, tmp_path / "new")) == [
        ("setting", "synthesis.intensity", "1.0", "not set"),
        ("setting", "synthesis.samples", "not set", "2"),
    ]


def test_a_changed_input_is_the_cause(old, tmp_path, photograph):
    before = store.digest(photograph)[:16]
    photograph.write_bytes(b"another jpeg")
    build(tmp_path / "new", photograph)
    found = provenance.compare_builds(old, tmp_path / "new")
    after = store.digest(photograph)[:16]
    assert causes(found) == [("input", str(photograph), before, after)]
    assert found.effects[0].changed == {"neutrals": 1, "synthesis": 1}


def test_an_input_that_only_moved_is_no_cause(old, tmp_path, photograph):
    (tmp_path / "moved").mkdir()
    moved = photograph.rename(tmp_path / "moved" / "photo.jpg")
    build(tmp_path / "new", moved)
    assert provenance.compare_builds(old, tmp_path / "new").exit_code == 0


def test_a_changed_package_is_the_cause_of_everything(old, tmp_path, photograph):
    build(tmp_path / "new", photograph, versions={"numpy": "2.0.1"})
    found = provenance.compare_builds(old, tmp_path / "new")
    assert causes(found) == [("version", "numpy", "2.0.0", "2.0.1")]
    assert sum(found.effects[0].changed.values()) == len(CHAIN) + len(ITEMS)


def test_changed_code_is_the_cause_and_harmless_code_is_said_to_be(old, tmp_path, photograph):
    build(tmp_path / "new", photograph, code={"affectspace": "c1"})
    found = provenance.compare_builds(old, tmp_path / "new")
    assert causes(found) == [("code", "of rule affectspace", "c0", "c1")]
    for root in ("plain", "rewritten"):
        code = {"affectspace": "c1"} if root == "rewritten" else {}
        build(tmp_path / root, photograph, code=code, idle={"affectspace"})
    found = provenance.compare_builds(tmp_path / "plain", tmp_path / "rewritten")
    assert found.exit_code == 0 and causes(found) == []
    assert [e.same for e in found.effects] == [{"affectspace": 1}]
    assert "same bytes nevertheless: affectspace 1" in found.text()


def test_two_causes_are_told_apart(old, tmp_path, photograph):
    changed = {"synthesis": {"synthesis": {"intensity": 0.8}}}
    build(tmp_path / "new", photograph, settings=changed, code={"registration": "c1"})
    found = provenance.compare_builds(old, tmp_path / "new")
    assert causes(found) == [
        ("setting", "synthesis.intensity", "1.0", "0.8"),
        ("code", "of rule registration", "c0", "c1"),
    ]
    assert found.effects[0].changed == {"synthesis": 1}
    assert sum(found.effects[1].changed.values()) == 8


def test_other_bytes_from_the_same_making_are_unexplained(old, tmp_path, photograph):
    build(tmp_path / "new", photograph, chance={"neutrals": "thread 2 was first"})
    found = provenance.compare_builds(old, tmp_path / "new")
    assert [(kind, name) for kind, name, _, _ in causes(found)] == [
        ("unexplained", "neutrals/photos/neutrals")
    ]
    assert found.effects[0].changed == {"neutrals": 1, "synthesis": 1}
    assert "other bytes from the same inputs" in found.text()


def test_a_table_that_changed_outside_the_build_is_the_cause(old, tmp_path, photograph):
    """A digest among the settings counts where no artifact of the build accounts for it."""
    states = [{"registration": {**SETTINGS["registration"], "state": c * 16}} for c in "ab"]
    for name, state in zip(("first", "second"), states, strict=True):
        build(tmp_path / name, photograph, settings=state)
    found = provenance.compare_builds(tmp_path / "first", tmp_path / "second")
    assert causes(found) == [("setting", "state", "a" * 16, "b" * 16)]


def test_artifacts_on_one_side_only_follow_from_their_job(old, tmp_path, photograph, monkeypatch):
    monkeypatch.setitem(ITEMS, "registered/s3", "registered/chunks/c1")
    more = {"registration": {"registration": {**SETTINGS["registration"]["registration"], "n": 3}}}
    build(tmp_path / "new", photograph, settings=more)
    found = provenance.compare_builds(old, tmp_path / "new")
    assert found.added == {"registration": 1} and found.removed == {}
    assert causes(found) == [("setting", "registration.n", "not set", "3")]
    assert found.effects[0].changed["registration"] == 5
    back = provenance.compare_builds(tmp_path / "new", old)
    assert back.removed == {"registration": 1} and back.added == {}


def test_trees_of_manifests_are_enough(old, tmp_path, photograph):
    build(tmp_path / "new", photograph, code={"synthesis": "c1"})
    for root in (old, tmp_path / "new"):
        for path in root.rglob("*.bin"):
            path.unlink()
    assert causes(provenance.compare_builds(old, tmp_path / "new")) == [
        ("code", "of rule synthesis", "c0", "c1")
    ]


def test_what_cannot_be_compared_is_said(old, tmp_path):
    (tmp_path / "empty").mkdir()
    for other in ("empty", "absent"):
        found = provenance.compare_builds(old, tmp_path / other)
        assert found.exit_code == 2 and not found.same
        assert found.text().startswith("comparison failed to run: ")
    damaged = shutil.copytree(old, tmp_path / "damaged")
    path = damaged / "affectspace/affectspace.manifest.json"
    path.write_bytes(path.read_bytes().replace(b"c0", b"c1", 1))
    assert provenance.compare_builds(old, damaged).exit_code == 2


def test_the_command_line_gives_text_json_and_exit_code(old, tmp_path, photograph):
    build(tmp_path / "new", photograph, code={"synthesis": "c1"})
    run = CliRunner().invoke(app, ["diff", str(old), str(tmp_path / "new"), "--json"])
    record = json.loads(run.stdout)
    assert run.exit_code == 1 and record["same"] is False
    assert record["causes"][0]["name"] == "of rule synthesis"
    assert record["text"].splitlines()[0] == "code of rule synthesis: c0 -> c1"
    assert CliRunner().invoke(app, ["diff", str(old), str(old)]).exit_code == 0
    assert CliRunner().invoke(app, ["diff", str(old), "nowhere"]).exit_code == 2


@pytest.fixture(scope="module")
def published(small_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return shutil.copytree(small_build, folder, dirs_exist_ok=True) / "results"


def republished(published, tmp_path, change):
    """The dataset with `change` made to its table, under a manifest of its own."""
    new = shutil.copytree(published, tmp_path / "new")
    for shard in sorted((new / "dataset/data").glob("*.parquet")):
        table = pq.read_table(shard)
        changed = pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema)
        pq.write_table(changed, shard, row_group_size=2)
    old = store.read_manifest(new / "dataset.manifest.json")
    provenance = store.Provenance(new, "dataset", "item", [new / n for n in old.inputs], {}, "c1")
    store.record(old.path, [new / "dataset"], provenance)
    return new


def test_rows_added_removed_and_changed_are_counted_with_examples(published, tmp_path):
    def change(rows):
        for row in rows:
            if row["image_id"] == "photos-ann1-v-0.9_a+0.5":
                row["valence"] = 0.25
            if row["image_id"] == "photos-bob1-v+0.3_a+0.3":
                image = np.array(Image.open(io.BytesIO(row["image"]["bytes"])))
                image[0, 0] ^= 255
                stream = io.BytesIO()
                Image.fromarray(image).save(stream, "png")
                row["image"] = {**row["image"], "bytes": stream.getvalue()}
            if row["image_id"] == "photos-ann1":
                row["image_id"] = "photos-new1"
        return rows

    found = provenance.compare_builds(published, republished(published, tmp_path, change))
    rows = found.dataset
    assert (rows.old, rows.new, rows.added, rows.removed) == (6, 6, 1, 1)
    assert rows.changed == {"image": 1, "valence": 1}
    assert rows.examples["added"] == [{"image_id": "photos-new1"}]
    assert rows.examples["valence"] == [
        {"image_id": "photos-ann1-v-0.9_a+0.5", "old": -0.88, "new": 0.25}
    ]
    text = found.text()
    assert "dataset: 6 -> 6 rows; 1 rows added, 1 removed" in text
    assert "valence: photos-ann1-v-0.9_a+0.5 -0.88 -> 0.25" in text
    assert json.loads(json.dumps(found.record()))["dataset"]["changed"]["image"] == 1


def test_rewritten_shards_of_the_same_rows_show_no_row(published, tmp_path):
    found = provenance.compare_builds(
        published, republished(published, tmp_path, lambda rows: rows[::-1])
    )
    assert found.exit_code == 1 and found.dataset.changed == {}
    assert found.dataset.added == found.dataset.removed == 0


def test_a_shard_that_is_gone_leaves_a_note(published, tmp_path):
    new = republished(published, tmp_path, lambda rows: rows)
    next((new / "dataset/data").glob("*.parquet")).unlink()
    found = provenance.compare_builds(published, new)
    assert found.dataset is None and "were not compared" in found.note
    assert found.exit_code == 1


def test_missing_labels_equal_each_other(tmp_path):
    manifests = []
    for name, value in (("a", None), ("b", None), ("c", 1.0)):
        folder = tmp_path / name
        folder.mkdir()
        table = pd.DataFrame({"image_id": ["x", "y"], "valence": [value, 0.5]})
        table["spare"] = name  # so that no two shards have the same bytes
        pq.write_table(pa.Table.from_pandas(table), folder / "t.parquet")
        store.record(folder / "d.manifest.json", [folder / "t.parquet"], None)
        manifests.append(store.read_manifest(folder / "d.manifest.json"))
    assert compare_datasets(manifests[0], manifests[1]).changed == {"spare": 2}
    assert compare_datasets(manifests[0], manifests[2]).changed == {"spare": 2, "valence": 1}
