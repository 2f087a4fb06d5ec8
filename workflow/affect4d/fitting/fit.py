"""Fit a morphable model to the 68 landmarks of photographs, then a smooth residual."""

from dataclasses import dataclass, field, replace

import numpy as np

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import Camera
from affect4d.fitting.quality import inter_ocular, landmark_error, measure
from affect4d.fitting.residual import gross_errors, noise_shares, smooth_residual
from affect4d.fitting.solver import Solver
from affect4d.formats.images import check_image
from affect4d.template.ibug68 import COUNT


@dataclass(frozen=True)
class Fit:
    """A photograph explained by the model.

    Attributes
    ----------
    camera : Camera
    identity : (Ki,) float64, standard deviations
    expression : (Ke,) float64, standard deviations
    vertices : (V, 3) float32, mm, the fitted face in the template's frame
    offset : (V, 2) float32, pixels; project(vertices)[:, :2] + offset meets the landmarks
    landmarks : (68, 2) float64, pixels; one that was left out stands where the fit has it
    quality : dict of floats, see `affect4d.fitting.quality.measure`
    image : (H, W, 3) uint8, the photograph; None where the fit was read from a store
    """

    camera: Camera
    identity: np.ndarray
    expression: np.ndarray
    vertices: np.ndarray
    offset: np.ndarray
    landmarks: np.ndarray
    quality: dict = field(default_factory=dict)
    image: np.ndarray | None = field(default=None, repr=False, compare=False)


def fit(image, landmarks, model, settings=None):
    """Fit the model to a photograph.

    Parameters
    ----------
    image : (H, W, 3) uint8; its size bounds where landmarks may lie
    landmarks : (68, 2) array, pixels counted from 0, iBUG order
    model : MorphableModel
    settings : affect4d.config.fitting.Settings, optional

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        The image is not (H, W, 3) uint8; the landmarks are not 68 finite points, coincide, or lie
        far outside it.
    """
    return fit_many([image], [landmarks], model, settings)[0]


def fit_many(images, landmarks, model, settings=None):
    """Fit the model to photographs at once; each comes out as `fit` has it, to rounding.

    What one photograph needs passes through the model's memory once for all of them: faster from
    a few on. It holds all the faces: give some tens at a time.

    Parameters
    ----------
    images : list of N (H, W, 3) uint8
    landmarks : list of N (68, 2) arrays, pixels
    model, settings : as for `fit`

    Returns
    -------
    list of N Fit

    Raises
    ------
    ValueError
        As for `fit`.
    """
    settings = settings or Settings()
    if not len(images):
        return []
    pairs = zip(images, landmarks, strict=True)
    landmarks = np.array([check(image, points) for image, points in pairs])
    centres = np.array([[image.shape[1] - 1, image.shape[0] - 1] for image in images]) / 2
    solver = Solver(model, settings)
    state = solver.run(landmarks, centres)
    faces, chosen = model.shapes(state.coefficients), solver.used[state.rows]
    return [
        _finish(
            images[index],
            landmarks[index],
            state.camera[index],
            state.coefficients[index],
            faces[index],
            chosen[index],
            model,
            settings,
        )
        for index in range(len(images))
    ]


def check(image, landmarks):
    """The landmarks as (68, 2) float64.

    Raises
    ------
    ValueError
        They cannot be those of a face in the image.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (COUNT, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"expected {COUNT} finite landmarks (x, y), got shape {landmarks.shape}")
    if not inter_ocular(landmarks) > 1.0:
        raise ValueError("the outer eye corners lie within a pixel of each other")
    if not np.median(np.abs(landmarks - np.median(landmarks, axis=0))) > 1.0:
        raise ValueError("most of the landmarks lie within a pixel of each other")
    height, width, _ = check_image(image).shape
    size = np.array([width, height])
    if ((landmarks < -0.5 * size) | (landmarks > 1.5 * size)).any():
        raise ValueError(f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels")
    return landmarks


def _finish(image, landmarks, camera, coefficients, vertices, chosen, model, settings):
    """The Fit of one solved photograph: the wrong landmarks, the residual, the quality."""
    identity, expression = np.split(coefficients, [len(model.identity)])
    projected = camera.project(vertices)[:, :2]
    modelled = projected[chosen]
    view = camera.towards(modelled) @ camera.rotation
    facing = (view * model.normals[chosen]).sum(1) / np.linalg.norm(view, axis=1)
    size = camera.scale * inter_ocular(vertices[model.landmark_vertices])
    kept = ~gross_errors(modelled, landmarks, size, settings.gross_error)
    missed = np.where(kept[:, None], landmarks - modelled, np.nan)
    noise = noise_shares(missed, facing, size, settings)
    offset = smooth_residual(
        projected, modelled[kept], landmarks[kept], noise[kept], settings.residual_reach * size
    )
    errors = [
        landmark_error(positions, landmarks, kept)
        for positions in (modelled, modelled + offset[chosen])
    ]
    # a wrong point of the jaw has picked a wrong place on the contour as well
    marks = model.landmark_vertices
    landmarks = np.where(kept[:, None], landmarks, projected[marks] + offset[marks])
    fitted = Fit(camera, identity, expression, vertices, offset, landmarks, quality={}, image=image)
    return replace(fitted, quality=measure(fitted, model, kept, errors, settings))
