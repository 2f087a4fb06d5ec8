"""The `ict_facekit` source: a clone's layout, its shapes as action units, scans of its people."""

import json

import igl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.action_units import moves_as_described
from support.contexts import context

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.gallery import IctFaceKit, Settings, subjects
from affect4d.formats.facekit import (
    FACE_VERTICES,
    LANDMARKS,
    facekit_files,
    read_positions,
    read_triangles,
)
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.gallery.jobs import chunks
from affect4d.gallery.synthetic import action_units as actions
from affect4d.gallery.synthetic import facekit, scans
from affect4d.gallery.synthetic.model import read_model
from affect4d.gallery.synthetic.sequences import annotate_takes
from affect4d.quarantine import BadInput

SHORT = {"spontaneous": 1, "spontaneous_frames": 8, "posed_frames": 6, "subdivisions": 1}


@pytest.fixture(scope="module")
def settings(clone):
    return IctFaceKit(root=str(clone), **SHORT)


@pytest.fixture(scope="module")
def model_path(clone, tmp_path_factory):
    root = tmp_path_factory.mktemp("facekit")
    facekit.write_facekit(str(clone), SHORT["subdivisions"], context(root, "gallery"))
    return root / "gallery/facekit.zarr"


@pytest.fixture(scope="module")
def model(model_path):
    return read_model(model_path)


@pytest.fixture(scope="module")
def scanned(model_path, settings):
    return scan(model_path, settings, ["i001"])


def scan(model_path, settings, people, name="c0000"):
    here = context(model_path.parents[1], "gallery")
    scans.scan_chunk(name, people, settings, model=model_path, context=here)
    return model_path.parent


def pretend(root, expressions=("jawOpen",)):
    """The files of a clone without anything in them."""
    folder = root / "FaceXModel"
    folder.mkdir(parents=True)
    (folder / "vertex_indices.json").write_text(json.dumps({"expressions": list(expressions)}))
    for name in ("generic_neutral_mesh", "identity000", *expressions):
        (folder / f"{name}.obj").write_text("v 0 0 0\n")
    return folder


def test_a_folder_that_is_no_clone_is_one_line_with_folder_and_remedy(tmp_path):
    for root in (tmp_path / "no", tmp_path):
        with pytest.raises(BadInput) as error:
            facekit_files(root)
        assert error.value.file == str(root) and "vertex_indices.json" in error.value.rule
        assert "gallery.ict_facekit.root" in error.value.remedy
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("lost", ["generic_neutral_mesh", "identity000", "jawOpen"])
def test_a_clone_that_is_not_whole_says_what_it_lacks(tmp_path, lost):
    folder = pretend(tmp_path)
    assert facekit_files(tmp_path)["jawOpen"] == folder / "jawOpen.obj"
    (folder / f"{lost}.obj").unlink()
    with pytest.raises(BadInput, match=f"lacks {lost}.obj; clone the complete ICT-FaceKit"):
        facekit_files(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"expressions": 3}', '{"expression": []}', "\xff"])
def test_an_index_that_cannot_be_read(tmp_path, text):
    folder = pretend(tmp_path)
    (folder / "vertex_indices.json").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match="cannot be read"):
        facekit_files(tmp_path)


def test_names_in_the_index_do_not_lead_out_of_the_clone(tmp_path):
    folder = pretend(tmp_path)
    (folder / "vertex_indices.json").write_text('{"expressions": ["../../jawOpen"]}')
    assert set(facekit_files(tmp_path).values()) <= set(folder.iterdir())


@pytest.mark.parametrize(
    "text", ["", "v 1 2 3\n", "v 1 2 x\n" * FACE_VERTICES, "v nan 0 0\n" * 9409]
)
def test_a_shape_without_its_vertices(tmp_path, text):
    (tmp_path / "x.obj").write_text(text)
    with pytest.raises(BadInput, match="9409 vertices"):
        read_positions(tmp_path / "x.obj")
    for faces in ("", "f 1 2 3\n", "f 1 2 3 x\n", "f 0 1 2 3\n"):
        (tmp_path / "x.obj").write_text(faces)
        with pytest.raises(BadInput, match="quadrilaterals"):
            read_triangles(tmp_path / "x.obj")


def test_the_source_needs_its_root():
    with pytest.raises(ValidationError, match=r"needs ict_facekit\.root"):
        Settings(source="ict_facekit")


def test_its_people_are_not_those_of_the_embedded_gallery():
    here = Settings(source="ict_facekit", ict_facekit=IctFaceKit(root="/x", subjects=5))
    assert subjects(here) == ["i001", "i002", "i003", "i004", "i005"]
    assert not set(subjects(here)) & set(subjects(Settings()))
    assert list(chunks(here).values()) == [subjects(here)[:4], subjects(here)[4:]]


@given(st.integers(2, 5), st.integers(2, 5), st.integers(0, 2))
def test_subdivision_keeps_the_surface_and_puts_vertices_at_the_middles(rows, columns, times):
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    triangles = np.concatenate(
        [np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]
    )
    points = np.random.default_rng(rows).normal(size=(rows * columns, 3))
    finer = facekit.subdivided(triangles, times)
    placed = finer.place(points)
    # an edge with n pieces a grid step: (n (rows - 1) + 1) (n (columns - 1) + 1) vertices
    pieces = 2**times
    assert len(placed) == (pieces * (rows - 1) + 1) * (pieces * (columns - 1) + 1)
    assert len(finer.triangles) == len(triangles) * 4**times
    np.testing.assert_array_equal(placed[: len(points)], points)
    np.testing.assert_allclose(
        igl.doublearea(placed, finer.triangles).sum(), igl.doublearea(points, triangles).sum()
    )
    np.testing.assert_allclose(finer.weights.sum(1), 1)


