"""Lips and teeth of real smiles, and of those that a build makes of the same people.

    python benchmarks/mouths.py                         # what the constants of lips and teeth say
    python benchmarks/mouths.py --results results       # a build's smiles beside them

40 people photographed neutral and smiling (AFFECT4D_LONDON names the folder of the Face Research
Lab London Set), landmarks detected in each photograph (`make face-readers`). Prints how the heights
of the lips' red follow the mouth's width, fitted on every other person and checked on the others;
the teeth's height over the lips' opening; their light and colour from the middle to the corners.
Of a build also how its mesh moves the landmarks, before and after lips are thinned.
The powers are tested on the people they were not fitted on: what they leave of a lip's height must
not differ from nothing (95 % interval of the median over people, exact), and where a height changes
at all, its interval lying beside nothing, the powers must explain it: leave less in the median
person than no power does.

Exit status 1 where a threshold is missed; 0, with a line that says so, where the folder is absent.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import readers_people as make
from scipy.stats import quantile_test
from thresholds import Threshold, check

from affect4d.readers.reading import read_faces
from affect4d.synthesis.editing.lips import THINNING
from affect4d.synthesis.editing.mouth import CHEEK_POWER, CHEEK_SHADE, SHADE_TINT
from affect4d.synthesis.editing.scene import LUMINANCE
from affect4d.template.ibug68 import (
    INNER_MOUTH_CORNERS,
    LOWER_INNER_LINE,
    LOWER_INNER_LIP,
    LOWER_LIP,
    MOUTH_CORNERS,
    OUTER_EYE_CORNERS,
    UPPER_INNER_LINE,
    UPPER_INNER_LIP,
    UPPER_LIP,
)

EYES_MM = 90.0
OPEN_MM = 4.0  # from which on teeth are measured
STEPS = 10  # from the middle to the corners
MIDDLE = 0.2  # half widths of the mouth, in which the teeth's height is measured
TOOTH_LIGHT, TOOTH_CHROMA = 0.6, 0.17  # least light of the brightest, greatest excess of chroma
MESHES = {"its mesh": {"lip_thinning": 0.0}, "its mesh, lips thinned": {}}  # by settings
ACROSS, DOWN = np.linspace(-1.1, 1.1, 221), np.linspace(-0.3, 0.8, 221)  # half widths


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, help="of a build")
    parser.add_argument("--people", type=int, help="the first N (default: all)")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    arguments = parser.parse_args()
    people = make.open_people(arguments.people, 675, arguments.cache)
    numbers = range(len(people.names))
    neutral = sizes(people.neutral.landmarks)
    smiles = {
        "real smile": (
            [people.photograph(number, smiling=True) for number in numbers],
            people.smiling.landmarks,
        )
    }
    if arguments.results:
        studio = make.Studio(arguments.results, people)
        target = {"happiness": make.main_targets(arguments.results)["happiness"]}
        images = [studio.make(n, "warp", target).images["happiness"] for n in numbers]
        smiles["happiness"] = (images, read_faces(images).landmarks)
        meshes = {
            name: people.neutral.landmarks + [_moved(studio, n, target, options) for n in numbers]
            for name, options in MESHES.items()
        }
    rows, profiles = {}, {}
    for name, (images, landmarks) in smiles.items():
        ratios = sizes(landmarks) / neutral
        opening = sizes(landmarks)["opening"]
        teeth = [measure_teeth(*pair) for pair in zip(images, landmarks, strict=True)]
        shown = [each for each, gap in zip(teeth, opening, strict=True) if gap > OPEN_MM]
        shares = [each[0] for each in shown]
        rows[name] = {
            **ratios_of(ratios),
            "opening, mm": quartiles(opening),
            "open": f"{len(shown)} of {len(opening)}",
            "teeth / opening": quartiles(shares) if shares else "",
        }
        if shown:
            profiles[name] = np.nanmedian([each[1] for each in shown], axis=0)
            print(f"{name}: red, green, blue lost per light lost: {tints(shown)}")
    if arguments.results:
        rows |= {name: ratios_of(sizes(moved) / neutral) for name, moved in meshes.items()}
    print(pd.DataFrame(rows).fillna("").to_string())
    way = (np.arange(STEPS) + 0.5) / STEPS
    profiles["law"] = 1 / (1 + (way / CHEEK_SHADE) ** CHEEK_POWER)
    print("light on the teeth from the middle of the mouth to the corners")
    print(pd.DataFrame(profiles, index=np.round(way, 2)).T.round(2).to_string())
    print(f"shade of teeth, used: red, green, blue {SHADE_TINT}")
    return check(powers(neutral, sizes(people.smiling.landmarks)))


def ratios_of(ratios):
    """{row: quartiles} of what lips are over what they were."""
    return {
        "mouth width / neutral": quartiles(ratios["width"]),
        "upper red / neutral": quartiles(ratios["upper"]),
        "lower red / neutral": quartiles(ratios["lower"]),
    }


def _moved(studio, number, target, options):
    """(68, 2) pixels by which a build's mesh moves a person's landmarks in happiness."""
    made = studio.make(number, "warp", target, motion=True, options=options)
    return made.moved["happiness"]


def quartiles(values):
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def sizes(landmarks):
    """Table of mm: heights of the lips' red, width of the mouth, opening, of (N, 68, 2)."""

    def apart(some, others):
        return np.linalg.norm(landmarks[:, some] - landmarks[:, others], axis=2).mean(1)

    scale = EYES_MM / apart(OUTER_EYE_CORNERS[:1], OUTER_EYE_CORNERS[1:])
    return pd.DataFrame(
        {
            "upper": scale * apart(UPPER_LIP, UPPER_INNER_LIP),
            "lower": scale * apart(LOWER_LIP, LOWER_INNER_LIP),
            "width": scale * apart(MOUTH_CORNERS[:1], MOUTH_CORNERS[1:]),
            "opening": scale * apart(UPPER_INNER_LIP, LOWER_INNER_LIP),
        }
    )


