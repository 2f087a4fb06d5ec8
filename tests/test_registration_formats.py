"""One shape in every format of meshes and landmarks: the same registration within .05 mm."""

import numpy as np
import pandas as pd
import pytest
from support.contexts import context
from support.mesh_files import (
    PLY_FORMATS,
    bnd_text,
    bnt_bytes,
    ljson_text,
    lm3_text,
    obj_text,
    ply_bytes,
    pts_text,
    wrl_text,
)
from support.recorded import record
from support.registration_scans import deform

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.config.registration import Settings
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.markup import load_markup
from affect4d.formats.meshes import read_mesh, write_ply
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.similarity import fit_similarity
from affect4d.registration.sequences import load_registrar, register_chunk

STEP_MM = 1.0  # of the depth camera's grid
SAME_MM = 0.05


@pytest.fixture(scope="module")
def face(template):
    """A face that is not the template's: (V, 3) mm."""
    return deform(template, seed=11, jaw=0.4)


@pytest.fixture(scope="module")
def marks(template, face):
    offset = template.landmarks - template.vertices[template.landmark_vertices]
    noise = np.random.default_rng(1).normal(size=(68, 3))
    return face[template.landmark_vertices] + offset + 0.5 * noise


def depth_camera(template, face):
    """What a camera in front sees: points (rows * columns, 3), NaN where nothing, and its size."""
    low, high = face[:, :2].min(0), face[:, :2].max(0)
    columns, rows = (np.ceil((high - low) / STEP_MM).astype(int) + 1).tolist()
    xy = (face[:, :2] - [low[0], high[1]]) / [STEP_MM, -STEP_MM]
    ids, weights = rasterise(xy, face[:, 2], template.triangles, shape=(rows, columns))
    points = interpolate(face, template.triangles, (ids, weights))
    points[ids < 0] = np.nan
    # one sheet, as such cameras give it: the ears stand far behind the cheeks
    points[np.abs(points[..., 0]) > 68] = np.nan
    return points.reshape(-1, 3), rows, columns


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, template, face, marks):
    """A folder with the face in every format; rows of its table by format."""
    root = tmp_path_factory.mktemp("formats")
    points, rows, columns = depth_camera(template, face)
    (root / "mesh.bnt").write_bytes(bnt_bytes(points, points[:, :2] / 400 + 0.5, rows, columns))
    mesh = read_mesh(root / "mesh.bnt")
    shape = mesh.vertices, mesh.triangles, mesh.uv
    texts = {
        "obj": obj_text(*shape, mesh.triangles, material="none.mtl").replace(
            "mtllib none.mtl\n", ""
        ),
        "wrl": wrl_text(*shape, mesh.triangles),
    }
    texts["obj"] = texts["obj"].replace("mtllib none.mtl\n", "")
    for kind, text in texts.items():
        (root / f"mesh.{kind}").write_text(text)
    write_ply(root / "own.ply", mesh)
    for form in PLY_FORMATS:
        content = ply_bytes(*shape[:2], corner_uv=mesh.uv[mesh.triangles], form=form)
        (root / f"{form}.ply").write_bytes(content)
    labels = load_markup("bosphorus").ibug
    eighty = _bu3dfe(marks)
    (root / "marks.pts").write_text(pts_text(marks))
    (root / "marks.ljson").write_text(ljson_text(marks))
    (root / "marks.lm3").write_text(lm3_text(list(labels.values()), marks[list(labels)]))
    (root / "marks.bnd").write_text(bnd_text(eighty))
    meshes = ["mesh.bnt", "mesh.obj", "mesh.wrl", "own.ply", *(f"{f}.ply" for f in PLY_FORMATS)]
    pairs = [(mesh, "marks.pts") for mesh in meshes]
    pairs += [("own.ply", f"marks.{kind}") for kind in ("ljson", "lm3", "bnd")]
    _register(root, pairs)
    return root


