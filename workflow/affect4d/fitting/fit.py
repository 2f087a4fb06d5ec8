"""Fit a morphable model to 68 landmarks of a photograph: Gauss-Newton, then a smooth residual.

The energy is sum_i w_i |project(V)_i - l_i|^2 / (sigma d)^2 + |identity|^2 + w_e |expression|^2,
with d the distance of the outer eye corners (Blanz & Vetter, PAMI 2003, eq. 14, landmarks only).
"""

from dataclasses import dataclass, field

import numpy as np

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import Camera, initial_camera
from affect4d.fitting.contour import JAW, pick_contour
from affect4d.fitting.quality import inter_ocular, landmark_error, measure, mouth_opening
from affect4d.fitting.residual import smooth_residual

CONTOUR_REACH = 0.1  # of the inter-ocular distance


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
    landmarks : (68, 2) float64, pixels
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
        The landmarks are not 68 finite points, coincide, or lie far outside the image.
    """
    settings = settings or Settings()
    landmarks = _check(image, landmarks)
    state = _Solver(model, landmarks, settings).run()
    identity, expression = np.split(state.coefficients, [len(model.identity)])
    vertices = model.shape(identity, expression)
    projected = state.camera.project(vertices)[:, :2]
    modelled = projected[state.chosen]
    facing = model.normals[state.chosen] @ state.camera.rotation[2]
    offset = smooth_residual(projected, modelled, facing, landmarks, settings)
    quality = measure(
        state.camera,
        (identity, expression),
        mouth_opening(landmarks, state.camera.scale, vertices, model.landmark_vertices),
        (
            landmark_error(modelled, landmarks),
            landmark_error(modelled + offset[state.chosen], landmarks),
        ),
        settings,
    )
    return Fit(state.camera, identity, expression, vertices, offset, landmarks, quality, image)


def _check(image, landmarks):
    landmarks = np.asarray(landmarks, dtype=np.float64)
    if landmarks.shape != (68, 2) or not np.isfinite(landmarks).all():
        raise ValueError(f"expected 68 finite landmarks (x, y), got shape {landmarks.shape}")
    if not inter_ocular(landmarks) > 1.0:
        raise ValueError("the outer eye corners lie within a pixel of each other")
    size = np.array([image.shape[1], image.shape[0]])
    if ((landmarks < -0.5 * size) | (landmarks > 1.5 * size)).any():
        raise ValueError(f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels")
    return landmarks


@dataclass
class _State:
    """Where the solver stands; `chosen` (68,) are the vertices that stand for the landmarks."""

    camera: Camera
    coefficients: np.ndarray
    chosen: np.ndarray


class _Solver:
    """Gauss-Newton over camera (scale, rotation vector, shift) and coefficients."""

    def __init__(self, model, landmarks, settings):
        self.landmarks, self.settings = landmarks, settings
        self.landmark_vertices, self.contour = model.landmark_vertices, model.contour
        self.used = np.concatenate([self.landmark_vertices, self.contour.ravel()])
        self.mean = model.mean[self.used].astype(np.float64)
        self.modes = model.modes[:, self.used].astype(np.float64)
        self.flat_modes = self.modes.reshape(len(self.modes), self.mean.size)
        self.normals = model.normals[model.contour]
        weights = np.ones(len(landmarks))
        weights[:JAW] = settings.jaw_weight
        noise = settings.landmark_sd * inter_ocular(landmarks)
        self.weights = np.repeat(weights / noise**2, 2)
        self.prior = np.ones(len(self.modes))
        self.prior[len(model.identity) :] = settings.expression_prior

    def run(self):
        """Pose alone, then pose and shape; the contour is picked before each step."""
        inner = np.arange(JAW, len(self.landmarks))
        camera = initial_camera(self.mean[inner], self.landmarks[inner])
        coefficients = np.zeros(len(self.modes))
        steps = self.settings.pose_iterations + self.settings.iterations
        for step in range(steps):
            points = self.points(coefficients)
            rows = self.pick(camera, points)
            active = len(coefficients) if step >= self.settings.pose_iterations else 0
            camera, coefficients = self.step(camera, coefficients, points, rows, active)
        rows = self.pick(camera, self.points(coefficients))
        return _State(camera, coefficients, self.used[rows])

    def points(self, coefficients):
        """The face at the vertices `used`, (U, 3) mm."""
        return self.mean + (coefficients @ self.flat_modes).reshape(self.mean.shape)

    def pick(self, camera, points):
        """Rows of `used` that stand for the 68 landmarks in this view."""
        count = len(self.landmarks)
        projected = camera.project(points[count:])[:, :2].reshape(*self.contour.shape, 2)
        facing = self.normals @ camera.rotation[2]
        reach = CONTOUR_REACH * inter_ocular(self.landmarks)
        columns = pick_contour(projected, facing, self.landmarks[:JAW], reach)
        rows = np.arange(count)
        rows[:JAW] = count + np.arange(JAW) * self.contour.shape[1] + columns
        return rows

    def step(self, camera, coefficients, points, rows, active):
        """One Gauss-Newton step over the camera and the first `active` coefficients."""
        modes, points = self.modes[:active, rows], points[rows]
        turned = points @ camera.rotation.T * camera.scale
        residual = (self.landmarks - camera.project(points)[:, :2]).ravel()
        jacobian = np.concatenate(
            [_camera_jacobian(turned), _shape_jacobian(camera, modes)], axis=1
        )
        prior = np.concatenate([np.zeros(6), self.prior[:active]])
        values = np.concatenate([np.zeros(6), coefficients[:active]])
        weighted = jacobian * self.weights[:, None]
        system = jacobian.T @ weighted + np.diag(prior)
        change = np.linalg.solve(system, weighted.T @ residual - prior * values)
        camera = Camera(
            camera.scale * float(np.exp(change[0])),
            camera.rotation,
            camera.translation + change[4:6],
        ).turned(change[1:4])
        bound = self.settings.coefficient_bound
        updated = coefficients.copy()
        updated[:active] = np.clip(coefficients[:active] + change[6:], -bound, bound)
        return camera, updated


def _camera_jacobian(turned):
    """d(x, y) / d(log scale, rotation vector, shift): (2 N, 6), of scaled, turned points (N, 3)."""
    x, y, z = turned.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows_x = np.stack([x, zero, z, -y, one, zero], axis=1)
    rows_y = np.stack([-y, z, zero, -x, zero, one], axis=1)
    return np.stack([rows_x, rows_y], axis=1).reshape(-1, 6)


def _shape_jacobian(camera, modes):
    """d(x, y) / d(coefficients): (2 N, K), of modes (K, N, 3)."""
    matrix = camera.scale * camera.rotation[:2] * np.array([[1.0], [-1.0]])
    return (modes @ matrix.T).reshape(len(modes), 2 * modes.shape[1]).T
