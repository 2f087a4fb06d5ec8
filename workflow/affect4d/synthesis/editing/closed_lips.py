"""Lips of a photograph that are brought together, and what is seen where they touch.

A warp cannot hide teeth: where lips meet, slivers of what lay between them stay. They are painted
over from the lips on both sides, and shaded as closed lips are where they touch.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lighting import SKIN_TINT
from affect4d.synthesis.editing.lips import ROLL_MM
from affect4d.synthesis.editing.scene import Scene
from affect4d.template.ibug68 import (
    LOWER_INNER_LINE,
    LOWER_INNER_LIP,
    UPPER_INNER_LINE,
    UPPER_INNER_LIP,
)

Floats = NDArray[np.float32]

EDGE_MM = 1.2  # of a lip's edge, beside teeth: shadow, glare and the landmarks' error; by eye
# Shade where lips touch, as the logarithm of a factor, and how far it falls off on the upper and
# lower lip (standard deviations): median over the 40 neutral photographs of the Face Research Lab
# London Set.
SEAM_SHADE, SEAM_MM = 0.56, (0.9, 0.65)
END_MM = 2.0  # at the corners, over which that shade fades out
INPAINT_MM = 2.0  # from how far beside colours are taken


def lips_gap(scene: Scene) -> Floats:
    """(3,), pixels across: how far open the lips are at each of their points in the picture."""
    landmarks = scene.anatomy.landmark_vertices
    upper, lower = (scene.xy[landmarks[lip]] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    return np.asarray((lower - upper) @ _down(scene), np.float32)


def are_open(scene: Scene) -> bool:
    """Whether more shows between the lips than of lips that touch."""
    return bool(lips_gap(scene).max() > ROLL_MM * scene.scale)


def closing(scene: Scene, deformation: Floats) -> Floats:
    """(V, 3) mm that bring the lips together where a deformation (V, 3) mm leaves them open."""
    anatomy = scene.anatomy
    landmarks = anatomy.landmark_vertices
    upper, lower = landmarks[UPPER_INNER_LIP], landmarks[LOWER_INNER_LIP]
    per_mm = float(np.linalg.norm(scene.motion[:2, 1]))
    moved = (deformation[lower] - deformation[upper]) @ (_down(scene) @ scene.motion[:2])
    left = np.maximum(lips_gap(scene) + moved, 0) / (2 * per_mm)
    shift = np.zeros_like(deformation)
    for points, weights, sign in zip(
        (upper, lower), np.split(anatomy.lips[..., 0], 2), (-1, 1), strict=True
    ):
        # weights at the points themselves are not quite 1: they are on the mesh, not on its line
        shares = np.linalg.solve(weights[:, points].T, left)
        shift[:, 1] += sign * (weights.T @ shares)
    return shift


def paint_seam(picture: NDArray[np.uint8], scene: Scene, motion: Motion) -> None:
    """Cover what was between the lips of a Scene in its moved picture (H, W, 3), in place."""
    landmarks = scene.anatomy.landmark_vertices
    ring = scene.xy[landmarks[[*UPPER_INNER_LINE, *LOWER_INNER_LINE[-2:0:-1]]]]
    between = np.zeros(scene.shape, np.uint8)
    cv2.fillPoly(between, [np.rint(16 * ring).astype(np.int32)], 255, shift=4)
    size = 2 * round(EDGE_MM * scene.scale) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    x, y = (np.ascontiguousarray(motion.source[..., axis]) for axis in range(2))
    covered = cv2.remap(cv2.dilate(between, disc), x, y, cv2.INTER_LINEAR)
    painted = cv2.inpaint(
        picture, (covered > 0).astype(np.uint8), INPAINT_MM * scene.scale, cv2.INPAINT_TELEA
    )
    share = (covered / np.float32(255))[..., None]
    blended = picture + share * (painted.astype(np.float32) - picture)
    upper, lower = (_moved(motion, line) for line in (UPPER_INNER_LINE, LOWER_INNER_LINE))
    shade = np.exp(-SEAM_SHADE * _seam((upper + lower) / 2, scene)[..., None] * SKIN_TINT)
    picture[...] = np.clip(np.rint(blended * shade), 0, 255)


def _moved(motion: Motion, line: NDArray[np.int64]) -> Floats:
    """Where a line of landmarks lies in the moved picture, pixels."""
    return motion.positions(motion.mesh.landmarks[line])[0]


def _seam(line: NDArray[np.floating], scene: Scene) -> Floats:
    """(H, W): 1 where lips touch along a line (5, 2), pixels, from corner to corner; falls to 0."""
    across = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    down = np.array([-across[1], across[0]], np.float32)
    height, width = scene.shape
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) - line[0]
    along = ((line - line[0]) @ across).astype(np.float64)
    curve = PchipInterpolator(along, (line - line[0]) @ down)
    place = grid @ across
    below = (grid @ down - curve(np.clip(place, along[0], along[-1]))) / scene.scale
    above_mm, below_mm = SEAM_MM
    fall = np.exp(-0.5 * (below / np.where(below < 0, above_mm, below_mm)) ** 2)
    inside = np.minimum(place, along[-1] - place) / (END_MM * scene.scale)
    return np.asarray(fall * np.clip(inside, 0, 1), np.float32)


def _down(scene: Scene) -> Floats:
    """Unit vector (2,) of the picture along which the template's up decreases."""
    up = scene.motion[:2, 1]
    return np.asarray(-up / max(float(np.linalg.norm(up)), 1e-6), np.float32)
