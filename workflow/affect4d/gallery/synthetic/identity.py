"""Identity: smooth fields over the whole head, and the proportions that anthropometry measures.

The smooth fields are low eigenfunctions of the cotangent Laplacian (manifold harmonics, Vallet &
Levy 2008): displacements that keep the head's symmetry are strong, those that break it weak, and
amplitudes fall with frequency. Amplitudes are chosen by eye, so that people differ and none is a
caricature.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

from affect4d.geometry.surface import cotangent
from affect4d.template import ibug68
from affect4d.template.template import Template

HARMONICS = 14  # each along three axes: 42 modes beside the 18 proportions
SYMMETRIC_MM = 1.9  # standard deviation of the lowest symmetric field
ASYMMETRIC_MM = 0.4  # standard deviation of the lowest field that breaks the symmetry
FALL = 0.22  # relative fall of the amplitude from one harmonic to the next, 1 / (1 + FALL * rank)
BOUND_SD = 2.2  # standard deviations at which a person's coefficients are clipped
STITCH = 300.0  # weight of a link across the lips: stiff beside cotangent weights of about 1
SHIFT = -1e-4  # 1/mm2, just below the eigenvalue 0, so that the shifted matrix can be factorised
_MIN_LIPS = 4  # vertices: fewer make no outline with two sides
_MIN_GAP = 1 / 8  # share of the lips' outline within which a vertex is on the same lip


def identity_modes(template: Template) -> NDArray[np.float32]:
    """Displacement of one standard deviation per mode: (M, V, 3), mm."""
    return np.concatenate([_smooth_fields(template), _proportions(template)]).astype(np.float32)


def _smooth_fields(template: Template) -> NDArray[np.float64]:
    """Three fields per harmonic, one along each axis: (3 * HARMONICS, V, 3), mm."""
    vertices = template.vertices.astype(np.float64)
    laplacian, area = cotangent(vertices, template.triangles)
    # unstitched, the harmonics would separate the closed lips
    laplacian = laplacian + _stitch(vertices, template.lips)
    start = np.ones(len(vertices))  # ARPACK starts at random otherwise
    values, functions = eigsh(
        laplacian.tocsc(), HARMONICS + 1, sparse.diags(area), sigma=SHIFT, v0=start
    )
    order = np.argsort(values)[1:]
    mirror = cKDTree(vertices).query(vertices * [-1, 1, 1])[1]
    fields = []
    for rank, column in enumerate(order):
        function = functions[:, column] / np.sqrt(np.average(functions[:, column] ** 2))
        function *= np.sign(function[template.landmark_vertices[ibug68.NOSE_TIP]] or 1.0)
        even = function @ function[mirror] > 0
        for axis in range(3):
            # x changes its sign in the mirror, y and z keep it
            symmetric = even == (axis != 0)
            sd = (SYMMETRIC_MM if symmetric else ASYMMETRIC_MM) / (1 + FALL * rank)
            field = np.zeros_like(vertices)
            field[:, axis] = sd * function
            fields.append(field)
    return np.array(fields)


def _stitch(vertices: NDArray[np.float64], lips: NDArray[np.int64]) -> Any:
    """Graph Laplacian that ties each vertex of the lips' edge to its nearest beyond the gap."""
    count = len(vertices)
    if len(lips) < _MIN_LIPS:
        return sparse.csc_matrix((count, count))
    position = np.arange(len(lips))
    gap = np.abs(position[:, None] - position[None])
    gap = np.minimum(gap, len(lips) - gap)
    distance = np.linalg.norm(vertices[lips][:, None] - vertices[lips][None], axis=2)
    distance[gap < int(_MIN_GAP * len(lips))] = np.inf
    partner = lips[distance.argmin(1)]
    links = sparse.coo_matrix((np.full(len(lips), STITCH), (lips, partner)), shape=(count, count))
    links = (links + links.T).tocsc()
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links


def _proportions(template: Template) -> NDArray[np.float64]:
    """Widths, lengths and prominences as anthropometry measures them: (18, V, 3), mm.

    Amplitudes, radii and the distances by which coordinates are divided are in mm, by eye.
    """
    p, mark = template.vertices.astype(np.float64), template.landmarks
    x, y = p[:, 0], p[:, 1]

    def near(points: ArrayLike, radius: float) -> NDArray[np.float64]:
        """1 at the points (k, 3), falling off as a Gaussian of `radius` mm."""
        bumps = [np.exp(-((p - q) ** 2).sum(1) / (2 * radius**2)) for q in np.atleast_2d(points)]
        highest: NDArray[np.float64] = np.max(bumps, axis=0)
        return highest

    def along(axis: int, amount: NDArray[np.float64]) -> NDArray[np.float64]:
        field = np.zeros_like(p)
        field[:, axis] = amount
        return field

    below = np.clip((mark[ibug68.SUBNASALE, 1] - y) / 60.0, 0, 1)
    side = x / 80.0
    around_lips = [*ibug68.UPPER_LIP_PEAKS, *ibug68.LOWER_LIP_NEAR_MIDDLE]
    mouth = mark[ibug68.OUTER_LIPS].mean(0)
    return np.array(
        [
            along(0, 3.0 * side),  # breadth of the face
            along(1, 3.0 * y / 90.0),  # length of the face
            along(2, 2.5 * (p[:, 2] - 60) / 70.0),  # depth of the head
            along(1, -3.0 * below),  # length of the lower face
            along(0, 3.0 * side * near(mark[ibug68.JAW_ANGLES], 28)),  # breadth of the jaw
            along(2, 2.4 * near(mark[ibug68.CHIN], 18)),  # prominence of the chin
            along(
                0, 2.4 * np.sign(x) * near(mark[ibug68.JAW_BELOW_EARS] + [0, 8, 8], 20)
            ),  # cheeks
            along(2, 2.2 * near(mark[ibug68.NOSE_TIP], 12)),  # prominence of the nose
            along(1, -2.0 * near(mark[[ibug68.NOSE_TIP, ibug68.SUBNASALE]], 12)),  # nose length
            along(0, 1.6 * np.tanh(x / 10) * near(mark[ibug68.NOSE_WINGS], 8)),  # nose breadth
            along(2, 1.5 * near(mark[ibug68.NOSE_RIDGE[:2]], 8)),  # bridge of the nose
            along(2, 1.6 * near(mark[ibug68.BROW_MIDDLES], 14)),  # ridge of the brows
            along(1, 1.5 * near(mark[ibug68.BROWS], 10)),  # height of the brows
            along(0, 2.0 * np.tanh(x / 12) * near(mark[ibug68.EYES], 16)),  # distance of the eyes
            along(0, 2.2 * np.tanh(x / 20) * near(mark[ibug68.MOUTH_CORNERS], 14)),  # mouth
            along(1, 1.2 * np.tanh((y - mouth[1]) / 6) * near(mark[around_lips], 6)),  # fullness
            along(2, 1.4 * near(mark[ibug68.OUTER_LIPS], 9)),  # prominence of the lips
            along(2, 2.0 * near(mark[ibug68.BROW_MIDDLES] + [0, 28, -6], 24)),  # forehead
        ]
    )
