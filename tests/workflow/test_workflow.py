"""The whole chain on a small configuration: what is built, what is built again, and what is not."""

import io
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from support.declared import missing, undeclared
from workflow_tree import Tree

from affect4d import store
from affect4d.audit import audit_build
from affect4d.config.synthesis import Settings
from affect4d.formats.images import read_image
from affect4d.interop.export import export_face
from affect4d.provenance import explain_name
from affect4d.store.manifest import SUFFIX

BEFORE_AFFECT = {"gallery_scans", "registration", "neutrals", "fitting", "fitting_model"}
AFTER_SYNTHESIS = {
    "synthesis",
    "synthesis_pictures",
    "readers",
    "dataset",
    "crate",
    "audit",
    "report",
    "all",
}


def dataset(tree):
    paths = sorted((tree.results / "dataset" / "data").glob("*.parquet"))
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def test_every_artifact_of_the_design_is_there(built):
    expected = """gallery/frames.parquet affectspace/frames.parquet affectspace/classes.parquet
        affectspace/histogram.png blendshapes/atlas.zarr validation/table1.csv
        neutrals/photographs/candidates.parquet neutrals/photographs/accepted.csv
        fits/model.zarr dataset/croissant.json dataset/README.md dataset/SHA256SUMS
        ro-crate-metadata.json audit.json report.html"""
    missing = [name for name in expected.split() if not (built.results / name).exists()]
    assert not missing


def test_every_file_array_and_column_is_declared_and_every_declared_one_is_there(built):
    assert undeclared(built.results) == []
    assert missing(built.results) == []


def test_the_dataset_has_labelled_images_of_real_photographs_and_their_checksums(built):
    rows = dataset(built)
    made = rows[rows["class"] >= 0]
    assert {"image_id", "class", "valence", "arousal", "neutral_image_id", "subject"} <= set(rows)
    assert rows["image_id"].is_unique and made["class"].nunique() >= 8
    assert {"photographs", "portraits"} == set(made["database"])
    classes = pd.read_parquet(built.results / "affectspace" / "classes.parquet")
    medians = classes.set_index("class").loc[made["class"]]
    np.testing.assert_allclose(made["valence"], medians["median_valence"], atol=1e-6)
    np.testing.assert_allclose(made["arousal"], medians["median_arousal"], atol=1e-6)
    with Image.open(io.BytesIO(made["image"].iloc[0]["bytes"])) as image:
        assert image.size == (128, 128)
    check = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"],
        cwd=built.results / "dataset",
        check=False,
    )
    assert check.returncode == 0


def test_splits_are_by_subject_everywhere(built):
    assert (dataset(built).groupby("subject")["split"].nunique() == 1).all()
    split = pd.read_csv(built.results / "validation" / "split.csv")
    assert split["subject"].is_unique and set(split["set"]) == {"train", "test"}


def test_a_second_run_has_nothing_to_do(built):
    said = built.snakemake()
    assert "Nothing to be done" in said.stdout + said.stderr


def test_the_audit_is_clean_and_knows_how_to_say_so(built):
    done = built.affect4d("audit", "results")
    assert "intact" in done.stdout
    assert json.loads((built.results / "audit.json").read_text())["whole"] is True
    assert built.affect4d("audit", "nowhere", check=False).returncode == 2


def test_any_part_comes_out_the_same_when_it_is_made_again(built):
    done = built.affect4d("audit", "results", "--replay", "6", "--seed", "16")
    assert re.search(r"6 of \d+ parts replayed .*: 6 came out the same", done.stdout), done.stdout


def test_the_plan_says_what_a_changed_setting_makes_again(built):
    assert "nothing to do" in built.affect4d("plan").stdout
    assert " are done, 0 left" in built.affect4d("status").stdout
    built.configure({"synthesis": {"intensity": 0.8}})
    try:
        said = built.affect4d("plan", "--changed").stdout
        jobs = built.planned()
        # other images than the former build's: what they take is tried on its photographs
        built.configure({"synthesis": {"size": 64, "samples": 3}})
        cost = json.loads(built.affect4d("plan", "--json").stdout)
    finally:
        built.configure({"synthesis": {"intensity": 1.0, "size": 128, "samples": 0}})
    assert "setting synthesis.intensity: 1.0 -> 0.8: synthesis " in said
    assert set(jobs) == AFTER_SYNTHESIS
    assert cost["jobs"] == sum(count for rule, count in jobs.items() if rule != "all")
    assert cost["cpu_h"] > 0 and not cost["without_former_run"]
    assert cost["notes"] == []


