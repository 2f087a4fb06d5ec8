"""Polygons that are not convex, scans far from the origin, last lines without their end."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mesh_files import PLY_FORMATS, bnt_bytes, grid_mesh, obj_text, ply_bytes, wrl_text

from affect4d.config.registration import Settings
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.formats.triangulation import triangulate
from affect4d.quarantine import BadInput
from affect4d.registration.sequences import load_registrar
from affect4d.template.template import load_template

# Concave polygons -------------------------------------------------------------------------------


def star(count, inner, phase=0.0):
    """A simple polygon (2 count, 2) that turns in at every second corner, anticlockwise."""
    angle = phase + np.pi * np.arange(2 * count) / count
    radius = np.where(np.arange(2 * count) % 2, inner, 1.0)
    return radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def area(polygon):
    """Shoelace formula."""
    x, y = polygon.T
    return (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2


def areas(points, triangles, normal):
    a, b, c = points[triangles].transpose(1, 0, 2)
    return np.cross(b - a, c - a) @ normal / 2


def turned(flat, seed):
    """Flat points (N, 2) in a random plane, and the plane's normal."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    basis *= np.linalg.det(basis)
    return flat @ basis[:2], basis[2]


@given(
    st.integers(2, 12),
    st.floats(0.05, 0.95),
    st.integers(0, 99),
    st.integers(0, 23),
    st.booleans(),
)
def test_triangles_cover_a_concave_polygon_exactly_once(count, inner, seed, first, is_clockwise):
    flat = np.roll(star(count, inner, seed), first, axis=0)
    points, normal = turned(flat[::-1] if is_clockwise else flat, seed)
    size = len(points)
    triangles = triangulate(points, np.array([size]), np.arange(size)).reshape(-1, 3)
    parts = areas(points, triangles, -normal if is_clockwise else normal)
    assert len(parts) == size - 2 and (parts > -1e-12).all()
    np.testing.assert_allclose(parts.sum(), area(flat), rtol=1e-9)


DART = np.array([[0, 0], [4, 0], [1, 1], [0, 4]], float)  # a concave quadrilateral, by its corners
COMB = np.array([[0, 0], [6, 0], [6, 3], [5, 3], [4, 1], [3, 3], [2, 1], [1, 3], [0, 3]], float)


@pytest.mark.parametrize("name", ["a.obj", "a.wrl", *(f"{form}.ply" for form in PLY_FORMATS)])
@pytest.mark.parametrize("polygon", [DART, COMB, star(9, 0.1)])
def test_concave_polygons_of_every_format(tmp_path, name, polygon):
    for first in range(len(polygon)):
        points = np.column_stack([np.roll(polygon, first, axis=0), np.zeros(len(polygon))])
        face = [list(range(len(points)))]
        if name.endswith(".ply"):
            content = ply_bytes(points.astype(np.float32), face, form=name.removesuffix(".ply"))
        else:
            content = (obj_text if name == "a.obj" else wrl_text)(points, face).encode()
        (tmp_path / name).write_bytes(content)
        mesh = read_mesh(tmp_path / name)
        parts = areas(mesh.vertices, mesh.triangles, np.array([0, 0, 1]))
        assert (parts > -1e-6).all()
        np.testing.assert_allclose(parts.sum(), area(polygon), rtol=1e-6)


def test_convex_polygons_and_those_that_cross_themselves_stay_fans():
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    with_point_on_an_edge = np.insert(square, 1, [0.5, 0, 0], axis=0)
    bow = square[[0, 1, 3, 2]]
    for points in (square, with_point_on_an_edge, bow, square[:, [2, 0, 1]], np.zeros((5, 3))):
        fan = [[0, k, k + 1] for k in range(1, len(points) - 1)]
        corners = np.arange(len(points))
        triangles = triangulate(points, np.array([len(points)]), corners)
        np.testing.assert_array_equal(triangles.reshape(-1, 3), fan)


def test_too_large_concave_polygons_are_refused_before_any_work():
    points = np.column_stack([star(20_000, 0.5), np.zeros(40_000)])
    with pytest.raises(ValueError, match="triangulate them"):
        triangulate(points, np.array([40_000]), np.arange(40_000))


# Far scans --------------------------------------------------------------------------------------

FAR = np.array([5.3e6, -4.1e6, 2.2e5])


def write_far(folder, vertices, triangles, uv):
    """{name: path} of a scan with float64 coordinates in every format that holds them."""
    far = vertices.astype(float) + FAR
    contents = {
        "a.obj": obj_text(far, triangles).encode(),
        "a.wrl": wrl_text(far, triangles).encode(),
        "a.bnt": bnt_bytes(far, uv, 7, 9),
    }
    for form in PLY_FORMATS:
        contents[f"{form}.ply"] = ply_bytes(far, triangles, form=form, real="double")
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_far_scans_keep_the_digits_of_their_shape(tmp_path):
    vertices, triangles, uv = grid_mesh()
    for path in write_far(tmp_path, vertices, triangles, uv):
        mesh = read_mesh(path)
        assert mesh.vertices.dtype == np.float32
        np.testing.assert_allclose(mesh.positions, vertices + FAR, rtol=0, atol=1e-6)
        lengths = [np.linalg.norm(v[triangles[:, 0]] - v[triangles[:, 1]], axis=1)
                   for v in (mesh.vertices, vertices)]  # fmt: skip
        np.testing.assert_allclose(*lengths, atol=1e-6)


