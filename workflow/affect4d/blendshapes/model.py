"""A class's blendshape model as stored, and unseen faces drawn from it."""

from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.blendshapes.weights import KIND, WeightDistribution

SEEN = 1e-6  # weights no farther apart than this, each, are a frame's own
DRAWS = 50  # at most, where weights hardly vary


@dataclass(frozen=True)
class ClassModel:
    """The blendshapes of one class, or of one basic expression.

    Attributes
    ----------
    mean : (V, 3) float32, mm
        Mean deformation of the class's frames from their own neutral meshes.
    components : (K, V, 3) float32, mm
    weights : (m, K) float32, of the frames that the components were fitted on
    distribution : WeightDistribution of the weights
    constraint : {"nonnegative", "signed"}
    """

    mean: np.ndarray
    components: np.ndarray
    weights: np.ndarray
    distribution: WeightDistribution
    constraint: str

    def deformation(self, weights, intensity=1.0):
        """The deformation with given weights: the class's mean at the distribution's mean.

        Parameters
        ----------
        weights : (K,)
        intensity : float
            Scales every vertex's motion in mm, linearly: 0 is the neutral face, 1 what the class
            shows.

        Returns
        -------
        (V, 3) float32, mm
        """
        offset = np.tensordot(weights - self.distribution.mean, self.components, 1)
        return (intensity * (self.mean + offset)).astype(np.float32)


def model_arrays(mean, components, weights, subjects):
    """The arrays of `blendshapes/{class}.zarr`, the weights' distribution fitted, by name."""
    distribution = WeightDistribution.fit(weights, subjects)
    return {
        "mean": mean,
        "components": components,
        "weights": weights,
        "quantiles": distribution.quantiles,
        "correlation": distribution.correlation,
    }


# What says in the store how weights are distributed.
DISTRIBUTION = {
    "kind": KIND,
    "margins": "quantiles: at equally spaced levels from 0 to 1, linear in between",
    "dependence": "correlation: of the normal scores, shrunk as by Ledoit and Wolf over people",
}


def read_class(path):
    """Read `blendshapes/{class}.zarr` as a ClassModel."""
    stored = store.open(path)
    return ClassModel(
        stored["mean"][...],
        stored["components"][...],
        stored["weights"][...],
        WeightDistribution(stored["quantiles"][...], stored["correlation"][...]),
        stored.attributes["constraint"],
    )


def sample(model, seed, intensity=1.0):
    """An unseen deformation of the class (paper, section 3.3: "an unseen 3D face with affect").

    Weights are drawn from the model's distribution, so that each stays in the constraint's box and
    they vary together as in the class; the mean of many samples is the class's mean. Weights that
    are those of a frame are drawn again, for zeros and ones can meet in one; all zeros, a face at
    rest, are nobody's own and stay.

    Parameters
    ----------
    model : ClassModel
    seed : int, sequence of int or numpy.random.Generator
    intensity : float, as for `ClassModel.deformation`

    Returns
    -------
    (V, 3) float32, mm
    """
    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        weights = model.distribution.draw(rng, 1)[0]
        seen = np.abs(model.weights - weights).max(1, initial=0).min() <= SEEN
        if not seen or not weights.any():
            break
    return model.deformation(weights, intensity)
