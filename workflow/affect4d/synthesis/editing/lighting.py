"""How a deformation changes the light on the face: creases darken, raised cheeks brighten.

First-order spherical harmonics (Basri & Jacobs, PAMI 2003) under one albedo for the whole face,
estimated from the photograph. Only ratios are used, so that the texture keeps its own light. The
surface is that of the face as the photograph shows it, on the flow's lattice.
"""

import numba
import numpy as np

from affect4d.synthesis.editing.inverse_flow import STEP

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# Darkening is what creases do; brightening would bleach the skin.
RATIOS = (0.75, 1.08)
DARKEST = 0.3  # of the mean shade: below it a ratio of shades means nothing
ROUNDS, CAUCHY = 12, 1.0  # reweighting (Holland & Welsch 1977); most of a face is skin
DEVIATION = 1.4826  # standard deviations a median absolute deviation
STEEPEST = 3.0  # pixels of depth a pixel: beyond it one surface ends before another


class Light:
    """The light on the face of one Scene.

    Parameters
    ----------
    flow : Flow of it

    Attributes
    ----------
    harmonics : (4,) float32, constant, then along x, y and depth of the picture
    lit : (h, w) bool, places of the lattice where the light is known
    """

    def __init__(self, flow):
        self._flow = flow
        front, places = flow.front, flow.lattice
        whole = np.concatenate([front.xy, front.depth[:, None]], axis=1)[..., None]
        self._surface = np.ascontiguousarray(flow.carry(whole)[..., 0])
        still = np.zeros((*places.shape, 3, 1), np.float32)
        along = [self._shades(still, axis)[..., 0] for axis in np.eye(4, dtype=np.float32)[1:]]
        normals = np.stack(along, axis=-1)
        self.lit = normals.any(2)
        brightness = flow.scene.image[::STEP, ::STEP][self.lit] @ LUMINANCE
        terms = np.concatenate([np.ones((len(brightness), 1)), normals[self.lit]], axis=1)
        self.harmonics = _robust(terms, brightness).astype(np.float32)
        before = self.lit * (self.harmonics[0] + normals @ self.harmonics[1:])
        mean = float(before[self.lit].mean()) if self.lit.any() else 1.0
        self._floor = np.float32(DARKEST * max(mean, 1.0))
        self._scale = 1 / np.maximum(before, self._floor)

    def ratios(self, change):
        """Factor by which edits change the light.

        Parameters
        ----------
        change : (U, 3, B) float32, pixels, as of `Flow.change`

        Returns
        -------
        (h, w, B) float32, 1 where the photograph does not show the face
        """
        shades = self._shades(self._flow.carry(change), self.harmonics)
        # where there is no surface both shades are 0, and so the floor's
        _bound(shades, self._floor, self._scale)
        return shades

    def _shades(self, carried, harmonics):
        return _shades(self._surface, carried, self._flow.lattice, harmonics)


def _robust(terms, values):
    """Least squares (K,) of values (n,) by terms (n, K), reweighted after Cauchy.

    Hair, brows, eyes and lips are darker than skin and look the same way: by plain least squares
    they pass for shadow, and the light comes out twice as harsh as it is.
    """
    found = np.linalg.lstsq(terms, values, rcond=None)[0]
    for _ in range(ROUNDS):
        residual = values - terms @ found
        scale = CAUCHY * DEVIATION * np.median(np.abs(residual))
        weights = 1 / (1 + (residual / max(float(scale), 1e-6)) ** 2)
        weighted = terms * weights[:, None]
        found = np.linalg.lstsq(weighted.T @ terms, weighted.T @ values, rcond=None)[0]
    return found


@numba.njit(cache=True, fastmath=True)
def _shades(surface, carried, known, harmonics):
    """Brightness (h, w, B) of the moved surface, of one colour; zero where it has no normal.

    Differences are those of the places on both sides, or of one side where the other is hidden.
    """
    height, width, _, edits = carried.shape
    shades = np.zeros((height, width, edits), np.float32)
    constant, right_on, down_on, near_on = harmonics
    for j in range(height):
        for i in range(width):
            if not known[j, i]:
                continue
            left, right = _beside(surface, known, j, i, 0, -1), _beside(surface, known, j, i, 0, 1)
            up, down = _beside(surface, known, j, i, -1, 0), _beside(surface, known, j, i, 1, 0)
            if left + right == 0 or up + down == 0:
                continue
            a, b, c, d = i - left, i + right, j - up, j + down
            px, py = surface[j, b, 0] - surface[j, a, 0], surface[j, b, 1] - surface[j, a, 1]
            qx, qy = surface[d, i, 0] - surface[c, i, 0], surface[d, i, 1] - surface[c, i, 1]
            pz, qz = surface[j, b, 2] - surface[j, a, 2], surface[d, i, 2] - surface[c, i, 2]
            for e in range(edits):
                ux = px + carried[j, b, 0, e] - carried[j, a, 0, e]
                uy = py + carried[j, b, 1, e] - carried[j, a, 1, e]
                uz = pz + carried[j, b, 2, e] - carried[j, a, 2, e]
                vx = qx + carried[d, i, 0, e] - carried[c, i, 0, e]
                vy = qy + carried[d, i, 1, e] - carried[c, i, 1, e]
                vz = qz + carried[d, i, 2, e] - carried[c, i, 2, e]
                x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-12))
                shades[j, i, e] = constant + (right_on * x + down_on * y + near_on * z) / length
    return shades


@numba.njit(cache=True, fastmath=True)
def _bound(shades, floor, scale):
    """Shades (h, w, B), at least the floor, to ratios within RATIOS, in place."""
    height, width, edits = shades.shape
    least, most = np.float32(RATIOS[0]), np.float32(RATIOS[1])
    for j in range(height):
        for i in range(width):
            own, gain = shades[j, i], scale[j, i]
            for e in range(edits):
                own[e] = min(max(gain * max(own[e], floor), least), most)


@numba.njit(cache=True)
def _beside(surface, known, j, i, down, across):
    """1 where the place beside belongs to the same surface, else 0."""
    r, c = j + down, i + across
    if not (0 <= r < known.shape[0] and 0 <= c < known.shape[1] and known[r, c]):
        return 0
    return int(abs(surface[r, c, 2] - surface[j, i, 2]) <= STEEPEST * STEP)
