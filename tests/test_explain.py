"""Explain: every kind of thing in a build, what is kept out of it, and names that fit nothing."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from support.small_results import CLASSES, build_results
from typer.testing import CliRunner

from affect4d import provenance, store
from affect4d.audit import audit_build
from affect4d.cli import app
from affect4d.quarantine import BadInput, Quarantine

IMAGE = "photos-ann1-v-0.9_a+0.5"
MIN_FRAMES = 6


@pytest.fixture(scope="module")
def results(small_build, tmp_path_factory):
    """A build whose classes have names and states, and of which quarantine kept something out."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(small_build, folder, dirs_exist_ok=True)
    root = folder / "results"
    _name_classes(root)
    kept_out = Quarantine("gallery")
    broken = BadInput("raw/s9/00000.obj", "the mesh is truncated", "export the scan again")
    kept_out.add("s9/00000", broken)
    _keep_out(root, "gallery/scans/c0", kept_out)
    return root


def _name_classes(root):
    path = root / "affectspace/classes.parquet"
    names = {index: name for index, (name, _, _) in CLASSES.items()}
    classes = pd.read_parquet(path).assign(subjects=3)
    classes["name"] = [names.get(i, f"v{i}") for i in classes["class"]]
    status = {7: "insufficient", 66: "ok"}
    classes["status"] = [status.get(i, "empty") for i in classes["class"]]
    classes.to_parquet(path, index=False)
    kept_out = Quarantine("affectspace")
    small = BadInput("affectspace/classes.parquet", "the class holds 6 frames", "annotate more")
    kept_out.add(CLASSES[7][0], small)
    kept_out.write(root / "affectspace/quarantine.csv")
    seal(root, "affectspace/affectspace", [path.parent], {"min_frames": MIN_FRAMES + 1})


def _keep_out(root, artifact, quarantine):
    table = root / f"{artifact}.quarantine.csv"
    quarantine.write(table)
    seal(root, artifact, [root / artifact, table], {})


def seal(root, artifact, files, settings):
    old = store.read_manifest(root / f"{artifact}.manifest.json")
    inputs = [root / name for name in old.inputs]
    stated = {**old.settings, "affectspace": settings}
    store.record(old.path, files, store.Provenance(root, old.rule, old.item, inputs, stated, "c0"))


def record(results, name):
    found = provenance.explain_name(results, name)
    assert found.text().startswith(f"{found.record['id']}: {found.record['what']}\n")
    return json.loads(json.dumps(found.record))


def test_an_image_leads_to_scans_photograph_settings_and_versions(results):
    found = record(results, IMAGE)
    name, valence, arousal = CLASSES[7]
    assert found["kind"] == "image"
    assert found["label"] == {"valence": valence, "arousal": arousal}
    assert found["class"]["name"] == name and found["class"]["frames"] == 6
    assert [f["mesh"] for f in found["frames"]][:1] == ["c0/s1/7_0.ply"]
    assert found["photograph"]["source"].endswith("photo.jpg")
    assert found["fit"] == {
        "artifact": "fits/photos/000.zarr",
        "camera": {"scale": 1.0, "yaw": 1.0},
        "quality": {"residual": 0.5},
    }
    assert set(found["steps"]) == {
        "synthesis", "fitting", "neutrals", "atlas", "blendshapes", "affectspace", "registration",
        "gallery_frames", "gallery_scans",
    }  # fmt: skip
    assert found["steps"]["blendshapes"]["artifact"] == f"blendshapes/{name}"
    assert found["versions"]["numpy"] == np.__version__
    text = provenance.explain_name(results, IMAGE).text()
    for words in (IMAGE, "c0/s1/7_0.ply", "photo.jpg", "median_valence", "size: 3", "numpy: "):
        assert words in text


def rewrite(root, name, changes):
    """Write a store again with some arrays changed."""
    path = root / f"{name}.zarr"
    stored, made = store.open(path), store.read_manifest(root / f"{name}.manifest.json")
    kept = {n: stored[n][...] for n in stored.keys() if not n.endswith("_neutral")}  # noqa: SIM118
    for array in [n for n in kept if f"{n}_neutral" in stored.keys()]:  # noqa: SIM118
        kept[array] = store.Vertices(kept[array], stored[f"{array}_neutral"][...])
    inputs = [root / path for path in made.inputs]
    sealed = store.Provenance(root, made.rule, made.item, inputs, made.settings, made.code)
    store.write(path, kept | changes, stored.attributes, provenance=sealed)