def powers(neutral, smiling):
    """Powers of the mouth's width, of every other person, and thresholds on the others."""
    logs, thresholds = np.log(smiling / neutral), []
    fitted, others = logs[::2], logs[1::2]
    for lip, used in zip(("upper", "lower"), THINNING, strict=True):
        power = least_deviating(fitted["width"], -fitted[lip])
        left = others[lip] + used * others["width"]
        spans = {name: interval(each) for name, each in (("law", left), ("none", others[lip]))}
        print(
            f"{lip} red: power {-power:.2f} of the width, used {-used:g}; on the other people, "
            f"median log {others[lip].median():.2f} ({spans['none'][0]:.2f} to "
            f"{spans['none'][1]:.2f}), left {left.median():.2f} ({spans['law'][0]:.2f} to "
            f"{spans['law'][1]:.2f})"
        )
        what = f"{lip} red: median left on the other people, log"
        thresholds += [
            Threshold(f"{what}: interval from", spans["law"][0], 0.0),
            Threshold(f"{what}: interval to", spans["law"][1], 0.0, at_least=True),
        ]
        if spans["none"][1] < 0 or spans["none"][0] > 0:
            gained = others[lip].abs() - left.abs()
            thresholds.append(
                Threshold(f"{lip} red: explained, log", gained.median(), 0.0, at_least=True)
            )
    return thresholds


def least_deviating(logs, wanted):
    """The power p of least sum of |wanted - p logs|, which no few strong smiles decide."""
    ratios = wanted / logs
    rows = np.argsort(ratios)
    weights = np.cumsum(np.abs(logs.to_numpy()[rows]))
    return ratios.to_numpy()[rows][np.searchsorted(weights, weights[-1] / 2)]


def interval(values):
    """95 % interval of the median over people, by the sign test: exact for any distribution."""
    return quantile_test(values, q=0.0, p=0.5).confidence_interval(0.95)


def measure_teeth(image, landmarks):
    """Teeth's height over the opening; (STEPS,) light; (STEPS, 3) log of colours lost."""
    middle = landmarks[INNER_MOUTH_CORNERS].mean(0)
    across = (landmarks[INNER_MOUTH_CORNERS[1]] - landmarks[INNER_MOUTH_CORNERS[0]]) / 2
    down = np.array([-across[1], across[0]])
    places = middle + ACROSS[None, :, None] * across + DOWN[:, None, None] * down
    x, y = np.moveaxis(places.astype(np.float32), -1, 0)
    mouth = cv2.remap(image, x, y, cv2.INTER_LINEAR).astype(float)
    ring = landmarks[[*UPPER_INNER_LINE, *LOWER_INNER_LINE[-2:0:-1]]] - middle
    axes = np.stack([across, down], axis=1) / (across @ across)
    corners = (ring @ axes - [ACROSS[0], DOWN[0]]) / [ACROSS[1] - ACROSS[0], DOWN[1] - DOWN[0]]
    inside = np.zeros(mouth.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.rint(16 * corners).astype(np.int32)], 1, shift=4)
    inside = inside > 0
    light = mouth @ LUMINANCE
    brightest = np.percentile(light[inside], 90)
    white = inside & (light > 0.85 * brightest)
    chroma = np.ptp(mouth, axis=2) / mouth.max(axis=2)
    tooth = (light > TOOTH_LIGHT * brightest) & (chroma < np.median(chroma[white]) + TOOTH_CHROMA)
    columns = np.abs(ACROSS) < MIDDLE
    share = (tooth & inside)[:, columns].sum() / inside[:, columns].sum()
    reference, lights, lost = np.median(mouth[white], axis=0), [], []
    for step in range(STEPS):
        part = inside & (np.abs(np.abs(ACROSS) * STEPS - step - 0.5) <= 0.5)
        if part.sum() < STEPS:
            lights.append(np.nan)
            lost.append([np.nan] * 3)
            continue
        lights.append(np.percentile(light[part], 75) / brightest)
        bright = part & (light >= np.percentile(light[part], 60))
        lost.append(np.log(mouth[bright].mean(axis=0) / reference))
    return share, np.array(lights), np.array(lost)


def tints(shown):
    """What the colours lose per luminance lost, where it is between a tenth and a half."""
    lost = np.nanmedian([each[2] for each in shown], axis=0)
    of_light = lost @ LUMINANCE
    rows = (of_light < np.log(0.9)) & (of_light > np.log(0.5))
    return np.round((lost[rows] / of_light[rows, None]).mean(0), 2)


if __name__ == "__main__":
    sys.exit(main())
