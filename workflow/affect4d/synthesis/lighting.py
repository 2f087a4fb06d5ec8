"""How a deformation changes the light on the face: creases darken, raised cheeks brighten.

First-order spherical harmonics (Basri & Jacobs, PAMI 2003) under one albedo for the whole face,
estimated from the photograph. Only ratios are used, so that the texture keeps its own light.
"""

import cv2
import numba
import numpy as np

from affect4d.geometry.raster import interpolate
from affect4d.geometry.surface import vertex_normals

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# Darkening is what creases do; brightening would bleach the skin.
RATIOS = (0.75, 1.08)
DARKEST = 0.3  # of the mean shade: below it a ratio of shades means nothing
BLUR_MM = 1.5


def estimate(scene):
    """Light on the face: (4,) float32, constant, then along the axes of the template's frame."""
    height, width = scene.shape
    lit = scene.seen & (scene.anatomy.reach[:, 0] > 0.5)
    place = np.rint(scene.xy[lit]).astype(int)
    column, row = np.clip(place[:, 0], 0, width - 1), np.clip(place[:, 1], 0, height - 1)
    brightness = scene.image[row, column] @ LUMINANCE
    normals = vertex_normals(scene.vertices, scene.anatomy.triangles)[lit]
    harmonics = np.concatenate([np.ones((len(normals), 1)), normals], axis=1)
    return np.linalg.lstsq(harmonics, brightness, rcond=None)[0].astype(np.float32)


def relight(scene, motion):
    """Factor (H, W) float32 by which the deformation changes the light; 1 beyond the face."""
    triangles = scene.anatomy.triangles
    before = scene.shade
    after = shade(motion.vertices, triangles, scene.light)
    floor = np.float32(DARKEST * max(float(before[scene.seen].mean()), 1.0))
    ratio = np.clip(np.maximum(after, floor) / np.maximum(before, floor), *RATIOS)
    factor = interpolate(motion.ids, motion.weights, triangles, ratio)[..., 0]
    factor[~motion.shown] = 1
    return cv2.GaussianBlur(factor, (0, 0), max(BLUR_MM * scene.scale, 0.5))


@numba.njit(cache=True)
def shade(vertices, triangles, light):
    """Brightness (V,) float32 of a surface of albedo 1 under a light (4,)."""
    normals = np.zeros_like(vertices)
    for f in range(len(triangles)):
        a, b, c = vertices[triangles[f, 0]], vertices[triangles[f, 1]], vertices[triangles[f, 2]]
        ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        for corner in range(3):
            v = triangles[f, corner]
            normals[v, 0] += uy * vz - uz * vy
            normals[v, 1] += uz * vx - ux * vz
            normals[v, 2] += ux * vy - uy * vx
    shades = np.empty(len(vertices), dtype=np.float32)
    for v in range(len(vertices)):
        x, y, z = normals[v]
        length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
        shades[v] = light[0] + (light[1] * x + light[2] * y + light[3] * z) / length
    return shades
