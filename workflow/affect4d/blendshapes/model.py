"""A class's blendshape model as stored, and unseen faces drawn from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affect4d import store
from affect4d.blendshapes.weights import KIND, WeightDistribution

EQUAL_WEIGHTS = 1e-6  # largest difference of each weight up to which a draw equals a frame's
NUDGE = 0.05  # of a weight's range: how far a draw that equals a frame's weights is moved at most


@dataclass(frozen=True)
class ClassModel:
    """The blendshapes of one class, or of one basic expression.

    Attributes
    ----------
    mean : (V, 3), mm
        Mean deformation of the class's frames from their own neutral meshes.
    components : (K, V, 3), mm
    weights : (m, K), of the frames that the components were fitted on
    distribution : of the weights
    constraint : {"nonnegative", "signed"}
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    weights: NDArray[np.float32]
    distribution: WeightDistribution
    constraint: str

    @cached_property
    def _components_float64(self) -> NDArray[np.float64]:
        """The components in the type of the sum, to which each sample would convert them anew."""
        return self.components.astype(np.float64)

    def deformation(
        self, weights: NDArray[np.floating], intensity: float = 1.0
    ) -> NDArray[np.float32]:
        """The deformation with given weights: the class's mean at the distribution's mean.

        Parameters
        ----------
        weights : (K,)
        intensity
            Scales every vertex's motion in mm, linearly: 0 is the neutral face, 1 what the class
            shows.

        Returns
        -------
        (V, 3), mm
        """
        offset = np.tensordot(weights - self.distribution.mean, self._components_float64, 1)
        return np.asarray(intensity * (self.mean + offset), np.float32)


def model_arrays(
    mean: NDArray[np.floating],
    components: NDArray[np.floating],
    weights: NDArray[np.floating],
    *,
    subjects: ArrayLike,
) -> dict[str, NDArray[Any]]:
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


def read_class(path: Path) -> ClassModel:
    """Read `blendshapes/{class}.zarr` as a ClassModel."""
    stored = store.open(path)
    return ClassModel(
        stored["mean"][...],
        stored["components"][...],
        stored["weights"][...],
        WeightDistribution(stored["quantiles"][...], stored["correlation"][...]),
        stored.attributes["constraint"],
    )


def sample(
    model: ClassModel,
    seed: int | Sequence[int] | np.random.Generator,
    intensity: float = 1.0,
) -> NDArray[np.float32]:
    """An unseen deformation of the class (paper, section 3.3: "an unseen 3D face with affect").

    Weights are drawn from the model's distribution, so that each stays in the constraint's box and
    they vary together as in the class. Draws that have all the weights of a frame, which can happen
    where those are repeated ones such as 0, are moved by up to NUDGE of each weight's range; all
    zeros, a face at rest, identify nobody and stay. The mean of many samples is the class's mean,
    to within half of NUDGE of each component for the share of draws that were moved. Weights that
    are the same in all frames cannot vary: the only face is the mean.

    Parameters
    ----------
    model : of the class
    seed : of numpy's default generator, or a generator
    intensity : as for `ClassModel.deformation`

    Returns
    -------
    (V, 3), mm
    """
    rng = np.random.default_rng(seed)
    weights = model.distribution.draw(rng, 1)[0]
    equals_a_frame = np.abs(model.weights - weights).max(1, initial=0).min() <= EQUAL_WEIGHTS
    if equals_a_frame and weights.any():
        weights = _nudge(weights, model.distribution, rng)
    return model.deformation(weights, intensity)


def _nudge(
    weights: NDArray[np.float64], distribution: WeightDistribution, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weights (K,) moved by up to NUDGE of their range, reflected at its ends."""
    low, high = distribution.quantiles[[0, -1]]
    moved = weights + NUDGE * (high - low) * rng.uniform(-1, 1, len(weights))
    return np.asarray(high - np.abs(high - low - np.abs(moved - low)))
