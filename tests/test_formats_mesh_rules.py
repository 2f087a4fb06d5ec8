"""What each mesh format allows, one by one, and the one-line error for what it does not."""

import re

import numpy as np
import pytest
from support.mesh_files import (
    FAN,
    PLY_FORMATS,
    POINTS,
    QUADS,
    bnt_bytes,
    grid_mesh,
    ply_bytes,
    wrl_text,
)

from affect4d.formats.meshes import read_mesh
from affect4d.quarantine import BadInput

# OBJ ---------------------------------------------------------------------------------------------

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    "text",
    [
        SQUARE + "f 1 2 3 4\n",
        SQUARE + "f -4 -3 -2 -1\n",
        SQUARE + "vn 0 0 1\nf 1//1 2//1 3//-1 4//1\n",
        SQUARE.replace("\n", "\r\n") + "f 1 2 3 4\r\n",
        SQUARE.replace("\n", "\r") + "f 1 2 3 4\r",
        SQUARE.replace("v ", "  v\t") + "s off\ng face\no x\nf 1 2 \\\n 3 4 \n",
        SQUARE.replace(" 0\n", " 0 .5 .5 .5\n") + "# end\nf 1 2 3 4 # a comment\n"[:-12] + "\n",
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\nv 0 1 0\nf -4 -2 -1\n",
        SQUARE + "l 1 2\np 1\nf 1 2\nf 1 2 3\nf 1 3 4",
    ],
)
def test_ways_to_write_a_square_as_obj(tmp_path, text):
    if not text.endswith(("\n", "\r")):
        text += "\n"
    (tmp_path / "a.obj").write_bytes(text.encode())
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(mesh.triangles, [[0, 1, 2], [0, 2, 3]])


@pytest.mark.parametrize(
    "faces, rule",
    [
        ("f 1 2 5\n", "vertex that does not exist"),
        ("f 0 1 2\n", "vertex that does not exist"),
        ("f -5 1 2\n", "vertex that does not exist"),
        ("f 1 2 99999999999999999999\n", "vertex that does not exist"),
        ("vt 0 0\nf 1/1 2/2 3/1\n", "texture coordinate that does not exist"),
        ("f 1 2 x\n", "line 5: 'x'"),
        ("f 1/ 2/a 3\n", "line 5: '2/a'"),
        ("v 1 2\nf 1 2 3\n", "line 5"),
        ("v 1 2 1..2\nf 1 2 3\n", "line 5: '1..2'"),
        ("vt 1\nf 1 2 3\n", "line 5"),
    ],
)
def test_what_breaks_the_rules_of_obj_is_named(tmp_path, faces, rule):
    (tmp_path / "a.obj").write_text(SQUARE + faces)
    with pytest.raises(BadInput, match=re.escape(rule)):
        read_mesh(tmp_path / "a.obj")


def test_corners_without_texture_coordinates_get_zeros(tmp_path):
    (tmp_path / "a.obj").write_text(SQUARE + "vt .5 .25\nf 1/1 2/1 3/1\nf 1 3 4\n")
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.uv[mesh.triangles], [[[0.5, 0.25]] * 3, [[0, 0]] * 3])


# PLY ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", PLY_FORMATS)
def test_other_elements_and_layouts_are_skipped(tmp_path, form):
    vertices, triangles, uv = grid_mesh()
    content = ply_bytes(vertices, triangles, uv, form=form, real="double", uv_names="uv")
    head, body = content.split(b"end_header\n", 1)
    before = b"element camera 2\nproperty float view\nproperty list ushort short names\n"
    head = head.replace(b"element vertex", before + b"element vertex")
    head += b"element edge 1\nproperty int vertex1\nobj_info none\n"
    order = PLY_FORMATS[form]
    if order is None:
        cameras, edges = b"1.5 2 7 8\n2.5 0\n", b"4\n"
    else:
        kinds = [np.dtype(order + kind) for kind in ("f4", "u2", "i2", "i4")]
        real, count, short, integer = (lambda *v, k=k: np.array(v, k).tobytes() for k in kinds)
        cameras, edges = real(1.5) + count(2) + short(7, 8) + real(2.5) + count(0), integer(4)
    (tmp_path / "a.ply").write_bytes(head + b"end_header\n" + cameras + body + edges)
    mesh = read_mesh(tmp_path / "a.ply")
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.triangles, triangles)
    np.testing.assert_array_equal(mesh.uv, uv)


