"""A face model, cameras and landmarks of known truth, for the tests of fitting."""

import numpy as np
from scipy.spatial.transform import Rotation

from affect4d.fitting import Camera, MorphableModel
from affect4d.geometry.raster import rasterise
from affect4d.template.ibug68 import JAW
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import load_template

IMAGE = np.zeros((600, 600, 3), np.uint8)
MIDDLE = np.array([299.5, 299.5])


def smooth_modes(vertices, count, deviation, seed):
    """Random smooth, symmetric displacement fields (count, V, 3) mm."""
    random = np.random.default_rng(seed)
    mirrored = vertices * [-1, 1, 1]
    modes = []
    for _ in range(count):
        waves, phase = random.normal(size=(24, 3)) / 90, random.uniform(0, 2 * np.pi, 24)
        amplitude = random.normal(size=(24, 3)) * deviation / np.sqrt(12)
        one, other = (np.cos(v @ waves.T + phase) @ amplitude for v in (vertices, mirrored))
        modes.append((one + other * [-1, 1, 1]) / 2)
    return np.array(modes, np.float32)


def smooth_model():
    """The template with ten smooth identity modes and three of expression."""
    template = load_template()
    return MorphableModel(
        template.vertices,
        smooth_modes(template.vertices, 10, 2.0, 0),
        smooth_modes(template.vertices, 3, 2.0, 1),
        template.triangles,
        photograph_vertices(template.vertices, template.landmark_vertices),
    )


def camera_at(yaw, pitch=4.0, roll=-6.0, scale=2.5, distance=np.inf):
    """A camera, `distance` mm away, whose yaw is positive towards the viewer's left."""
    rotation = Rotation.from_euler("YXZ", [-yaw, -pitch, roll], degrees=True).as_matrix()
    return Camera(scale, rotation, np.array([300.0, 290.0]), MIDDLE, 1 / distance)


def a_face(model, seed=3):
    """Identity coefficients of somebody."""
    return np.random.default_rng(seed).normal(size=len(model.identity)).clip(-1.5, 1.5)


def seen_landmarks(model, camera, identity, silhouette=False):
    """Projected landmarks; with `silhouette`, far-side jaw points lie where the face ends."""
    projected = camera.project(model.shape(identity, np.zeros(len(model.expression))))
    landmarks = projected[model.landmark_vertices, :2].astype(np.float64)
    if silhouette:
        ids, _ = rasterise(
            projected[:, :2], projected[:, 2], model.triangles, shape=IMAGE.shape[:2]
        )
        for k in range(7) if camera.yaw_degrees > 0 else range(10, len(JAW)):
            row = np.flatnonzero(ids[round(landmarks[k, 1])] >= 0)
            landmarks[k, 0] = row[0] if camera.yaw_degrees > 0 else row[-1]
    return landmarks
