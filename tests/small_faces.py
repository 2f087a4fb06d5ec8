"""A fitted face in a picture without a repeat, and deformations of it."""

from functools import lru_cache

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera, Fit
from affect4d.formats.template import load_template
from affect4d.geometry.raster import interpolate
from affect4d.geometry.surface import cotangent, vertex_normals
from affect4d.synthesis.anatomy import default_anatomy
from affect4d.synthesis.scene import make_scene
from affect4d.synthesis.synthesize import Editor

SIZE = 256
TEMPLATE = load_template()


def camera(degrees=8):
    """One pixel a mm, the head turned."""
    turn = np.radians(degrees)
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    return Camera(1.0, rotation, np.array([120.0, 120.0]))


def fit_of(view, **quality):
    """The template seen by a camera."""
    landmarks = view.project(TEMPLATE.landmarks)[:, :2]
    offset = np.zeros((len(TEMPLATE.vertices), 2), np.float32)
    one = np.zeros(1)
    return Fit(view, one, one, TEMPLATE.vertices, offset, landmarks, quality)


@lru_cache
def photo():
    """A pattern without a repeat, smooth enough to be sampled between pixels."""
    noise = np.random.default_rng(0).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    low, high = smooth.min(), smooth.max()
    return np.rint(255 * (smooth - low) / (high - low)).astype(np.uint8)


@lru_cache
def lit_photo():
    """The template of one colour, with some of the pattern, under light from the upper left."""
    own = scene()
    ids, weights = own.raster
    normals = vertex_normals(TEMPLATE.vertices, TEMPLATE.triangles) @ camera().rotation.T
    shade = 60 + 90 * np.clip(normals @ np.array([-0.5, 0.6, 0.6]), 0, 1)
    lit = interpolate(ids, weights, TEMPLATE.triangles, shade) + 0.3 * photo()
    return np.rint(np.where(ids[..., None] >= 0, lit, photo())).astype(np.uint8)


@lru_cache
def scene(degrees=8):
    """The template, turned, in the pattern."""
    return make_scene(fit_of(camera(degrees)), photo(), default_anatomy())


@lru_cache
def editor(degrees=8, **settings):
    """An Editor of `scene`."""
    return Editor(scene(degrees), Settings(**settings))


def bump(place, width_mm, move_mm):
    """A Gaussian displacement about a landmark."""
    distance = np.linalg.norm(TEMPLATE.vertices - TEMPLATE.landmarks[place], axis=1)
    share = np.exp(-0.5 * (distance / width_mm) ** 2)
    return (share[:, None] * np.array(move_mm)).astype(np.float32)


@lru_cache
def jaw_drop():
    """Chin and lower lip go down 14 mm; smooth in between, and cut at the lips as the mesh is."""
    landmarks, at = TEMPLATE.landmarks, TEMPLATE.landmark_vertices
    moved = np.zeros((68, 3))
    moved[6:11, 1], moved[[5, 11], 1], moved[[4, 12], 1] = -14, -8, -4
    moved[[56, 57, 58, 65, 66, 67], 1], moved[[48, 54, 55, 59, 60, 64], 1] = -13, -5
    still = np.linalg.norm(TEMPLATE.vertices - landmarks[51], axis=1) > 95
    fixed = still.copy()
    fixed[at] = True
    laplacian, area = cotangent(TEMPLATE.vertices, TEMPLATE.triangles)
    bilaplacian = (laplacian @ sparse.diags(1 / area) @ laplacian).tocsc()
    field = np.zeros((len(TEMPLATE.vertices), 3))
    field[at] = moved
    field[still] = 0
    right = -(bilaplacian[~fixed][:, fixed] @ field[fixed])
    field[~fixed] = splu(bilaplacian[~fixed][:, ~fixed]).solve(right)
    return field.astype(np.float32)


def psnr(a, b):
    """dB."""
    error = np.mean((a.astype(float) - b) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)
