"""Facial action units (FACS, Ekman & Friesen 1978) as displacement fields on the template.

A unit is written as displacements of the 68 landmarks in millimetres and carried to the face by the
bi-Laplacian, the smoothest field that meets them: L M^-1 L d = 0 between the landmarks (Botsch &
Kobbelt 2004). The lips are cut in the template, so jaw and lips separate by themselves. Where the
field compresses the skin, the surface bulges a little.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from affect4d.geometry.surface import cotangent, edges, vertex_normals
from affect4d.template import ibug68
from affect4d.template.template import Template

# Vertices farther than this from the base of the nose, or from the middle plane, do not move (by
# eye: the face, without ears and neck).
FAR_MM = 95.0
SIDE_MM = 78.0
# Bulge of compressed skin, chosen by eye: height per displacement and share of compression, the
# share at which compression counts in full, and the area (mm2) over which it is smoothed.
BULGE = 0.55
MAX_COMPRESSION = 0.5
SMOOTHING_MM2 = 16.0

Shift = tuple[float, float, float]
Moves = list[tuple[int, NDArray[np.float64]]]


def _at(point: int, shift: Shift) -> Moves:
    """Move a landmark in the middle plane: mm to the left, up, forward."""
    return [(point, np.array(shift, dtype=np.float64))]


def _both(pairs: ArrayLike, shift: Shift, shares: Sequence[float] = ()) -> Moves:
    """Move pairs of landmarks symmetrically: mm outwards, up, forward, and each pair's share."""
    pairs = np.atleast_2d(pairs)
    outwards, up, forward = shift
    moves: Moves = []
    for (right, left), share in zip(pairs, shares or [1.0] * len(pairs), strict=True):
        moves.append((right, share * np.array([-outwards, up, forward])))
        moves.append((left, share * np.array([outwards, up, forward])))
    return moves


# The mouth's corners, and the lips beside them with the share of the corners' movement they follow.
_CORNERS = [ibug68.MOUTH_CORNERS, ibug68.INNER_MOUTH_CORNERS]
_LIPS = [
    ibug68.UPPER_LIP_SIDES,
    ibug68.UPPER_LIP_PEAKS,
    ibug68.UPPER_INNER_LIP_SIDES,
    ibug68.LOWER_LIP_SIDES,
    ibug68.LOWER_LIP_NEAR_MIDDLE,
    ibug68.LOWER_INNER_LIP_SIDES,
]
_LIP_SHARES = (0.6, 0.25, 0.45, 0.6, 0.25, 0.45)


def _along_lips(shift: Shift) -> Moves:
    """Move the mouth's corners and, less and less, the lips beside them."""
    return _both(_CORNERS, shift) + _both(_LIPS, shift, _LIP_SHARES)


_UPPER_LIP_PAIRS = [ibug68.UPPER_LIP_PEAKS, ibug68.UPPER_INNER_LIP_SIDES]
_LOWER_LIP_PAIRS = [ibug68.LOWER_LIP_NEAR_MIDDLE, ibug68.LOWER_INNER_LIP_SIDES]

