"""What is measured of a face before it is used, and the rules that the measures are held to."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affect4d.config.neutrals import FaceRules
from affect4d.fitting.fits import fit
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import inter_ocular
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import load_template


class Scores(NamedTuple):
    """Measures of one face; the fields are columns of candidates.parquet.

    Attributes
    ----------
    eye_distance : pixels between the outer eye corners
    sharpness : see `affect4d.fitting.image_quality.sharpness`
    landmark_error : mean distance of the landmarks from the turned template's, in eye distances
    yaw : degrees, of the head
    covered : share of the skin whose colour is not the skin's: hair, glasses, a hand, hard shadow
    neutral : probability by the expression reader, NaN where it was not asked
    """

    eye_distance: float
    sharpness: float
    landmark_error: float
    yaw: float
    covered: float
    neutral: float = float("nan")


def score_face(
    image: NDArray[np.uint8], landmarks: NDArray[np.float64], *, by_reader: bool = False
) -> Scores:
    """Measure a face.

    Parameters
    ----------
    image : (H, W, 3)
    landmarks : (68, 2) pixels
    by_reader : whether the expression reader is asked as well: some seconds

    Raises
    ------
    ValueError
        The landmarks are those of no face.
    BadInput
        The reader is not installed, or fails.
    """
    quality = fit(image, landmarks, _usual_face()).quality
    return Scores(
        inter_ocular(landmarks),
        quality["sharpness"],
        quality["error_model"],
        quality["yaw"],
        quality["covered"],
        _read_neutral(image, landmarks) if by_reader else float("nan"),
    )


def find_broken_rule(scores: Scores, rules: FaceRules) -> str:
    """The first rule that a face breaks, as the reason why it is not used; "" without any."""
    for name, value, bound, is_least in (
        ("eye_distance", scores.eye_distance, rules.min_eye_distance, True),
        ("sharpness", scores.sharpness, rules.min_sharpness, True),
        ("landmark_error", scores.landmark_error, rules.max_landmark_error, False),
        ("yaw", abs(scores.yaw), rules.max_yaw, False),
        ("covered", scores.covered, rules.max_covered, False),
        ("neutral", scores.neutral, rules.min_neutral, True),
    ):
        if bound is not None and not (value >= bound if is_least else value <= bound):
            relation, prefix = ("less", "min") if is_least else ("more", "max")
            return f"{name} {value:.3g} is {relation} than {prefix}_{name} {bound:g}"
    return ""


@cache
def _usual_face() -> MorphableModel:
    """The template as a model without modes: a face is measured before there is another model."""
    template = load_template()
    none = np.zeros((0, *template.vertices.shape), np.float32)
    marks = photograph_vertices(template.vertices, template.landmark_vertices)
    return MorphableModel(template.vertices, none, none, template.triangles, marks)


def _read_neutral(image: NDArray[np.uint8], landmarks: NDArray[np.float64]) -> float:
    from affect4d.readers.reading import EXPRESSIONS, read_faces  # only where it is asked

    read = read_faces([image], [landmarks])
    return float(read.probabilities[0, EXPRESSIONS.index("neutral")])
