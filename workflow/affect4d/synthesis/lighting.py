"""How a deformation changes the light on the face: creases darken, raised cheeks brighten.

First-order spherical harmonics (Basri & Jacobs, PAMI 2003) under one albedo for the whole face,
estimated from the photograph. Only ratios are used, so that the texture keeps its own light.
"""

import numba
import numpy as np

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# Darkening is what creases do; brightening would bleach the skin.
RATIOS = (0.75, 1.08)
DARKEST = 0.3  # of the mean shade: below it a ratio of shades means nothing


class Light:
    """The light on the face of one Scene.

    Parameters
    ----------
    scene : Scene
    front : Front of it

    Attributes
    ----------
    harmonics : (4,) float32, constant, then along x, y and depth of the picture
    """

    def __init__(self, scene, front):
        self.front = front
        normals = _normals(_still(front), front.xy, front.depth, front.triangles)[..., 0]
        seen = scene.seen[front.vertices]
        lit = seen & (scene.anatomy.reach[front.vertices, 0] > 0.5)
        height, width = scene.shape
        place = np.rint(front.xy[lit]).astype(int)
        column, row = np.clip(place[:, 0], 0, width - 1), np.clip(place[:, 1], 0, height - 1)
        brightness = scene.image[row, column] @ LUMINANCE
        terms = np.concatenate([np.ones((len(place), 1), np.float32), normals[lit]], axis=1)
        self.harmonics = np.linalg.lstsq(terms, brightness, rcond=None)[0].astype(np.float32)
        self._before = self.shades(_still(front))[:, 0]
        mean = float(self._before[seen].mean()) if seen.any() else 1.0
        self._floor = np.float32(DARKEST * max(mean, 1.0))

    def shades(self, change):
        """Brightness (U, B) float32 of the moved face, were it of one colour.

        Parameters
        ----------
        change : (U, B, 3) float32, pixels, as of `Flow.change`
        """
        front = self.front
        normals = _normals(change, front.xy, front.depth, front.triangles)
        return self.harmonics[0] + np.tensordot(self.harmonics[1:], normals, (0, 1))

    def ratios(self, change):
        """Factor (U, B) float32 by which edits change the light; `change` as for `shades`."""
        after, before = self.shades(change), self._before[:, None]
        ratio = np.maximum(after, self._floor) / np.maximum(before, self._floor)
        return np.clip(ratio, *RATIOS)


def _still(front):
    return np.zeros((len(front.xy), 1, 3), np.float32)


@numba.njit(cache=True, fastmath=True)
def _normals(change, xy, depth, triangles):
    """Unit normals (U, 3, B) float32 of the moved vertices in the picture's frame."""
    edits = change.shape[1]
    normals = np.zeros((len(xy), 3, edits), np.float32)
    for f in range(len(triangles)):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        px, py, pz = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1], depth[b] - depth[a]
        qx, qy, qz = xy[c, 0] - xy[a, 0], xy[c, 1] - xy[a, 1], depth[c] - depth[a]
        for e in range(edits):
            ux = px + change[b, e, 0] - change[a, e, 0]
            uy = py + change[b, e, 1] - change[a, e, 1]
            uz = pz + change[b, e, 2] - change[a, e, 2]
            vx = qx + change[c, e, 0] - change[a, e, 0]
            vy = qy + change[c, e, 1] - change[a, e, 1]
            vz = qz + change[c, e, 2] - change[a, e, 2]
            # y points down in the picture: the product is taken the other way round
            x, y, z = uz * vy - uy * vz, ux * vz - uz * vx, uy * vx - ux * vy
            for v in (a, b, c):
                normals[v, 0, e] += x
                normals[v, 1, e] += y
                normals[v, 2, e] += z
    for v in range(len(normals)):
        for e in range(edits):
            x, y, z = normals[v, 0, e], normals[v, 1, e], normals[v, 2, e]
            length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
            for k in range(3):
                normals[v, k, e] /= length
    return normals