# Displacements at full intensity, mm. Which landmarks move, and in which direction, follows the
# FACS manual's description of each unit; how far they move is chosen by eye.
UNITS: dict[str, Moves] = {
    # inner brow raiser
    "AU1": _both(ibug68.BROW_PAIRS[2:], (0, 6.0, 0.6), (0.25, 0.7, 1.0))
    + _both(ibug68.UPPER_LID_PAIRS, (0, 0.3, 0)),
    # outer brow raiser
    "AU2": _both(ibug68.BROW_PAIRS[:4], (0, 6.5, 0.3), (0.9, 1.0, 0.8, 0.3))
    + _both(ibug68.UPPER_LID_PAIRS, (0, 0.4, 0)),
    # brow lowerer
    "AU4": _both(ibug68.BROW_PAIRS, (-2.6, -4.6, 0.8), (0.15, 0.4, 0.75, 1.0, 1.0))
    + _both(ibug68.UPPER_LID_PAIRS, (0, -0.6, 0))
    + _at(ibug68.NASION, (0, -1.2, 0.5)),
    # upper lid raiser
    "AU5": _both(ibug68.UPPER_LID_PAIRS, (0, 2.6, -0.2)) + _both(ibug68.BROW_PAIRS, (0, 0.6, 0)),
    # cheek raiser
    "AU6": _both(ibug68.LOWER_LID_PAIRS, (0, 1.9, 0.5))
    + _both(ibug68.OUTER_EYE_CORNERS, (-0.6, 0.5, 0))
    + _both(ibug68.UPPER_LID_PAIRS, (0, -0.5, 0))
    + _both(ibug68.BROW_PAIRS[:2], (0, -0.6, 0)),
    # lid tightener
    "AU7": _both(ibug68.LOWER_LID_PAIRS, (0, 1.6, 0)) + _both(ibug68.UPPER_LID_PAIRS, (0, -1.4, 0)),
    # nose wrinkler
    "AU9": _both(ibug68.NOSE_WINGS, (1.2, 3.2, 0.4))
    + _both(ibug68.NOSTRILS, (0.6, 2.2, 0.3))
    + _both(_UPPER_LIP_PAIRS, (0, 2.6, 0.6))
    + _both(ibug68.UPPER_LIP_SIDES, (0, 2.0, 0.3))
    + _at(ibug68.UPPER_LIP_MIDDLE, (0, 2.0, 0.5))
    + _at(ibug68.UPPER_INNER_LIP_MIDDLE, (0, 1.8, 0.4))
    + _both(ibug68.BROW_PAIRS[3:], (-1.4, -2.6, 0.6))
    + _both(ibug68.LOWER_LID_PAIRS, (0, 1.0, 0.4)),
    # upper lip raiser
    "AU10": _both(_UPPER_LIP_PAIRS, (0.2, 4.0, 0.8))
    + _both(ibug68.UPPER_LIP_SIDES, (0.3, 2.8, 0.4))
    + _at(ibug68.UPPER_LIP_MIDDLE, (0, 3.2, 0.7))
    + _at(ibug68.UPPER_INNER_LIP_MIDDLE, (0, 3.2, 0.5))
    + _both(ibug68.NOSE_WINGS, (0.8, 1.2, 0.3)),
    # lip corner puller
    "AU12": _along_lips((7.0, 6.0, -4.0))
    + _both(ibug68.LOWER_LID_PAIRS, (0, 1.0, 0.4))
    + _both(ibug68.NOSE_WINGS, (0.8, 0.3, 0))
    + _at(ibug68.UPPER_LIP_MIDDLE, (0, 0.6, -0.8))
    + _at(ibug68.LOWER_LIP_MIDDLE, (0, 0.8, -1.0))
    + _at(ibug68.UPPER_INNER_LIP_MIDDLE, (0, 0.5, -0.8))
    + _at(ibug68.LOWER_INNER_LIP_MIDDLE, (0, 0.5, -0.8)),
    # lip corner depressor
    "AU15": _along_lips((1.6, -6.2, -0.6)),
    # chin raiser
    "AU17": _at(ibug68.CHIN, (0, 2.6, 1.0))
    + _both(ibug68.JAW_PAIRS[-1], (0, 1.8, 0.6))
    + _at(ibug68.LOWER_LIP_MIDDLE, (0, 3.0, 1.4))
    + _at(ibug68.LOWER_INNER_LIP_MIDDLE, (0, 1.6, 0.8))
    + _both(_LOWER_LIP_PAIRS, (0, 2.4, 1.0))
    + _at(ibug68.UPPER_LIP_MIDDLE, (0, 1.0, 0.5))
    + _at(ibug68.UPPER_INNER_LIP_MIDDLE, (0, 1.4, 0.6))
    + _both(_UPPER_LIP_PAIRS, (0, 1.1, 0.5)),
    # lip stretcher
    "AU20": _along_lips((7.0, -2.0, -3.6)),
    # lip tightener
    "AU23": _along_lips((-2.4, 0, 0.5))
    + _at(ibug68.UPPER_LIP_MIDDLE, (0, -1.4, -0.6))
    + _both(ibug68.UPPER_LIP_PEAKS, (0, -1.4, -0.6))
    + _at(ibug68.LOWER_LIP_MIDDLE, (0, 1.6, -0.6))
    + _both(ibug68.LOWER_LIP_NEAR_MIDDLE, (0, 1.4, -0.6)),
    # lips part
    "AU25": _at(ibug68.LOWER_LIP_MIDDLE, (0, -3.0, 0))
    + _at(ibug68.LOWER_INNER_LIP_MIDDLE, (0, -3.2, 0))
    + _both(_LOWER_LIP_PAIRS, (0, -2.8, 0))
    + _both(ibug68.LOWER_LIP_SIDES, (0, -1.0, 0)),
    # jaw drop
    "AU26": _at(ibug68.CHIN, (0, -22.0, -7.0))
    + _both(ibug68.JAW_PAIRS[4:], (0, -22.0, -7.0), (0.26, 0.55, 0.78, 0.93))
    + _at(ibug68.LOWER_LIP_MIDDLE, (0, -20.0, -4.0))
    + _at(ibug68.LOWER_INNER_LIP_MIDDLE, (0, -20.0, -4.0))
    + _both(_LOWER_LIP_PAIRS, (0, -18.0, -4.0))
    + _both(ibug68.LOWER_LIP_SIDES, (-1.2, -13.5, -2.4))
    + _both(_CORNERS, (-2.0, -8.0, -1.0))
    + _both(ibug68.UPPER_LIP_SIDES, (-0.8, -2.4, -0.3))
    + _both(_UPPER_LIP_PAIRS, (0, -0.6, 0)),
    # eyes closed
    "AU43": _both(ibug68.UPPER_LID_PAIRS, (0, -5.2, -0.4))
    + _both(ibug68.LOWER_LID_PAIRS, (0, 0.9, 0)),
}
NAMES = tuple(UNITS)


