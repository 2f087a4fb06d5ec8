"""Rasters, similarity transforms and surfaces against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.shading import render
from affect4d.geometry.similarity import Similarity, fit_similarity
from affect4d.geometry.surface import boundary_loops, cotangent, edges, subdivide, vertex_normals


def grid_mesh(n, size=1.0):
    """A square of n x n vertices in the plane z = 0."""
    x, y = np.meshgrid(np.linspace(0, size, n), np.linspace(0, size, n))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], axis=1)
    i = np.arange(n * n).reshape(n, n)
    a, b, c, d = (p.ravel() for p in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
    return vertices, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def test_a_raster_interpolates_a_linear_field_exactly():
    vertices, triangles = grid_mesh(9, size=31)
    ids, weights = rasterise(vertices[:, :2], vertices[:, 2], triangles, shape=(32, 32))
    assert (ids >= 0).all()
    picture = interpolate(vertices[:, :2], triangles, (ids, weights))
    columns, rows = np.meshgrid(np.arange(32), np.arange(32))
    np.testing.assert_allclose(picture, np.stack([columns, rows], 2), atol=1e-3)


def test_the_nearest_triangle_wins_whatever_the_order():
    square = np.array([[0, 0], [9, 0], [9, 9], [0, 9.0]])
    xy = np.concatenate([square, square])
    depth = np.repeat([1.0, 2.0], 4)
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
        ids, _ = rasterise(xy, depth, triangles[order], shape=(10, 10))
        assert set(np.unique(np.array(order)[ids])) == {2, 3}
    ids, _ = rasterise(
        xy, depth, triangles, shape=(10, 10), keep=np.array([True, True, False, False])
    )
    assert set(np.unique(ids)) == {0, 1}


def test_degenerate_and_outside_triangles_draw_nothing():
    xy = np.array([[2, 2], [2, 2], [5, 5], [-9, -9], [-5, -9], [-9, -5], [np.nan, 0]])
    triangles = np.array([[0, 1, 2], [3, 4, 5], [0, 2, 6]])
    ids, weights = rasterise(xy, np.zeros(len(xy)), triangles, shape=(8, 8))
    assert (ids == -1).all() and (weights == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 10), st.booleans())
def test_a_similarity_is_recovered(seed, factor, with_weights):
    rng = np.random.default_rng(seed)
    truth = Similarity(factor, Rotation.random(rng=rng).as_matrix(), rng.normal(size=3) * 50)
    points = rng.normal(size=(12, 3)) * 30
    weights = rng.uniform(0.1, 1, 12) if with_weights else None
    found = fit_similarity(points, truth.apply(points), weights)
    np.testing.assert_allclose(found.apply(points), truth.apply(points), atol=1e-8)
    assert np.linalg.det(found.rotation) == pytest.approx(1)


def test_a_mirror_image_is_never_fitted_by_a_reflection():
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = fit_similarity(points, points * [-1, 1, 1])
    assert np.linalg.det(found.rotation) == pytest.approx(1)
    assert np.abs(found.apply(points) - points * [-1, 1, 1]).max() > 0.1


def test_collinear_points_are_refused():
    line = np.outer(np.arange(5.0), [1, 2, 3])
    with pytest.raises(ValueError, match="plane"):
        fit_similarity(line, line)


def test_the_laplacian_annihilates_linear_functions_inside_and_areas_sum():
    vertices, triangles = grid_mesh(12)
    laplacian, area = cotangent(vertices, triangles)
    inside = np.all((vertices[:, :2] > 0.01) & (vertices[:, :2] < 0.99), axis=1)
    np.testing.assert_allclose((laplacian @ vertices[:, :2])[inside], 0, atol=1e-10)
    assert area.sum() == pytest.approx(1)
    smallest = np.linalg.eigvalsh(laplacian.toarray())[0]
    assert smallest > -1e-9


def test_an_unreferenced_vertex_has_area_and_no_normal():
    vertices, triangles = grid_mesh(4)
    vertices = np.vstack([vertices, [5, 5, 5]])
    assert cotangent(vertices, triangles)[1][-1] > 0
    normals = vertex_normals(vertices, triangles)
    np.testing.assert_allclose(normals[:-1], [[0, 0, 1]] * 16, atol=1e-12)
    np.testing.assert_array_equal(normals[-1], 0)


def test_loops_and_edges_of_a_square():
    vertices, triangles = grid_mesh(5)
    loops = boundary_loops(triangles)
    assert [len(loop) for loop in loops] == [16]
    # Euler: V - E + F = 1 for a disc
    assert len(vertices) - len(edges(triangles)) + len(triangles) == 1


def test_a_picture_has_the_mesh_in_the_middle_and_white_around():
    vertices, triangles = grid_mesh(5, size=10)
    picture = render(vertices, triangles, shape=(60, 60), frame=((5, 5, 0), 10))
    assert (picture[30, 30] < 250).all() and (picture[2, 2] == 255).all()
    covered = (picture < 250).all(2).mean()
    assert covered == pytest.approx(0.25, abs=0.03)


def test_subdivided_triangles_cover_the_same_area_the_same_way():
    corners = np.array([[0, 0], [2, 0], [0, 2], [2, 2]], dtype=float)
    triangles = np.array([[0, 1, 2], [1, 3, 2]])
    finer, ends = subdivide(triangles, len(corners))
    points = np.concatenate([corners, corners[ends].mean(1)])
    assert len(finer) == 8 and len(ends) == len(edges(triangles)) == 5
    u, v = points[finer[:, 1]] - points[finer[:, 0]], points[finer[:, 2]] - points[finer[:, 0]]
    np.testing.assert_allclose(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], np.full(8, 1.0))
