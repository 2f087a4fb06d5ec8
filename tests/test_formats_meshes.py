"""Scans in each format, and the one-line error for what cannot be read."""

import re

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from support.mesh_files import (
    FAN,
    PLY_FORMATS,
    POINTS,
    QUADS,
    bnt_bytes,
    grid_mesh,
    obj_text,
    ply_bytes,
    wrl_text,
)

from affect4d.formats.images import write_image
from affect4d.formats.meshes import Mesh, read_mesh, write_ply
from affect4d.formats.numbers import read_numbers
from affect4d.quarantine import BadInput

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


@pytest.mark.parametrize("end", ["v 1.0", "v 1.0 ", "vt 0.0 1.", "vt 0.0 ", "f 1/1 2/2 3", "f 1/1"])
@pytest.mark.parametrize("line_feed", ["\n", "\r"])
def test_an_obj_cut_within_a_number_line_is_called_truncated(tmp_path, end, line_feed):
    text = OBJ[: OBJ.index(end) + len(end)].replace("\n", line_feed)
    (tmp_path / "cut.obj").write_bytes(text.encode())
    with pytest.raises(BadInput, match="truncated"):
        read_mesh(tmp_path / "cut.obj")


@pytest.mark.parametrize("missing_bytes", [1, 20, 60])
def test_a_truncated_ply_is_one_clear_line(tmp_path, missing_bytes):
    path = tmp_path / "scan.ply"
    write_ply(path, Mesh(VERTICES, TRIANGLES, UV))
    path.write_bytes(path.read_bytes()[:-missing_bytes])
    with pytest.raises(BadInput, match=r"scan\.ply.*truncated"):
        read_mesh(path)


@pytest.mark.parametrize("missing_bytes", [2, 20, 60])
@pytest.mark.parametrize("name", ["a.ply", "a.obj"])
def test_truncated_text_is_one_clear_line(tmp_path, name, missing_bytes):
    vertices, triangles, _ = grid_mesh()
    text = ply_bytes(vertices, triangles) if name == "a.ply" else obj_text(vertices, triangles)
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / name).write_bytes(content[:-missing_bytes])
    with pytest.raises(BadInput, match=r"truncated"):
        read_mesh(tmp_path / name)


def test_vertices_far_from_any_face_are_refused(tmp_path):
    far = VERTICES.copy()
    far[1, 2] = 1.1e7
    write_ply(tmp_path / "scan.ply", Mesh(far, TRIANGLES))
    with pytest.raises(BadInput, match="10 km"):
        read_mesh(tmp_path / "scan.ply")


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


# One shape in every format -----------------------------------------------------------------------


def write_all(folder):
    """{name: path} of one textured sheet in every format and layout."""
    vertices, triangles, uv = grid_mesh()
    (folder / "face.mtl").write_text("newmtl skin\nKd 1 1 1\n  map_Kd -s 1 1 1 face.png\n")
    (folder / "face.png").write_bytes(b"")
    written = {"a.obj": obj_text(vertices, triangles, uv).encode()}
    for form in PLY_FORMATS:
        written[f"{form}.ply"] = ply_bytes(
            vertices, triangles, uv, form=form, texture="face.png", extra="quality"
        )
    written["comma.wrl"] = wrl_text(vertices, triangles, uv, triangles).encode()
    written["blank.wrl"] = wrl_text(vertices, triangles, uv, comma="").encode()
    written["face.bnt"] = bnt_bytes(vertices, uv, 7, 9)
    for name, content in written.items():
        (folder / name).write_bytes(content)
    write_ply(folder / "written.ply", Mesh(vertices, triangles, uv), "face.png")
    return {name: folder / name for name in (*written, "written.ply")}


def test_one_shape_comes_back_equal_from_every_format(tmp_path):
    vertices, triangles, uv = grid_mesh()
    for name, path in write_all(tmp_path).items():
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.vertices, vertices, err_msg=name)
        np.testing.assert_array_equal(mesh.triangles, triangles, err_msg=name)
        np.testing.assert_array_equal(mesh.uv, uv, err_msg=name)
        assert (
            mesh.vertices.dtype == mesh.uv.dtype == np.float32 and mesh.triangles.dtype == np.int32
        )
        assert mesh.texture == tmp_path / "face.png", name


