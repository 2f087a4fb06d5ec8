"""Where skin folds: lines on the template, and between which points an expression compresses them.

Skin folds across the pull of the muscles beneath it, always along the same lines (Borges, Relaxed
Skin Tension Lines, 1984; which action unit folds what: Ekman, Friesen & Hager, FACS 2002). Lines
are given beside a landmark of the left side, mm outwards and upwards, and mirrored; those over the
midline go from side to side.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect4d.geometry.raster import rasterise
from affect4d.template.ibug68 import (
    INNER_EYE_CORNERS,
    LOWER_LIP_MIDDLE,
    MIRROR,
    MOUTH_CORNERS,
    NASION,
    NOSE_WINGS,
    OUTER_EYE_CORNERS,
)

Floats = NDArray[np.float32]
Points = NDArray[np.float64]

OUTER_EYES_MM = 85.5  # distance of the outer eye corners on the template that lines are given for
STEP_MM = 2.5  # between the points of a line at which compression is measured
SAMPLES_PER_MM = 4  # of the raster by which points are brought to the surface
MIN_POINTS = 3  # a line that leaves the template keeps fewer, and is left out
LEFT = 1  # of a pair of landmarks

Line = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Crease:
    """A line along which skin folds, and what its fold looks like.

    Compression is measured at each point of the line between two others, the ends of a gauge, which
    run along `ends` as the point does along the line.

    Attributes
    ----------
    landmark : on the left side, or in the middle
    line : points (mm outwards, mm upwards) from the landmark
    widths : mm, standard deviations of the darkening to the left and right of the line's direction
    gain : log of the darkening per unit of compression
    onset : compression up to which skin is compressed and does not fold
    gauge : mm across the line, for ends beside each point of it
    ends : two lines from the landmark that are used instead
    bulge : share of the darkening by which skin beside the fold brightens, and mm to its middle
        (left of the line positive), which is two standard deviations
    shade : share of the depth by which the line darkens; negative where skin that is pushed out or
        drawn flat brightens
    """

    landmark: int
    line: Line
    widths: tuple[float, float]
    gain: float
    onset: float = 0.03
    gauge: float = 9.0
    ends: tuple[Line, Line] | None = None
    bulge: tuple[float, float] = (0.0, 1.0)
    shade: float = 1.0


EYE, LID, WING, CORNER = (
    int(pair[LEFT]) for pair in (OUTER_EYE_CORNERS, INNER_EYE_CORNERS, NOSE_WINGS, MOUTH_CORNERS)
)
FINE_MM = (0.8, 0.8)  # lines in thin skin
# Pairs of lines between the ends of muscles: levator labii (inner eye corner to upper lip) to
# zygomaticus major (cheek bone to mouth corner), and the latter alone. Their origins do not move:
# they tell how much the muscles have shortened.
LEVATORS = (((0.3, 40.0), (26.5, 40.5)), ((-0.6, -18.3), (8.6, -25.2)))  # beside WING
ZYGOMATICUS = (((11.5, 65.5), (18.0, 65.8)), ((-2.5, 2.3), (0.1, 0.1)))  # beside CORNER
# Place and gain of what follows these muscles and the lower lid are fitted to how the smiles of
# every other person of the Face Research Lab London Set who shows the teeth change the light beyond
# what the moved mesh shades, by least squares of the median person (docs/synthesis.md says how far
# it is from the other half's); the two on the chin have half of that gain, beyond which they look
# drawn. The line beside the nose is as narrow as each person's own line, not as their median, in
# which lines that lie apart make a wide one, and as deep as those of the half that has the
# shallower ones (`benchmarks/smile_fold.py`).
# The cheek comes forward and the lips are drawn back: the skin between them gets darker as a whole,
# down to the corner of the mouth and no farther; below, where it is drawn tight, it gets brighter.
# The lower lid's fold lies where lid and cheek meet. The gains of other folds are by eye, and at
# most 2; of finer lines, several share one compression.
CREASES = {
    "nasolabial": Crease(
        WING,
        ((8.0, 10.0), (10.5, 4.0), (14.0, -3.0), (16.0, -11.5), (18.0, -20.0), (18.5, -29.0)),
        widths=(1.5, 2.0),
        gain=2.0,
        onset=0.0,
        ends=LEVATORS,
    ),
    "upper lip's flank": Crease(
        WING,
        ((2.0, 4.0), (5.0, -4.0), (8.0, -12.0), (9.0, -20.0)),
        widths=(5.0, 5.0),
        gain=1.05,
        onset=0.0,
        ends=LEVATORS,
    ),
    "cheek": Crease(
        CORNER,
        ((11.5, 33.3), (17.5, 28.3), (21.5, 21.3)),
        widths=(7.0, 7.0),
        gain=0.2,
        onset=0.0,
        ends=ZYGOMATICUS,
        shade=-1.0,
    ),
    "below the mouth corner": Crease(
        CORNER,
        ((3.0, -5.0), (5.0, -11.0), (5.0, -18.0), (2.0, -26.0)),
        widths=(7.0, 7.0),
        gain=1.0,
        onset=0.0,
        ends=ZYGOMATICUS,
        shade=-1.0,
    ),
    # half of it each, as either side follows its own corner
    "below the lower lip": Crease(
        CORNER,
        ((-24.4, -16.5), (-20.9, -16.5), (-14.9, -17.5)),
        widths=(5.0, 5.0),
        gain=0.2,
        onset=0.0,
        ends=ZYGOMATICUS,
        shade=-1.0,
    ),
    "chin's boss": Crease(
        CORNER,
        ((-24.7, -31.4), (-21.2, -31.4), (-16.2, -30.4)),
        widths=(4.0, 4.0),
        gain=0.5,
        onset=0.0,
        ends=ZYGOMATICUS,
        shade=-1.0,
    ),
    "lower lid": Crease(
        LID,
        ((4, -10), (9, -13), (14.5, -14), (21, -14), (29, -12)),
        widths=(4.0, 4.0),
        gain=1.0,
        gauge=12.0,
    ),
    "upper crow's foot": Crease(EYE, ((6, 2), (16, 7)), FINE_MM, 0.5),
    "middle crow's foot": Crease(EYE, ((7, -1), (18, -2)), FINE_MM, 0.5),
    "lower crow's foot": Crease(EYE, ((6, -5), (15, -11)), FINE_MM, 0.5),
    **{
        f"forehead {height}": Crease(
            NASION,
            tuple((x, height + y) for x, y in ((-34, 0), (-17, 2), (0, -1), (17, 2), (34, 0))),
            widths=(1.0, 1.0),
            gain=0.9,
        )
        for height in (30, 39, 48)
    },
    # across the gap between the brows, which the corrugators narrow; smiles narrow it a little
    "frown": Crease(
        NASION,
        ((7, 9), (8.5, 23)),
        (1.0, 1.0),
        2.0,
        onset=0.05,
        ends=(((-10.5, 9.0), (-10.5, 22.0)), ((10.5, 9.0), (10.5, 22.0))),
    ),
    "nasal root": Crease(NASION, ((-7, 1), (0, 0), (7, 1)), (1.0, 1.0), 2.0),
    # beside the ridge, across the pull of levator labii alaeque nasi, from its origin beside the
    # inner eye corner to the nose's wing
    **{
        f"{place} side of the nose": Crease(
            NASION,
            line,
            FINE_MM,
            2.0,
            onset=0.0,
            ends=(((2.0, 0.0), (10.0, 0.0)), ((4.0, -36.0), (11.0, -38.0))),
        )
        for place, line in (
            ("upper", ((3, -6), (7, -7.6), (11, -10))),
            ("lower", ((3.5, -10.5), (8, -12.5), (12, -15.5))),
        )
    },
    # the upper part of the nasolabial fold, which that muscle folds and a smile hardly does
    "nose's wing": Crease(
        WING,
        ((1.5, 11.0), (4.5, 6.0), (8.0, 0.0), (11.0, -6.0)),
        widths=(0.8, 2.2),
        gain=2.0,
        ends=(((-1.0, 38.0), (10.0, 36.0)), ((0.0, 2.0), (5.0, -3.0))),
        bulge=(0.3, 8.0),
    ),
    "chin": Crease(
        LOWER_LIP_MIDDLE,
        ((-14, -11), (-7, -8.5), (0, -7.5), (7, -8.5), (14, -11)),
        widths=(2.5, 2.5),
        gain=0.8,
        gauge=11.0,
        bulge=(0.3, -7.0),
    ),
    "mouth corner": Crease(CORNER, ((3, -1), (6, -6), (8, -13)), (1.5, 2.5), 0.8),
}


@dataclass(frozen=True)
class SurfacePoints:
    """Points on a mesh: (n, 3) vertices around them, and (n, 3) barycentric weights."""

    vertices: NDArray[np.int32]
    weights: Floats

    def on(self, values: NDArray[np.floating]) -> Floats:
        """Values (V, ...) of the vertices at the points: (n, ...)."""
        corners = np.asarray(values[self.vertices], np.float32)
        return np.asarray(np.einsum("nk,nk...->n...", self.weights, corners), np.float32)

    @classmethod
    def joined(cls, parts: Iterable["SurfacePoints"]) -> "SurfacePoints":
        """The points of all parts, in their order."""
        vertices, weights = [np.zeros((0, 3), np.int32)], [np.zeros((0, 3), np.float32)]
        for part in parts:
            vertices.append(part.vertices)
            weights.append(part.weights)
        return cls(np.concatenate(vertices), np.concatenate(weights))


@dataclass(frozen=True)
class PlacedCrease:
    """A Crease on a template: points of its line, and both ends of the gauge of each.

    side : 1 where the first of `widths` lies to the left of the line's direction, else -1
    """

    crease: Crease
    side: int
    line: SurfacePoints
    first: SurfacePoints
    second: SurfacePoints


def place_creases(
    vertices: NDArray[np.floating], triangles: NDArray[np.int32], landmarks: NDArray[np.floating]
) -> tuple[PlacedCrease, ...]:
    """All creases of both sides on a template.

    Parameters
    ----------
    vertices : (V, 3), mm, the face looking along +z
    triangles : (F, 3)
    landmarks : (68, 3), mm
    """
    surface = _Front(vertices, triangles)
    right, left = landmarks[OUTER_EYE_CORNERS]
    size = float(np.linalg.norm(left - right)) / OUTER_EYES_MM
    placed = []
    for crease in CREASES.values():
        lines = size * _lines(crease)
        over_midline = min(crease.line)[0] <= 0 and MIRROR[crease.landmark] == crease.landmark
        for side in (1,) if over_midline else (1, -1):
            landmark = crease.landmark if side > 0 else int(MIRROR[crease.landmark])
            points, there = zip(
                *(surface.at(landmarks[landmark, :2] + line * [side, 1]) for line in lines),
                strict=True,
            )
            kept = np.logical_and.reduce(there)
            if kept.sum() >= MIN_POINTS:
                placed.append(PlacedCrease(crease, side, *(_only(some, kept) for some in points)))
    return tuple(placed)


class _Front:
    """A mesh seen from the front, rastered."""

    def __init__(self, vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> None:
        self._low = vertices[:, :2].min(0)
        xy = SAMPLES_PER_MM * (vertices[:, :2] - self._low)
        width, height = (np.ceil(xy.max(0)).astype(int) + 1).tolist()
        self._raster = rasterise(xy, vertices[:, 2], triangles, shape=(height, width))
        self._triangles = triangles

    def at(self, xy: Points) -> tuple[SurfacePoints, NDArray[np.bool_]]:
        """Points of the surface at (n, 2) mm, and which of them (n,) it has."""
        ids, weights = self._raster
        column, row = np.rint(SAMPLES_PER_MM * (xy - self._low)).astype(int).T
        inside = (row >= 0) & (row < ids.shape[0]) & (column >= 0) & (column < ids.shape[1])
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        found = ids[row, column]
        return SurfacePoints(self._triangles[found], weights[row, column]), inside & (found >= 0)


def _only(points: SurfacePoints, kept: NDArray[np.bool_]) -> SurfacePoints:
    return SurfacePoints(points.vertices[kept], points.weights[kept])


def _lines(crease: Crease) -> Points:
    """A crease's line and the two of its gauge's ends, (3, n, 2) mm, n points each."""
    line = _resample(crease.line)
    if crease.ends is not None:
        first, second = (_resample(end, len(line)) for end in crease.ends)
        return np.stack([line, first, second])
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = crease.gauge / 2 * np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.stack([line, line + across, line - across])


def _resample(corners: Line, count: int | None = None) -> Points:
    """Points (n, 2) evenly along a line, if no count is given about STEP_MM apart."""
    line = np.array(corners, dtype=np.float64)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.linspace(0, length[-1], count or int(np.ceil(length[-1] / STEP_MM)) + 1)
    return np.stack([np.interp(at, length, axis) for axis in line.T], axis=1)
