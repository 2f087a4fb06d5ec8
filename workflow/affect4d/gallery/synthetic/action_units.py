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

FAR_MM = 95.0  # vertices farther than this from the subnasal landmark stay at rest
SIDE_MM = 78.0  # so do those farther to a side
SUBNASAL = 33
BULGE = 0.55

# iBUG-68: (right side, left side) of the subject, outer to inner or top to bottom
_BROWS = ((17, 26), (18, 25), (19, 24), (20, 23), (21, 22))
_UPPER_LID = ((37, 44), (38, 43))
_LOWER_LID = ((41, 46), (40, 47))
_EYE_CORNERS = ((36, 45), (39, 42))
_CORNERS = ((48, 54), (60, 64))
_UPPER_LIP = ((49, 53, 0.6), (50, 52, 0.25), (61, 63, 0.45))
_LOWER_LIP = ((59, 55, 0.6), (58, 56, 0.25), (67, 65, 0.45))


def _pairs(table, pairs, x, y, z, shares=None):
    """Add a symmetric displacement: x > 0 outwards (from the middle), y up, z forward."""
    for index, (right, left) in enumerate(pairs):
        share = 1.0 if shares is None else shares[index]
        table[right] += share * np.array([-x, y, z])
        table[left] += share * np.array([x, y, z])


def _along_lips(table, corners, fading, x, y, z):
    """Move the mouth's corners and, fading, the lips beside them."""
    _pairs(table, corners, x, y, z)
    for right, left, share in fading:
        _pairs(table, ((right, left),), x, y, z, (share,))


def _inner_brow_raiser(t):
    _pairs(t, _BROWS[2:], 0, 6.0, 0.6, (0.25, 0.7, 1.0))
    _pairs(t, _UPPER_LID, 0, 0.3, 0)


def _outer_brow_raiser(t):
    _pairs(t, _BROWS[:4], 0, 6.5, 0.3, (0.9, 1.0, 0.8, 0.3))
    _pairs(t, _UPPER_LID, 0, 0.4, 0)


def _brow_lowerer(t):
    _pairs(t, _BROWS, -2.6, -4.6, 0.8, (0.15, 0.4, 0.75, 1.0, 1.0))
    _pairs(t, _UPPER_LID, 0, -0.6, 0)
    t[27] += (0, -1.2, 0.5)


def _upper_lid_raiser(t):
    _pairs(t, _UPPER_LID, 0, 2.6, -0.2)
    _pairs(t, _BROWS, 0, 0.6, 0)


def _cheek_raiser(t):
    _pairs(t, _LOWER_LID, 0, 1.9, 0.5)
    _pairs(t, _EYE_CORNERS[:1], -0.6, 0.5, 0)
    _pairs(t, _UPPER_LID, 0, -0.5, 0)
    _pairs(t, _BROWS[:2], 0, -0.6, 0)


def _lid_tightener(t):
    _pairs(t, _LOWER_LID, 0, 1.6, 0)
    _pairs(t, _UPPER_LID, 0, -1.4, 0)


def _nose_wrinkler(t):
    _pairs(t, ((31, 35),), 1.2, 3.2, 0.4)
    _pairs(t, ((32, 34),), 0.6, 2.2, 0.3)
    _pairs(t, ((50, 52), (61, 63)), 0, 2.6, 0.6)
    _pairs(t, ((49, 53),), 0, 2.0, 0.3)
    t[51] += (0, 2.0, 0.5)
    t[62] += (0, 1.8, 0.4)
    _pairs(t, _BROWS[3:], -1.4, -2.6, 0.6)
    _pairs(t, _LOWER_LID, 0, 1.0, 0.4)


def _upper_lip_raiser(t):
    _pairs(t, ((50, 52), (61, 63)), 0.2, 4.0, 0.8)
    _pairs(t, ((49, 53),), 0.3, 2.8, 0.4)
    t[51] += (0, 3.2, 0.7)
    t[62] += (0, 3.2, 0.5)
    _pairs(t, ((31, 35),), 0.8, 1.2, 0.3)


def _lip_corner_puller(t):
    _along_lips(t, _CORNERS, _UPPER_LIP + _LOWER_LIP, 7.0, 6.0, -4.0)
    _pairs(t, _LOWER_LID, 0, 1.0, 0.4)
    _pairs(t, ((31, 35),), 0.8, 0.3, 0)
    t[51] += (0, 0.6, -0.8)
    t[57] += (0, 0.8, -1.0)
    t[62] += (0, 0.5, -0.8)
    t[66] += (0, 0.5, -0.8)


def _lip_corner_depressor(t):
    _along_lips(t, _CORNERS, _UPPER_LIP + _LOWER_LIP, 1.6, -6.2, -0.6)


def _chin_raiser(t):
    t[8] += (0, 2.6, 1.0)
    _pairs(t, ((7, 9),), 0, 1.8, 0.6)
    t[57] += (0, 3.0, 1.4)
    t[66] += (0, 1.6, 0.8)
    _pairs(t, ((58, 56), (67, 65)), 0, 2.4, 1.0)
    t[51] += (0, 1.0, 0.5)
    t[62] += (0, 1.4, 0.6)
    _pairs(t, ((50, 52), (61, 63)), 0, 1.1, 0.5)


def _lip_stretcher(t):
    _along_lips(t, _CORNERS, _UPPER_LIP + _LOWER_LIP, 7.0, -2.0, -3.6)


def _lip_tightener(t):
    _along_lips(t, _CORNERS, _UPPER_LIP + _LOWER_LIP, -2.4, 0, 0.5)
    t[51] += (0, -1.4, -0.6)
    _pairs(t, ((50, 52),), 0, -1.4, -0.6)
    t[57] += (0, 1.6, -0.6)
    _pairs(t, ((58, 56),), 0, 1.4, -0.6)


def _lips_part(t):
    t[57] += (0, -3.0, 0)
    t[66] += (0, -3.2, 0)
    _pairs(t, ((58, 56), (67, 65)), 0, -2.8, 0)
    _pairs(t, ((59, 55),), 0, -1.0, 0)


def _jaw_drop(t):
    jaw = (5, 6, 7, 9, 10, 11)
    t[8] += (0, -22.0, -7.0)
    for point in jaw:
        share = {1: 0.93, 2: 0.78, 3: 0.55}[abs(point - 8)]
        t[point] += np.array([0, -22.0, -7.0]) * share
    for point, share in ((4, 0.26), (12, 0.26), (3, 0.0), (13, 0.0)):
        t[point] += np.array([0, -22.0, -7.0]) * share
    for point in (56, 57, 58, 65, 66, 67):
        t[point] += (0, -20.0 if point in (57, 66) else -18.0, -4.0)
    _pairs(t, ((59, 55),), -1.2, -13.5, -2.4)
    _pairs(t, _CORNERS, -2.0, -8.0, -1.0)
    _pairs(t, ((49, 53),), -0.8, -2.4, -0.3)
    _pairs(t, ((50, 52), (61, 63)), 0, -0.6, 0)


def _eyes_closed(t):
    _pairs(t, _UPPER_LID, 0, -5.2, -0.4)
    _pairs(t, _LOWER_LID, 0, 0.9, 0)


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
    tables = np.zeros((len(UNITS), 68, 3))
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
    far = np.linalg.norm(vertices - template.landmarks[SUBNASAL], axis=1) > FAR_MM
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