def landmark_displacements() -> NDArray[np.float64]:
    """The units at the landmarks: (A, 68, 3), mm at full intensity."""
    tables = np.zeros((len(UNITS), ibug68.COUNT, 3))
    for table, moves in zip(tables, UNITS.values(), strict=True):
        for point, shift in moves:
            table[point] += shift
    return tables


def action_fields(template: Template) -> NDArray[np.float32]:
    """The units on the template: (A, V, 3), mm at full intensity."""
    vertices = template.vertices.astype(np.float64)
    laplacian, area = cotangent(vertices, template.triangles)
    stiffness = (laplacian @ sparse.diags(1.0 / area) @ laplacian).tocsc()
    far = np.linalg.norm(vertices - template.landmarks[ibug68.SUBNASALE], axis=1) > FAR_MM
    far |= np.abs(vertices[:, 0]) > SIDE_MM
    tables = landmark_displacements()
    handles, landmarks = _handles(template, far)
    fixed = np.zeros(len(vertices), dtype=bool)
    fixed[handles] = fixed[far] = True
    free = ~fixed
    factor = splu(stiffness[free][:, free])
    coupling = stiffness[free][:, handles]
    fields = np.zeros((len(tables), len(vertices), 3), dtype=np.float32)
    for field, table in zip(fields, tables, strict=True):
        values = table[landmarks]
        field[handles] = values
        field[free] = -factor.solve(coupling @ values)
    return fields + _bulges(template, fields)


def _handles(
    template: Template, far: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Vertices (H,) that carry landmarks, and the landmark (H,) of each: one per vertex."""
    vertices, landmarks = np.unique(template.landmark_vertices, return_index=True)
    movable = ~far[vertices]
    return vertices[movable], landmarks[movable]


def _bulges(template: Template, fields: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outward displacement where a field compresses the surface tangentially: (A, V, 3), mm."""
    vertices = template.vertices.astype(np.float64)
    normals = vertex_normals(vertices, template.triangles)
    pairs = edges(template.triangles)
    length = np.linalg.norm(vertices[pairs[:, 0]] - vertices[pairs[:, 1]], axis=1)
    count = len(vertices)
    ends = pairs.T.ravel()
    averaging = sparse.csr_matrix(
        (np.ones(len(ends)), (ends, np.tile(np.arange(len(pairs)), 2))), shape=(count, len(pairs))
    )
    averaging = sparse.diags(1.0 / np.maximum(averaging.sum(1).A1, 1)) @ averaging
    laplacian, area = cotangent(vertices, template.triangles)
    smoother = splu((sparse.diags(area) + SMOOTHING_MM2 * laplacian).tocsc())
    bulges = np.zeros_like(fields)
    for index, field in enumerate(fields):
        moved = vertices + field
        stretch = np.linalg.norm(moved[pairs[:, 0]] - moved[pairs[:, 1]], axis=1) / length - 1.0
        compression = averaging @ np.clip(-stretch, 0.0, MAX_COMPRESSION)
        height = smoother.solve(area * compression) * np.linalg.norm(field, axis=1)
        bulges[index] = BULGE * height[:, None] * normals
    return bulges
