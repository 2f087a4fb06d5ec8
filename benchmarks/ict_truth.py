"""Scans of known correspondence: ICT-FaceKit's people and expressions on the template.

ICT-FaceKit's identity and expression shapes (Li et al., CVPR 2020) are displacements on its own
topology. They are carried to the template once, through a correspondence of the two neutral faces;
from then on a face's truth is the template plus displacements, known at every vertex. A scan is
that surface in another topology, with noise, holes, fragments, a pose and noisy landmarks.

The folder is a clone of ICT-FaceKit, or part of one: the environment variable AFFECT4D_ICT names it
(or an archive of it).
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import igl
import numpy as np
from scipy import sparse
from scipy.spatial.transform import Rotation

from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.texture import paint, texture_uv
from affect4d.gallery.synthetic.topology import scan_topology
from affect4d.geometry.similarity import fit_similarity
from affect4d.geometry.surface import cotangent, subdivide, vertex_normals
from affect4d.random_streams import named_rng
from affect4d.registration import prepare
from affect4d.registration.fill import Filler
from affect4d.registration.spline import SurfaceSpline
from affect4d.template.template import load_template, make_template

ARCHIVE = Path(__file__).parents[2] / "shared/data/ict_facekit_subset.tar.xz"
FACE_VERTICES = 9409
# Beyond this distance (mm) a template vertex has no counterpart on ICT's face.
FARTHEST_MM = 3.0
IDENTITY_SD = 1.0
SKEW_SD = 0.2
# Other people than those with whom the method's constants were chosen (seed 0).
SEED = 1
SCAN_VERTICES = 65_000
NOISE_MM, LANDMARK_NOISE_MM = 0.2, 1.0
HOLES, HOLE_MM = 4, (4.0, 9.0)
ANGLE_DEG, SHIFT_MM = (15.0, 30.0, 15.0), 100.0
# Expressions as they occur together: FACS prototypes and movements of speech.
BLENDS = {
    "happiness": {"mouthSmile": 1.0, "cheekRaiser": 0.8, "cheekSquint": 0.5, "jawOpen": 0.15},
    "surprise": {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 1.0, "jawOpen": 0.6},
    "anger": {"browDown": 1.0, "eyeSquint": 0.6, "mouthPress": 0.7, "noseSneer": 0.3},
    "disgust": {"noseSneer": 1.0, "mouthUpperUp": 0.7, "browDown": 0.5, "cheekRaiser": 0.4},
    "sadness": {"browInnerUp": 0.9, "mouthFrown": 1.0, "mouthShrugLower": 0.5},
    "fear": {"browInnerUp": 0.8, "browDown": 0.4, "eyeWide": 0.8, "mouthStretch": 0.9,
             "jawOpen": 0.25},
    "speech": {"mouthFunnel": 0.7, "jawOpen": 0.3, "mouthLowerDown": 0.4},
    "pucker": {"mouthPucker": 1.0, "cheekPuff": 0.5},
}  # fmt: skip


def clone():
    """The folder of ICT-FaceKit's shapes, unpacked where need be; None where there is none."""
    place = Path(os.environ.get("AFFECT4D_ICT", ARCHIVE))
    if place.is_file():
        place = _unpacked(place)
    found = sorted(place.rglob("generic_neutral_mesh.obj")) if place.is_dir() else []
    return found[0].parent if found else None


def _unpacked(archive):
    folder = Path(tempfile.gettempdir()) / f"ict_facekit_{os.getuid()}"
    if not folder.exists():
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}_"))
        shutil.unpack_archive(archive, unfinished)
        unfinished.rename(folder)
    return folder


@dataclass(frozen=True)
class Truth:
    """The template with ICT's shapes on it.

    Attributes
    ----------
    template : Template
    identity : (M, V, 3) mm, one standard deviation each
    expression : name -> (1 or 2, V, 3) mm at full strength: the whole, or left and right side
    finer : Template, subdivided, from which scans are decimated
    split : (V', V) csr, carries values from the template to the finer one
    topologies : list of Topology, the scans', on the finer template
    """

    template: object
    identity: np.ndarray
    expression: dict
    finer: object
    split: sparse.csr_matrix
    topologies: list

    def person(self, name, seed=0):
        """A neutral face (V, 3) mm."""
        weights = named_rng(seed, "ict", name).normal(size=len(self.identity)) * IDENTITY_SD
        return self.template.vertices + np.tensordot(weights, self.identity, axes=1)

    def move(self, strengths, skew):
        """Displacement (V, 3) mm of expressions by name and strength; `skew` (by name) is how much
        stronger the left side moves, and weaker the right one."""
        return mixed(self.expression, strengths, skew)

    def skew(self, rng):
        """How a person's expressions differ between the sides."""
        return {name: SKEW_SD * rng.normal() for name in self.expression}