def test_a_changed_setting_counts_without_snakemake_s_memory(built):
    memory = built.folder / ".snakemake"
    memory.rename(built.folder / "memory")
    # Snakemake runs a rule again whose script is newer than its outputs, where it has no memory
    for path in built.folder.rglob("workflow/**/*"):
        os.utime(path, (1, 1))
    built.configure({"synthesis": {"margin": 0.33}})
    try:
        assert set(built.planned()) == AFTER_SYNTHESIS
    finally:
        built.configure({"synthesis": {"margin": Settings().margin}})
        shutil.rmtree(memory)
        (built.folder / "memory").rename(memory)
    assert built.planned() == {}


def test_a_changed_module_rebuilds_its_package_and_what_follows(built):
    module = built.folder / "workflow" / "affect4d" / "affectspace" / "classes.py"
    text = module.read_text()
    module.write_text(text + "\n# only a remark\n")
    assert built.planned() == {}
    module.write_text(text + "\nADDED = 1\n")
    try:
        planned = set(built.planned())
    finally:
        module.write_text(text)
    assert {"affectspace", "blendshapes", "atlas", "synthesis", "dataset"} <= planned
    assert not planned & (BEFORE_AFFECT | {"gallery_model", "gallery_annotations"})


def test_an_empty_configuration_is_the_default_one(tmp_path):
    tree = Tree(tmp_path / "tree")
    (tree.folder / "config.yaml").write_text("")
    assert tree.planned()["neutrals"] == 2


def test_a_folder_that_is_missing_or_empty_stops_the_dry_run(tmp_path):
    (tmp_path / "photos").mkdir()
    for root, rule in ((tmp_path / "photos", "is empty"), (tmp_path / "none", "no such")):
        database = {"adapter": "folder", "root": str(root)}
        tree = Tree(tmp_path / rule, {"neutrals": {"databases": {"mine": database}}})
        done = tree.snakemake("--dry-run", check=False)
        said = [line for line in (done.stdout + done.stderr).splitlines() if str(root) in line]
        assert done.returncode and len(said) == 1, done.stderr
        assert "neutrals.databases.mine.root" in said[0] and rule in said[0]


def test_a_config_typo_stops_with_one_clear_line(built):
    done = built.snakemake("--dry-run", "--config", "synthesiss=1", check=False)
    assert done.returncode
    said = (done.stdout + done.stderr).splitlines()
    lines = [line for line in said if "synthesiss" in line]
    assert len(lines) == 1 and "did you mean 'synthesis'" in lines[0]


