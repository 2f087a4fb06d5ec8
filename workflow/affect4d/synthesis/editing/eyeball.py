"""The eyeball behind the lids of a photograph: its texture without lids, on a flat picture.

Beyond what the photograph shows of it, the iris is completed from its opposite half, and where
lids cover both from its colours at the same distance from the middle; the rest is as white as the
white of the eye.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.synthesis.editing.lid_lines import beside_lids
from affect4d.synthesis.editing.scene import LUMINANCE, Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh

Floats = NDArray[np.float32]

IRIS_MM = 5.9  # radius of the iris (white to white: 11.8 mm, Rufer et al., Cornea 2005)
RING = 1.35  # radii of the iris to which the white around it is looked at
EDGE_MM = 0.6  # beside the lids: their shadow, lashes and the landmarks' error; by eye
WHITE_MM = 3.0  # from how far beside white is taken
MIN_WEIGHT = 1e-4  # of what is near: beyond, the mean of all counts
SOFT_PX = 1.0  # over which what is completed fades into what is seen
MIN_WIDTH_PX = 4.0  # of an eye; smaller ones are left as they are
MARGIN = 0.6  # around an eye, of its width
# Why an eye is left as it is; their order is that of the numbers that a build stores.
PROBLEMS = (
    "",
    "an eye reaches beyond the edge of the picture",
    f"an eye is narrower than {MIN_WIDTH_PX:g} pixels",
    "an eye is closed in the photograph",
    "an eye is partly hidden by the face",
)
BEYOND, NARROW, CLOSED, HIDDEN = 1, 2, 3, 4


@dataclass(frozen=True)
class Eyeball:
    """The eyeball of one eye in the photograph.

    Attributes
    ----------
    origin : (2,), pixels, of the upper left of its part of the picture
    texture : (h, w, 3) float32, of the photograph without lids
    inside : (h, w), pixels from the lids, positive between them
    centre : (2,), pixels, of the iris in that part
    outline : (6,), of the mesh's landmarks
    """

    origin: Floats
    texture: Floats
    inside: Floats
    centre: Floats
    outline: NDArray[np.int64]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of its part of the picture."""
        left, top = self.origin.astype(int)
        height, width = self.inside.shape
        return slice(top, top + height), slice(left, left + width)


def find_eyeball(scene: Scene, mesh: VisibleSubmesh, eye: NDArray[np.int64]) -> Eyeball | int:
    """The eyeball behind an outline; where the picture hardly has it, an index of PROBLEMS."""
    outline = mesh.xy[mesh.landmarks[eye]]
    wide = float(np.linalg.norm(outline[3] - outline[0]))
    size = np.array(scene.shape[::-1])
    if (outline < 0).any() or (outline > size - 1).any():
        return BEYOND
    if wide < MIN_WIDTH_PX:
        return NARROW
    # the nose of a turned head: where its edge lies in the photograph the fit does not tell enough
    if not scene.seen[scene.anatomy.landmark_vertices[eye]].all():
        return HIDDEN
    margin = MARGIN * wide
    low = np.maximum(np.floor(outline.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(outline.max(0) + margin), size).astype(int)
    part = scene.image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    origin = low.astype(np.float32)
    place, below, above = beside_lids((outline - origin).astype(np.float32), *part.shape[:2])
    inside = np.minimum(np.minimum(below, above), wide * np.minimum(place, 1 - place))
    core = inside > EDGE_MM * scene.scale
    if not core.any():
        return CLOSED
    centre = _iris(part @ LUMINANCE, core, IRIS_MM * scene.scale)
    texture = _without_lids(part, core, centre=centre, radius=IRIS_MM * scene.scale)
    return Eyeball(origin, texture, inside, centre, mesh.landmarks[eye])


def _iris(light: Floats, core: NDArray[np.bool_], radius: float) -> Floats:
    """Centre (2,) of the iris: the disc that is darkest beside the ring around it."""
    size = int(np.ceil(RING * radius))
    away = np.hypot(*np.mgrid[-size : size + 1, -size : size + 1])
    disc, ring = away <= radius, (away > radius) & (away <= RING * radius)
    shown = core.astype(np.float32)
    means = []
    for mask in (disc, ring):
        kernel = mask.astype(np.float32)
        count = cv2.filter2D(shown, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        total = cv2.filter2D(light * shown, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        means.append(total / np.maximum(count, 1))
    contrast = np.where(core, means[1] - means[0], -np.inf)
    row, column = np.unravel_index(int(contrast.argmax()), contrast.shape)
    return np.array([column, row], np.float32)


def _without_lids(
    part: Floats, core: NDArray[np.bool_], *, centre: Floats, radius: float
) -> Floats:
    """The part (h, w, 3) of a picture, what lids cover of the eyeball completed."""
    grid = _pixel_grid(core.shape)
    away = np.hypot(*np.moveaxis(grid - centre, -1, 0))
    white = core & (away > radius + SOFT_PX)
    fill = _around(part, white if white.any() else core, reach=WHITE_MM / IRIS_MM * radius)
    iris = _rings(part, core & (away <= radius), away)
    opposite = 2 * centre - grid
    known = cv2.GaussianBlur(sample(core.astype(np.float32), opposite), (0, 0), SOFT_PX)
    iris += known[..., None] * (sample(part, opposite) - iris)
    disc = np.clip((radius - away) / SOFT_PX + 0.5, 0, 1)[..., None]
    fill += disc * (iris - fill)
    share = cv2.GaussianBlur(core.astype(np.float32), (0, 0), SOFT_PX)[..., None] * core[..., None]
    return np.asarray(fill + share * (part - fill), np.float32)


def _around(part: Floats, seen: NDArray[np.bool_], *, reach: float) -> Floats:
    """(h, w, 3): of each pixel the mean colour of those that are `seen`, the nearest most."""
    weight = seen.astype(np.float32)
    total, weights = (
        cv2.GaussianBlur(values, (0, 0), reach) for values in (part * weight[..., None], weight)
    )
    mean = part[seen].mean(0)
    share = weights[..., None]
    return np.asarray((total + MIN_WEIGHT * mean) / (share + MIN_WEIGHT), np.float32)


def _rings(part: Floats, seen: NDArray[np.bool_], away: Floats) -> Floats:
    """(h, w, 3): of each pixel the mean colour of those that are `seen` as far away, pixels."""
    if not seen.any():
        return part.copy()
    ring = away[seen].astype(int)
    counts = np.bincount(ring)
    known = np.flatnonzero(counts)
    colours = [
        np.interp(away, known + 0.5, np.bincount(ring, channel[seen])[known] / counts[known])
        for channel in np.moveaxis(part, -1, 0)
    ]
    return np.stack(colours, axis=-1).astype(np.float32)


def _pixel_grid(shape: tuple[int, int]) -> Floats:
    """x and y (h, w, 2) of pixels."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def sample(values: Floats, at: Floats) -> Floats:
    """Values (h, w, ...) at x and y (h, w, 2), linear; beyond the edge as at it."""
    x, y = (np.ascontiguousarray(at[..., axis], dtype=np.float32) for axis in range(2))
    sampled = cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.float32)
