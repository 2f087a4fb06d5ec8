"""The whole chain on a small configuration: what is built, and what its commands say of it."""

import io
import itertools
import json
import re
import subprocess

import numpy as np
import pandas as pd
from PIL import Image
from support.declared import missing, undeclared
from workflow_tree import Tree

from affect4d.formats.images import read_image
from affect4d.interop.export import export_face
from affect4d.provenance import explain_name


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
    rows = built.dataset()
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
    assert (built.dataset().groupby("subject")["split"].nunique() == 1).all()
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


def test_explain_walks_from_an_image_to_photograph_fit_class_scans_and_versions(built):
    rows = built.dataset()
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