def some_files(tree):
    """One file of every kind of artifact: shards, metadata, tables, pictures, manifests."""
    patterns = [
        "gallery/scans/*/*/*.ply", "gallery/frames.parquet", "gallery/model.zarr/**/c/**/*",
        "gallery/truth/*.zarr/**/c/**/*", "registered/*.zarr/zarr.json",
        "registered/*.zarr/vertices/c/**/*", "registered/*.manifest.json",
        "affectspace/histogram.png", "affectspace/classes.parquet",
        "blendshapes/v*.zarr/**/c/**/*", "blendshapes/atlas.manifest.json",
        "validation/table1.csv", "neutrals/photographs/images/*.png",
        "neutrals/portraits/accepted.csv", "fits/model.zarr/**/c/**/*",
        "fits/photographs/*.zarr/**/c/**/*", "synthesis/portraits/*.zarr/images/c/**/*",
        "dataset/data/*.parquet", "dataset/README.md", "dataset.manifest.json",
    ]  # fmt: skip
    for pattern in patterns:
        found = sorted(path for path in tree.results.glob(pattern) if path.is_file())
        assert found, pattern
        yield found[len(found) // 2]


def test_any_damage_is_found_and_named(built):
    files = list(some_files(built))
    manifests = [path for path in files if path.name.endswith(".manifest.json")]
    data = [path for path in files if path not in manifests]
    for damage in (flip_a_bit, cut, Path.unlink):
        for group in (data, *([path] for path in manifests)):
            whole = {path: path.read_bytes() for path in group}
            for path in group:
                damage(path)
            verdict = audit_build(built.results)
            for path, content in whole.items():
                path.write_bytes(content)
            assert verdict.exit_code == 1
            names = [path.relative_to(built.results).as_posix() for path in group]
            assert [name for name in names if name not in verdict.text()] == []
    assert audit_build(built.results).exit_code == 0


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1 << (len(content) % 8)
    path.write_bytes(content)


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_what_is_invalidated_is_rebuilt_to_the_same_bytes(built):
    before = built.checksums()
    shard = next(path for path in some_files(built) if "/blendshapes/v" in path.as_posix())
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 4
    shard.write_bytes(content)
    assert built.affect4d("audit", "results", "--invalidate", "--yes", check=False).returncode == 1
    planned = built.planned()
    assert planned["blendshapes"] == 1
    assert not planned.keys() & (BEFORE_AFFECT | {"affectspace"})
    built.snakemake()
    assert built.affect4d("audit", "results").returncode == 0
    assert built.checksums() == before
    assert built.planned() == {}


def test_explain_walks_from_an_image_to_photograph_fit_class_scans_and_versions(built):
    rows = dataset(built)
    row = rows[(rows["class"] >= 0) & (rows["database"] == "photographs")].iloc[0]
    text = built.affect4d("explain", row["image_id"], "--full").stdout
    for word in ("photograph", "fit", row["class_name"], "spontaneous", ".ply", "numpy"):
        assert word in text, word
    unknown = built.affect4d("explain", "../../etc/passwd", check=False)
    assert unknown.returncode == 1 and len(unknown.stderr.strip().splitlines()) == 1


def test_explain_knows_frames_classes_sequences_and_artifacts(built):
    frames = pd.read_parquet(built.results / "affectspace" / "frames.parquet")
    used = frames[frames["class"] >= 0].iloc[0]
    text = built.affect4d("explain", used["frame_id"], "--full").stdout
    for word in ("valence", ".ply", "landmark_residual", "flags", "registration", "numpy"):
        assert word in text, word
    classes = pd.read_parquet(built.results / "affectspace" / "classes.parquet")
    for row in (classes.iloc[0], classes[classes["status"] != "ok"].iloc[0]):
        text = built.affect4d("explain", row["name"]).stdout
        assert f"{row['count']} frames, {row['status']}" in text
    assert "frames_by_class" in built.affect4d("explain", used["sequence"]).stdout
    for path in sorted(built.results.rglob("*.manifest.json"))[::5]:
        name = path.relative_to(built.results).as_posix()
        found = explain_name(built.results, f"artifact:{name}").record
        assert not found["what"].startswith("an artifact of rule"), name


def test_a_registered_frame_is_exported_with_its_scans_texture_while_that_is_there(built, caplog):
    frame = pd.read_parquet(built.results / "gallery/frames.parquet").iloc[0]
    face = export_face(built.results, frame["frame_id"])
    assert face.texture is not None and face.uv.shape == (len(face.vertices), 2)
    mesh = built.results / frame["mesh"]
    mesh.rename(mesh.with_suffix(".away"))
    try:
        bare = export_face(built.results, frame["frame_id"])
    finally:
        mesh.with_suffix(".away").rename(mesh)
    assert bare.texture is None and np.array_equal(bare.vertices, face.vertices)
    assert f"{frame['frame_id']} is written without its texture: " in caplog.text


def test_results_in_another_checkout_run_nothing(built, tmp_path):
    """Files of a new checkout are newer than the results, and Snakemake's memory stayed behind."""
    moved = Tree.copied(built.folder, tmp_path / "elsewhere" / "checkout")
    shutil.rmtree(moved.folder / ".snakemake")
    for part in ("Snakefile", "config.yaml", "workflow", "profiles", "envs"):
        for path in [moved.folder / part, *(moved.folder / part).rglob("*")]:
            path.touch()
    assert moved.planned() == {}
    script = moved.folder / "workflow/scripts/dataset.py"
    script.write_text(script.read_text() + "\nprint()\n")
    assert {"dataset", "crate", "audit", "report"} <= moved.planned().keys()
    assert not {"synthesis", "neutrals", "registration"} & moved.planned().keys()


def test_diff_names_the_setting_behind_a_change(built, tmp_path):
    old = shutil.copytree(built.results, tmp_path / "old")
    assert built.affect4d("diff", old, "results").returncode == 0
    built.configure({"dataset": {"jpeg_quality": 80}})
    try:
        built.snakemake()
        done = built.affect4d("diff", old, "results", check=False)
    finally:
        built.configure({"dataset": {"jpeg_quality": 95}})
        built.snakemake()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "setting dataset.jpeg_quality: 95 -> 80",
        "  behind 1 artifacts: dataset 1",
    ]
    rows = len(dataset(built))
    assert f"  image differs in {rows} rows" in lines
    assert built.affect4d("diff", old, "results").returncode == 0
    crate = "ro-crate-metadata.json"
    assert (built.results / crate).read_bytes() == (old / crate).read_bytes()