def test_scans_near_the_origin_are_not_moved(tmp_path):
    vertices, triangles, _ = grid_mesh()
    (tmp_path / "a.obj").write_text(obj_text(vertices - np.float32([3, 0, 0]), triangles))
    assert not read_mesh(tmp_path / "a.obj").origin.any()
    stray = np.vstack([vertices.astype(float) + FAR, np.zeros(3)])  # of no polygon
    (tmp_path / "a.obj").write_text(obj_text(stray, triangles))
    mesh = read_mesh(tmp_path / "a.obj")
    np.testing.assert_allclose(mesh.positions[:-1], vertices + FAR, rtol=0, atol=1e-6)


def test_a_far_scan_is_registered_as_a_near_one(template, prepared):
    registrar = load_registrar(prepared, Settings())
    near = Mesh(template.vertices, template.triangles)
    moved = Mesh(near.vertices, near.triangles, origin=FAR)
    registered = [
        registrar.register(mesh.positions, mesh.triangles, template.landmarks + mesh.origin)
        for mesh in (near, moved)
    ]
    apart = np.linalg.norm(registered[0].vertices - registered[1].vertices, axis=1)
    assert apart.max() < 0.01


# Last lines without their end -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.obj", "uv.obj", "vn.obj", "a.ply", "quality.ply"])
def test_a_whole_file_without_its_last_line_feed_is_read_with_a_warning(tmp_path, name, caplog):
    vertices, triangles, uv = grid_mesh()
    text = {
        "a.obj": obj_text(vertices, triangles),
        "uv.obj": obj_text(vertices, triangles, uv),
        "vn.obj": obj_text(vertices, triangles).replace("\nf 1 10 2\n", "\nvn 0 0 1\nf 1 10 2\n"),
        "a.ply": ply_bytes(vertices, triangles).decode(),
        "quality.ply": ply_bytes(vertices, triangles, extra="quality").decode(),
    }[name]
    if name == "vn.obj":
        lines = [
            "f " + " ".join(f"{word}//1" for word in line.split()[1:])
            if line.startswith("f ")
            else line
            for line in text.splitlines()
        ]
        text = "\n".join(lines) + "\n"
    path = tmp_path / name
    path.write_text(text)
    whole = read_mesh(path)
    path.write_text(text.rstrip("\n"))
    with caplog.at_level(logging.WARNING):
        mesh = read_mesh(path)
    assert f"{path}: the last line does not end" in caplog.text
    np.testing.assert_array_equal(mesh.vertices, whole.vertices)
    np.testing.assert_array_equal(mesh.triangles, whole.triangles)


@given(st.integers(1, 400))
def test_a_truncated_obj_is_never_read_as_another_mesh(tmp_path_factory, missing):
    vertices, triangles, _ = grid_mesh()
    content = obj_text(vertices, triangles).encode()[:-missing]
    path = tmp_path_factory.mktemp("cut") / "a.obj"
    path.write_bytes(content)
    if missing == 1 or content.endswith(b"\n"):  # whole lines are missing: nothing shows that
        return
    with pytest.raises(BadInput, match="truncated"):
        read_mesh(path)


def face():
    return load_template().landmarks


def rows(points, form="{:.4f}"):
    return "\n".join(" ".join(form.format(value) for value in row) for row in points)


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nn_points: 68\n{{\n{}\n}}",
        "version: 1\nn_points:68\n{{{}}}",
        "version: 1\nn_points:  68\n{}\n",
        "# made by hand\n\n{}\n",
        "n_points: 68\n{{\n{}\n",
        "\ufeff{}\n",
        "{}",
        "\r\n{}\r\n",
        "  {}  \n\n",
    ],
)
def test_ways_to_write_pts(tmp_path, text):
    path = tmp_path / "A.PTS"
    path.write_bytes(text.format(rows(face())).encode())
    np.testing.assert_allclose(read_landmarks(path, 3), face(), atol=1e-4)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("version: 1\n{{\n{}\n", "no closing brace"),
        ("n_points: 69\n{{\n{}\n", "no closing brace"),
        ("here\n{{\n{}\n}}\n", "before the opening brace"),
        ("{}5 7\n", "68 points|different lengths"),
    ],
)
def test_pts_that_are_not_whole_are_refused(tmp_path, text, rule):
    path = tmp_path / "a.pts"
    path.write_text(text.format(rows(face())))
    with pytest.raises(BadInput, match=rule):
        read_landmarks(path, 3)


@given(st.integers(1, 12), st.sampled_from(["{:.4f}", "{:.0f}"]))
def test_a_truncated_pts_without_braces_is_refused(tmp_path_factory, missing, form):
    path = tmp_path_factory.mktemp("cut") / "a.pts"
    path.write_text(rows(face(), form)[:-missing])
    with pytest.raises(BadInput):
        read_landmarks(path, 3)