def test_an_image_of_an_interpolated_class_leads_to_all_that_it_is_mixed_from(results, tmp_path):
    root = shutil.copytree(results, tmp_path / "results")
    shares = np.zeros((100, 100))
    shares[7, [7, 66]] = 0.25, 0.75
    rewrite(root, "blendshapes/atlas", {"shares": shares})
    ids = list(store.open(root / "synthesis/photos/000.zarr").attributes["image_ids"])
    interpolated = np.array([name == IMAGE for name in ids])
    rewrite(root, "synthesis/photos/000", {"interpolated": interpolated})
    names = [name for name, _, _ in CLASSES.values()]
    found = record(root, IMAGE)
    assert found["class"]["interpolated_between"] == dict(zip(names, (0.25, 0.75), strict=True))
    behind = [store.open(root / f"blendshapes/{name}.zarr").attributes for name in names]
    expected = {frame for model in behind for frame in model["frame_ids"]}
    assert {frame["frame_id"] for frame in found["frames"]} == expected
    other = next(name for name in ids if name != IMAGE)
    assert "interpolated_between" not in record(root, other)["class"]


@pytest.mark.parametrize("name", ["photos-ann1", "ann1", "photograph:ann1"])
def test_a_photograph_leads_to_its_fit_and_its_images(results, name):
    found = record(results, name)
    assert (found["kind"], found["id"]) == ("photograph", "photos-ann1")
    assert found["photograph"]["subject"] == "ann" and "class" not in found
    assert found["images"] == [f"photos-ann1-{name}" for name, _, _ in CLASSES.values()]
    assert found["fit"]["artifact"] == "fits/photos/000.zarr"


def test_a_frame_has_its_annotation_files_class_and_registration(results):
    found = record(results, "s1_7_0")
    assert found["kind"] == "frame"
    assert found["annotation"] == {"valence": pytest.approx(-0.89), "arousal": pytest.approx(0.5)}
    assert found["files"]["mesh"] == "c0/s1/7_0.ply"
    assert found["class"]["name"] == CLASSES[7][0]
    assert found["class"]["models"] == [f"blendshapes/{CLASSES[7][0]}"]
    assert found["registration"]["artifact"] == "registered/s1.zarr"
    assert found["registration"]["row"] == 0
    assert {"gallery_frames", "registration", "affectspace", "blendshapes"} <= set(found["steps"])


def test_flags_and_quality_of_a_frame_have_names(results, tmp_path):
    root = shutil.copytree(results, tmp_path / "results")
    old = store.open(root / "registered/s1.zarr")
    arrays = {"flags": np.array([5, 0, 0, 0], np.uint16), "quality": np.full((4, 1), 2.5)}
    attributes = {**old.attributes, "flag_names": ["far", "folded", "unseen"], "measures": ["mm"]}
    provenance = store.Provenance(root, "registered", "s1", [], {}, "c0")
    store.write(root / "registered/s1.zarr", arrays, attributes, provenance=provenance)
    found = record(root, "s1_7_0")["registration"]
    assert found["flags"] == ["far", "unseen"] and found["quality"] == {"mm": 2.5}
    assert record(root, "s1_7_1")["registration"]["flags"] == []
    assert record(root, "sequence:s1")["registration"]["flagged"] == 1


def test_a_sequence_counts_its_frames_by_class(results):
    found = record(results, "s2")
    assert found["kind"] == "sequence" and len(found["frames"]) == 4
    assert found["frames_by_class"] == {name: 2 for name, _, _ in CLASSES.values()}
    assert found["registration"]["frames"] == 4


@pytest.mark.parametrize("name", ["v-0.9_a+0.5", "7", "class:7"])
def test_an_insufficient_class_says_so_and_why(results, name):
    found = record(results, name)
    assert (found["kind"], found["id"]) == ("class", "v-0.9_a+0.5")
    assert "6 frames, insufficient" in found["what"]
    assert found["count"] == 6 and found["needs"] == {"min_frames": MIN_FRAMES + 1}
    assert [row["rule"] for row in found["quarantine"]] == ["the class holds 6 frames"]
    assert found["images"] == {"photos": 2} and len(found["frames"]) == 6


def test_an_empty_class_has_neither_frames_nor_images(results):
    found = record(results, "class:0")
    assert found["images"] == {} and found["frames"] == [] and found["model"] is None