def test_the_landmarks_are_those_of_the_clone(clone):
    index = json.loads((clone / "FaceXModel/vertex_indices.json").read_text())
    assert LANDMARKS.tolist() == index["idx_to_landmark_verts"]


def test_the_model_is_the_clone_in_millimetres_on_its_face_area(clone, model):
    line = next(
        line
        for line in (clone / "FaceXModel/generic_neutral_mesh.obj").read_text().splitlines()
        if line.startswith("v ")
    )
    assert model.template.vertices.shape == (9409, 3)
    assert model.template.triangles.shape == (2 * 9230, 3)
    np.testing.assert_allclose(
        model.template.vertices[0], [10 * float(x) for x in line.split()[1:]], rtol=1e-6
    )
    marks = model.template.landmarks
    # eyes about 63 mm apart; the subject's right has smaller x; the nose looks along z
    eyes = marks[36:42].mean(0), marks[42:48].mean(0)
    assert 55 < eyes[1][0] - eyes[0][0] < 72
    assert marks[30, 2] > marks[27, 2] > marks[0, 2] and marks[8, 1] < marks[57, 1] < marks[27, 1]
    np.testing.assert_array_equal(model.template.landmark_vertices, LANDMARKS)
    np.testing.assert_allclose(
        model.template.vertices[0] + model.identity[3][0],
        10 * np.array(_first_vertex(clone / "FaceXModel/identity003.obj")),
        atol=1e-4,
    )
    assert len(model.topologies) == 1 and len(model.topologies[0].anchors) == 37280


def _first_vertex(path):
    return [float(x) for x in path.read_text().split("\nv ", 1)[1].split("\n", 1)[0].split()]


def test_shapes_do_what_their_action_units_say(model):
    assert set(facekit.UNIT_SHAPES) == set(actions.NAMES)
    moves_as_described(model)


def test_a_scan_is_the_true_face_with_noise_in_a_pose(scanned, model, settings):
    truth = store.open(scanned / "truth" / "c0000.zarr")
    table = pd.read_csv(scanned / "scans" / "c0000.csv")
    assert list(table.columns) == list(SCAN_COLUMNS) and set(table["markup"]) == {"ibug68"}
    assert list(table["frame_id"]) == truth.attributes["frame_ids"]
    assert table["frame_id"][0] == "i001_1_spontaneous0/00000"
    assert table.groupby("sequence")["is_neutral"].sum().eq(1).all()
    faces = np.concatenate(
        [truth[f"faces{k}"][...] for k in range(len(truth.attributes["sequences"]))]
    )
    assert faces.shape == (len(table), 9409, 3)
    for index in (0, 3, 11, len(table) - 1):
        mesh = read_mesh(scanned.parent / table["mesh"][index])
        back = (mesh.vertices - truth["translation"][index]) @ truth["rotation"][index]
        squared = igl.point_mesh_squared_distance(
            back.astype(float), faces[index].astype(float), model.template.triangles
        )[0]
        # noise along the normal; 2 fragments of 12 vertices are elsewhere
        assert np.sqrt(np.median(squared)) < settings.noise
        assert 8 <= (squared > 1.5**2).sum() <= 24
        assert 30_000 < len(mesh.vertices) <= 37280 + 24
        assert read_image(mesh.texture).shape == (256, 256, 3)
        if not truth["gross"][index]:
            marks = read_landmarks(scanned.parent / table["landmarks"][index], 3)
            error = (marks - truth["translation"][index]) @ truth["rotation"][index]
            error = np.linalg.norm(error - faces[index][LANDMARKS], axis=1)
            assert np.median(error) < 2.5 * settings.landmark_noise


def test_a_persons_first_frame_is_neutral_and_apexes_differ(scanned):
    truth = store.open(scanned / "truth" / "c0000.zarr")
    table = pd.read_csv(scanned / "scans" / "c0000.csv")
    for k, name in enumerate(truth.attributes["sequences"]):
        faces = truth[f"faces{k}"][...]
        moved = np.linalg.norm(faces - faces[0], axis=2).max(1)
        mine = table[table["sequence"] == name]
        np.testing.assert_allclose(faces[0], truth[f"faces{k}_neutral"][...], atol=0.01)
        assert moved[1:].max() > 3
        if mine["task"].iloc[0] == "posed":
            assert moved[mine["is_apex"]].min() > 0.6 * moved.max()


def test_annotations_are_those_of_the_same_affect_model(settings):
    table = annotate_takes(settings, ["i001"], 0)
    assert len(table) == 8 + 6 * 6
    annotated = table.dropna()
    assert len(annotated) == 8 and annotated["frame_id"].str.startswith("i001_1_spont").all()
    assert annotated[["valence", "arousal"]].abs().max(axis=None) <= 1


def test_scans_do_not_depend_on_who_is_scanned_with_whom(model_path, scanned, settings):
    first = {p.name: p.read_bytes() for p in scanned.glob("scans/c0000/i001_1_fear/*")}
    scan(model_path, settings, ["i002", "i001"], "other")
    second = {p.name: p.read_bytes() for p in scanned.glob("scans/other/i001_1_fear/*")}
    assert first and first == second
