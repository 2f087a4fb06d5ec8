"""A user's own table of scans and photographs, with everything in it that can be wrong."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
import trimesh
from workflow_tree import Tree

from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.formats.meshes import Mesh, read_mesh, write_ply

NOTHING_TO_DO_WITH_AFFECT = {
    "gallery_scans", "registration", "neutrals", "fitting", "fitting_model"
}  # fmt: skip


def spoil(root, table):
    """Make one row of each kind of mistake; returns {kind: frame_id}."""
    spontaneous = table[(table["task"] == "spontaneous") & ~table["is_neutral"].astype(bool)]
    rows = iter(spontaneous.groupby("sequence").nth(3).index)
    spoiled = {}

    def change(kind, column, value):
        row = next(rows)
        table.loc[row, column] = value
        spoiled[kind] = table.loc[row, "frame_id"]

    mesh = read_mesh(root / table["mesh"].iloc[0])
    text = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False).export(file_type="obj")
    (root / "cut.obj").write_text(text[: len(text) // 3 - 2].rstrip("\n"))
    change("truncated", "mesh", "cut.obj")
    vertices = mesh.vertices.copy()
    vertices[7] = np.nan
    write_ply(root / "nan.ply", Mesh(vertices, mesh.triangles, mesh.uv))
    change("finite", "mesh", "nan.ply")
    write_pts(root / "few.pts", read_landmarks(root / table["landmarks"].iloc[0], 3)[:67])
    change("67", "landmarks", "few.pts")
    change("1.4", "valence", 1.4)
    change("texture", "texture", "nowhere.jpg")
    change("must stay under", "mesh", "../../../etc/passwd")
    return spoiled


@pytest.fixture(scope="session")
def own_data(built, tmp_path_factory):
    """The small build's scans as somebody's own data, spoiled; (folder, table, {kind: id})."""
    root = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(built.results / "gallery" / "scans", root / "gallery" / "scans")
    table = pd.read_parquet(built.results / "gallery" / "frames.parquet")
    spoiled = spoil(root, table)
    twice = table.iloc[[20]]
    spoiled["earlier row"] = twice["frame_id"].iloc[0]
    lost = table.iloc[[5]].assign(
        sequence="s009_1_lost", subject="s009", frame_id="s009_1_lost/00005", mesh="gone.ply"
    )
    spoiled["is empty"] = "s009_1_lost"
    pd.concat([table, twice, lost]).to_csv(root / "scans.csv", index=False)
    photos = root / "photos"
    photos.mkdir()
    for image in sorted((built.results / "neutrals/photographs/images").glob("*.p*")):
        shutil.copy(image, photos / image.name)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    write_pts(photos / "broken.pts", np.zeros((68, 2)))
    return root, spoiled


def config(root, **more):
    return {
        "gallery": {
            "source": "manifest",
            "manifest": {
                "root": str(root),
                "table": f"{root}/scans.csv",
                "sequences_per_job": 17,
            },
        },
        "neutrals": {"databases": {"mine": {"adapter": "folder", "root": str(root / "photos")}}},
        # labels as annotated: what follows is held to single annotations
        "affectspace": {"bins": 4, "min_frames": 3, "min_subjects": 2, "max_delay": 0},
        **more,
    }


@pytest.fixture(scope="session")
def own_build(built, own_data, tmp_path_factory):
    tree = Tree(tmp_path_factory.mktemp("own_build") / "tree", config(own_data[0]), code=built)
    tree.snakemake()
    return tree


def quarantine(tree):
    paths = [p for p in tree.results.rglob("*.csv") if "quarantine" in p.as_posix()]
    return pd.concat([pd.read_csv(p, dtype=str) for p in paths]).drop_duplicates()


def test_each_mistake_is_a_row_with_file_rule_and_remedy(own_build, own_data):
    rows = quarantine(own_build)
    assert rows[["item", "file", "rule", "remedy"]].notna().all().all()
    for kind, item in own_data[1].items():
        mine = rows[rows["item"] == item]
        assert mine["rule"].str.contains(kind).any(), f"{kind}: {mine['rule'].tolist()}"
    assert rows["file"].str.contains("broken.jpg").any()
    assert not rows.astype(str).apply(lambda c: c.str.contains("\n")).any().any()


def test_nothing_else_is_lost(own_build, own_data):
    bad = set(own_data[1].values())
    frames = pd.read_parquet(own_build.results / "affectspace" / "frames.parquet")
    rest = frames[~frames["frame_id"].isin(bad)]
    assert len(rest) >= 200
    assert set(rest["status"]) <= {"used", "unannotated", "flagged"}
    made = frames[frames["frame_id"].isin(bad)].set_index("frame_id")["status"]
    assert made[own_data[1]["1.4"]] == "quarantined"
    assert made[own_data[1]["earlier row"]] in {"used", "unannotated", "flagged"}


def test_a_class_without_frames_gets_a_row_and_no_image(own_build):
    classes = pd.read_parquet(own_build.results / "affectspace" / "classes.parquet")
    assert len(classes) == 4**2 and (classes["status"] == "empty").any()
    paths = (own_build.results / "dataset" / "data").glob("*.parquet")
    images = pd.concat([pd.read_parquet(path, columns=["class"]) for path in paths])
    made = set(images["class"]) - {-1}
    assert made and made <= set(classes.loc[classes["status"] == "ok", "class"])
    empty = classes[classes["status"] == "empty"].iloc[0]
    photo = next((own_build.results / "neutrals/mine/images").glob("*.png"))
    done = own_build.affect4d(
        "synth", photo, "-o", own_build.folder / "x.png",
        f"--valence={empty['centre_valence']}", f"--arousal={empty['centre_arousal']}",
        check=False,
    )  # fmt: skip
    assert done.returncode == 0 and len(done.stderr.strip().splitlines()) == 1
    assert "the nearest place with data" in done.stderr


def test_the_build_around_the_mistakes_is_whole(own_build):
    assert own_build.affect4d("audit", "results").returncode == 0


def test_strict_stops_at_the_first_mistake_with_its_line(own_data, tmp_path):
    tree = Tree(tmp_path / "strict", config(own_data[0], strict=True))
    done = tree.snakemake("results/gallery/frames.manifest.json", check=False)
    assert done.returncode
    lines = [line for line in done.stderr.splitlines() if " ERROR " in line]
    assert any(str(own_data[0]) in line and line.count("; ") == 1 for line in lines), lines


def test_one_changed_annotation_rebuilds_only_what_depends_on_it(own_build, own_data):
    path = own_data[0] / "scans.csv"
    before = path.read_text()
    table = pd.read_csv(path)
    row = table.index[table["valence"].notna() & (table["valence"].abs() > 0.2)][10]
    table.loc[row, "valence"] *= -1
    table.to_csv(path, index=False)
    try:
        planned = set(own_build.planned())
        assert {"gallery_annotations", "affectspace", "blendshapes", "synthesis"} <= planned
        assert not planned & NOTHING_TO_DO_WITH_AFFECT
    finally:
        path.write_text(before)
        os.utime(path, (0, 0))
    assert own_build.planned() == {}


def test_only_the_classes_of_a_changed_annotation_are_fitted_again(own_build, own_data):
    path = own_data[0] / "scans.csv"
    table = pd.read_csv(path)
    frames = pd.read_parquet(own_build.results / "affectspace" / "frames.parquet")
    classes = pd.read_parquet(own_build.results / "affectspace" / "classes.parquet")
    crowded = classes.sort_values("count")["class"].iloc[-1]
    frame = frames[(frames["class"] == crowded) & (frames["status"] == "used")]["frame_id"].iloc[0]
    table.loc[table["frame_id"] == frame, ["valence", "arousal"]] = np.nan
    stores = {
        p: p.stat().st_mtime_ns for p in own_build.results.glob("blendshapes/v*.manifest.json")
    }
    table.to_csv(path, index=False)
    own_build.snakemake("results/blendshapes/atlas.manifest.json")
    changed = {p.name for p, time in stores.items() if p.stat().st_mtime_ns != time}
    name = classes.set_index("class").loc[crowded, "name"]
    assert changed == {f"{name}.manifest.json"}


def test_grey_and_colour_photographs_keep_their_kind(own_build, tmp_path):
    photo = next((own_build.results / "neutrals/mine/images").glob("*.png"))
    image = read_image(photo)
    grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
    write_image(tmp_path / "grey.png", grey)
    shutil.copy(photo.with_suffix(".pts"), tmp_path / "grey.pts")
    classes = pd.read_parquet(own_build.results / "affectspace" / "classes.parquet")
    place = classes[classes["status"] == "ok"].iloc[-1]
    own_build.affect4d(
        "synth", tmp_path / "grey.png", "-o", tmp_path / "out.png",
        f"--valence={place['centre_valence']}", f"--arousal={place['centre_arousal']}",
    )  # fmt: skip
    made = read_image(tmp_path / "out.png")
    assert (np.ptp(made, axis=2) == 0).all() and (made != grey).any()
