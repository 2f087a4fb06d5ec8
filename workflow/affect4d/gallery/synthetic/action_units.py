"""Facial action units (FACS, Ekman & Friesen 1978) as displacement fields on the face.

Each unit is a combination of MPFB's face units, which a modeller made after FACS and ARKit's
blendshapes, and of what these lack of the flesh's motion (`skin_motion`). The weights give a unit's
full intensity the extent that the FACS manual describes for "maximum"; those that move the mouth in
a smile follow real ones (docs/gallery.md). The face units
move the skin under a brow less the nearer it is to the lid, so that a brow that is lowered got
thinner; hair, muscle and fat of a brow move as one, and the thin skin of the lid gives way.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from affect4d.gallery.synthetic.mpfb import FACE_UNITS, Face
from affect4d.gallery.synthetic.skin_motion import added_motion
from affect4d.template.ibug68 import LEFT_BROW, MOUTH_CORNERS, NASION, RIGHT_BROW, UPPER_LID_LINES
from affect4d.template.template import Template

Floats = NDArray[np.float64]

SMILING_JAW = "AU12+26"  # of the two units, not of face units: see `smiling_jaw`

# Face units of each action unit, both sides, with their weights at full intensity.
UNIT_SHAPES: dict[str, Mapping[str, float]] = {
    "AU1": {"browInnerUp": 1.6},  # inner brow raiser
    # FACS describes 1 and 4 together as an appearance of its own, not as their sum: the brows are
    # drawn together while their inner ends rise and the rest stays.
    "AU1+4": {"browInnerUp": 2.0, "browDown": 0.7},
    "AU2": {"browOuterUp": 1.3, "browInnerUp": 0.2},  # outer brow raiser
    # brow lowerer; the face unit leaves the inner ends above the middle, which the corrugator and
    # the depressor supercilii lower at least as far
    "AU4": {"browDown": 0.85, "browInnerUp": -0.9},
    "AU5": {"eyeWide": 1.0},  # upper lid raiser
    # cheek raiser; the face unit's bulge under the eye shades it three times as much as smiles do
    "AU6": {"cheekSquint": 0.4, "eyeSquint": 0.3},
    "AU7": {"eyeSquint": 0.7},  # lid tightener
    # nose wrinkler; the face unit lowers the brows as far as AU4 does
    "AU9": {"noseSneer": 1.5, "mouthUpperUp": 0.4, "cheekSquint": 0.3, "browInnerUp": 0.5},
    "AU10": {"mouthUpperUp": 1.1, "noseSneer": 0.2},  # upper lip raiser
    # lip corner puller; it widens the nose, and the brows stay; of the lower lip see
    # docs/gallery.md
    "AU12": {
        "mouthSmile": 0.52, "mouthDimple": 0.3, "mouthLowerDown": 0.57, "noseSneer": 0.5,
        "browInnerUp": 0.3,
    },
    SMILING_JAW: {},
    "AU15": {"mouthFrown": 1.1},  # lip corner depressor
    "AU16": {"mouthLowerDown": 1.3},  # lower lip depressor
    "AU17": {"mouthShrugLower": 0.9},  # chin raiser
    "AU20": {"mouthStretch": 1.0, "mouthDimple": 0.25},  # lip stretcher
    # tightener; with AU24 the red of the lips loses half of its height
    "AU23": {"mouthRollUpper": 0.4, "mouthRollLower": 0.6, "mouthPucker": 0.2},
    # lip pressor; it moves the corners neither out nor up, as the face unit alone does
    "AU24": {
        "mouthPress": 0.2, "mouthRollUpper": 0.5, "mouthRollLower": 0.6, "mouthPucker": 0.1,
        "mouthFrown": 0.15,
    },
    "AU25": {"mouthLowerDown": 0.8, "mouthUpperUp": 0.4},  # lips part
    "AU26": {"jawOpen": 0.55},  # jaw drop
    "AU43": {"eyeBlink": 0.75},  # eyes closed
}  # fmt: skip
NAMES = tuple(UNIT_SHAPES)
UNPAIRED = ("browInnerUp", "jawOpen", "mouthPucker", "mouthRollLower", "mouthRollUpper",
            "mouthShrugLower")  # face units that are one for both sides  # fmt: skip
# Units that move the brows, and those in which they stay while the face unit of the nose that these
# have moves them; the others do not touch them.
BROWS_MOVE, BROWS_STAY = ("AU1", "AU1+4", "AU2", "AU4", "AU9"), ("AU10", "AU12")
# How a brow moves as one, mm from the line of its landmarks: all of it from this far below to this
# far above (half the height of its hair, by eye); from there upwards to FOREHEAD_MM, beside its
# ends to SIDE_MM and downwards to the lid, but at least to LEAST_MM, the skin goes over to the face
# unit's own motion.
BROW_MM, FOREHEAD_MM, SIDE_MM, LEAST_MM = (4.0, 2.0), 8.0, 9.0, 14.0
DEPTH_MM = 60.0  # behind the nasion, from which on it is the back of the head


def action_fields(face: Face) -> NDArray[np.float32]:
    """The units on the face: (A, V, 3), mm at full intensity."""
    weights, follow = _brows(face.template)
    moved = face_unit_fields(face)
    for name, added in added_motion(face.template, moved).items():
        moved[name] += added
    fields = np.array(list(moved.values()), np.float32)
    for name in (*BROWS_MOVE, *BROWS_STAY):
        field = fields[NAMES.index(name)]
        field += weights[:, None] * ((follow @ field if name in BROWS_MOVE else 0) - field)
    fields[NAMES.index(SMILING_JAW)] = smiling_jaw(fields, face.template)
    return fields


def face_unit_fields(face: Face) -> dict[str, Floats]:
    """What the face units alone do in each unit: {name: (V, 3)}, mm at full intensity."""
    return {name: face.field(_targets(shapes)) for name, shapes in UNIT_SHAPES.items()}


def smiling_jaw(fields: NDArray[np.float32], template: Template) -> NDArray[np.float32]:
    """AU12 and AU26 together, (V, 3) mm, of the fields (A, V, 3) of a generator's template.

    The jaw alone takes the corners of the lips along, half as far as the middle of the lower lip.
    In a smile the zygomaticus major, which comes from the cheekbone, holds them and the skin around
    them where it has pulled them; the lips between them part.
    """
    smile, jaw = (fields[NAMES.index(name)] for name in ("AU12", "AU26"))
    corners = template.landmarks[MOUTH_CORNERS]
    reach = np.linalg.norm(corners[1] - corners[0]) / 2  # the middle of the lips goes with the jaw
    apart = np.linalg.norm(template.vertices[:, None] - corners, axis=2).min(axis=1) / reach
    free = np.clip(apart, 0, 1)
    held: NDArray[np.float32] = smile + (free**2 * (3 - 2 * free))[:, None] * jaw
    return held.astype(np.float32)


def combine(units: Floats) -> Floats:
    """Intensities (T, A) with what AU12 and AU26 have in common as a unit of its own."""
    smile, jaw, both = (NAMES.index(name) for name in ("AU12", "AU26", SMILING_JAW))
    combined = np.array(units, np.float64)
    common = np.minimum(combined[..., smile], combined[..., jaw])
    combined[..., both] += common
    combined[..., [smile, jaw]] -= common[..., None]
    return combined


def _brows(template: Template) -> tuple[Floats, sparse.csr_matrix]:
    """How much vertices go with the brow (V,), and a matrix (V, V) that gives its motion there.

    The brow's motion at a vertex is that of its landmarks, interpolated from side to side.
    """
    vertices, landmarks = template.vertices, template.landmarks
    x, y = vertices[:, 0], vertices[:, 1]
    weights, follow = np.zeros(len(vertices)), sparse.csr_matrix((len(vertices),) * 2)
    for brow, lid in zip((RIGHT_BROW, LEFT_BROW), UPPER_LID_LINES, strict=True):
        across, height = landmarks[brow, 0], np.interp(x, *landmarks[brow, :2].T)
        down, up = height - y, y - height
        reach = np.maximum(height - np.interp(x, *landmarks[lid, :2].T), LEAST_MM)
        below = 1 - (down - BROW_MM[0]) / (reach - BROW_MM[0])
        above = 1 - (up - BROW_MM[1]) / (FOREHEAD_MM - BROW_MM[1])
        beside = 1 - np.maximum(across[0] - x, x - across[-1]) / SIDE_MM
        share = np.clip(np.minimum(below, above), 0, 1) * np.clip(beside, 0, 1)
        share *= vertices[:, 2] > landmarks[NASION, 2] - DEPTH_MM
        weights += share
        rows = np.flatnonzero(share)
        points = np.array([np.interp(x[rows], across, point) for point in np.eye(len(brow))]).T
        columns = np.tile(template.landmark_vertices[brow], (len(rows), 1))
        entries = (points.ravel(), (np.repeat(rows, len(brow)), columns.ravel()))
        follow += sparse.csr_matrix(entries, follow.shape)
    return weights, follow


def _targets(shapes: Mapping[str, float]) -> dict[str, float]:
    """The targets of face units, by path, with their weights."""
    return {
        f"{FACE_UNITS}/{shape}{side}": weight
        for shape, weight in shapes.items()
        for side in (("",) if shape in UNPAIRED else ("Left", "Right"))
    }
