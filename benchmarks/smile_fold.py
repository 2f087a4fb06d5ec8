"""How wide, deep and far out the fold beside the nose is in smiles: of people, and of a build.

    python benchmarks/smile_fold.py --results results

The people of benchmarks/readers.py who show their teeth, at 1350 pixels; landmarks detected in the
picture itself. Across where the fold is expected, from beside the nose to beside the mouth, the
darkest path (skimage's route through an array) is each person's own line: a median over people
would be as wide as their lines lie apart. Of three thirds of it, for two halves of the people: how
far outside the expected place it lies, mm; then the profile about it, the median over people and
sides, as a slope, a step and a dark line: its standard deviation, mm, and its depth, logarithm of
luminance. The darkest path finds a line in any skin; what it finds in the neutral photographs of
the same people is printed as well.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import readers_people as make
from dense_flow import PER_MM, bring
from readers_landmarks import displacements, measures
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d, map_coordinates
from scipy.optimize import curve_fit
from skimage.graph import route_through_array
from smile_shading import HALVES, TEETH_MM

from affect4d.readers.reading import read_faces
from affect4d.synthesis.editing.scene import LUMINANCE
from affect4d.template.ibug68 import MOUTH_CORNERS, NOSE_WINGS

SIDE = 1350  # pixels of a photograph
# The expected line: mm outwards and downwards of wing and corner, the middle between both.
FROM_WING, FROM_CORNER = ((4, -8), (9, -2), (12, 4)), ((8, -14), (9, -9), (9, -2), (9, 5))
STATIONS = 96  # along it, half a mm apart
ACROSS = np.arange(-14, 14.01, 0.25)  # mm, positive outwards
SEARCH_MM, AROUND_MM = 6.0, 4.0  # of the path; standard deviation of what counts as around it
SMOOTH_MM, STEEP = 0.35, 0.01  # of the picture; price of a path's step, log of luminance
PROFILE = np.arange(-5, 5.01, 0.25)  # mm about the path
THIRDS = {"upper": slice(0, 32), "middle": slice(32, 64), "lower": slice(64, 96)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    people = make.open_people(None, SIDE, arguments.cache)
    moved = displacements(people.neutral.landmarks, people.smiling.landmarks)
    numbers = np.flatnonzero(measures(moved)["inner lips open"] > TEETH_MM)
    studio = make.Studio(arguments.results, people)
    target = {"smile": make.main_targets(arguments.results)["happiness"]}
    made = [studio.make(number, "warp", target).images["smile"] for number in numbers]
    pictures = {
        "neutral": [people.photograph(n) for n in numbers],
        "real smile": [people.photograph(n, smiling=True) for n in numbers],
        "made": made,
    }
    landmarks = {
        "neutral": people.neutral.landmarks[numbers],
        "real smile": people.smiling.landmarks[numbers],
        "made": read_faces(made).landmarks,
    }
    found = np.isfinite([*landmarks.values()]).all(axis=(0, 2, 3))
    if found.sum() < len(HALVES):
        sys.exit(f"two halves need two people, of {len(found)} {found.sum()} are found in each")
    rows = {}
    for name, images in pictures.items():
        lines = [own_lines(images[n], landmarks[name][n]) for n in np.flatnonzero(found)]
        places, profiles = (np.array(part) for part in zip(*lines, strict=True))
        for half, which in HALVES.items():
            for third, stations in THIRDS.items():
                there = profiles[which][:, :, stations].mean(axis=2).reshape(-1, len(PROFILE))
                deviation, depth = fitted(np.median(there, axis=0))
                outside = places[which][:, :, stations].mean()
                rows[name, half, third] = {"outside": outside, "sd": deviation, "depth": depth}
    print(f"{found.sum()} people who show their teeth; mm, mm, logarithm of luminance")
    print(pd.DataFrame(rows).T.unstack([1, 2]).round(2).T.unstack(0).to_string())
    return 0


def own_lines(image, landmarks):
    """Of both sides: the path's places (2, STATIONS) mm, the light about it (2, STATIONS, n)."""
    picture, marks = bring(image, landmarks)
    light = np.log(np.maximum(picture @ LUMINANCE, 1.0))
    light = cv2.GaussianBlur(light, (0, 0), SMOOTH_MM * PER_MM)
    places, profiles = [], []
    for wing, corner, outwards in zip(NOSE_WINGS, MOUTH_CORNERS, (-1, 1), strict=True):
        across = _across(light, marks[wing], marks[corner], outwards)
        found = ACROSS[_darkest_path(across)]
        places.append(found)
        rows = zip(found, across, strict=True)
        profiles.append([np.interp(place + PROFILE, ACROSS, row) for place, row in rows])
    return places, np.array(profiles)


def _across(light, wing, corner, outwards):
    """The light (STATIONS, len(ACROSS)) across the expected line."""
    upper, lower = (
        mark + PER_MM * np.array(offsets) * [outwards, 1]
        for mark, offsets in ((wing, FROM_WING), (corner, FROM_CORNER))
    )
    points = np.vstack([upper[:-1], (upper[-1:] + lower[:1]) / 2, lower[1:]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    line = CubicSpline(length, points)
    at = np.linspace(0, length[-1], STATIONS)
    along = line(at, 1)
    normal = outwards * np.stack([along[:, 1], -along[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    x, y = np.moveaxis(line(at)[:, None] + PER_MM * ACROSS[:, None] * normal[:, None], -1, 0)
    return map_coordinates(light, [y, x], order=1, mode="nearest")


def _darkest_path(across):
    """(STATIONS,) columns of the path that is darkest against its surroundings."""
    step = ACROSS[1] - ACROSS[0]
    against = across - gaussian_filter1d(across, AROUND_MM / step, axis=1)
    near = np.flatnonzero(np.abs(ACROSS) <= SEARCH_MM)
    cost = against[:, near] - against[:, near].min() + STEEP
    # a row before the first and one after the last, in which a path may begin and end anywhere
    free = np.full((1, len(near)), 1e-9)
    cost = np.vstack([free, cost, free])
    path, _ = route_through_array(cost, (0, 0), (len(cost) - 1, 0), geometric=True)
    columns = dict(path)  # the last column of each row
    return near[[columns[row] for row in range(1, STATIONS + 1)]]


def fitted(profile):
    """Standard deviation, mm, and depth of the dark line in a profile (len(PROFILE),)."""

    def shape(x, level, slope, step, depth, deviation):
        line = depth * np.exp(-0.5 * (x / deviation) ** 2)
        return level + slope * x + step * np.tanh(x / 2) - line

    bounds = [-np.inf, -0.1, -0.3, 0, 0.3], [np.inf, 0.1, 0.3, 0.5, 3]
    start = profile.mean(), 0.01, 0.02, 0.05, 1.0
    *_, depth, deviation = curve_fit(shape, PROFILE, profile, start, bounds=bounds)[0]
    return deviation, depth


if __name__ == "__main__":
    sys.exit(main())