BU3DFE_GROUPS = {
    "left_eye": [42, 43, 44, 45, 46, 47, 46, 45],
    "right_eye": [36, 37, 38, 39, 40, 41, 40, 39],
    "left_brow": [22, 23, 24, 25, 26, 26, 25, 24, 23, 22],
    "right_brow": [17, 18, 19, 20, 21, 21, 20, 19, 18, 17],
    "nostrils": [31, 32, 33, 33, 34, 35],
    "outer_mouth": list(range(48, 60)),
    "inner_mouth": list(range(60, 68)),
}


def _bu3dfe(marks):
    """83 points in the mark-up's groups, made from those of iBUG's that they go round."""
    markup = load_markup("bu3dfe83")
    points = np.repeat(marks[27:28], markup.points, axis=0)
    for group, members in markup.groups.items():
        points[members] = marks[BU3DFE_GROUPS[group]]
    points[markup.ibug[8]] = marks[8]
    return points


def _register(root, pairs):
    rows = []
    for mesh, landmarks in pairs:
        name = f"{mesh}-{landmarks}".replace(".", "_")
        row = dict.fromkeys(SCAN_COLUMNS, "")
        row |= {"frame_id": name, "subject": "s", "session": "1", "sequence": name, "frame": 0}
        row |= {"task": "posed", "mesh": mesh, "landmarks": landmarks, "markup": "ibug68"}
        rows.append(row | {"is_apex": False, "is_neutral": True})
    table = root / "gallery/scans/c0.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(SCAN_COLUMNS)).to_csv(table, index=False)
    record(root, table)


@pytest.fixture(scope="module")
def registered(gallery, prepared):
    """Registered vertices by sequence; nothing may be in quarantine."""
    run = context(gallery, "registration", item="c0")
    registrar = load_registrar(prepared, Settings())
    register_chunk(run, registrar, gallery / "gallery/scans/c0.csv", files_root=gallery)
    assert run.quarantine.rows == []
    return {
        path.stem: (store.open(path)["vertices"][0], store.open(path)["seen"][0])
        for path in (gallery / "registered").glob("*.zarr")
    }


def farthest(one, other):
    return np.linalg.norm(one[0] - other[0], axis=1)[one[1] & other[1]].max()


def test_the_camera_shows_the_face(registered, face, template):
    vertices, seen = registered["mesh_bnt-marks_pts"]
    mask = template.inner & seen
    assert mask[template.inner].mean() > 0.85
    rigid = fit_similarity(vertices[mask], face[mask], scale=False)
    distance = np.linalg.norm(rigid.apply(vertices[mask]) - face[mask], axis=1)
    assert distance.mean() < 1.1


@pytest.mark.parametrize(
    "mesh", ["mesh_obj", "mesh_wrl", "own_ply", *(f"{f}_ply" for f in PLY_FORMATS)]
)
def test_every_mesh_format_registers_alike(registered, mesh):
    assert farthest(registered["mesh_bnt-marks_pts"], registered[f"{mesh}-marks_pts"]) < SAME_MM


def test_ljson_registers_as_pts(registered):
    assert farthest(registered["own_ply-marks_pts"], registered["own_ply-marks_ljson"]) < SAME_MM


@pytest.mark.parametrize("kind", ["lm3", "bnd"])
def test_fewer_points_register_as_those_points(gallery, registered, registrar, kind, marks):
    mesh = read_mesh(gallery / "own.ply")
    points = read_landmarks(gallery / f"marks.{kind}", dimension=3)
    marked = np.isfinite(points).all(1)
    assert 12 <= marked.sum() < 30
    np.testing.assert_allclose(points[marked], marks[marked], atol=1e-3)
    alone = registrar.register(mesh.vertices, mesh.triangles, points)
    found = registered[f"own_ply-marks_{kind}"]
    assert farthest(found, (alone.vertices, alone.seen)) < SAME_MM
    # and they are enough for a face: near what all 68 give
    whole = registered["own_ply-marks_pts"]
    assert np.linalg.norm(found[0] - whole[0], axis=1)[found[1] & whole[1]].mean() < 2.0
