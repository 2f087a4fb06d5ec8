"""Whole heads of ICT-FaceKit with eyes, teeth and tongue, and the way from them to the template.

The heads keep their own topology, so that nothing of what is shown in a photograph of them was made
by the code under test: lips part before ICT-FaceKit's teeth, lids close over its eyeballs. The
neutral face is registered to the template as any scan is; where on its surface each of the
template's vertices came from carries landmarks and displacements over. People and expressions are
those of `ict_truth.py`.
"""

from dataclasses import dataclass
from functools import cached_property

import ict_truth
import numpy as np

from affect4d.config.fitting import Settings
from affect4d.fitting import MorphableModel
from affect4d.fitting.learning import identity_modes, principal_modes
from affect4d.formats.facekit import LANDMARKS
from affect4d.geometry.similarity import Similarity, fit_similarity
from affect4d.geometry.surface import cotangent
from affect4d.random_streams import named_rng
from affect4d.registration import Registrar
from affect4d.registration.fill import Filler
from affect4d.template.ibug68 import NOSE_RIDGE
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import Template, load_template, make_template

SEED = 7
TRAINING, POSING = 60, 20
EXPRESSIONS = ("happiness", "surprise", "anger", "disgust", "sadness", "fear")
STRENGTH = (0.7, 1.0)
# The parts of ICT-FaceKit's topology, by their first vertices (its README).
PARTS = {
    "face": (0, 9409),
    "head": (9409, 11248),
    "socket": (11248, 13294),
    "orbit": (13294, 14062),
    "gums": (14062, 17039),
    "teeth": (17039, 21451),
    "left eye": (21451, 22221),
    "right eye": (23021, 23791),
}
NARROW_FACE = 6706  # vertices of the face without ears and neck
# What is registered: with the mouth closed, upper and lower lip could not be told apart.
OPENED = {"jawOpen": 0.6, "eyeWide": 1.0}
REACH_MM = 40.0  # over which a displacement fades beyond the skin that both faces have
TOLERANCE, SWEEPS = 1e-4, 2000


@dataclass(frozen=True)
class Heads:
    """ICT-FaceKit's shapes and their place on the template.

    Attributes
    ----------
    neutral : (N, 3) mm, the mean head in its own frame
    triangles : (F, 3) int32; part : (F,) int64, index into PARTS
    identity : (M, N, 3) mm, one standard deviation each
    expression : name -> (1 or 2, N, 3) mm at full strength: the whole, or left and right side
    template : Template, to which the face was registered
    corners : (V, 3) int64, into the heads' vertices, and weights (V, 3): where on the mean face
        each of the template's vertices lies; seen : (V,) bool, where it does
    placing : Similarity, the heads' frame to the template's
    """

    neutral: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    identity: np.ndarray
    expression: dict
    template: Template
    corners: np.ndarray
    weights: np.ndarray
    seen: np.ndarray
    placing: Similarity

    @cached_property
    def skin(self):
        """Face and head at rest, as a Template of their own topology."""
        vertices = self.neutral[: PARTS["head"][1]]
        triangles = self.triangles[self.part <= list(PARTS).index("head")]
        return make_template(vertices, triangles, self.neutral[LANDMARKS])

    @cached_property
    def weld(self):
        """(N,) int32: the first skin vertex of those that coincide, where two parts meet."""
        count = PARTS["head"][1]
        places = np.round(self.neutral[:count], 3)
        _, first, own = np.unique(places, axis=0, return_index=True, return_inverse=True)
        return np.r_[first[own.ravel()], np.arange(count, len(self.neutral))].astype(np.int32)

    @cached_property
    def narrow(self):
        """(F + 1,) bool: triangles of the face without ears and neck, or seen through its holes.

        The last is False: what a raster calls -1.
        """
        face = (self.triangles < NARROW_FACE).all(1)
        return np.r_[face | (self.part > list(PARTS).index("head")), False]

    @cached_property
    def _filler(self):
        return Filler(*cotangent(self.template.vertices, self.template.triangles), REACH_MM)

    def person(self, name):
        """The neutral head (N, 3) mm of somebody."""
        weights = named_rng(SEED, "truth", name).normal(size=len(self.identity))
        return self.neutral + np.tensordot(weights, self.identity, axes=1)

    def expressed(self, name, expression):
        """Displacement (N, 3) mm of somebody's expression."""
        rng = named_rng(SEED, "truth expression", name, expression)
        skew = {shape: ict_truth.SKEW_SD * rng.normal() for shape in sorted(self.expression)}
        strength = rng.uniform(*STRENGTH)
        return strength * ict_truth.mixed(self.expression, ict_truth.BLENDS[expression], skew)

    def on_template(self, displacement):
        """A displacement (N, 3) mm on the template: (V, 3) float32 mm, as a class's is."""
        change = self.placing.scale * self._carried(displacement) @ self.placing.rotation.T
        return self._filler.fill(change, self.seen, tolerance=TOLERANCE, sweeps=SWEEPS)

    def face(self, head):
        """A head's face on the template, (V, 3) mm."""
        rest = self.template.vertices
        change = self.placing.apply(self._carried(head)) - rest
        return rest + self._filler.fill(change, self.seen, tolerance=TOLERANCE, sweeps=SWEEPS)

    def _carried(self, values):
        return (self.weights[..., None] * values[self.corners]).sum(1)


