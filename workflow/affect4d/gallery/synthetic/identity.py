"""What makes a face somebody's: smooth fields over the whole head, and proportions people measure.

The smooth fields are low eigenfunctions of the cotangent Laplacian (manifold harmonics, Vallet &
Levy 2008): displacements that keep the head's symmetry are strong, those that break it weak, and
amplitudes fall with frequency.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

from affect4d.geometry.surface import cotangent
from affect4d.template import ibug68

HARMONICS = 14
SYMMETRIC_MM = 1.9  # standard deviation of the lowest symmetric field
ASYMMETRIC_MM = 0.4
FALL = 0.22
BOUND_SD = 2.2
STITCH = 300.0  # beside cotangent weights of about 1


def identity_modes(template):
    """Displacement of one standard deviation a mode: (M, V, 3) float32, mm."""
    return np.concatenate([_smooth_fields(template), _proportions(template)]).astype(np.float32)


def _smooth_fields(template):
    vertices = template.vertices.astype(np.float64)
    laplacian, area = cotangent(vertices, template.triangles)
    # without a stitch the harmonics would tear the closed lips apart
    laplacian = laplacian + _stitch(vertices, template.lips)
    start = np.ones(len(vertices))  # ARPACK starts at random otherwise
    values, functions = eigsh(
        laplacian.tocsc(), HARMONICS + 1, sparse.diags(area), sigma=-1e-4, v0=start
    )
    order = np.argsort(values)[1:]
    mirror = cKDTree(vertices).query(vertices * [-1, 1, 1])[1]
    fields = []
    for rank, column in enumerate(order):
        function = functions[:, column] / np.sqrt(np.average(functions[:, column] ** 2))
        function *= np.sign(function[template.landmark_vertices[ibug68.NOSE_TIP]] or 1.0)
        even = function @ function[mirror] > 0
        for axis in range(3):
            # x turns its sign in the mirror, y and z keep it
            symmetric = even == (axis != 0)
            sd = (SYMMETRIC_MM if symmetric else ASYMMETRIC_MM) / (1 + FALL * rank)
            field = np.zeros_like(vertices)
            field[:, axis] = sd * function
            fields.append(field)
    return np.array(fields)


def _stitch(vertices, lips):
    """Graph Laplacian that ties each vertex of the lips' edge to its nearest beyond the gap."""
    count = len(vertices)
    if len(lips) < 4:
        return sparse.csc_matrix((count, count))
    position = np.arange(len(lips))
    apart = np.abs(position[:, None] - position[None])
    apart = np.minimum(apart, len(lips) - apart)
    distance = np.linalg.norm(vertices[lips][:, None] - vertices[lips][None], axis=2)
    distance[apart < len(lips) // 8] = np.inf
    partner = lips[distance.argmin(1)]
    links = sparse.coo_matrix((np.full(len(lips), STITCH), (lips, partner)), shape=(count, count))
    links = (links + links.T).tocsc()
    return sparse.diags(np.asarray(links.sum(1)).ravel()) - links


def _proportions(template):
    """Widths, lengths and prominences as anthropometry measures them, one field each."""
    p, mark = template.vertices.astype(np.float64), template.landmarks
    x, y = p[:, 0], p[:, 1]

    def near(points, reach):
        """1 at the points (k, 3), falling off as a Gaussian of `reach` mm."""
        return np.max(
            [np.exp(-((p - q) ** 2).sum(1) / (2 * reach**2)) for q in np.atleast_2d(points)], axis=0
        )

    def along(axis, amount):
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