def mixed(shapes, strengths, skew):
    """The sum of shapes, name -> (1 or 2, N, 3) mm, as of `Truth.expression` and `Truth.move`."""
    total = np.zeros_like(next(iter(shapes.values()))[0], dtype=float)
    for name, strength in strengths.items():
        sides = shapes[name]
        for side, sign in zip(sides, (1, -1) if len(sides) == 2 else (0,), strict=True):
            total += strength * (1 + sign * skew[name]) * side
    return total


@dataclass(frozen=True)
class Scan:
    """What a scanner delivers of a face, and the face itself.

    Attributes
    ----------
    vertices, landmarks : (N, 3) float32, (68, 3), mm, the scan's own frame
    triangles : (F, 3) int32
    uv : (N, 2) float32, v up
    truth : (V, 3) mm, the template's vertices on the face, in the scan's own frame
    face : (V, 3) mm, the same before the pose
    """

    vertices: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    landmarks: np.ndarray
    truth: np.ndarray
    face: np.ndarray


def load(folder=None, scan_vertices=SCAN_VERTICES, topologies=2):
    """The Truth of a clone's shapes (about 20 s).

    Raises
    ------
    FileNotFoundError
        There is no clone.
    """
    folder = folder or clone()
    if folder is None:
        raise FileNotFoundError("no ICT-FaceKit here: set AFFECT4D_ICT to the folder of a clone")
    folder = Path(folder)
    template = load_template()
    reference = prepare(template)
    neutral = _positions(folder / "generic_neutral_mesh.obj")
    faces = _triangles(folder / "generic_neutral_mesh.obj")
    carry = _Carrier(reference, neutral, faces, _marks(folder))
    identity = [carry(_positions(p)) for p in sorted(folder.glob("identity*.obj"))]
    expression: dict = {}
    for path in sorted(folder.glob("*.obj")):
        name = path.stem.removesuffix("_L").removesuffix("_R")
        if name.startswith(("identity", "generic", "eyeLook", "Pupil")):
            continue
        expression.setdefault(name, []).append(carry(_positions(path)))
    finer, split = _subdivide(template)
    made = [
        scan_topology(finer, f"ict{k}", vertices=scan_vertices, seed=0) for k in range(topologies)
    ]
    return Truth(template, np.array(identity), expression, finer, split, made)


def _positions(path):
    lines = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")]
    return 10.0 * np.array(lines[:FACE_VERTICES], dtype=float)


