"""A class's blendshape model as stored, and unseen faces drawn from it."""

from dataclasses import dataclass

import numpy as np

from affect4d import store
from affect4d.blendshapes.weights import KIND, WeightDistribution

SEEN = 1e-6  # weights no farther apart than this, each, are a frame's own
NUDGE = 0.05  # of a weight's range, by which one is moved at most that would be


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
    they vary together as in the class. Draws that have all the weights of a frame, which can happen
    where those are repeated ones such as 0, are moved by up to NUDGE of each weight's range; all
    zeros, a face at rest, are nobody's own and stay. The mean of many samples is the class's mean,
    to within half of NUDGE of each component for the share of draws that were moved. Weights that
    are the same in all frames have nowhere to go: the only face is the mean.

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
    weights = model.distribution.draw(rng, 1)[0]
    seen = np.abs(model.weights - weights).max(1, initial=0).min() <= SEEN
    if seen and weights.any():
        weights = _moved(weights, model.distribution, rng)
    return model.deformation(weights, intensity)


def _moved(weights, distribution, rng):
    """Weights moved by up to NUDGE of their range, turned back at its ends."""
    low, high = distribution.quantiles[[0, -1]]
    moved = weights + NUDGE * (high - low) * rng.uniform(-1, 1, len(weights))
    return high - np.abs(high - low - np.abs(moved - low))
