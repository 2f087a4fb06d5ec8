"""Foreign files: what is read, and the one clear line for what cannot be."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from affect4d.formats.images import encode_png, read_image, write_image
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.formats.meshes import Mesh, read_mesh, write_ply
from affect4d.formats.paths import inside, safe_name
from affect4d.formats.quarantine import BadInput, Quarantine
from affect4d.formats.template import load_template

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]], dtype=np.float32)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
UV = VERTICES[:, :2]
OBJ = (
    "mtllib face.mtl\n"
    + "".join(f"v {x} {y} {z}\n" for x, y, z in VERTICES)
    + "".join(f"vt {u} {v}\n" for u, v in UV)
    + "usemtl skin\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
)


def write_obj(folder, text=OBJ, material="newmtl skin\nmap_Kd face.png\n"):
    (folder / "face.mtl").write_text(material)
    write_image(folder / "face.png", np.full((4, 4, 3), 120, np.uint8))
    path = folder / "face.obj"
    path.write_text(text)
    return path


def ascii_ply(vertices, triangles):
    head = (
        f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\nproperty float x\n"
        "property float y\nproperty float z\n"
        f"element face {len(triangles)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = [" ".join(map(str, v)) for v in vertices] + [f"3 {a} {b} {c}" for a, b, c in triangles]
    return head + "\n".join(rows) + "\n"


def test_each_mesh_format_gives_the_same_mesh(tmp_path):
    write_ply(tmp_path / "binary.ply", Mesh(VERTICES, TRIANGLES, UV), "face.png")
    (tmp_path / "ascii.ply").write_text(ascii_ply(VERTICES, TRIANGLES))
    meshes = [
        read_mesh(p) for p in (tmp_path / "binary.ply", tmp_path / "ascii.ply", write_obj(tmp_path))
    ]
    for mesh in meshes:
        np.testing.assert_allclose(mesh.vertices[mesh.triangles], VERTICES[TRIANGLES], atol=1e-6)
    assert meshes[0].texture == meshes[2].texture == tmp_path / "face.png"
    np.testing.assert_allclose(meshes[0].uv, UV)
    np.testing.assert_allclose(meshes[2].uv[meshes[2].triangles], UV[TRIANGLES], atol=1e-6)


@pytest.mark.parametrize("end", ["v 1.0", "vt 0.0 1.", "usemtl", "f 1/1 2/2 3", "f 1/1 3/3 4/"])
def test_a_truncated_obj_is_one_clear_line(tmp_path, end):
    path = write_obj(tmp_path, OBJ[: OBJ.index(end) + len(end)])
    with pytest.raises(BadInput) as caught:
        read_mesh(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("missing_bytes", [1, 20, 60])
def test_a_truncated_ply_is_one_clear_line(tmp_path, missing_bytes):
    path = tmp_path / "scan.ply"
    write_ply(path, Mesh(VERTICES, TRIANGLES, UV))
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    with pytest.raises(BadInput, match=r"scan\.ply.*truncated"):
        read_mesh(path)


def test_nan_vertices_are_refused(tmp_path):
    broken = VERTICES.copy()
    broken[2, 1] = np.nan
    write_ply(tmp_path / "scan.ply", Mesh(broken, TRIANGLES))
    with pytest.raises(BadInput, match="finite"):
        read_mesh(tmp_path / "scan.ply")


def test_a_triangle_beyond_the_vertices_is_refused(tmp_path):
    write_ply(tmp_path / "scan.ply", Mesh(VERTICES, TRIANGLES + 3))
    with pytest.raises(BadInput, match="vertex that does not exist"):
        read_mesh(tmp_path / "scan.ply")


@pytest.mark.parametrize("name", ["scan.stl", "absent.obj", "absent.ply"])
def test_unknown_formats_and_missing_meshes_are_named(tmp_path, name):
    with pytest.raises(BadInput, match=name):
        read_mesh(tmp_path / name)


def test_a_texture_outside_the_scan_folder_is_refused(tmp_path):
    path = write_obj(tmp_path, material="newmtl skin\nmap_Kd ../../etc/passwd\n")
    with pytest.raises(BadInput, match="stay under"):
        read_mesh(path)


def test_pts_files_count_pixels_from_one(tmp_path):
    points = np.random.default_rng(0).uniform(0, 200, (68, 2)).round(3)
    write_pts(tmp_path / "a.pts", points)
    first = (tmp_path / "a.pts").read_text().splitlines()[3].split()
    np.testing.assert_allclose(np.array(first, float), points[0] + 1, atol=1e-3)
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.pts"), points, atol=1e-3)


def test_scan_landmarks_come_back_as_they_stand(tmp_path):
    points = np.random.default_rng(0).normal(0, 50, (68, 3)).round(3)
    write_pts(tmp_path / "a.pts", points)
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.pts", 3), points, atol=1e-3)


def test_ljson_images_are_turned_from_y_x(tmp_path):
    points = np.random.default_rng(0).uniform(0, 200, (68, 2))
    group = {"labels": [], "landmarks": {"points": points[:, ::-1].tolist(), "connectivity": []}}
    (tmp_path / "a.ljson").write_text(json.dumps({"version": 2, "groups": {"LJSON": group}}))
    np.testing.assert_allclose(read_landmarks(tmp_path / "a.ljson"), points)


def test_67_landmarks_are_refused(tmp_path):
    write_pts(tmp_path / "a.pts", np.zeros((67, 2)))
    with pytest.raises(BadInput, match=r"68 points.*67"):
        read_landmarks(tmp_path / "a.pts")


@pytest.mark.parametrize("text", ["", "{\n1 2\n", "version: 1\n{\n1 2\n1 b\n}\n", "{\n1\n1 2\n}\n"])
def test_broken_landmark_files_are_named(tmp_path, text):
    (tmp_path / "a.pts").write_text(text)
    with pytest.raises(BadInput, match=r"a\.pts"):
        read_landmarks(tmp_path / "a.pts")


def test_grey_images_come_as_rgb_and_png_is_lossless(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (9, 7), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == grey[..., None]).all()
    picture = np.random.default_rng(1).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    (tmp_path / "p.png").write_bytes(encode_png(picture))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), picture)


def test_an_unreadable_jpeg_is_one_clear_line(tmp_path):
    write_image(tmp_path / "a.jpg", np.zeros((64, 64, 3), np.uint8))
    whole = (tmp_path / "a.jpg").read_bytes()
    for content in (b"not a jpeg", whole[: len(whole) // 2], b""):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(BadInput, match=r"a\.jpg.*export it again"):
            read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "relative", ["../x", "a/../../x", "/etc/passwd", "a\\..\\..\\x", "", "a\0b"]
)
def test_paths_that_leave_their_root_are_refused(tmp_path, relative):
    with pytest.raises(BadInput):
        inside(tmp_path, relative)


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="leads out"):
        inside(tmp_path / "root", "link/x")
    assert inside(tmp_path / "root", "a/b.ply") == tmp_path / "root" / "a" / "b.ply"


@pytest.mark.parametrize("name", ["../x", "a b", "", "-rf", ".hidden", "a/b", "é", "x" * 101])
def test_names_that_cannot_be_file_names_are_refused(name):
    with pytest.raises(BadInput):
        safe_name(name, "table.csv")


def test_quarantine_keeps_rows_and_strict_stops(tmp_path):
    problem = BadInput("a.obj", "truncated", "export it again")
    keeper = Quarantine("registration")
    keeper.add("s001/3", problem)
    keeper.write(tmp_path / "q.csv")
    with (tmp_path / "q.csv").open() as handle:
        assert list(csv.DictReader(handle)) == [
            {
                "room": "registration",
                "item": "s001/3",
                "file": "a.obj",
                "rule": "truncated",
                "remedy": "export it again",
            }
        ]
    with pytest.raises(BadInput):
        Quarantine("registration", strict=True).add("s001/3", problem)


def test_the_template_is_a_face_in_millimetres():
    template = load_template()
    assert template.vertices.shape == (53349, 3) and template.triangles.shape == (106111, 3)
    eyes = template.landmarks[[36, 45]]
    assert 75 < np.linalg.norm(eyes[0] - eyes[1]) < 110
    nearest = template.vertices[template.landmark_vertices]
    assert np.linalg.norm(nearest - template.landmarks, axis=1).max() < 3
    assert len(template.lips) > 20 and 0.1 < template.inner.mean() < 0.6


def test_a_template_of_a_users_own(tmp_path):
    write_ply(tmp_path / "t.ply", Mesh(VERTICES * 100, TRIANGLES))
    write_pts(tmp_path / "t.pts", np.tile(VERTICES * 100, (17, 1)))
    template = load_template(tmp_path / "t.ply", tmp_path / "t.pts")
    np.testing.assert_allclose(template.vertices, VERTICES * 100)
    with pytest.raises(BadInput, match="mesh and landmarks"):
        load_template(tmp_path / "t.ply")