@pytest.mark.parametrize("name", ["s9/00000", "raw/s9/00000.obj"])
def test_what_is_in_quarantine_says_file_rule_and_remedy(results, name):
    found = record(results, name)
    assert found["kind"] == "quarantined"
    [row] = found["quarantine"]
    assert row["file"] == "raw/s9/00000.obj" and row["rule"] == "the mesh is truncated"
    assert row["remedy"] == "export the scan again"
    assert row["table"] == "gallery/scans/c0.quarantine.csv"
    assert "export the scan again" in provenance.explain_name(results, name).text()


@pytest.mark.parametrize(
    "name",
    [
        "registered/s1",
        "registered/s1.zarr",
        "results/registered/s1.manifest.json",
        "artifact:registered/s1",
    ],
)
def test_an_artifact_has_sources_users_files_and_arrays(results, name):
    found = record(results, name)
    assert found["kind"] == "artifact" and found["id"] == "registered/s1"
    assert found["rule"] == "registration" and found["job"] == "registered/chunks/c0"
    assert found["built_from"]["rules"] == {"gallery_scans": 1}
    scans = {"artifact": "gallery/scans/c0", "rule": "gallery_scans"}
    assert found["built_from"]["artifacts"] == [scans]
    assert "blendshapes/v-0.9_a+0.5" in found["used_by"]["artifacts"]
    assert found["used_by"]["in_all"]["dataset"] == 1
    arrays = {array["name"]: array for array in found["arrays"]}
    assert arrays["vertices"]["shape"] == [4, 4, 3] and arrays["vertices"]["unit"] == "mm"
    assert arrays["vertices"]["dtype"] == "float32"
    assert found["files"]["count"] == len(found["files"]["each"])
    assert found["settings"]["registration"] == {"size": 3} and found["code"] == "c0"


def test_every_artifact_of_the_build_can_be_explained(results):
    for path in sorted(results.rglob("*.manifest.json")):
        name = path.relative_to(results).as_posix().removesuffix(".manifest.json")
        found = record(results, f"artifact:{name}")
        assert found["id"] == name and not found["what"].startswith("an artifact of rule")


def test_a_listed_file_leads_to_its_artifact(results):
    found = record(results, "gallery/frames.parquet")
    assert found["kind"] == "file" and found["artifact"] == "gallery/frames"
    assert found["sha256"] == store.digest(results / "gallery/frames.parquet")
    assert found["tables"][0]["rows"] == 12 and "frame_id" in found["tables"][0]["columns"]
    outside = record(results, "neutrals/photos/neutrals")["built_from"]["outside"]
    assert [entry["file"].endswith("photo.jpg") for entry in outside] == [True]


def test_the_last_part_of_a_name_is_enough_where_it_is_the_only_one(results):
    assert record(results, "atlas")["id"] == "blendshapes/atlas"
    with pytest.raises(provenance.AmbiguousName) as caught:
        provenance.explain_name(results, "000")
    assert "artifact:fits/photos/000" in str(caught.value)
    assert "artifact:synthesis/photos/000" in str(caught.value)
    with pytest.raises(provenance.AmbiguousName, match="registered/s1"):
        provenance.explain_name(results, "registered")


def test_a_name_of_two_kinds_lists_both(results, tmp_path):
    root = shutil.copytree(results, tmp_path / "results")
    path = root / "gallery/frames.parquet"
    pd.read_parquet(path).replace({"sequence": {"s1": "7"}}).to_parquet(path, index=False)
    seal(root, "gallery/frames", [path], {})
    with pytest.raises(provenance.AmbiguousName, match=r"class:v-0\.9_a\+0\.5, sequence:7"):
        provenance.explain_name(root, "7")
    assert provenance.explain_name(root, "sequence:7").record["kind"] == "sequence"


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("photos-ann1-v-0.9_a+0.6", IMAGE),
        ("s1_7_9", "s1_7_0"),
        ("v-0.9_a+0.4", "v-0.9_a+0.5"),
        ("dataset.json", "dataset"),
        ("bob2", "bob1"),
    ],
)
def test_a_slip_finds_what_was_meant(results, slip, meant):
    with pytest.raises(provenance.UnknownName, match="did you mean") as caught:
        provenance.explain_name(results, slip)
    assert meant in str(caught.value)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "/", "class:", "image:dataset", "\0"])