def _triangles(path):
    corners = [
        [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
        for line in path.read_text().splitlines()
        if line.startswith("f ")
    ]
    fans = [(f[0], f[k], f[k + 1]) for f in corners for k in range(1, len(f) - 1)]
    faces = np.array(fans)
    return faces[(faces < FACE_VERTICES).all(1)]


def _marks(folder):
    return json.loads((folder / "vertex_indices.json").read_text())["idx_to_landmark_verts"]


class _Carrier:
    """Displacements on ICT's neutral face carried to the template."""

    def __init__(self, reference, neutral, faces, marks):
        template = reference.template
        self.fit = fit_similarity(neutral[marks], template.landmarks)
        placed = self.fit.apply(neutral)
        spline = SurfaceSpline(
            reference.kernel,
            template.vertices,
            centres=template.landmark_vertices,
            weights=np.ones(68),
        )
        way = placed[marks] - template.landmarks
        near = template.vertices + spline.evaluate(spline.fit(way, 0.05)[0])
        normals = vertex_normals(near, template.triangles)
        square, triangle, points = igl.point_mesh_squared_distance(
            np.ascontiguousarray(near, dtype=float), placed, faces
        )
        face_normals = igl.per_face_normals(placed, faces, np.array([0.0, 0.0, 1.0]))
        facing = (normals * face_normals[triangle]).sum(1) > 0.3
        self.seen = (square < FARTHEST_MM**2) & facing
        corners = placed[faces[triangle]]
        self.weights = igl.barycentric_coordinates(
            points, corners[:, 0], corners[:, 1], corners[:, 2]
        )
        self.corners = faces[triangle]
        self.neutral = neutral
        laplacian, area = cotangent(template.vertices, template.triangles)
        self.filler = Filler(laplacian, area, fade_mm=40.0)
        # a step of diffusion takes off the edges of ICT's larger triangles
        self.smooth = sparse.linalg.splu((sparse.diags(area) + 1.5 * laplacian).tocsc())
        self.area = area

    def __call__(self, shape):
        change = (shape - self.neutral)[self.corners]
        field = np.einsum("vk,vkc->vc", self.weights, change)
        field = self.fit.scale * field @ self.fit.rotation.T
        filled = self.filler.fill(field, self.seen, tolerance=1e-4, sweeps=2000)
        return self.smooth.solve(self.area[:, None] * filled.astype(float))


def _subdivide(template):
    """The template with every triangle in four, and the matrix that carries values there."""
    count = len(template.vertices)
    triangles, ends = subdivide(template.triangles, count)
    rows = np.concatenate([np.arange(count), np.repeat(np.arange(len(ends)) + count, 2)])
    columns = np.concatenate([np.arange(count), ends.ravel()])
    values = np.concatenate([np.ones(count), np.full(2 * len(ends), 0.5)])
    split = sparse.csr_matrix((values, (rows, columns)))
    return make_template(split @ template.vertices, triangles, template.landmarks), split


def scan(truth, face, rng, pose=None, topology=0, noise=NOISE_MM, landmark_noise=LANDMARK_NOISE_MM):
    """A raw Scan of a face (V, 3) mm."""
    rotation, shift = pose or random_pose(rng)
    mesh = truth.topologies[topology]
    points = mesh.place(truth.split @ face)
    uv = mesh.place(truth.split @ texture_uv(truth.template))
    points, uv, triangles = scanned(points, uv, mesh.triangles, rng, noise)
    marks = truth.template.landmarks_on(face)
    marks = marks + landmark_noise * rng.normal(size=marks.shape)
    return Scan(
        (points @ rotation.T + shift).astype(np.float32),
        triangles.astype(np.int32),
        uv.astype(np.float32),
        marks @ rotation.T + shift,
        face @ rotation.T + shift,
        face,
    )


def scanned(points, uv, triangles, rng, noise=NOISE_MM):
    """Vertices (N, 3), uv and triangles of a surface as a scanner shows them: noise (mm), holes,
    floating fragments."""
    keep = np.ones(len(points), dtype=bool)
    for _ in range(rng.integers(HOLES + 1)):
        centre = points[rng.integers(len(points))]
        keep &= np.linalg.norm(points - centre, axis=1) > rng.uniform(*HOLE_MM)
    triangles = triangles[keep[triangles].all(1)]
    points = points + noise * rng.normal(size=points.shape)
    return _add_fragments(points, uv, triangles, rng)


def _add_fragments(points, uv, triangles, rng):
    for _ in range(3):
        near = points[rng.integers(len(points))]
        cloud = near + rng.normal(0, 18, 3) + rng.normal(0, 2.5, (12, 3))
        strip = len(points) + np.arange(10)[:, None] + np.arange(3)
        points = np.concatenate([points, cloud])
        uv = np.concatenate([uv, np.full((12, 2), 0.5)])
        triangles = np.concatenate([triangles, strip])
    return points, uv, triangles


def random_pose(rng):
    """(rotation (3, 3), shift (3,) mm)"""
    angles = np.clip(rng.normal(size=3), -2, 2) * ANGLE_DEG
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return rotation, rng.normal(size=3) * SHIFT_MM


def slow_poses(rng, frames):
    """(rotation, shift in mm) of each frame of a sequence in which the head moves slowly."""
    moves = 0.8 * rng.normal(size=6) + 0.4 * smooth_noise(rng, frames, 8.0, channels=6)
    rotations = Rotation.from_euler("xyz", 6.0 * moves[:, :3], degrees=True).as_matrix()
    return list(zip(rotations, 25.0 * moves[:, 3:], strict=True))


def singles(truth, count, seed=0, **options):
    """`count` (name, Scan): another person each, every blend of expressions in turn."""
    names = list(BLENDS)
    for number in range(count):
        name = f"p{number:03d}"
        rng = named_rng(seed, "ict single", name)
        face = truth.person(name, seed)
        if number % 4:
            strengths = BLENDS[names[number % len(names)]]
            face = face + rng.uniform(0.5, 1.0) * truth.move(strengths, truth.skew(rng))
        yield name, scan(truth, face, rng, topology=number % len(truth.topologies), **options)


def sequence(truth, number, frames=20, seed=0, **options):
    """A person's Scans from neutral to an apex and back, and the texture (H, W, 3) of the face."""
    name = f"p{number:03d}"
    rng = named_rng(seed, "ict sequence", name)
    person, skew = truth.person(name, seed), truth.skew(rng)
    blends = [list(BLENDS)[number % len(BLENDS)], list(BLENDS)[(number + 3) % len(BLENDS)]]
    time = np.arange(frames) / (frames - 1)
    first = np.clip(np.minimum(time / 0.3, (0.75 - time) / 0.25), 0, 1)
    second = 0.5 * np.clip(np.minimum((time - 0.45) / 0.3, (1.1 - time) / 0.25), 0, 1)
    twitch = 0.05 * np.abs(smooth_noise(rng, frames, 3.0, channels=len(truth.expression)))
    twitch[0] = 0.0
    poses, made = slow_poses(rng, frames), []
    for t in range(frames):
        face = person + first[t] * truth.move(BLENDS[blends[0]], skew)
        face = face + second[t] * truth.move(BLENDS[blends[1]], skew)
        face = face + truth.move(dict(zip(truth.expression, twitch[t], strict=True)), skew)
        topology = int(rng.integers(len(truth.topologies)))
        made.append(scan(truth, face, rng, poses[t], topology, **options))
    return made, paint(truth.template, name, seed)