def test_a_job_by_workers_of_dask_gives_the_same_bytes(built):
    goal = next((built.results / "registered/chunks").glob("*.manifest.json"))
    before, chunk = goal.read_bytes(), store.read_manifest(goal)
    sequences = [chunk.locate(file) for file in chunk.files if file.path.endswith(SUFFIX)]
    for sequence in sequences[:2]:  # the others are current
        sequence.unlink()
    engine = ("--config", "engine=dask", "--set-threads", "registration=2")
    memory = ("--set-resources", "registration:mem_mb=3000")
    wanted = goal.relative_to(built.folder)
    built.snakemake(*engine, *memory, "--forcerun", "registration", "--", wanted)
    log = built.results / f"logs/registration/{goal.name.removesuffix(SUFFIX)}.log"
    assert "waiting for 2 of Dask's workers" in log.read_text()
    assert goal.read_bytes() == before and store.verify(goal) == []
    built.snakemake()
    assert built.planned() == {}


def test_synth_edits_any_photograph_with_landmarks(built, tmp_path):
    images = sorted((built.results / "neutrals" / "photographs" / "images").glob("*.png"))
    photo = images[-1]
    out = tmp_path / "out.png"
    said = built.affect4d("synth", photo, "--valence", ".4", "--arousal", ".4", "-o", out)
    assert re.search(r"class v\S+: valence [+-]\d\.\d+, arousal [+-]\d\.\d+", said.stdout)
    before, after = read_image(photo).astype(int), read_image(out).astype(int)
    assert before.shape == after.shape
    changed = np.abs(before - after).max(2) > 0
    assert 0.005 < changed.mean() < 0.9
    nothing = built.affect4d("synth", photo, "-o", out, check=False)
    assert nothing.returncode == 2 and "--valence" in nothing.stderr
    smile, anger = tmp_path / "smile.png", tmp_path / "anger.png"
    said = built.affect4d("synth", photo, "--expression", "happiness", "-o", smile)
    assert "happiness" in said.stdout
    built.affect4d("synth", photo, "--expression", "anger", "-o", anger)
    shown = [read_image(path).astype(int) for path in (photo, smile, anger)]
    for one, other in itertools.combinations(shown, 2):
        assert (np.abs(one - other).max(2) > 0).mean() > 0.005
    place = ("--path", "0,0:.4,.4", "--frames", 2, "-o", tmp_path / "path.png")
    suffix = built.affect4d("synth", photo, *place, check=False)
    assert suffix.returncode == 1 and ".webp" in suffix.stderr
    assert not (tmp_path / "path.png").exists()
    unknown = built.affect4d("synth", photo, "--expression", "boredom", "-o", smile, check=False)
    assert unknown.returncode == 1 and "happiness" in unknown.stderr