def load(folder=None):
    """The Heads of a clone's shapes (about 30 s).

    Raises
    ------
    FileNotFoundError
        There is no clone.
    """
    folder = folder or ict_truth.clone()
    if folder is None:
        raise FileNotFoundError("no ICT-FaceKit here: set AFFECT4D_ICT to the folder of a clone")
    neutral = _positions(folder / "generic_neutral_mesh.obj")
    triangles, part = _triangles(folder / "generic_neutral_mesh.obj")
    identity = [_positions(path) - neutral for path in sorted(folder.glob("identity*.obj"))]
    needed = {shape for name in ict_truth.BLENDS for shape in ict_truth.BLENDS[name]}
    expression: dict = {}
    for path in sorted(folder.glob("*.obj")):
        shape = path.stem.removesuffix("_L").removesuffix("_R")
        if shape in needed:
            expression.setdefault(shape, []).append(_positions(path) - neutral)
    opened = neutral + ict_truth.mixed(expression, OPENED, dict.fromkeys(OPENED, 0.0))
    template = load_template()
    faces = triangles[part == 0]
    marks = opened[LANDMARKS]
    marks[NOSE_RIDGE[1:]] = np.nan  # the template's stop short of the tip of the nose
    found = Registrar(template).register(opened[: PARTS["face"][1]], faces, marks)
    corners, seen = faces[found.triangle], found.triangle >= 0
    points = (found.weights[..., None] * neutral[corners]).sum(1)
    placing = fit_similarity(points[seen], template.vertices[seen])
    return Heads(
        neutral, triangles, part, np.array(identity), expression, template, corners,
        found.weights, seen, placing,
    )  # fmt: skip


def make_model(heads):
    """The MorphableModel that TRAINING people teach, none of whom is photographed."""
    settings, template = Settings(), heads.template
    names = [f"training{number:03d}" for number in range(TRAINING)]
    neutrals = {name: heads.face(heads.person(name)) for name in names}
    moved = [
        heads.on_template(heads.expressed(name, expression))
        for name in names[:POSING]
        for expression in EXPRESSIONS
    ]
    average, identity = identity_modes(neutrals, template, settings.identity_modes)
    apexes = np.array(moved, dtype=np.float32)
    expression = principal_modes(apexes, settings.expression_modes, centred=False)
    vertices = photograph_vertices(template.vertices, template.landmark_vertices)
    return MorphableModel(average, identity, expression, template.triangles, vertices)


def _positions(path):
    rows = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")]
    return 10.0 * np.array(rows, dtype=float)


def _triangles(path):
    """The polygons of PARTS in fans, (F, 3) int32, and the part of each."""
    polygons = [
        [int(corner.partition("/")[0]) - 1 for corner in line.split()[1:]]
        for line in path.read_text().splitlines()
        if line.startswith("f ")
    ]
    fans = np.array([(p[0], p[k], p[k + 1]) for p in polygons for k in range(1, len(p) - 1)])
    bounds = np.array(list(PARTS.values()))
    low, high = fans.min(1)[:, None], fans.max(1)[:, None]
    own = (low >= bounds[:, 0]) & (high < bounds[:, 1])
    part = np.where(own.any(1), own.argmax(1), -1)
    head = list(PARTS).index("head")
    part[(part < 0) & (fans.max(1) < bounds[head, 1])] = head  # where face and head meet
    return fans[part >= 0].astype(np.int32), part[part >= 0]
