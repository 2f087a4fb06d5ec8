"""Faces of known camera: ICT-FaceKit's people before a pinhole camera, and models that fit them.

The people of a model and those who are photographed are drawn apart, by name; a face is the sum of
ICT-FaceKit's identity components with normal weights. Landmarks are where annotators put them: the
inner ones on their vertices, the jaw's on the outline where the head hides its own jaw, all with
noise.
"""

from dataclasses import dataclass, replace

import ict_truth
import numpy as np
from scipy.spatial.transform import Rotation

from affect4d.config.fitting import Settings
from affect4d.fitting import Camera, MorphableModel
from affect4d.fitting.facekit import read_facekit
from affect4d.fitting.learning import identity_modes, principal_modes
from affect4d.fitting.smooth_identity import smooth_modes
from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.random_streams import named_rng
from affect4d.template.nose_ridge import photograph_vertices

SEED = 11
PEOPLE, POSING = 60, 20
WIDTH, HEIGHT = 640, 480
ANGLES_DEG = (40.0, 20.0, 15.0)  # yaw, pitch, roll: uniform within these
DISTANCE_MM = (400.0, 2000.0)  # its logarithm is uniform
SCALE = (0.7, 1.4)  # pixels per mm
ASIDE = (0.15, 0.08)  # of the picture: how far from its middle the face may be
NOISE = 0.01  # inter-ocular distance of the picture
JAW, EYES = 17, (36, 45)
CANVAS = 640
HIDDEN_MM = 6.0
LIGHT = np.array([0.3, 0.4, 0.86])


@dataclass(frozen=True)
class Shot:
    """A photograph: the face (V, 3) mm, its Camera, landmarks (68, 2), image (H, W, 3)."""

    face: np.ndarray
    camera: Camera
    landmarks: np.ndarray
    image: np.ndarray


def make_model(truth, components=slice(None)):
    """The model that PEOPLE people of ICT-FaceKit teach, who differ by some of its components."""
    settings, template = Settings(), truth.template
    kept = np.zeros(len(truth.identity))
    kept[components] = 1.0
    neutrals, apexes = {}, []
    for number in range(PEOPLE):
        name = f"model{number:03d}"
        weights = kept * named_rng(SEED, "fitting", name).normal(size=len(kept))
        neutrals[name] = template.vertices + np.tensordot(weights, truth.identity, axes=1)
        if number < POSING:
            skew = truth.skew(named_rng(SEED, "fitting skew", name))
            apexes += [truth.move(blend, skew) for blend in ict_truth.BLENDS.values()]
    mean, identity = identity_modes(neutrals, template, settings.identity_modes)
    apexes = np.array(apexes, dtype=np.float32)
    expression = principal_modes(apexes, settings.expression_modes, centred=False)
    vertices = photograph_vertices(template.vertices, template.landmark_vertices)
    smooth = smooth_modes(mean, template)
    return MorphableModel(mean, identity, expression, template.triangles, vertices, smooth)


def of_another_mean(truth):
    """The Truth of people whose mean is ICT-FaceKit's neutral face, as registration finds it, and
    not the template."""
    clone = ict_truth.clone().parent
    mean, identity = read_facekit(clone, truth.template, len(truth.identity))
    return replace(truth, template=replace(truth.template, vertices=mean), identity=identity)


def take_shots(truth, count, noise=NOISE, first=0):
    """`count` Shots of as many people; the landmarks' noise is in inter-ocular distances."""
    vertices = photograph_vertices(truth.template.vertices, truth.template.landmark_vertices)
    numbers = range(first, first + count)
    return [_shot(truth, f"shot{number:03d}", vertices, noise) for number in numbers]


def _shot(truth, name, landmark_vertices, noise):
    rng = named_rng(SEED, "fitting", name)
    weights = rng.normal(size=len(truth.identity))
    face = truth.template.vertices + np.tensordot(weights, truth.identity, axes=1)
    camera = _camera(rng)
    seen = camera.project(face)
    triangles = truth.template.triangles
    landmarks = _on_outline(seen, triangles, landmark_vertices, camera)
    size = np.linalg.norm(np.subtract(*seen[landmark_vertices[list(EYES)], :2]))
    landmarks = landmarks + rng.normal(size=landmarks.shape) * noise * size
    return Shot(face.astype(np.float32), camera, landmarks, _picture(face, seen, camera, triangles))


def _camera(rng):
    yaw, pitch, roll = rng.uniform(-1, 1, 3) * ANGLES_DEG
    rotation = Rotation.from_euler("YXZ", [-yaw, -pitch, roll], degrees=True).as_matrix()
    distance = np.exp(rng.uniform(*np.log(DISTANCE_MM)))
    centre = np.array([WIDTH - 1, HEIGHT - 1]) / 2
    shift = rng.uniform(-1, 1, 2) * ASIDE * np.array([WIDTH, HEIGHT])
    return Camera(rng.uniform(*SCALE), rotation, centre + shift, centre, 1 / distance)


def _on_outline(seen, triangles, landmark_vertices, camera):
    """Landmarks (68, 2) pixels; the jaw's that the head hides move sideways to its outline."""
    middle = seen[landmark_vertices, :2].mean(0)
    tilt = np.radians(camera.angles_degrees[2])
    upright = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    drawn = (seen[:, :2] - middle) @ upright.T + CANVAS / 2
    ids, weights = rasterise(drawn, seen[:, 2], triangles, shape=(CANVAS, CANVAS))
    depth = interpolate(seen[:, 2], triangles, (ids, weights))[..., 0]
    landmarks = drawn[landmark_vertices].astype(np.float64)
    for k in np.delete(np.arange(JAW), JAW // 2):
        x, y = np.rint(landmarks[k]).astype(int)
        near = (slice(y - 1, y + 2), slice(x - 1, x + 2))
        front = depth[near][ids[near] >= 0]
        behind = front.min() - seen[landmark_vertices[k], 2] if len(front) else 0.0
        if behind > HIDDEN_MM * camera.scale:
            row = np.flatnonzero(ids[y] >= 0)
            landmarks[k, 0] = row[0] if k < JAW // 2 else row[-1]
    return (landmarks - CANVAS / 2) @ upright + middle


def _picture(face, seen, camera, triangles):
    ids, weights = rasterise(seen[:, :2], seen[:, 2], triangles, shape=(HEIGHT, WIDTH))
    normals = vertex_normals(face, triangles) @ camera.rotation.T
    shade = interpolate(40 + 190 * np.clip(normals @ LIGHT, 0, 1), triangles, (ids, weights))
    return np.repeat(np.where(ids[..., None] >= 0, shade, 90), 3, axis=2).astype(np.uint8)
