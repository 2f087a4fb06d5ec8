"""Gauss-Newton over camera and coefficients, for a stack of photographs at once.

The energy of one photograph is sum_i w_i rho(|project(V)_i - l_i|) / (sigma d)^2 + |identity|^2
+ w_e |expression|^2 + log(distance / D)^2 / s^2 (Blanz & Vetter, PAMI 2003, eq. 14, landmarks
only), with d the distance of the outer eye corners at the camera's scale. rho is Geman and
McClure's function (Bull. ISI 1987), which a landmark far off stops pulling at.

Last, the camera stays and a smooth field joins the shape. A field that the camera's rotation is
estimated with takes on what is rotation: the two are kept apart (cutting feedback: Plummer, Stat.
Comput. 2015).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.camera import PINHOLE, Camera
from affect4d.fitting.contour import pick_contour
from affect4d.fitting.initial_camera import initial_cameras
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.quality import inter_ocular
from affect4d.fitting.smooth_identity import likeliest_amplitudes
from affect4d.template.ibug68 import INTERNAL, JAW

CONTOUR_REACH = 0.2  # inter-ocular distances that count for a candidate that can be no landmark
# Smallest and largest change of a camera's parameters in one step (logarithm of the scale, rotation
# in rad, shift, logarithm of the distance): without them landmarks of no face would diverge.
STEP = np.array([[-1.0], [1.0]]) * [1.0, 1.0, 1.0, 1.0, np.inf, np.inf, 1.0]
FIELD_STEPS = 3  # with the camera held, by which shapes have converged: it is nearly linear
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
        # the modes of a vertex lie together: (U, 3, K) and (U, 3, Ks)
        self.modes, self.smooth = (
            np.ascontiguousarray(part.T.reshape(len(self.used), 3, len(part)))
            for part in np.split(self.flat, [len(model.modes)])
        )
        self.normals = model.normals[self.contour.ravel()]
        self.weights = np.ones(len(model.landmark_vertices))
        self.weights[JAW] = settings.jaw_weight
        self.prior = np.ones(len(model.modes))
        self.prior[len(model.identity) :] = settings.expression_prior

    def run(self, landmarks: Floats, centres: Floats) -> State:
        """Pose alone, then pose and shape, then shape; the contour is picked before each step.

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
        for step in range(self.settings.pose_iterations + self.settings.iterations):
            posing = step < self.settings.pose_iterations
            camera, coefficients = self.step(state, posing=posing)
            state = self.estimate(camera, coefficients, landmarks, noise=noise)
        if self.smooth.shape[-1]:
            amplitudes = self.amplitudes(state)
            for _ in range(FIELD_STEPS):
                coefficients = self.deform(state, amplitudes)
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

    def step(self, state: State, *, posing: bool) -> tuple[Camera, Floats]:
        """Cameras and coefficients after one Gauss-Newton step of both, or of the cameras only."""
        camera, settings = state.camera, self.settings
        jacobian, free = state.by_camera, state.by_camera.shape[-1]
        if not posing:
            shape = state.by_point @ self.modes[state.rows]
            jacobian = np.concatenate([jacobian, shape], axis=-1)
        prior = np.zeros((len(state.rows), jacobian.shape[-1]))
        pull = np.zeros_like(prior)
        if free == PINHOLE:
            prior[:, free - 1] = settings.distance_spread**-2
            pull[:, free - 1] = prior[:, free - 1] * np.log(
                camera.inverse_distance * settings.distance
            )
        own = state.coefficients[:, : len(self.prior)]
        if not posing:
            prior[:, free:] = self.prior
            pull[:, free:] = self.prior * own
        change = _solve(jacobian, state.weight, state.residual, prior=prior, pull=pull)
        camera = self.clip_distance(camera.moved(np.clip(change[:, :free], *STEP[:, :free])))
        if posing:
            return camera, state.coefficients
        bound = settings.coefficient_bound
        own = np.clip(own + change[:, free:], -bound, bound)
        return camera, np.concatenate([own, state.coefficients[:, len(self.prior) :]], axis=1)

    def amplitudes(self, state: State) -> Floats:
        """Standard deviations (N,) mm of the smooth fields, which have none so far."""
        count, own = len(state.rows), state.coefficients[:, : len(self.prior)]
        by_own = state.by_point @ self.modes[state.rows]
        return likeliest_amplitudes(
            state.residual + (by_own @ own[:, None, :, None])[..., 0],
            state.weight,
            explained=(by_own / np.sqrt(self.prior)).reshape(count, -1, len(self.prior)),
            by_smooth=(state.by_point @ self.smooth[state.rows]).reshape(
                count, -1, self.smooth.shape[-1]
            ),
        )

    def deform(self, state: State, amplitudes: Floats) -> Floats:
        """Coefficients (N, K + Ks) after one Gauss-Newton step in which the cameras stay."""
        modes = self.modes[state.rows], self.smooth[state.rows]
        jacobian = np.concatenate([state.by_point @ part for part in modes], axis=-1)
        deviation = np.ones_like(state.coefficients)
        deviation[:, len(self.prior) :] = amplitudes[:, None]
        prior = deviation**-2
        prior[:, : len(self.prior)] = self.prior
        pull = prior * state.coefficients
        change = _solve(jacobian, state.weight, state.residual, prior=prior, pull=pull)
        bound = self.settings.coefficient_bound * deviation
        return np.clip(state.coefficients + change, -bound, bound)

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
