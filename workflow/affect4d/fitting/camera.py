"""The camera: one rotation, one scale, one shift, and how far away it stands.

At an infinite distance it is a scaled orthographic (weak perspective) camera, nearer by the pinhole
model; both are one formula, x = c + (t - c + s X) / (1 - k Z), with the inverse distance k.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

WEAK, PINHOLE = 6, 7  # how many parameters a camera has
_Y_DOWN = np.array([1.0, -1.0])  # an image's rows count downwards

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Projection of the template's frame (y up) into pixels (y down).

    The fields may have leading axes (N, ...): a stack of cameras, of which `camera[i]` is one.

    Attributes
    ----------
    scale : pixels per mm at the distance of the template's origin
    rotation : (3, 3), the template's frame to the viewer's (x right, y up, z towards the viewer)
    translation : (2,) pixels, where the template's origin is projected
    centre : (2,) pixels, where the optical axis meets the picture; it has no influence on a
        weak-perspective camera
    inverse_distance : 1/mm, between the camera and the template's origin along the optical axis; 0
        is weak perspective. The focal length is scale / inverse_distance pixels.
    """

    scale: float | Floats
    rotation: Floats
    translation: Floats
    centre: Floats = field(default_factory=lambda: np.zeros(2))
    inverse_distance: float | Floats = 0.0

    def __getitem__(self, index: Any) -> "Camera":
        """One camera of a stack, or a stack of fewer."""
        return Camera(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def project(self, vertices: ArrayLike) -> NDArray[np.floating]:
        """Project vertices (..., V, 3) mm.

        Returns
        -------
        (..., V, 3) of the vertices' floating type: x to the right and y downwards in pixels (pixel
        centres at integers), then depth in pixels, greater where nearer to the viewer. Depth is
        linear over the picture of a plane, as a z-buffer needs it.
        """
        points = np.asarray(vertices)
        kind = np.result_type(points.dtype, np.float32)
        scale, inverse = (
            np.asarray(v)[..., None, None] for v in (self.scale, self.inverse_distance)
        )
        matrix = scale * np.diag([1.0, -1.0, 1.0]) @ self.rotation
        # coordinates before vertices: long rows are several times as fast
        projected = matrix.astype(kind) @ np.swapaxes(points, -1, -2)
        flat = projected[..., :2, :]
        flat += (self.translation - self.centre)[..., None].astype(kind)
        projected /= 1 - (inverse / scale).astype(kind) * projected[..., 2:, :]
        flat += np.asarray(self.centre)[..., None].astype(kind)
        return np.ascontiguousarray(np.swapaxes(projected, -1, -2))

    def jacobian(self, vertices: ArrayLike) -> Floats:
        """Derivatives at vertices (..., V, 3): (..., V, 3, 3), pixels (x, y, depth) per mm."""
        projected = self.project(vertices)
        scale = np.asarray(self.scale)[..., None, None]
        inverse = np.asarray(self.inverse_distance)[..., None, None]
        magnification = 1 + inverse / scale * projected[..., 2:]
        aside = inverse * (projected[..., :2] - np.asarray(self.centre)[..., None, :])
        axes = np.asarray(self.rotation)[..., None, :, :]
        flat = (scale * _Y_DOWN)[..., None] * axes[..., :2, :] + aside[..., None] * axes[..., 2:, :]
        depth = (scale * magnification)[..., None] * axes[..., 2:, :]
        rows = np.concatenate([np.broadcast_to(flat, (*projected.shape[:-1], 2, 3)), depth], -2)
        jacobian: Floats = magnification[..., None] * rows
        return jacobian

    def towards(self, pixels: NDArray[np.floating]) -> Floats:
        """Directions (..., V, 3), not of unit length, from pixels (..., V, 2) to the viewer."""
        inverse = np.asarray(self.inverse_distance / self.scale)[..., None, None]
        aside = -inverse * _Y_DOWN * (pixels - np.asarray(self.centre)[..., None, :])
        return np.concatenate([aside, np.ones_like(aside[..., :1])], axis=-1)

    def linearise(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Projections of points by a stack of N cameras, and their derivatives.

        Parameters
        ----------
        points : (N, P, 3) mm

        Returns
        -------
        projected : (N, P, 2) pixels
        by_camera : (N, P, 2, 6 or 7), derivatives by log scale, rotation vector in the viewer's
            frame, shift, and, but for weak perspective, log inverse distance
        by_point : (N, P, 2, 3), derivatives by the points, pixels per mm
        """
        scale = np.asarray(self.scale)[:, None]
        inverse = np.asarray(self.inverse_distance)[:, None]
        x, y, z = scale * np.moveaxis(points @ np.swapaxes(self.rotation, 1, 2), -1, 0)
        near = 1 / (1 - inverse / scale * z)
        shift = (self.translation - self.centre)[:, None]
        aside = (np.stack([x, -y], axis=-1) + shift) * near[..., None]
        right, down = np.moveaxis(aside, -1, 0) * (inverse / scale * near)
        by_camera = np.empty((*x.shape, 2, PINHOLE))
        by_camera[..., 0, 0], by_camera[..., 1, 0] = near * x, -near * y
        by_camera[..., 0, 1], by_camera[..., 1, 1] = right * y, near * z + down * y
        by_camera[..., 0, 2], by_camera[..., 1, 2] = near * z - right * x, -down * x
        by_camera[..., 0, 3], by_camera[..., 1, 3] = -near * y, -near * x
        by_camera[..., 4:6] = near[..., None, None] * np.eye(2)
        by_camera[..., 6] = aside * (near - 1)[..., None]
        by_turned = np.zeros((*x.shape, 2, 3))
        by_turned[..., 0, 0], by_turned[..., 1, 1] = near, -near
        by_turned[..., 0, 2], by_turned[..., 1, 2] = right, down
        by_point = by_turned @ (scale[..., None] * self.rotation)[:, None]
        if not inverse.any():
            by_camera = by_camera[..., :WEAK]
        return aside + self.centre[:, None], by_camera, by_point

    def moved(self, change: Floats) -> "Camera":
        """A stack of cameras after changes (N, 6 or 7) of the parameters named above."""
        nearer = np.exp(change[:, WEAK]) if change.shape[1] == PINHOLE else 1.0
        return Camera(
            self.scale * np.exp(change[:, 0]),
            Rotation.from_rotvec(change[:, 1:4]).as_matrix() @ self.rotation,
            self.translation + change[:, 4:6],
            self.centre,
            self.inverse_distance * nearer,
        )

    @property
    def apparent_rotation(self) -> Floats:
        """(3, 3) rotation as it appears: against the line of sight instead of the optical axis."""
        line = self.towards(self.translation[None])[0]
        right, up, ahead = line / np.sqrt(line @ line)
        # the shortest turn that brings the line of sight onto the axis (Rodrigues)
        turn = np.array([[0.0, 0.0, -right], [0.0, 0.0, -up], [right, up, 0.0]])
        rotation: Floats = (np.eye(3) + turn + turn @ turn / (1 + ahead)) @ self.rotation
        return rotation

    @property
    def angles_degrees(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll of the head as it appears (Tait-Bryan, in this order).

        Positive are turns towards the viewer's left (the subject's right), nods upwards, and tilts
        anticlockwise in the picture.
        """
        sides = self.apparent_rotation[:, [0, 2]]
        (right_x, forward_x), (right_y, forward_y), (right_z, forward_z) = sides
        level = np.hypot(forward_x, forward_z)
        yaw, pitch = np.arctan2(-forward_x, forward_z), np.arctan2(forward_y, level)
        # where the head's side points, in the frame that yaw and pitch alone give
        sideways = (forward_z * right_x - forward_x * right_z) / level
        upwards = right_y / level
        roll = np.arctan2(upwards, sideways)
        return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))

    @property
    def yaw_degrees(self) -> float:
        """The first of `angles_degrees`."""
        return self.angles_degrees[0]
