"""Fit a morphable model to the 68 landmarks of photographs, then a smooth residual."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import Camera
from affect4d.fitting.fitted import Fit
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import inter_ocular, landmark_error, measure
from affect4d.fitting.residual import gross_errors, noise_shares, smooth_residual
from affect4d.fitting.solver import Solver
from affect4d.formats.images import check_image
from affect4d.template.ibug68 import COUNT

MIN_SPREAD_PX = 1.0  # of landmarks: below, they are no face but a point
MAX_BEYOND = 0.5  # of the image's width or height, by which a landmark may lie beyond its edge


def fit(
    image: NDArray[np.uint8],
    landmarks: ArrayLike,
    model: MorphableModel,
    *,
    settings: Settings | None = None,
) -> Fit:
    """Fit the model to a photograph.

    Parameters
    ----------
    image : (H, W, 3); its size bounds where landmarks may lie
    landmarks : (68, 2) pixels counted from 0, iBUG order
    model : to be fitted
    settings : of the fitting, the defaults when absent

    Raises
    ------
    ValueError
        The image is not (H, W, 3) uint8; the landmarks are not 68 finite points, coincide, or lie
        far outside it.
    """
    return fit_many([image], [landmarks], model, settings=settings)[0]


def fit_many(
    images: Sequence[NDArray[np.uint8]],
    landmarks: Sequence[ArrayLike],
    model: MorphableModel,
    *,
    settings: Settings | None = None,
) -> list[Fit]:
    """Fit the model to photographs at once; each result is that of `fit`, to rounding.

    The model is read from memory once for all of them: this is faster from a few photographs on. It
    holds all the faces: give some tens at a time.

    Parameters
    ----------
    images : N images (H, W, 3)
    landmarks : N arrays (68, 2), pixels
    model, settings : as for `fit`

    Raises
    ------
    ValueError
        As for `fit`.
    """
    settings = settings or Settings()
    if not len(images):
        return []
    pairs = zip(images, landmarks, strict=True)
    targets = np.array([check_landmarks(image, points) for image, points in pairs])
    centres = np.array([[image.shape[1] - 1, image.shape[0] - 1] for image in images]) / 2
    solver = Solver(model, settings)
    state = solver.run(targets, centres)
    own, smooth = np.split(state.coefficients, [len(model.modes)], axis=1)
    faces, chosen = model.shapes(own) + model.smooth_fields(smooth), solver.used[state.rows]
    return [
        _finish(
            images[index],
            targets[index],
            _Solution(state.camera[index], own[index], faces[index], chosen[index]),
            model=model,
            settings=settings,
        )
        for index in range(len(images))
    ]


def check_landmarks(image: NDArray[np.uint8], landmarks: ArrayLike) -> NDArray[np.float64]:
    """The landmarks as (68, 2).

    Raises
    ------
    ValueError
        They cannot be those of a face in the image.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (COUNT, 2) or not np.isfinite(points).all():
        raise ValueError(f"expected {COUNT} finite landmarks (x, y), got shape {points.shape}")
    if not inter_ocular(points) > MIN_SPREAD_PX:
        raise ValueError("the outer eye corners lie within a pixel of each other")
    if not np.median(np.abs(points - np.median(points, axis=0))) > MIN_SPREAD_PX:
        raise ValueError("most of the landmarks lie within a pixel of each other")
    height, width, _ = check_image(image).shape
    size = np.array([width, height])
    if ((points < -MAX_BEYOND * size) | (points > (1 + MAX_BEYOND) * size)).any():
        raise ValueError(f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels")
    return points


@dataclass(frozen=True)
class _Solution:
    """The solver's result for one photograph.

    Attributes
    ----------
    camera : that took the photograph
    coefficients : (K,), identity and expression, standard deviations
    vertices : (V, 3) mm
    chosen : (68,), vertices that correspond to the landmarks
    """

    camera: Camera
    coefficients: NDArray[np.float64]
    vertices: NDArray[np.float32]
    chosen: NDArray[np.int64]


def _finish(
    image: NDArray[np.uint8],
    landmarks: NDArray[np.float64],
    solution: _Solution,
    *,
    model: MorphableModel,
    settings: Settings,
) -> Fit:
    """The Fit of one solved photograph: gross errors, residual, quality."""
    camera, vertices, chosen = solution.camera, solution.vertices, solution.chosen
    identity, expression = np.split(solution.coefficients, [len(model.identity)])
    projected = camera.project(vertices)[:, :2]
    modelled = projected[chosen]
    view = camera.towards(modelled) @ camera.rotation
    facing = (view * model.normals[chosen]).sum(1) / np.linalg.norm(view, axis=1)
    size = float(camera.scale) * inter_ocular(vertices[model.landmark_vertices])
    kept = ~gross_errors(modelled, landmarks, size=size, max_distance=settings.gross_error)
    residual = np.where(kept[:, None], landmarks - modelled, np.nan)
    noise = noise_shares(residual, facing, size=size, settings=settings)
    offset = smooth_residual(
        projected,
        modelled[kept],
        landmarks[kept],
        noise=noise[kept],
        reach=settings.residual_reach * size,
    )
    errors = (
        landmark_error(modelled, landmarks, kept),
        landmark_error(modelled + offset[chosen], landmarks, kept),
    )
    # a wrong point of the jaw has picked a wrong point of the contour as well
    vertex = model.landmark_vertices
    landmarks = np.where(kept[:, None], landmarks, projected[vertex] + offset[vertex])
    fitted = Fit(camera, identity, expression, vertices, offset, landmarks, quality={}, image=image)
    quality = measure(fitted, model, kept=kept, errors=errors, settings=settings)
    return replace(fitted, quality=quality)