@pytest.mark.parametrize(
    "newline, other",
    [
        (b"\n", b"\n"),
        (b"\r\n", b"\r\n"),
        (b"\r", b"\r"),
        (b"\n", b"\r\n"),
        (b"\r\n", b"\n"),
    ],
)
@pytest.mark.parametrize("line", [b"element face 96", b"end_header"])
def test_headers_with_any_line_end_and_mixed_ones(tmp_path, line, newline, other):
    vertices, triangles, _ = grid_mesh()
    vertices[0] = 0  # the body begins with bytes that are not text
    content = ply_bytes(vertices, triangles, form="binary_little_endian")
    end = content.index(b"end_header\n") + len(b"end_header\n")
    header = content[:end].replace(b"\n", newline).replace(line + newline, line + other)
    (tmp_path / "a.ply").write_bytes(header + content[end:])
    mesh = read_mesh(tmp_path / "a.ply")
    np.testing.assert_array_equal(mesh.vertices, vertices)
    np.testing.assert_array_equal(mesh.triangles, triangles)


def test_a_body_that_begins_with_a_line_feed_after_a_carriage_return(tmp_path):
    vertices, triangles, _ = grid_mesh()
    vertices[0] = np.frombuffer(b"\n\0\0\0" * 3, np.float32)
    content = ply_bytes(vertices, triangles, form="binary_little_endian")
    end = content.index(b"end_header\n") + len(b"end_header\n")
    (tmp_path / "a.ply").write_bytes(content[:end].replace(b"\n", b"\r") + content[end:])
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").vertices, vertices)


@pytest.mark.parametrize(
    "old, new, rule",
    [
        (b"vertex 63", b"vertex 64", "truncated|number|does not exist"),
        (b"vertex 63", b"vertex 4999999", "truncated"),
        (b"vertex 63", b"vertex 99999999999999999", "at most 5000000"),
        (b"face 96", b"face 97", "truncated"),
        (b"face 96", b"face -96", "header line"),
        (b"property float x", b"property float w", "no x, y, z"),
        (b"property float x", b"property half x", "no type 'half'"),
        (b"property float x", b"property float y", "two properties of one name"),
        (b"list uchar int", b"list float int", "length cannot be a float"),
        (b"element face 96", b"element line 96", "no faces"),
        (b"ply\n", b"plx\n", "no PLY header"),
        (b"end_header", b"end_headex", "has no end"),
        (b"format", b"comment", "names no format"),
    ],
)
@pytest.mark.parametrize("form", PLY_FORMATS)
def test_wrong_headers_are_explained(tmp_path, form, old, new, rule):
    content = ply_bytes(*grid_mesh(), form=form)
    assert content.count(old)
    (tmp_path / "a.ply").write_bytes(content.replace(old, new, 1))
    with pytest.raises(BadInput, match=rule):
        read_mesh(tmp_path / "a.ply")


def test_two_textures_of_a_ply_are_refused(tmp_path):
    content = ply_bytes(*grid_mesh(), texture="a.png")
    content = content.replace(b"comment Tex", b"comment TextureFile b.png\ncomment Tex", 1)
    (tmp_path / "a.ply").write_bytes(content)
    with pytest.raises(BadInput, match="2 textures"):
        read_mesh(tmp_path / "a.ply")


# WRL ---------------------------------------------------------------------------------------------


def write_wrl(folder, *changes, faces=QUADS):
    text = wrl_text(POINTS, faces)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "a.wrl").write_text(text)
    return folder / "a.wrl"


def test_clockwise_faces_are_turned(tmp_path):
    mesh = read_mesh(write_wrl(tmp_path, ("solid FALSE", "solid FALSE ccw FALSE"), faces=FAN))
    np.testing.assert_array_equal(mesh.triangles, np.array(FAN)[:, ::-1])


