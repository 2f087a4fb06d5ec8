"""The weak-perspective camera: one rotation, one scale, one shift."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class Camera:
    """Scaled orthographic projection of the template's frame (y up) into pixels (y down).

    Attributes
    ----------
    scale : float, pixels per mm
    rotation : (3, 3) float64, the template's frame to the viewer's (x right, y up, z towards him)
    translation : (2,) float64, pixels, where the template's origin falls
    """

    scale: float
    rotation: np.ndarray
    translation: np.ndarray

    def project(self, vertices):
        """Project vertices (V, 3) mm.

        Returns
        -------
        (V, 3) of the vertices' floating type: x to the right and y downwards in pixels (pixel
        centres at integers), then depth in pixels, greater where nearer to the viewer.
        """
        vertices = np.asarray(vertices)
        kind = np.result_type(vertices.dtype, np.float32)
        matrix = self.scale * np.diag([1.0, -1.0, 1.0]) @ self.rotation
        return vertices @ matrix.T.astype(kind) + np.append(self.translation, 0.0).astype(kind)

    @property
    def yaw_degrees(self):
        """Turn of the head: positive towards the viewer's left (the subject's right)."""
        forward = self.rotation[:, 2]
        return float(np.degrees(np.arctan2(-forward[0], forward[2])))

    @property
    def pitch_degrees(self):
        """Nod of the head: positive upwards."""
        forward = self.rotation[:, 2]
        return float(np.degrees(np.arctan2(forward[1], np.hypot(forward[0], forward[2]))))

    @property
    def roll_degrees(self):
        """Tilt of the head: positive anticlockwise in the picture."""
        yaw = np.radians(self.yaw_degrees)
        sideways = np.array([np.cos(yaw), 0.0, np.sin(yaw)])
        upwards = np.cross(self.rotation[:, 2], sideways)
        axis = self.rotation[:, 0]
        return float(np.degrees(np.arctan2(axis @ upwards, axis @ sideways)))

    def turned(self, increment):
        """The camera after a rotation vector (3,) rad in the viewer's frame."""
        return Camera(
            self.scale,
            Rotation.from_rotvec(increment).as_matrix() @ self.rotation,
            self.translation,
        )


def initial_camera(points, landmarks):
    """Camera from corresponding points by the linear scaled-orthographic method (POS).

    DeMenthon & Davis, IJCV 1995, without the iterations for perspective.

    Parameters
    ----------
    points : (N, 3) array, mm
    landmarks : (N, 2) array, pixels
    """
    centre, middle = points.mean(0), landmarks.mean(0)
    flipped = (landmarks - middle) * [1.0, -1.0]
    rows = np.linalg.lstsq(points - centre, flipped, rcond=None)[0].T
    u, singular, vt = np.linalg.svd(rows, full_matrices=False)
    first, second = u @ vt
    rotation = np.stack([first, second, np.cross(first, second)])
    scale = float(singular.mean())
    shift = middle - scale * (rotation @ centre)[:2] * [1.0, -1.0]
    return Camera(scale, rotation, shift)
