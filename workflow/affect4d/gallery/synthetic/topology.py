"""The scanner's own meshes: topologies that are not the template's but lie on its surface.

A jittered template is decimated; each new vertex is anchored inside one of the template's triangles
among those that collapsed into it, so any deformation carries over and cut lips stay cut.
"""

from dataclasses import dataclass

import fast_simplification
import numpy as np
from numpy.typing import NDArray

from affect4d.random_streams import named_rng
from affect4d.template.template import Template

# Standard deviation of the jitter that makes each decimation a different one; by eye, well below
# the length of an edge.
JITTER_MM = 0.35
_MIN_AREA = 1e-12  # mm4 below which a triangle counts as degenerate


@dataclass(frozen=True)
class Topology:
    """anchors (N, 3) template vertices, weights (N, 3) float32, triangles (F, 3) int32."""

    anchors: NDArray[np.int64]
    weights: NDArray[np.float32]
    triangles: NDArray[np.int32]

    def place(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Values at the template's vertices (V, C) carried to the scan's: (N, C)."""
        carried: NDArray[np.floating] = np.einsum("nk,nkc->nc", self.weights, values[self.anchors])
        return carried


def scan_topology(template: Template, name: str, *, vertices: int, seed: int) -> Topology:
    """A topology of about `vertices` vertices; depends on name and seed."""
    rng = named_rng(seed, "topology", name)
    jittered = template.vertices + JITTER_MM * rng.normal(size=template.vertices.shape)
    points = np.ascontiguousarray(jittered, dtype=np.float32)
    triangles = np.ascontiguousarray(template.triangles, dtype=np.int32)
    _, _, collapses = fast_simplification.simplify(
        points,
        triangles,
        target_count=2 * vertices,  # triangles, twice as many as vertices by Euler's formula
        return_collapses=True,
    )
    simple, faces, mapping = fast_simplification.replay_simplification(points, triangles, collapses)
    anchors, weights = _anchor(template, simple, mapping)
    return Topology(anchors, weights, faces.astype(np.int32))


def _anchor(
    template: Template, simple: NDArray[np.float32], mapping: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each new vertex the nearest point of the triangles that touch what collapsed into it.

    Parameters
    ----------
    template : the mesh that was decimated
    simple : (N, 3) the new vertices, mm
    mapping : (V,) the new vertex into which each old one collapsed

    Returns
    -------
    anchors (N, 3) and weights (N, 3) of a Topology
    """
    triangles = template.triangles
    owner = mapping[triangles]
    pairs = np.unique(
        np.stack([np.repeat(np.arange(len(triangles)), 3), owner.ravel()], axis=1), axis=0
    )
    corners = template.vertices[triangles[pairs[:, 0]]].astype(np.float64)
    target = simple[pairs[:, 1]].astype(np.float64)
    weights = _barycentric(corners, target)
    distance = np.linalg.norm(np.einsum("nk,nkc->nc", weights, corners) - target, axis=1)
    order = np.lexsort((pairs[:, 0], distance, pairs[:, 1]))
    first = order[np.unique(pairs[order, 1], return_index=True)[1]]
    if len(first) != len(simple):
        raise ValueError("a decimated vertex has no triangle of the template")
    return triangles[pairs[first, 0]], weights[first].astype(np.float32)


def _barycentric(corners: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Barycentric weights (P, 3) of the points (P, 3), projected and drawn into the triangles."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, target - a
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    area = np.maximum(uu * vv - uv * uv, _MIN_AREA)
    beta, gamma = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    weights: NDArray[np.float64] = np.clip(
        np.stack([1 - beta - gamma, beta, gamma], axis=1), 0, None
    )
    weights /= weights.sum(1, keepdims=True)
    return weights
