"""Gauss-Newton over camera and coefficients, for a stack of photographs at once.

The energy of one photograph is sum_i w_i rho(|project(V)_i - l_i|) / (sigma d)^2 + |identity|^2
+ w_e |expression|^2 + log(distance / D)^2 / s^2 (Blanz & Vetter, PAMI 2003, eq. 14, landmarks
only), with d the distance of the outer eye corners at the camera's scale. rho is Geman and
McClure's function (Bull. ISI 1987), which a landmark far off stops pulling at.

Last, a smooth field joins the shape, and camera, coefficients and field are estimated together. To
the camera the field is correlated noise: what neighbouring landmarks have in common counts less for
its rotation than when each deviated on its own (generalised least squares: Rasmussen & Williams
2006, section 2.7).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import PINHOLE, WEAK, Camera
from affect4d.fitting.contour import pick_contour
from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import inter_ocular
from affect4d.fitting.smooth_identity import likeliest_amplitudes
from affect4d.template.ibug68 import COUNT, INTERNAL, JAW

CONTOUR_REACH = 0.2  # inter-ocular distances that count for a candidate that can be no landmark
# Smallest and largest change of a camera's parameters in one step (logarithm of the scale, rotation
# in rad, shift, logarithm of the distance): without them landmarks of no face would diverge.
STEP = np.array([[-1.0], [1.0]]) * [1.0, 1.0, 1.0, 1.0, np.inf, np.inf, 1.0]
FIELD_STEPS = 3  # with the smooth field, by which most faces have converged
RAYLEIGH_MEDIAN = np.sqrt(2 * np.log(2))  # of distances, in standard deviations of x and of y

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class State:
    """The solver's current estimate for N photographs.

    Attributes
    ----------
    camera : a stack of N
    coefficients : (N, K + Ks), identity and expression, standard deviations; smooth field, mm
    rows : (N, 68), which of the solver's `used` vertices correspond to the landmarks
    residual : (N, 68, 2) pixels, landmarks less these vertices
    weight : (N, 68), 1/pixels^2, of the landmarks, by their residuals
    by_camera, by_point : see `Camera.linearise`, at these vertices
    """

    camera: Camera
    coefficients: Floats
    rows: NDArray[np.int64]
    residual: Floats
    weight: Floats
    by_camera: Floats
    by_point: Floats


class Solver:
    """What every photograph shares: the model at the vertices that may be landmarks.

    Parameters
    ----------
    model : to be fitted
    settings : of the fitting

    Attributes
    ----------
    used : (U,), vertices of the 68 landmarks, then the candidates of the jaw's contour
    """

    def __init__(self, model: MorphableModel, settings: Settings) -> None:
        self.settings = settings
        self.contour = model.contour
        self.used = np.concatenate([model.landmark_vertices, self.contour.ravel()])
        self.mean = model.mean[self.used].astype(np.float64)
        modes = np.concatenate([model.modes[:, self.used], model.smooth[:, self.used]])
        self.flat = modes.reshape(len(modes), self.mean.size).astype(np.float64)
        # the modes of a vertex lie together: (U, 3, K + Ks)
        self.modes = np.ascontiguousarray(self.flat.T.reshape(len(self.used), 3, len(modes)))
        self.normals = model.normals[self.contour.ravel()]
        self.weights = np.ones(len(model.landmark_vertices))
        self.weights[JAW] = settings.jaw_weight
        self.prior = np.ones(len(model.modes))
        self.prior[len(model.identity) :] = settings.expression_prior
        self.fields = len(model.smooth)

    def run(self, landmarks: Floats, centres: Floats) -> State:
        """Pose alone, then also shape, then also the field; each step picks the contour anew.

        Parameters
        ----------
        landmarks : (N, 68, 2) pixels
        centres : (N, 2) pixels, where the optical axes meet the pictures
        """
        inner = self.mean[INTERNAL]
        weak = initial_cameras(inner, landmarks[:, len(JAW) :])
        noise = self.settings.landmark_sd * inter_ocular(self.mean) * np.asarray(weak.scale)
        pinhole = self.settings.camera == "perspective"
        inverse = np.full(len(landmarks), 1 / self.settings.distance if pinhole else 0.0)
        camera = Camera(weak.scale, weak.rotation, weak.translation, centres, inverse)
        coefficients = np.zeros((len(landmarks), len(self.flat)))
        state = self.estimate(camera, coefficients, landmarks, noise=noise)
        own = np.tile(self.prior, (len(landmarks), 1))
        for step in range(self.settings.pose_iterations + self.settings.iterations):
            posing = step < self.settings.pose_iterations
            camera, coefficients = self.step(state, own[:, :0] if posing else own)
            state = self.estimate(camera, coefficients, landmarks, noise=noise)
        if self.fields:
            field = np.repeat(self.amplitudes(state)[:, None] ** -2, self.fields, axis=1)
            for _ in range(FIELD_STEPS):
                camera, coefficients = self.step(state, np.concatenate([own, field], axis=1))
                state = self.estimate(camera, coefficients, landmarks, noise=noise)
        return state

    def estimate(
        self, camera: Camera, coefficients: Floats, landmarks: Floats, *, noise: Floats
    ) -> State:
        """The State of cameras and coefficients: corresponding vertices, residuals, weights.

        Parameters
        ----------
        camera : a stack of N
        coefficients : (N, K + Ks)
        landmarks : (N, 68, 2) pixels
        noise : (N,) pixels, standard deviation of a landmark
        """
        points = self.points(coefficients)
        rows = self.pick(camera, points, landmarks)
        chosen = np.take_along_axis(points, rows[..., None], axis=1)
        projected, *derivatives = camera.linearise(chosen)
        residual = landmarks - projected
        squared = (residual**2).sum(2)
        typical = np.sqrt(np.median(squared[:, INTERNAL], axis=1)) / RAYLEIGH_MEDIAN
        deviation = np.maximum(noise, typical)[:, None]
        far = squared / (self.settings.outlier_distance * deviation) ** 2
        weight = self.weights * (1 + far) ** -2 / deviation**2
        return State(camera, coefficients, rows, residual, weight, *derivatives)

    def points(self, coefficients: Floats) -> Floats:
        """The faces at the vertices `used`, (N, U, 3) mm."""
        points: Floats = self.mean + (coefficients @ self.flat).reshape(-1, *self.mean.shape)
        return points

    def pick(self, camera: Camera, points: Floats, landmarks: Floats) -> NDArray[np.int64]:
        """Rows (N, 68) of `used` that correspond to the landmarks in these views."""
        count = len(self.weights)
        projected = camera.project(points[:, count:])[..., :2]
        shape = (len(points), *self.contour.shape, -1)
        view = camera.towards(projected)
        facing = (self.normals @ np.swapaxes(camera.rotation, 1, 2) * view).sum(2)
        facing = (facing / np.sqrt((view**2).sum(2))).reshape(shape[:-1])
        reach = CONTOUR_REACH * inter_ocular(self.mean) * np.asarray(camera.scale)
        jaw = landmarks[:, : len(JAW)]
        columns = pick_contour(projected.reshape(shape), facing, jaw, reach=reach)
        rows = np.tile(np.arange(count), (len(points), 1))
        rows[:, JAW] = count + JAW * self.contour.shape[1] + columns
        return rows

    def step(self, state: State, precision: Floats) -> tuple[Camera, Floats]:
        """Cameras and coefficients after one Gauss-Newton step.

        Parameters
        ----------
        state : before the step
        precision : (N, P), inverse variance under the prior of the first P coefficients, which are
            estimated with the cameras; the others stay
        """
        camera, settings = state.camera, self.settings
        free, count = state.by_camera.shape[-1], precision.shape[1]
        by_shape = state.by_point @ self.modes[..., :count][state.rows]
        jacobian = np.concatenate([state.by_camera, by_shape], axis=-1)
        moving, held = np.split(state.coefficients, [count], axis=1)
        prior = np.concatenate([np.zeros((len(moving), free)), precision], axis=1)
        pull = np.concatenate([np.zeros((len(moving), free)), precision * moving], axis=1)
        if free == PINHOLE:
            prior[:, free - 1] = settings.distance_spread**-2
            pull[:, free - 1] = prior[:, free - 1] * np.log(
                camera.inverse_distance * settings.distance
            )
        change = _solve(jacobian, state.weight, state.residual, prior=prior, pull=pull)
        camera = self.clip_distance(camera.moved(np.clip(change[:, :free], *STEP[:, :free])))
        bound = np.full_like(precision, settings.coefficient_bound)
        bound[:, len(self.prior) :] /= np.sqrt(precision[:, len(self.prior) :])
        moving = np.clip(moving + change[:, free:], -bound, bound)
        return camera, np.concatenate([moving, held], axis=1)

    def amplitudes(self, state: State) -> Floats:
        """Standard deviations (N,) mm of the smooth fields, which have none so far."""
        count, known = len(state.rows), len(self.prior)
        by_modes = state.by_point @ self.modes[state.rows]
        by_own, by_smooth = by_modes[..., :known], by_modes[..., known:]
        # nothing is known of the camera: it may be anywhere within a radian or the face's size
        free = np.ones((count, state.by_camera.shape[-1]))
        free[:, 4:WEAK] = inter_ocular(self.mean) * np.asarray(state.camera.scale)[:, None]
        explained = [by_own / np.sqrt(self.prior), state.by_camera * free[:, None, None]]
        own = state.coefficients[:, None, :known, None]
        return likeliest_amplitudes(
            state.residual + (by_own @ own)[..., 0],
            state.weight,
            explained=np.concatenate(explained, axis=-1).reshape(count, 2 * COUNT, -1),
            by_smooth=by_smooth.reshape(count, 2 * COUNT, -1),
        )

    def clip_distance(self, camera: Camera) -> Camera:
        """Cameras no nearer and no farther than the bound of every coefficient allows."""
        if self.settings.camera == "weak":
            return camera
        widest = np.exp(self.settings.coefficient_bound * self.settings.distance_spread)
        low, high = 1 / (self.settings.distance * widest), widest / self.settings.distance
        return replace(camera, inverse_distance=np.clip(camera.inverse_distance, low, high))


def _solve(
    jacobian: Floats, weight: Floats, residual: Floats, *, prior: Floats, pull: Floats
) -> Floats:
    """Steps (N, P) that solve (J' W J + diag(prior)) step = J' W residual - pull."""
    count, parameters = prior.shape
    root = np.repeat(np.sqrt(weight), 2, axis=1)
    scaled = jacobian.reshape(count, -1, parameters) * root[..., None]
    across = np.swapaxes(scaled, 1, 2)
    system = across @ scaled
    system[:, np.arange(parameters), np.arange(parameters)] += prior
    right = across @ (residual.reshape(count, -1) * root)[..., None] - pull[..., None]
    steps: Floats = np.linalg.solve(system, right)[..., 0]
    return steps
