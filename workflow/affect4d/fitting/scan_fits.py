"""The fit of a picture whose face was scanned: the registered scan takes the place of the model's.

Camera and shape follow from where the registered vertices lie in the picture; what a camera does
not explain of that (lens, smoothing of the scan) is the fit's offset, so that it is exact.
"""

import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import PINHOLE, Camera
from affect4d.fitting.fitted import Fit
from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import landmark_error, measure
from affect4d.formats.meshes import Mesh

_MAX_POINTS = 2000  # that determine a camera: more say the same
_STEPS = 10  # of Gauss-Newton, by which cameras of faces have converged

Floats = NDArray[np.floating]


def fit_scan(
    image: NDArray[np.uint8], scan: Mesh, model: MorphableModel, *, settings: Settings
) -> Fit:
    """The fit of a picture (H, W, 3) by its registered scan, whose texture it is.

    Raises
    ------
    ValueError
        The scan has another topology than the model, or no texture coordinates.
    """
    if scan.vertices.shape != model.mean.shape or scan.uv is None:
        raise ValueError("the registered scan has not the template's vertices")
    pixels = to_pixels(scan.uv, image.shape)
    centre = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
    camera = fit_camera(scan.vertices, pixels, centre, settings=settings)
    projected = camera.project(scan.vertices)[:, :2]
    coefficients = _explain(scan.vertices, model, settings.coefficient_bound)
    identity, expression = np.split(coefficients, [len(model.identity)])
    landmarks, kept = pixels[model.landmark_vertices], np.ones(len(model.landmark_vertices), bool)
    fitted = Fit(
        camera, identity, expression, scan.vertices, (pixels - projected).astype(np.float32),
        landmarks, image=image,
    )  # fmt: skip
    missed = landmark_error(projected[model.landmark_vertices], landmarks, kept)
    quality = measure(fitted, model, kept=kept, errors=(missed, 0.0), settings=settings)
    fitted.quality.update(quality)
    return fitted


def fit_camera(
    points: Floats, pixels: Floats, centre: NDArray[np.float64], *, settings: Settings | None = None
) -> Camera:
    """The camera that sees points where they are seen.

    Parameters
    ----------
    points : (N, 3) mm
    pixels : (N, 2)
    centre : (2,) pixels, where the optical axis meets the picture
    settings : of the fitting: the kind of camera, and the prior of its distance
    """
    settings = settings or Settings()
    step = -(-len(points) // _MAX_POINTS)
    known, seen = points[::step].astype(np.float64), pixels[None, ::step].astype(np.float64)
    weak = initial_cameras(known, seen, rounds=0)
    if settings.camera == "weak":
        return Camera(
            weak.scale, weak.rotation, weak.translation, centre[None], weak.inverse_distance
        )[0]
    usual = 1 / settings.distance
    camera = Camera(weak.scale, weak.rotation, weak.translation, centre[None], np.array([usual]))
    for _ in range(_STEPS):
        projected, jacobian, _ = camera.linearise(known[None])
        missed = (seen - projected).ravel()
        rows = jacobian.reshape(-1, PINHOLE)
        # where neither says more, the distance stays the usual one
        prior = np.zeros(PINHOLE)
        prior[-1] = 1 / settings.distance_spread
        away = np.log(usual / camera.inverse_distance[0]) * prior  # type: ignore[index]
        left, right = np.vstack([rows, np.diag(prior)]), np.concatenate([missed, away])
        camera = camera.moved(np.linalg.lstsq(left, right, rcond=None)[0][None])
    return camera[0]


def to_pixels(uv: Floats, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Pixels (N, 2), counted from 0, of texture coordinates (N, 2), v up, in an image's shape."""
    height, width = shape[:2]
    return uv.astype(np.float64) * [width, -height] + [-0.5, height - 0.5]


def to_texture(pixels: Floats, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The inverse of `to_pixels`."""
    height, width = shape[:2]
    uv: NDArray[np.float64] = (pixels - [-0.5, height - 0.5]) / [width, -height]
    return uv.astype(np.float32)


def _explain(vertices: Floats, model: MorphableModel, bound: float) -> NDArray[np.float64]:
    """Coefficients (K,) of the model's face nearest to vertices (V, 3), each within the bound."""
    modes = model.modes.reshape(len(model.modes), model.mean.size)
    difference = (vertices - model.mean).ravel()
    coefficients = np.linalg.lstsq(
        (modes @ modes.T).astype(np.float64), (modes @ difference).astype(np.float64), rcond=None
    )[0]
    return np.clip(coefficients, -bound, bound)
