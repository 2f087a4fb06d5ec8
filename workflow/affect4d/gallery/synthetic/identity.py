"""Identity: how faces differ by sex, age, ancestry, weight and in single features.

Each mode is a difference of MPFB's targets, displaced by one standard deviation. People are
adults of 18 to 70 years: the mean is a young adult of 25 years, MPFB's "old" one of 90.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from affect4d.gallery.synthetic.mpfb import ANCESTRIES, SEXES, TARGETS, Face

BOUND_SD = 2.2  # standard deviations at which a person's coefficients are clipped
# Standard deviations, in differences of targets. At BOUND_SD age reaches 70 of 25 to 90 years, the
# sexes lie one deviation from their mean. Single features: by eye, so that none is a caricature.
SEX_SD, AGE_SD, ANCESTRY_SD, WEIGHT_SD, FEATURE_SD, ASYMMETRY_SD = 0.5, 0.31, 0.5, 0.4, 0.18, 0.18
# Folders of single features, and those among them that move the head as a whole or are no identity.
FEATURES = ("cheek", "chin", "eyebrows", "eyes", "forehead", "head", "mouth", "nose")
EXCLUDED = ("head-age", "head-trans", "head-back", "mouth-angles", "mouth-laugh-lines")
# Ends of the names of a feature's two targets.
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"),
)  # fmt: skip

Weights = dict[str, float]


def identity_modes(face: Face) -> NDArray[np.float32]:
    """Displacement of one standard deviation per mode: (M, V, 3), mm; the head stays in place."""
    modes = [*_macros(), *_features(face), *_asymmetries(face)]
    fields = np.array([face.field(mode) for mode in modes])
    # bodies of another height carry their heads elsewhere
    fields -= fields[:, face.template.landmark_vertices].mean(axis=1, keepdims=True)
    return fields.astype(np.float32)


def _mean(targets: list[str], sd: float) -> Weights:
    return {target: sd / len(targets) for target in targets}


def _macros() -> Iterator[Weights]:
    """Sex, age, two directions of ancestry, weight: differences of means of macro targets."""
    folder = f"{TARGETS}/macrodetails"

    def people(ages: str = "young", ancestries: tuple[str, ...] = ANCESTRIES,
               sexes: tuple[str, ...] = SEXES) -> list[str]:  # fmt: skip
        return [f"{folder}/{a}-{s}-{ages}" for a in ancestries for s in sexes]

    def universal(kind: str) -> list[str]:
        return [f"{folder}/universal-{sex}-{kind}" for sex in SEXES]

    middle = "averagemuscle-averageweight"
    yield _difference(people(sexes=("male",)), people(sexes=("female",)), SEX_SD)
    yield _difference(
        people("old") + universal(f"old-{middle}"), people() + universal(f"young-{middle}"), AGE_SD
    )
    for ancestry in ANCESTRIES[:2]:
        yield _difference(people(ancestries=(ancestry,)), people(), ANCESTRY_SD)
    heavy, light = (universal(f"young-averagemuscle-{end}weight") for end in ("max", "min"))
    yield _difference(heavy, light, WEIGHT_SD)


def _difference(more: list[str], less: list[str], sd: float) -> Weights:
    weights = _mean(more, sd)
    for target, weight in _mean(less, -sd).items():
        weights[target] = weights.get(target, 0.0) + weight
    return weights


def _features(face: Face) -> Iterator[Weights]:
    """Half the difference of a feature's two targets, of both sides where it has two."""
    for folder in FEATURES:
        names = [path for path in face.paths(folder) if "/r-" not in path]
        for low, high in OPPOSITES:
            for path in names:
                name = path.rsplit("/", 1)[1]
                if not name.endswith(f"-{low}") or name.startswith(EXCLUDED):
                    continue
                opposite = f"{path.removesuffix(low)}{high}"
                if opposite in names:
                    yield _both_sides({opposite: FEATURE_SD / 2, path: -FEATURE_SD / 2})


def _both_sides(weights: Weights) -> Weights:
    right = {re.sub("/l-", "/r-", target): weight for target, weight in weights.items()}
    return weights | right


def _asymmetries(face: Face) -> Iterator[Weights]:
    """Half the difference of an asymmetry's two sides; the ears' are left out."""
    for path in face.paths("asym"):
        if path.endswith("-l") and "/asym-" in path and "-ear-" not in path:
            half = ASYMMETRY_SD / 2
            yield {path: half, f"{path.removesuffix('-l')}-r": -half}
