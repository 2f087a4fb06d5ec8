"""A class's blendshape model as stored, and unseen faces drawn from it."""

from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.blendshapes.sparse_pca import LOWER


@dataclass(frozen=True)
class ClassModel:
    """The blendshapes of one class.

    Attributes
    ----------
    mean : (V, 3) float32, mm
        Mean deformation of the class's frames from their own neutral meshes.
    components : (K, V, 3) float32, mm
    weights : (m, K) float32
    constraint : {"nonnegative", "signed"}
    """

    mean: np.ndarray
    components: np.ndarray
    weights: np.ndarray
    constraint: str


def read_class(path):
    """Read `blendshapes/{class}.zarr`."""
    stored = store.open(path)
    return ClassModel(
        stored["mean"][...],
        stored["components"][...],
        stored["weights"][...],
        stored.attributes["constraint"],
    )


def sample(model, rng):
    """An unseen deformation of the class (paper, section 3.3: "an unseen 3D face with affect").

    Weights are drawn from the normal distribution with the mean and covariance of the class's own
    weights, clipped to the constraint's box, and deform the class's mean.

    Parameters
    ----------
    model : ClassModel
    rng : numpy.random.Generator

    Returns
    -------
    (V, 3) float32, mm
    """
    centred = model.weights - model.weights.mean(0)
    draw = rng.standard_normal(len(centred)) @ centred / np.sqrt(max(len(centred) - 1, 1))
    weights = np.clip(model.weights.mean(0) + draw, LOWER[model.constraint], 1.0)
    offset = np.tensordot(weights - model.weights.mean(0), model.components, 1)
    return (model.mean + offset).astype(np.float32)
