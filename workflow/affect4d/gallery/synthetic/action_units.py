"""Facial action units (FACS, Ekman & Friesen 1978) as displacement fields on the template.

A unit is written as displacements of the 68 landmarks in millimetres and carried to the whole face
by the bi-Laplacian, the smoothest field that meets them: L M^-1 L d = 0 between the landmarks. The
lips are cut in the template, so jaw and lips part by themselves. Where the field compresses the
skin, the surface bulges a little.
"""

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from affect4d.geometry.surface import cotangent, edges, vertex_normals
from affect4d.template import ibug68

FAR_MM = 95.0  # vertices farther than this from the subnasal landmark stay at rest
SIDE_MM = 78.0  # so do those farther to a side
BULGE = 0.55

# The mouth's corners, and the lips beside them with the share of the corners' movement they follow.
_CORNERS = (ibug68.MOUTH_CORNERS, ibug68.INNER_MOUTH_CORNERS)
_LIPS = (
    (ibug68.UPPER_LIP_SIDES, 0.6),
    (ibug68.UPPER_LIP_PEAKS, 0.25),
    (ibug68.UPPER_INNER_LIP_SIDES, 0.45),
    (ibug68.LOWER_LIP_SIDES, 0.6),
    (ibug68.LOWER_LIP_NEAR_MIDDLE, 0.25),
    (ibug68.LOWER_INNER_LIP_SIDES, 0.45),
)


def _pairs(table, pairs, x, y, z, shares=None):
    """Add a symmetric displacement: x > 0 outwards (from the middle), y up, z forward."""
    for index, (right, left) in enumerate(pairs):
        share = 1.0 if shares is None else shares[index]
        table[right] += share * np.array([-x, y, z])
        table[left] += share * np.array([x, y, z])


def _along_lips(table, x, y, z):
    """Move the mouth's corners and, fading, the lips beside them."""
    _pairs(table, _CORNERS, x, y, z)
    for pair, share in _LIPS:
        _pairs(table, (pair,), x, y, z, (share,))


def _inner_brow_raiser(t):
    _pairs(t, ibug68.BROW_PAIRS[2:], 0, 6.0, 0.6, (0.25, 0.7, 1.0))
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, 0.3, 0)


def _outer_brow_raiser(t):
    _pairs(t, ibug68.BROW_PAIRS[:4], 0, 6.5, 0.3, (0.9, 1.0, 0.8, 0.3))
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, 0.4, 0)


def _brow_lowerer(t):
    _pairs(t, ibug68.BROW_PAIRS, -2.6, -4.6, 0.8, (0.15, 0.4, 0.75, 1.0, 1.0))
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, -0.6, 0)
    t[ibug68.NASION] += (0, -1.2, 0.5)


def _upper_lid_raiser(t):
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, 2.6, -0.2)
    _pairs(t, ibug68.BROW_PAIRS, 0, 0.6, 0)


def _cheek_raiser(t):
    _pairs(t, ibug68.LOWER_LID_PAIRS, 0, 1.9, 0.5)
    _pairs(t, (ibug68.OUTER_EYE_CORNERS,), -0.6, 0.5, 0)
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, -0.5, 0)
    _pairs(t, ibug68.BROW_PAIRS[:2], 0, -0.6, 0)


def _lid_tightener(t):
    _pairs(t, ibug68.LOWER_LID_PAIRS, 0, 1.6, 0)
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, -1.4, 0)


def _nose_wrinkler(t):
    _pairs(t, (ibug68.NOSE_WINGS,), 1.2, 3.2, 0.4)
    _pairs(t, (ibug68.NOSTRILS,), 0.6, 2.2, 0.3)
    _pairs(t, (ibug68.UPPER_LIP_PEAKS, ibug68.UPPER_INNER_LIP_SIDES), 0, 2.6, 0.6)
    _pairs(t, (ibug68.UPPER_LIP_SIDES,), 0, 2.0, 0.3)
    t[ibug68.UPPER_LIP_MIDDLE] += (0, 2.0, 0.5)
    t[ibug68.UPPER_INNER_LIP_MIDDLE] += (0, 1.8, 0.4)
    _pairs(t, ibug68.BROW_PAIRS[3:], -1.4, -2.6, 0.6)
    _pairs(t, ibug68.LOWER_LID_PAIRS, 0, 1.0, 0.4)


