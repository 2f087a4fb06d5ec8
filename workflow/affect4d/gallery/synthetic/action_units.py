"""Facial action units (FACS, Ekman & Friesen 1978) as displacement fields on the face.

Each unit is a combination of MPFB's face units, which a modeller made after FACS and ARKit's
blendshapes. The weights give a unit's full intensity the extent that the FACS manual describes for
"maximum"; those that move the mouth in a smile follow real ones (docs/gallery.md).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from affect4d.gallery.synthetic.mpfb import FACE_UNITS, Face

# Face units of each action unit, both sides, with their weights at full intensity.
UNIT_SHAPES: dict[str, Mapping[str, float]] = {
    "AU1": {"browInnerUp": 1.6},  # inner brow raiser
    # FACS describes 1 and 4 together as an appearance of its own, not as their sum: the brows are
    # drawn together while their inner ends rise and the rest stays.
    "AU1+4": {"browInnerUp": 2.0, "browDown": 0.7},
    "AU2": {"browOuterUp": 1.3, "browInnerUp": 0.2},  # outer brow raiser
    # brow lowerer; the face unit leaves the inner ends above the middle, which the corrugator and
    # the depressor supercilii lower at least as far
    "AU4": {"browDown": 0.9, "browInnerUp": -1.0},
    "AU5": {"eyeWide": 1.0},  # upper lid raiser
    "AU6": {"cheekSquint": 1.0, "eyeSquint": 0.15},  # cheek raiser
    "AU7": {"eyeSquint": 0.7},  # lid tightener
    # nose wrinkler; the face unit lowers the brows as far as AU4 does
    "AU9": {"noseSneer": 1.5, "mouthUpperUp": 0.4, "cheekSquint": 0.3, "browInnerUp": 0.5},
    "AU10": {"mouthUpperUp": 1.1, "noseSneer": 0.2},  # upper lip raiser
    # lip corner puller; it widens the nose, and the brows stay
    "AU12": {
        "mouthSmile": 0.52, "mouthDimple": 0.3, "mouthLowerDown": 0.6, "noseSneer": 0.5,
        "browInnerUp": 0.3,
    },
    "AU15": {"mouthFrown": 1.1},  # lip corner depressor
    "AU16": {"mouthLowerDown": 1.3},  # lower lip depressor
    "AU17": {"mouthShrugLower": 0.9},  # chin raiser
    "AU20": {"mouthStretch": 1.0, "mouthDimple": 0.25},  # lip stretcher
    "AU23": {"mouthRollUpper": 0.25, "mouthRollLower": 0.35, "mouthPucker": 0.2},  # tightener
    # lip pressor; it moves the corners neither out nor up, as the face unit alone does
    "AU24": {
        "mouthPress": 0.2, "mouthRollUpper": 0.3, "mouthRollLower": 0.3, "mouthPucker": 0.1,
        "mouthFrown": 0.15,
    },
    "AU25": {"mouthLowerDown": 0.8, "mouthUpperUp": 0.4},  # lips part
    "AU26": {"jawOpen": 0.55},  # jaw drop
    "AU43": {"eyeBlink": 0.75},  # eyes closed
}  # fmt: skip
NAMES = tuple(UNIT_SHAPES)
UNPAIRED = ("browInnerUp", "jawOpen", "mouthPucker", "mouthRollLower", "mouthRollUpper",
            "mouthShrugLower")  # face units that are one for both sides  # fmt: skip


def action_fields(face: Face) -> NDArray[np.float32]:
    """The units on the face: (A, V, 3), mm at full intensity."""
    return np.array([face.field(_targets(UNIT_SHAPES[name])) for name in NAMES], dtype=np.float32)


def _targets(shapes: Mapping[str, float]) -> dict[str, float]:
    """The targets of face units, by path, with their weights."""
    return {
        f"{FACE_UNITS}/{shape}{side}": weight
        for shape, weight in shapes.items()
        for side in (("",) if shape in UNPAIRED else ("Left", "Right"))
    }