def test_trimesh_reads_the_same_from_what_we_write_and_read(tmp_path):
    vertices, triangles, _ = grid_mesh()
    scene = trimesh.Trimesh(vertices, triangles, process=False)
    for name, options in {
        "a.obj": {},
        "little.ply": {"encoding": "binary"},
        "text.ply": {"encoding": "ascii"},
    }.items():
        scene.export(tmp_path / name, **options)
        mesh = read_mesh(tmp_path / name)
        np.testing.assert_allclose(mesh.vertices, vertices, atol=1e-6)
        np.testing.assert_array_equal(mesh.triangles, triangles)
    for form in PLY_FORMATS:
        (tmp_path / "ours.ply").write_bytes(ply_bytes(vertices, triangles, form=form))
        theirs = trimesh.load_mesh(tmp_path / "ours.ply", process=False, maintain_order=True)
        ours = read_mesh(tmp_path / "ours.ply")
        np.testing.assert_array_equal(ours.vertices, theirs.vertices.astype(np.float32))
        np.testing.assert_array_equal(ours.triangles, theirs.faces)
    write_ply(tmp_path / "ours.ply", Mesh(vertices, triangles))
    theirs = trimesh.load_mesh(tmp_path / "ours.ply", process=False, maintain_order=True)
    np.testing.assert_array_equal(theirs.vertices.astype(np.float32), vertices)
    np.testing.assert_array_equal(theirs.faces, triangles)


@pytest.mark.parametrize("form", PLY_FORMATS)
def test_polygons_become_fans(tmp_path, form):
    (tmp_path / "a.ply").write_bytes(ply_bytes(POINTS, QUADS, form=form))
    (tmp_path / "a.obj").write_text(obj_text(POINTS, QUADS))
    (tmp_path / "a.wrl").write_text(wrl_text(POINTS, QUADS))
    for path in tmp_path.iterdir():
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.triangles, FAN)
        np.testing.assert_array_equal(mesh.vertices, POINTS)
        assert mesh.uv is None


def seam_cases():
    """Texture coordinates per corner: point 0 has two, point 3 three, the others one."""
    corner_uv = np.random.default_rng(2).uniform(size=(3, 5, 2)).astype(np.float32)
    faces = [[0, 1, 2, 3], [3, 2, 4], [0, 3, 4, 5, 6]]
    corner_uv[1, 1], corner_uv[2, 2] = corner_uv[0, 2], corner_uv[1, 2]  # points 2 and 4
    return faces, [corner_uv[i, : len(face)] for i, face in enumerate(faces)]


@pytest.mark.parametrize("name", ["a.obj", "a.wrl", *(f"{form}.ply" for form in PLY_FORMATS)])
def test_seams_split_vertices_at_the_same_place(tmp_path, name):
    faces, corner_uv = seam_cases()
    flat = np.concatenate(corner_uv)
    uv_faces = np.split(np.arange(len(flat)), np.cumsum([len(f) for f in faces])[:-1])
    if name == "a.obj":
        content = obj_text(POINTS, faces, flat, uv_faces, material="none.mtl").encode()
        (tmp_path / "none.mtl").write_text("newmtl skin\n")
    elif name == "a.wrl":
        content = wrl_text(POINTS, faces, flat, uv_faces).encode()
    else:
        content = ply_bytes(POINTS, faces, corner_uv=corner_uv, form=name.removesuffix(".ply"))
    (tmp_path / name).write_bytes(content)
    mesh = read_mesh(tmp_path / name)
    fan = np.array(FAN)
    assert len(mesh.vertices) == len(POINTS) + 3
    np.testing.assert_array_equal(mesh.vertices[: len(POINTS)], POINTS)
    np.testing.assert_array_equal(mesh.vertices[mesh.triangles], POINTS[fan])
    of_face = [0, 0, 1, 2, 2, 2]
    expected = [
        [corner_uv[face][faces[face].index(i)] for i in triangle]
        for face, triangle in zip(of_face, FAN, strict=True)
    ]
    np.testing.assert_array_equal(mesh.uv[mesh.triangles], expected)
    np.testing.assert_array_equal(mesh.uv[: len(corner_uv[0])], corner_uv[0])  # the first stay


REAL = st.floats(width=32, allow_nan=False, allow_infinity=False)
NEAR = st.floats(-(2.0**23), 2.0**23, width=32)


@st.composite
def meshes(draw):
    count = draw(st.integers(3, 12))
    values = draw(st.lists(NEAR, min_size=5 * count, max_size=5 * count))
    table = np.array(values, dtype=np.float32).reshape(count, 5)
    corner = st.integers(0, count - 1)
    faces = draw(st.lists(st.lists(corner, min_size=3, max_size=6), min_size=1, max_size=8))
    return table[:, :3], faces, table[:, 3:]


