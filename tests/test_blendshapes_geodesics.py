"""Distances over the surface: exact on a plane, symmetric, and refused where there is no mesh."""

import igl
import numpy as np
import pytest
from support.small_components import TRIANGLES, VERTICES

from affect4d.blendshapes import Geodesics


def test_geodesics_are_exact_on_a_plane_and_near_exact_on_the_patch():
    flat = VERTICES * [1, 1, 0]
    from_corner = Geodesics(flat, TRIANGLES, 1e3).from_vertex(0)
    assert np.allclose(from_corner, np.linalg.norm(flat - flat[0], axis=1), rtol=0.02)
    none = np.empty(0, dtype=np.int64)
    exact = igl.exact_geodesic(
        VERTICES, TRIANGLES, np.array([220]), none, np.arange(len(VERTICES)), none
    )
    assert np.allclose(Geodesics(VERTICES, TRIANGLES, 1e3).from_vertex(220), exact, rtol=0.02)


def test_geodesics_end_at_the_limit_and_are_symmetric():
    geodesics = Geodesics(VERTICES, TRIANGLES, 30.0)
    distance = geodesics.from_vertex(220)
    assert np.isinf(distance).any() and distance[np.isfinite(distance)].max() <= 30
    assert distance[225] == pytest.approx(geodesics.from_vertex(225)[220])


@pytest.mark.parametrize(
    ("vertices", "triangles", "message"),
    [
        (np.where(np.arange(len(VERTICES))[:, None] == 7, np.nan, VERTICES), TRIANGLES, "finite"),
        (VERTICES[:, :2], TRIANGLES, r"\(V, 3\)"),
        (VERTICES, TRIANGLES[:, :2], r"\(F, 3\)"),
        (VERTICES, np.column_stack([TRIANGLES, TRIANGLES[:, 0]]), r"\(F, 3\)"),
        (VERTICES, TRIANGLES + 0.5, "whole numbers"),
        (VERTICES, TRIANGLES - 1, "does not exist"),
    ],
)
def test_refuses_what_is_no_mesh(vertices, triangles, message):
    with pytest.raises(ValueError, match=message):
        Geodesics(vertices, triangles, 45.0)


@pytest.mark.parametrize("source", [-1, len(VERTICES), 10**6])
def test_refuses_a_source_beyond_the_mesh(source):
    with pytest.raises(ValueError, match="no vertex"):
        Geodesics(VERTICES, TRIANGLES, 45.0).from_vertex(source)