def test_what_is_no_name_is_refused_in_one_line(results, name):
    with pytest.raises(provenance.UnknownName) as caught:
        provenance.explain_name(results, name)
    assert len(str(caught.value).splitlines()) <= 1


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda _: b""])
@pytest.mark.parametrize(
    "table",
    ["gallery/frames.parquet", "affectspace/classes.parquet", "registered/s1.zarr/zarr.json"],
)
def test_a_damaged_artifact_on_the_way_is_one_line(results, tmp_path, table, damage):
    root = shutil.copytree(results, tmp_path / "results")
    (root / table).write_bytes(damage((root / table).read_bytes()))
    with pytest.raises(store.StoreError) as caught:
        provenance.explain_name(root, "s1_7_0")
    assert len(str(caught.value).splitlines()) == 1 and "audit" in str(caught.value)


def test_the_command_line_explains_and_fails_with_one_line(results):
    done = CliRunner().invoke(app, ["explain", "dataset", "--results", str(results), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["rule"] == "dataset"
    failed = CliRunner().invoke(app, ["explain", "nothing", "--results", str(results)])
    assert failed.exit_code == 1 and len(failed.stderr.strip().splitlines()) == 1


def test_a_folder_without_a_build_is_one_line(tmp_path):
    for folder, words in ((tmp_path, "has no build"), (tmp_path / "none", "no such folder")):
        with pytest.raises(store.StoreError, match=words) as caught:
            provenance.explain_name(folder, "dataset")
        assert "make dataset" in str(caught.value)


def test_a_person_has_photographs_images_split_and_sequences(results):
    found = record(results, "bob")
    assert found["kind"] == "subject" and found["photographs"] == ["photos-bob1"]
    images = pd.concat(map(pd.read_parquet, (results / "dataset/data").glob("*.parquet")))
    own = images[(images["subject"] == "bob") & (images["class"] >= 0)]
    assert found["images"] == {"photos": len(own)} and len(own)
    assert found["split"] == own["split"].iloc[0]
    frames = pd.read_parquet(results / "gallery/frames.parquet")
    person = frames["subject"].iloc[0]
    rows = record(results, f"subject:{person}")["sequences"]
    sequences = {row["sequence"]: row["frames"] for row in rows}
    assert sequences == frames[frames["subject"] == person]["sequence"].value_counts().to_dict()


def test_a_person_may_be_called_null(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    build_results(tmp_path / "results", tmp_path / "photo.jpg", (("null", "NA"),))
    found = [record(tmp_path / "results", name) for name in ("null", "NA")]
    assert [row["photographs"] for row in found] == [["photos-null1"], ["photos-NA1"]]
    assert all(row["split"] for row in found) and audit_build(tmp_path / "results").intact


@pytest.mark.parametrize("name", [IMAGE, "dataset", "class:7", "photos-ann1", "s1_7_0", "bob"])
def test_the_short_answer_is_a_page_and_leads_to_the_rest(results, name):
    explanation = provenance.explain_name(results, name)
    short, full = (explanation.text(full=full).splitlines() for full in (False, True))
    assert short[0] == full[0] and short[-1].startswith("--full says more")
    assert len(short) <= 25 and not any("numpy" in line for line in short)
    done = CliRunner().invoke(app, ["explain", name, str(results)])
    assert done.stdout.splitlines() == short
    assert CliRunner().invoke(app, ["explain", name, str(results), "--full"]).stdout.split(
        "\n"
    ) == [*full, ""]


def test_a_table_that_was_edited_is_not_explained(results, tmp_path):
    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    table = copied / "neutrals/photos/accepted.csv"
    table.write_text(table.read_text().replace("bob", "rob"))
    for name in ("photos-rob1", "photos-bob1", IMAGE):
        done = CliRunner().invoke(app, ["explain", name, "--results", str(copied)])
        assert done.exit_code == 1 and "has other content than was written" in done.output
        assert len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"x", b"image_id\n"])
def test_a_damaged_table_ends_explain_in_one_line(results, tmp_path, content):
    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    for table in [*copied.rglob("*.csv"), *copied.rglob("*.parquet")]:
        before = table.read_bytes()
        table.write_bytes(content)
        for name in (IMAGE, "nothing-of-this-name"):
            done = CliRunner().invoke(app, ["explain", name, "--results", str(copied)])
            assert done.exit_code in (0, 1), (table, name)
            assert done.exception is None or isinstance(done.exception, SystemExit), (table, name)
        table.write_bytes(before)
