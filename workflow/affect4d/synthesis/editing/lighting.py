"""Fourth stage: how an edit changes the light: creases darken, raised cheeks brighten.

First-order spherical harmonics (Basri & Jacobs, PAMI 2003) under one albedo for the whole face,
estimated from the photograph. Only ratios are used, so that the texture keeps its own light. The
surface is that of the face as the photograph shows it, on the lattice.

The light is a factor, so Poisson's equation (Perez et al., SIGGRAPH 2003), which blends the relit
face into its surroundings, is that of the picture's logarithm, one for all colours: the edge of the
mask then leaves no trace of the skin's texture inside. It is solved in the photograph's own frame,
before the picture moves: there mask and operator are the same for all edits, which are solved
together.
"""

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.config.synthesis import Settings
from affect4d.synthesis.editing.flow import BlockFlow
from affect4d.synthesis.editing.folds import Folds
from affect4d.synthesis.editing.harmonic import HarmonicExtension
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.lattice import STEP, Lattice, bounding_box
from affect4d.synthesis.editing.scene import LUMINANCE, Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

# Bounds of the change of light: darkening is what creases do; brightening would bleach the skin.
RATIOS = (0.75, 1.08)
# Changes of red, green and blue in shadow on skin per change of luminance, as light that has passed
# through skin is red: in the nasolabial folds of 40 smiles (docs/synthesis.md).
SKIN_TINT = np.array([0.80, 1.06, 1.24], np.float32)
LOG_BOUNDS = (-0.7, 0.2)  # of all factors, folds included
DARKEST = 0.3  # of the mean shade: below it a ratio of shades means nothing
MIN_MEAN_SHADE = 1.0  # grey levels, of a photograph that is black
ROUNDS, CAUCHY = 12, 1.0  # reweighting (Holland & Welsch 1977); most of a face is skin
DEVIATION = 1.4826  # standard deviations per median absolute deviation
MIN_SCALE = 1e-6  # grey levels, of the residuals
STEEPEST = 3.0  # pixels of depth per pixel: beyond it one surface ends before another
MIN_NORMAL = 1e-12  # pixels^2, length of a cross product
EDGE_SHARE = 0.03  # erosion of the mask, in inter-ocular distances
BLUR_MM, MIN_BLUR_PX = 1.5, 0.5  # standard deviation that smooths the light's change
BLUR_EXTENT = 4  # standard deviations: as far as cv2.GaussianBlur reaches
UNSEEN = 1 / 512  # of the light: less changes no grey value


class Light:
    """The light on the face of one Scene.

    Attributes
    ----------
    harmonics : (4,) float32, constant, then along x, y and depth of the picture
    lit : (h, w) bool, nodes of the lattice where the light is known
    sideways : (2,), along x and y of the picture, as a share of the face's mean brightness
    """

    def __init__(self, scene: Scene, mesh: VisibleSubmesh, lattice: Lattice) -> None:
        self._lattice = lattice
        points = np.concatenate([mesh.xy, mesh.depth[:, None]], axis=1)[..., None]
        self._surface = np.ascontiguousarray(lattice.interpolate(points)[..., 0])
        rest = np.zeros((*lattice.nodes.shape, 3, 3), np.float32)
        normals = self.shades(rest, np.eye(4, 3, -1, dtype=np.float32))
        self.lit = np.asarray(normals.any(2))
        brightness = scene.image[::STEP, ::STEP][self.lit] @ LUMINANCE
        terms = np.concatenate([np.ones((len(brightness), 1)), normals[self.lit]], axis=1)
        self.harmonics: Floats = _shrunk(terms, brightness).astype(np.float32)
        before = self.lit * (self.harmonics[0] + normals @ self.harmonics[1:])
        mean = float(before[self.lit].mean()) if self.lit.any() else MIN_MEAN_SHADE
        self._floor = np.float32(DARKEST * max(mean, MIN_MEAN_SHADE))
        self._scale = 1 / np.maximum(before, self._floor)
        self.sideways: Floats = self.harmonics[1:3] / np.float32(max(mean, MIN_MEAN_SHADE))

    def ratios(self, change: Floats) -> Floats:
        """Factors (h, w, B) by which B edits change the light; 1 where the face is not seen.

        Parameters
        ----------
        change : (h, w, 3, B), pixels, as of BlockFlow
        """
        shades = self.shades(change, np.repeat(self.harmonics[:, None], change.shape[3], axis=1))
        # where there is no surface both shades are 0, and so the floor's
        _bound(shades, self._floor, self._scale)
        return shades

    def shades(self, change: Floats, harmonics: Floats) -> Floats:
        """Brightness (h, w, B) of the surface moved by (h, w, 3, B) pixels; 0 beyond it.

        Parameters
        ----------
        harmonics : (4, B), of the light in each edit
        """
        return _shades(self._surface, change, self._lattice.nodes, harmonics)