@given(meshes(), st.sampled_from(["a.obj", "a.wrl", "b.wrl", *PLY_FORMATS]))
def test_any_mesh_comes_back_equal(tmp_path_factory, mesh, name):
    vertices, faces, uv = mesh
    folder = tmp_path_factory.mktemp("mesh")
    if name == "a.obj":
        (folder / "face.mtl").write_text("")
        content = obj_text(vertices, faces, uv).encode()
    elif name.endswith(".wrl"):
        content = wrl_text(vertices, faces, uv, faces if name == "a.wrl" else None).encode()
    else:
        content = ply_bytes(vertices, faces, uv, form=name, uv_names=["texture_u", "texture_v"])
        name += ".ply"
    (folder / name).write_bytes(content)
    read = read_mesh(folder / name)
    np.testing.assert_allclose(read.positions, vertices, atol=np.abs(vertices).max() * 1e-7 + 1e-44)
    if not read.origin.any():
        np.testing.assert_array_equal(read.vertices, vertices)
    np.testing.assert_array_equal(read.uv[read.triangles], uv[read.triangles])
    counts = [len(face) - 2 for face in faces]
    for face, cut in zip(faces, np.split(read.triangles, np.cumsum(counts)[:-1]), strict=True):
        fan = [[face[0], *face[i : i + 2]] for i in range(1, len(face) - 1)]
        assert len(cut) == len(fan) and set(cut.ravel()) <= set(face)
        if len(face) == 3:
            np.testing.assert_array_equal(cut, fan)


@given(st.lists(st.floats() | st.integers(-(10**25), 10**25), min_size=1), st.booleans())
def test_numbers_are_those_that_python_reads(values, vrml):
    text = (", # 1 2\n" if vrml else "\t \r\n").join(map(repr, values))
    numbers = read_numbers(np.frombuffer(text.encode(), np.uint8), 0, len(text), vrml=vrml)
    units = 3 * np.finfo(float).eps
    np.testing.assert_allclose(numbers, np.array(values, float), rtol=units, atol=1e-322)


@given(st.lists(REAL, min_size=1))
def test_text_of_a_float32_gives_it_back(values):
    values = np.array(values, dtype=np.float32)
    for text in (" ".join(map(str, values)), " ".join(f"{value:.9e}" for value in values)):
        numbers = read_numbers(np.frombuffer(text.encode(), np.uint8), 0, len(text))
        np.testing.assert_array_equal(numbers.astype(np.float32), values)


@pytest.mark.parametrize("word", ["1.2.3", "1e", "--1", "abc", "1_0", "0x10", "1,5", ".", "1d3"])
def test_what_is_no_number_is_named_with_its_line(word):
    text = np.frombuffer(f"1 2\n3 {word} 4".encode(), np.uint8)
    with pytest.raises(ValueError, match=re.escape(f"line 2: '{word}'")):
        read_numbers(text, 0, len(text))


# Textures and limits ------------------------------------------------------------------------------


def test_the_texture_is_that_of_the_material_in_use(tmp_path):
    materials = "newmtl hair\nmap_Kd hair.png\nnewmtl skin\n\tmap_Kd\tskin of face.png\n"
    path = write_obj(tmp_path, material=materials)
    assert read_mesh(path).texture == tmp_path / "skin of face.png"
    path.write_text(OBJ.replace("usemtl skin", "usemtl unknown"))
    assert read_mesh(path).texture == tmp_path / "hair.png"
    path.write_text(OBJ + "usemtl hair\nf 1/1 3/3 4/4\n")
    with pytest.raises(BadInput, match=r"2 textures.*bake"):
        read_mesh(path)
    (tmp_path / "face.mtl").unlink()
    assert read_mesh(path).texture is None


def test_files_beyond_any_scan_are_not_opened(tmp_path):
    with (tmp_path / "a.obj").open("wb") as handle:
        handle.truncate((256 << 20) + 1)  # sparse: nothing is on the disk
    with pytest.raises(BadInput, match="256 MB"):
        read_mesh(tmp_path / "a.obj")
    (tmp_path / "b.obj").mkdir()
    with pytest.raises(BadInput, match="no regular file"):
        read_mesh(tmp_path / "b.obj")