def test_several_face_sets_are_one_mesh(tmp_path):
    second = "Shape { geometry IndexedFaceSet { coord Coordinate { point [0 0 0 1 0 0 0 1 0] }"
    second += " coordIndex [0 1 2] } }\nDEF T Transform { translation 0 0 0 children [USE Face] }"
    mesh = read_mesh(write_wrl(tmp_path, ("NavigationInfo", second + "\nNavigationInfo")))
    count = len(POINTS)
    assert len(mesh.vertices) == 2 * count + 3
    expected = [*FAN, [count, count + 1, count + 2], *(np.array(FAN) + count + 3)]
    np.testing.assert_array_equal(mesh.triangles, expected)


@pytest.mark.parametrize(
    "old, new, rule",
    [
        ("Group {", "Transform { translation 0 5 0", "moves the surface"),
        ("Group {", "Transform { rotation 0 1 0 1.5", "moves the surface"),
        ("Group {", "Transform { scale [1 1 2]", "moves the surface"),
        ("Group {", "LOD {", "levels of detail"),
        ("IndexedFaceSet", "IndexedLineSet", "no IndexedFaceSet"),
        ("#VRML V2.0", "#VRML V1.0", "no VRML 2.0 header"),
        ("DEF Face Shape", "PROTO Face [] { } Shape", "prototypes"),
        ("DEF Face Shape", "USE Nothing Shape", "not defined"),
        ("coordIndex [ 0", "coordIndex [ 99", "does not exist"),
        ("coordIndex [ 0", "coordIndex [ -2", "does not exist"),
        ("coordIndex [ 0", "coordIndex [ 0.5", "not an integer"),
        ("point [", "point [ 1", "do not make points of 3"),
        ("face.png", "../../face.png", "stay under"),
    ],
)
def test_what_a_wrl_must_not_hold_is_named(tmp_path, old, new, rule):
    with pytest.raises(BadInput, match=rule):
        read_mesh(write_wrl(tmp_path, (old, new)))


# BNT ---------------------------------------------------------------------------------------------


def test_invalid_points_and_depth_jumps_are_left_out(tmp_path):
    vertices, triangles, uv = grid_mesh()
    points = vertices.astype(float)
    points[10] = np.nan
    points[:, 2] += 40 * (points[:, 0] > 3.2)  # beyond the seventh column, another surface
    (tmp_path / "a.bnt").write_bytes(bnt_bytes(points, uv, 7, 9))
    mesh = read_mesh(tmp_path / "a.bnt")
    column = np.arange(63) % 9
    far = column > 6
    crossing = far[triangles].any(axis=1) & ~far[triangles].all(axis=1)
    kept = triangles[~(triangles == 10).any(axis=1) & ~crossing]
    np.testing.assert_allclose(mesh.vertices[mesh.triangles], points[kept], rtol=1e-6)
    assert len(mesh.vertices) == 62 and mesh.texture is None


def test_v_runs_up_and_normals_face_the_scanner_whatever_the_file_says(tmp_path):
    vertices, triangles, uv = grid_mesh()
    (tmp_path / "down.bnt").write_bytes(bnt_bytes(vertices, uv * [1, -1] + [0, 1], 7, 9))
    np.testing.assert_allclose(read_mesh(tmp_path / "down.bnt").uv, uv, atol=1e-6)
    rows = np.arange(63).reshape(7, 9)[::-1].ravel()  # the grid's rows from below
    (tmp_path / "below.bnt").write_bytes(bnt_bytes(vertices[rows], uv[rows], 7, 9))
    for name in ("down.bnt", "below.bnt"):
        mesh = read_mesh(tmp_path / name)
        a, b, c = mesh.vertices[mesh.triangles].transpose(1, 0, 2)
        assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert len(mesh.triangles) == len(triangles)


@pytest.mark.parametrize("end, rule", [(0, "announced"), (-8, "truncated"), (9, "shorter")])
def test_wrong_grids_are_explained(tmp_path, end, rule):
    content = bytearray(bnt_bytes(*[grid_mesh()[i] for i in (0, 2)], 7, 9))
    if end == 0:
        content[0] = 200
    (tmp_path / "a.bnt").write_bytes(content if end == 0 else content[:end])
    with pytest.raises(BadInput, match=rule):
        read_mesh(tmp_path / "a.bnt")
