"""Action-unit-like weights: of how much of each action unit a deformation of the face consists.

They are no coding by the FACS manual: the least-squares weights, none negative, of the embedded
gallery's action units (`gallery.synthetic.action_units`), of which 1 is a unit's maximum. Units of
another mesh are brought to the template by a thin-plate spline through both meshes' landmarks.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from affect4d.artifacts.dataset import ACTION_UNITS
from affect4d.gallery.synthetic.action_units import NAMES, action_fields
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.template.template import Template

# A vertex that lies further from the other face than registered faces do (2 mm on average) is at
# another place of it: its motion is not compared.
REACH_MM = 4.0
SMOOTHING = 1.0  # of the spline: landmarks of two meshes need not meet


class UnitBasis:
    """The action units on the inner face of a template.

    Parameters
    ----------
    template : on which deformations are given
    source : a face of the generator, and the units (A, V, 3) on it, mm; by default the gallery's
    """

    def __init__(
        self, template: Template, source: tuple[Template, NDArray[np.float32]] | None = None
    ) -> None:
        if source is None:
            face = Face()
            source = face.template, action_fields(face)
        generator, units = source
        warp = RBFInterpolator(
            template.landmarks, generator.landmarks, kernel="thin_plate_spline", smoothing=SMOOTHING
        )
        distance, nearest = cKDTree(generator.vertices).query(warp(template.vertices))
        self._compared = template.inner & (distance < REACH_MM)
        chosen = units[[NAMES.index(name) for name in ACTION_UNITS]]
        basis = chosen[:, nearest[self._compared]].reshape(len(ACTION_UNITS), -1)
        self._q, self._r = np.linalg.qr(np.asarray(basis.T, np.float64))

    def weights(self, deformation: NDArray[np.floating]) -> NDArray[np.float32]:
        """The weight of each of `ACTION_UNITS`, (A,), and, last, the share that they leave.

        Parameters
        ----------
        deformation : (V, 3) mm, on the template

        Returns
        -------
        (A + 1,)
            The last: root mean square of the motion that the units do not explain, over that of all
            motion; 0 where nothing moves.
        """
        moved = np.asarray(deformation[self._compared], np.float64).ravel()
        found, left = nnls(self._r, self._q.T @ moved)
        squares = float(moved @ moved)
        # what is outside the units' span, and what non-negative weights leave within it
        outside = max(squares - float(np.sum((self._q.T @ moved) ** 2)), 0.0) + left**2
        share = np.sqrt(outside / squares) if squares else 0.0
        return np.asarray([*found, share], np.float32)
