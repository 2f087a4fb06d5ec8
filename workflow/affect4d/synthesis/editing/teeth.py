"""Surfaces behind the lips: two rows of teeth with their gums, and a tongue, of adult size.

Coordinates are mm about the middle of the closed lips: x to the side, y up, z forward. Tones are
shares of the light that falls on them, less towards the mouth's corners (`mouth`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TOOTH, GUM, TONGUE, SOCKET, LIP = range(5)  # kinds of surface

ARCH_MM = (27.0, 38.0)  # half width and depth of the upper dental arch
ARCH_DEGREES = 80.0  # to each side, where the row ends out of sight
LOWER_ARCH = 0.9  # the lower arch closes inside the upper
# About the line of the closed lips: below it the upper teeth end, by what parted lips show of them
# up to the age of 29 (3.4 mm; later less: Vig & Brundo, J. Prosthet. Dent. 1978); crowns of central
# incisors are 10.5 and 9 mm long (Nelson, Wheeler's Dental Anatomy), and the upper overlap the
# lower by 2 mm.
UPPER_HEIGHTS_MM = (-3.4, 7.1, 15.1)  # biting edge, neck, top of the gum
LOWER_HEIGHTS_MM = (-1.4, -10.4, -18.1)  # biting edge, neck, bottom of the gum
# From the middle outwards (Nelson).
UPPER_WIDTHS_MM = (8.5, 6.6, 7.6, 7.0, 6.8, 9.5, 9.5)
LOWER_WIDTHS_MM = (5.3, 5.8, 6.8, 7.0, 7.0, 10.5, 10.5)
# How much shorter each ends than the central incisor: of the upper row the lateral incisor by half
# a millimetre and more, while the canine's cusp reaches as far and its sides do not (Nelson).
UPPER_SHORTER_MM = (0.0, 0.7, 0.2, 0.7, 1.0, 1.2, 1.2)
LOWER_SHORTER_MM = (0.0, 0.0, 0.0, 0.3, 0.5, 0.5, 0.5)
# Both rows rise towards the back, along the curve of Spee: this much at a right angle.
RISE_MM = 2.5
# Levels of a row's strip: to 1 from the biting edge to the neck, to 2 from there to the gum's end.
LEVELS = np.array([0, 0.05, 0.12, 0.3, 0.6, 0.85, 1.0, 1.0, 1.3, 2.0])
# Where two teeth meet is a thin line: the profile across a tooth is 0 over its middle half and
# rises by the tenth power to 1 at its sides. Their corners are rounded off and the gum rises there.
GAP_SLOPE, GAP_POWER = 4, 10
# Rounding of the biting edge, the power by which it and the shade grow across a tooth, its level.
CORNER_MM, CORNER_POWER, CORNER_LEVEL = 1.3, 4, 0.3
SCALLOP_MM, SCALLOP_LEVEL = 1.2, 0.5  # rise of the gum, and the level where it begins
# Tones, by eye: gaps, crowns that bulge along and across, gums.
GAP_DARKENING, CROWN_BULGE, CROWN_ROUND, GUM_TONE = 0.2, 0.12, 0.2, 0.8
LOWER_LIGHT = 0.8  # of what the upper teeth get
TONGUE_CENTRE_MM, TONGUE_RADII_MM = (0.0, -5.5, -19.0), (20.0, 13.5, 16.0)
TONGUE_ROWS, TONGUE_COLUMNS = 13, 33  # vertices of the ellipsoid's quarter
GROOVE_MM, GROOVE_DARKENING = 4.0, 0.12  # of the tongue's middle line: half width, and how much
TONGUE_DEPTH_MM = 17.0  # light falls by e this far into the mouth; by eye
TONGUE_AMBIENT, TONGUE_FROM_ABOVE = 0.6, 0.4
TONGUE_GAIN = 1.3  # it is wet; up to all the light


@dataclass(frozen=True)
class Surface:
    """Vertices (N, 3) mm, triangles (F, 3), their kinds (F,), the vertices' tones (N,)."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    tones: NDArray[np.float64]


@lru_cache(maxsize=2)
def surfaces(columns: int) -> tuple[Surface, Surface]:
    """What the head carries, and what the jaw does, in so many columns per row of teeth."""
    upper = _row(columns, UPPER_WIDTHS_MM, UPPER_HEIGHTS_MM, shorter=UPPER_SHORTER_MM)
    teeth = _row(
        columns, LOWER_WIDTHS_MM, LOWER_HEIGHTS_MM, shorter=LOWER_SHORTER_MM, arch=LOWER_ARCH
    )
    tongue = _tongue()
    lower = Surface(
        np.concatenate([teeth.vertices, tongue.vertices]),
        np.concatenate([teeth.faces, tongue.faces + len(teeth.vertices)]),
        np.concatenate([teeth.kinds, tongue.kinds]),
        np.concatenate([LOWER_LIGHT * teeth.tones, tongue.tones]),
    )
    return upper, lower