def _upper_lip_raiser(t):
    _pairs(t, (ibug68.UPPER_LIP_PEAKS, ibug68.UPPER_INNER_LIP_SIDES), 0.2, 4.0, 0.8)
    _pairs(t, (ibug68.UPPER_LIP_SIDES,), 0.3, 2.8, 0.4)
    t[ibug68.UPPER_LIP_MIDDLE] += (0, 3.2, 0.7)
    t[ibug68.UPPER_INNER_LIP_MIDDLE] += (0, 3.2, 0.5)
    _pairs(t, (ibug68.NOSE_WINGS,), 0.8, 1.2, 0.3)


def _lip_corner_puller(t):
    _along_lips(t, 7.0, 6.0, -4.0)
    _pairs(t, ibug68.LOWER_LID_PAIRS, 0, 1.0, 0.4)
    _pairs(t, (ibug68.NOSE_WINGS,), 0.8, 0.3, 0)
    t[ibug68.UPPER_LIP_MIDDLE] += (0, 0.6, -0.8)
    t[ibug68.LOWER_LIP_MIDDLE] += (0, 0.8, -1.0)
    t[ibug68.UPPER_INNER_LIP_MIDDLE] += (0, 0.5, -0.8)
    t[ibug68.LOWER_INNER_LIP_MIDDLE] += (0, 0.5, -0.8)


def _lip_corner_depressor(t):
    _along_lips(t, 1.6, -6.2, -0.6)


def _chin_raiser(t):
    t[ibug68.CHIN] += (0, 2.6, 1.0)
    _pairs(t, ibug68.JAW_PAIRS[-1:], 0, 1.8, 0.6)
    t[ibug68.LOWER_LIP_MIDDLE] += (0, 3.0, 1.4)
    t[ibug68.LOWER_INNER_LIP_MIDDLE] += (0, 1.6, 0.8)
    _pairs(t, (ibug68.LOWER_LIP_NEAR_MIDDLE, ibug68.LOWER_INNER_LIP_SIDES), 0, 2.4, 1.0)
    t[ibug68.UPPER_LIP_MIDDLE] += (0, 1.0, 0.5)
    t[ibug68.UPPER_INNER_LIP_MIDDLE] += (0, 1.4, 0.6)
    _pairs(t, (ibug68.UPPER_LIP_PEAKS, ibug68.UPPER_INNER_LIP_SIDES), 0, 1.1, 0.5)


def _lip_stretcher(t):
    _along_lips(t, 7.0, -2.0, -3.6)


def _lip_tightener(t):
    _along_lips(t, -2.4, 0, 0.5)
    t[ibug68.UPPER_LIP_MIDDLE] += (0, -1.4, -0.6)
    _pairs(t, (ibug68.UPPER_LIP_PEAKS,), 0, -1.4, -0.6)
    t[ibug68.LOWER_LIP_MIDDLE] += (0, 1.6, -0.6)
    _pairs(t, (ibug68.LOWER_LIP_NEAR_MIDDLE,), 0, 1.4, -0.6)


def _lips_part(t):
    t[ibug68.LOWER_LIP_MIDDLE] += (0, -3.0, 0)
    t[ibug68.LOWER_INNER_LIP_MIDDLE] += (0, -3.2, 0)
    _pairs(t, (ibug68.LOWER_LIP_NEAR_MIDDLE, ibug68.LOWER_INNER_LIP_SIDES), 0, -2.8, 0)
    _pairs(t, (ibug68.LOWER_LIP_SIDES,), 0, -1.0, 0)


def _jaw_drop(t):
    t[ibug68.CHIN] += (0, -22.0, -7.0)
    _pairs(t, ibug68.JAW_PAIRS[4:], 0, -22.0, -7.0, (0.26, 0.55, 0.78, 0.93))
    t[[ibug68.LOWER_LIP_MIDDLE, ibug68.LOWER_INNER_LIP_MIDDLE]] += (0, -20.0, -4.0)
    _pairs(t, (ibug68.LOWER_LIP_NEAR_MIDDLE, ibug68.LOWER_INNER_LIP_SIDES), 0, -18.0, -4.0)
    _pairs(t, (ibug68.LOWER_LIP_SIDES,), -1.2, -13.5, -2.4)
    _pairs(t, _CORNERS, -2.0, -8.0, -1.0)
    _pairs(t, (ibug68.UPPER_LIP_SIDES,), -0.8, -2.4, -0.3)
    _pairs(t, (ibug68.UPPER_LIP_PEAKS, ibug68.UPPER_INNER_LIP_SIDES), 0, -0.6, 0)