class Relighting:
    """The stage, for one photograph.

    Attributes
    ----------
    light : the photograph's Light
    mask : (h, w) bool, nodes of the lattice where it changes
    blur : standard deviation that smooths its change, nodes
    """

    def __init__(
        self, scene: Scene, mesh: VisibleSubmesh, lattice: Lattice, *, settings: Settings
    ) -> None:
        self._relight, self._folds = settings.relight, settings.folds
        self.light = Light(scene, mesh, lattice)
        self.blur = max(BLUR_MM * scene.scale, MIN_BLUR_PX) / STEP
        self.mask: Bools = np.ascontiguousarray(_mask(scene)[::STEP, ::STEP])
        self._box = bounding_box(self.mask, int(np.ceil(BLUR_EXTENT * self.blur)) + 2)
        self._extension = HarmonicExtension(~self.mask[self._box])
        beside = cv2.dilate(lattice.far.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        self._fixed = np.ascontiguousarray(beside[::STEP, ::STEP])
        self.folds = Folds(scene, mesh, lattice, light=self.light.sideways, box=self._box)

    def factors(self, deformations: Floats, flows: BlockFlow) -> Floats:
        """Factors (B, h, w) on the lattice that relight B edits, blended to 1 around the face.

        Parameters
        ----------
        deformations : (V, 3, B), mm
        flows : theirs
        """
        edits = deformations.shape[2]
        logs = np.zeros((*self.mask[self._box].shape, edits), np.float32)
        if self._relight:
            logs += np.float32(self._relight) * self._changes(flows)[..., :edits]
        if self._folds:
            self.folds.add(logs, np.float32(self._folds) * self.folds.depths(deformations))
        factors = np.ones((edits, *self.mask.shape), np.float32)
        factors[:, *self._box] = np.exp(np.clip(logs, *LOG_BOUNDS, out=logs)).transpose(2, 0, 1)
        return factors

    def _changes(self, flows: BlockFlow) -> Floats:
        """Logarithms (h, w, B or more) of the changes of light, in the box."""
        ratios = np.ascontiguousarray(self.light.ratios(flows.change)[self._box])
        logs = np.asarray(cv2.GaussianBlur(np.log(ratios), (0, 0), self.blur), np.float32)
        logs = logs.reshape(ratios.shape)
        logs -= self._extension(logs)
        return logs

    def __call__(self, picture: Bytes, motion: Motion, factor: Floats) -> Bytes:
        """The picture (H, W, 3), relit in place by a factor (h, w) of `factors`."""
        _relight(picture, _move(factor, motion.source, self._fixed), SKIN_TINT)
        return picture


def _mask(scene: Scene) -> Bools:
    """(H, W): the face without holes (mouth, eyes), a little inside its edge.

    A hole's edge would pull the cheeks towards the colours of lips and teeth.
    """
    face = (scene.raster[0] >= 0).astype(np.uint8)
    outlines, _ = cv2.findContours(face, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(face), outlines, -1, 1, cv2.FILLED)
    size = 2 * int(np.ceil(EDGE_SHARE * scene.inter_ocular)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return cv2.erode(filled, disc, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _shrunk(terms: NDArray[np.float64], values: Floats) -> NDArray[np.floating]:
    """Coefficients (K,) of `_robust`, those after the constant by the share that they explain.

    Where the way the skin faces explains little of its brightness, as under soft light, what it
    seems to explain is the skin's own colour, beard or hair's shade in good part.
    """
    solution = _robust(terms, values)
    light = terms[:, 1:] @ solution[1:]
    spread, rest = (
        DEVIATION * np.median(np.abs(x - np.median(x))) if len(x) else 0.0
        for x in (light, values - solution[0] - light)
    )
    share = spread**2 / max(spread**2 + rest**2, MIN_SCALE)
    middle = light.mean() if len(light) else 0.0
    return np.concatenate([[solution[0] + (1 - share) * middle], share * solution[1:]])


def _robust(terms: NDArray[np.float64], values: Floats) -> NDArray[np.floating]:
    """Least squares (K,) of values (n,) by terms (n, K), reweighted after Cauchy.

    Hair, brows, eyes and lips are darker than skin and look the same way: by plain least squares
    they pass for shadow, and the light comes out twice as harsh as it is.
    """
    solution = np.linalg.lstsq(terms, values, rcond=None)[0]
    for _ in range(ROUNDS):
        residual = values - terms @ solution
        scale = CAUCHY * DEVIATION * np.median(np.abs(residual))
        weights = 1 / (1 + (residual / max(float(scale), MIN_SCALE)) ** 2)
        weighted = terms * weights[:, None]
        solution = np.linalg.lstsq(weighted.T @ terms, weighted.T @ values, rcond=None)[0]
    return solution


@numba.njit(cache=True)
def _shades(surface: Floats, change: Floats, known: Bools, harmonics: Floats) -> Floats:
    """Brightness (h, w, B) of the moved surface, of one colour; zero where it has no normal.

    Differences are those of the nodes on both sides, or of one side where the other is hidden.
    """
    height, width, _, edits = change.shape
    shades = np.zeros((height, width, edits), np.float32)
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
                ux = px + change[j, b, 0, e] - change[j, a, 0, e]
                uy = py + change[j, b, 1, e] - change[j, a, 1, e]
                uz = pz + change[j, b, 2, e] - change[j, a, 2, e]
                vx = qx + change[d, i, 0, e] - change[c, i, 0, e]
                vy = qy + change[d, i, 1, e] - change[c, i, 1, e]
                vz = qz + change[d, i, 2, e] - change[c, i, 2, e]
                x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                length = max(np.sqrt(x * x + y * y + z * z), np.float32(MIN_NORMAL))
                along = harmonics[1, e] * x + harmonics[2, e] * y + harmonics[3, e] * z
                shades[j, i, e] = harmonics[0, e] + along / length
    return shades


@numba.njit(cache=True)
def _bound(shades: Floats, floor: np.float32, scale: Floats) -> None:
    """Shades (h, w, B), at least the floor, to ratios within RATIOS, in place."""
    height, width, edits = shades.shape
    low, high = np.float32(RATIOS[0]), np.float32(RATIOS[1])
    for j in range(height):
        for i in range(width):
            row, gain = shades[j, i], scale[j, i]
            for e in range(edits):
                row[e] = min(max(gain * max(row[e], floor), low), high)


@numba.njit(cache=True)
def _beside(surface: Floats, known: Bools, j: int, i: int, down: int, across: int) -> int:
    """1 where the node beside belongs to the same surface, else 0."""
    r, c = j + down, i + across
    if not (0 <= r < known.shape[0] and 0 <= c < known.shape[1] and known[r, c]):
        return 0
    return int(abs(surface[r, c, 2] - surface[j, i, 2]) <= STEEPEST * STEP)


@numba.njit(cache=True)
def _move(factor: Floats, source: Floats, fixed: Bools) -> Floats:
    """A factor on the lattice, (h, w), through a map (H, W, 2); 1 at `fixed` nodes."""
    rows, columns = factor.shape
    moved = np.ones((rows, columns), np.float32)
    share, zero, unit = np.float32(1 / STEP), np.float32(0), np.float32(1)
    for j in range(rows):
        for i in range(columns):
            if fixed[j, i]:
                continue
            x, y = share * source[STEP * j, STEP * i, 0], share * source[STEP * j, STEP * i, 1]
            c, r = min(int(x), columns - 2), min(int(y), rows - 2)
            a, b = min(max(x - np.float32(c), zero), unit), min(max(y - np.float32(r), zero), unit)
            upper = factor[r, c] + a * (factor[r, c + 1] - factor[r, c])
            lower = factor[r + 1, c] + a * (factor[r + 1, c + 1] - factor[r + 1, c])
            moved[j, i] = upper + b * (lower - upper)
    return moved


@numba.njit(cache=True)
def _relight(picture: Bytes, factor: Floats, tint: Floats) -> None:
    """Multiply a picture (H, W, 3) uint8 in place by a factor (h, w) given on the lattice."""
    height, width, _ = picture.shape
    rows, columns = factor.shape
    row, fine = np.empty(columns + 1, np.float32), np.empty((width + 1, 3), np.float32)
    half, unit, min_change = np.float32(0.5), np.float32(1), np.float32(UNSEEN)
    for j in range(height):
        r, below = j // 2, min(j // 2 + j % 2, rows - 1)
        count = np.int32(0)
        for c in range(columns):
            row[c] = half * (factor[r, c] + factor[below, c])
            count += np.int32(abs(row[c] - np.float32(1)) >= min_change)
        if count == 0:
            continue
        row[columns] = row[columns - 1]
        for c in range((width + 1) // 2):
            here, between = row[c] - unit, half * (row[c] + row[c + 1]) - unit
            for k in range(3):
                fine[2 * c, k] = unit + tint[k] * here
                fine[2 * c + 1, k] = unit + tint[k] * between
        flat, factors = picture[j].reshape(-1), fine.reshape(-1)
        for n in range(3 * width):
            value = factors[n] * np.float32(flat[n]) + half
            flat[n] = np.uint8(min(value, np.float32(255)))