def _row(
    columns: int,
    widths: tuple[float, ...],
    heights: tuple[float, ...],
    *,
    shorter: tuple[float, ...],
    arch: float = 1.0,
) -> Surface:
    """One row of teeth with its gum: a strip along the arch from the biting edge to the gum."""
    half_width, depth = (arch * size for size in ARCH_MM)
    angle = np.radians(np.linspace(-ARCH_DEGREES, ARCH_DEGREES, columns))
    x, z = half_width * np.sin(angle), depth * (np.cos(angle) - 1)
    tooth, across = _teeth(x, z, widths)
    gap = np.clip(GAP_SLOPE / 2 * across - 1, 0, 1) ** GAP_POWER
    edge, neck, end = heights
    outward = np.sign(edge - neck)
    rise_back = RISE_MM * (1 - np.cos(angle))
    rows, tones = [], []
    for level in LEVELS:
        y = edge + level * (neck - edge) if level <= 1 else neck + (level - 1) * (end - neck)
        cut = np.asarray(shorter)[tooth] + CORNER_MM * across**CORNER_POWER
        corner = -outward * cut * np.clip(1 - level / CORNER_LEVEL, 0, 1)
        rise = np.clip((level - SCALLOP_LEVEL) / (1 - SCALLOP_LEVEL), 0, 1)
        scallop = outward * SCALLOP_MM * gap * rise
        rows.append(np.stack([x, y + rise_back + corner + scallop, z], axis=1))
        bulge = 1 - CROWN_BULGE + CROWN_BULGE * np.sin(np.pi * min(level, 1.0))
        crown = (1 - GAP_DARKENING * gap) * (1 - CROWN_ROUND * across**CORNER_POWER) * bulge
        tones.append(crown if level <= 1 else np.full(columns, GUM_TONE))
    strip = np.repeat(np.arange(len(LEVELS) - 1), 2 * (columns - 1))
    kinds = np.where(LEVELS[1:][strip] > 1.0, GUM, TOOTH).astype(np.uint8)
    faces = _grid_faces(len(LEVELS), columns)
    return Surface(np.concatenate(rows), faces, kinds, np.concatenate(tones))


def _teeth(
    x: NDArray[np.float64], z: NDArray[np.float64], widths: tuple[float, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Teeth (n,) at places (x, z) on the arch, and where on them: 0 the middle, 1 the sides."""
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    length = np.abs(length - length[len(length) // 2])
    bounds = np.concatenate([[0], np.cumsum(widths)])
    tooth = np.clip(np.searchsorted(bounds, length, side="right") - 1, 0, len(widths) - 1)
    return tooth, 2 * np.abs((length - bounds[tooth]) / np.asarray(widths)[tooth] - 0.5)


def _tongue() -> Surface:
    """The upper front of an ellipsoid that lies in the jaw."""
    around, up = np.meshgrid(
        np.linspace(0, np.pi, TONGUE_COLUMNS), np.linspace(0, np.pi / 2, TONGUE_ROWS)
    )
    unit = np.stack([np.cos(around) * np.cos(up), np.sin(up), np.sin(around) * np.cos(up)], -1)
    unit = unit.reshape(-1, 3)
    vertices = unit * TONGUE_RADII_MM + TONGUE_CENTRE_MM
    groove = 1 - GROOVE_DARKENING * np.exp(-((vertices[:, 0] / GROOVE_MM) ** 2))
    light = np.exp(vertices[:, 2] / TONGUE_DEPTH_MM)
    tones = light * (TONGUE_AMBIENT + TONGUE_FROM_ABOVE * unit[:, 1]) * groove
    faces = _grid_faces(TONGUE_ROWS, TONGUE_COLUMNS)
    kinds = np.full(len(faces), TONGUE, np.uint8)
    return Surface(vertices, faces, kinds, np.minimum(TONGUE_GAIN * tones, 1.0))


def _grid_faces(rows: int, columns: int) -> NDArray[np.int64]:
    """Two triangles (F, 3) for each cell of a grid of vertices, in row-major order."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    pairs = np.stack([np.stack([a, b, c], -1), np.stack([b, d, c], -1)], axis=2)
    return pairs.reshape(-1, 3)