def _eyes_closed(t):
    _pairs(t, ibug68.UPPER_LID_PAIRS, 0, -5.2, -0.4)
    _pairs(t, ibug68.LOWER_LID_PAIRS, 0, 0.9, 0)


UNITS = {
    "AU1": _inner_brow_raiser,
    "AU2": _outer_brow_raiser,
    "AU4": _brow_lowerer,
    "AU5": _upper_lid_raiser,
    "AU6": _cheek_raiser,
    "AU7": _lid_tightener,
    "AU9": _nose_wrinkler,
    "AU10": _upper_lip_raiser,
    "AU12": _lip_corner_puller,
    "AU15": _lip_corner_depressor,
    "AU17": _chin_raiser,
    "AU20": _lip_stretcher,
    "AU23": _lip_tightener,
    "AU25": _lips_part,
    "AU26": _jaw_drop,
    "AU43": _eyes_closed,
}
NAMES = tuple(UNITS)


def landmark_displacements():
    """The units at the landmarks: (A, 68, 3) float64, mm at full intensity."""
    tables = np.zeros((len(UNITS), ibug68.COUNT, 3))
    for table, write in zip(tables, UNITS.values(), strict=True):
        write(table)
    return tables


def action_fields(template):
    """The units on the template: (A, V, 3) float32, mm at full intensity.

    Source: landmark handles and bi-Laplacian surface deformation (Botsch & Kobbelt 2004).
    """
    vertices = template.vertices.astype(np.float64)
    laplacian, area = cotangent(vertices, template.triangles)
    stiffness = (laplacian @ sparse.diags(1.0 / area) @ laplacian).tocsc()
    far = np.linalg.norm(vertices - template.landmarks[ibug68.SUBNASALE], axis=1) > FAR_MM
    far |= np.abs(vertices[:, 0]) > SIDE_MM
    tables = landmark_displacements()
    held, handles = _handles(template, far)
    fixed = np.zeros(len(vertices), dtype=bool)
    fixed[held] = fixed[far] = True
    free = ~fixed
    factor = splu(stiffness[free][:, free])
    coupling = stiffness[free][:, held]
    fields = np.zeros((len(tables), len(vertices), 3), dtype=np.float32)
    for field, table in zip(fields, tables, strict=True):
        values = table[handles]
        field[held] = values
        field[free] = -factor.solve(coupling @ values)
    return fields + _bulges(template, fields)


def _handles(template, far):
    """Vertices that carry landmarks, and the landmark that each carries; one landmark a vertex."""
    vertices, first = np.unique(template.landmark_vertices, return_index=True)
    keep = ~far[vertices]
    return vertices[keep], first[keep]


def _bulges(template, fields):
    """Outward displacement where a field compresses the surface tangentially: (A, V, 3), mm."""
    vertices = template.vertices.astype(np.float64)
    normals = vertex_normals(vertices, template.triangles)
    pairs = edges(template.triangles)
    rest = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    count = len(vertices)
    ends = pairs.T.ravel()
    averaging = sparse.csr_matrix(
        (np.ones(len(ends)), (ends, np.tile(np.arange(len(pairs)), 2))), shape=(count, len(pairs))
    )
    averaging = sparse.diags(1.0 / np.maximum(averaging.sum(1).A1, 1)) @ averaging
    laplacian, area = cotangent(vertices, template.triangles)
    smoother = splu((sparse.diags(area) + 16.0 * laplacian).tocsc())
    out = np.zeros_like(fields)
    for index, field in enumerate(fields):
        moved = vertices + field
        stretch = np.linalg.norm(moved[pairs[:, 0]] - moved[pairs[:, 1]], axis=1) / rest - 1.0
        compression = averaging @ np.clip(-stretch, 0.0, 0.5)
        height = smoother.solve(area * compression) * np.linalg.norm(field, axis=1)
        out[index] = BULGE * height[:, None] * normals
    return out
