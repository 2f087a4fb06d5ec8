"""Components of a class's blendshapes, as faces: one of them at its end, named by what it moves."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.blendshapes.model import ClassModel, read_class
from affect4d.blendshapes.targets import Target
from affect4d.quarantine import BadInput
from affect4d.system_files import find_files
from affect4d.template.regions import name_regions

MAX_LISTED = 8  # models that an error names
MAX_INTENSITY = 1.0  # beyond, a component's weight would leave what the class's frames show
# The end of a weight's range, as a share of the frames: the largest weight is often that of one
# frame, twice as strong as others and strong in all components; one of them alone tears.
_END = 0.95


def component_target(
    folder: Path, model: str, component: str, *, regions: NDArray[np.int64]
) -> Target:
    """The mean of a class with one component as strong as 95 % of the class's frames at most show.

    The other components keep their mean weights: the face is one that the class may show. A
    component alone is only a part of a difference between such faces, and tears where it ends.

    Parameters
    ----------
    folder : where the classes' models lie
    model : name of a class or basic expression
    component : the region that it moves, as `component_names` names it, or its number, counted
        from 1 by falling energy
    regions : (V,), of the template

    Returns
    -------
    A Target without a label: valence and arousal are NaN

    Raises
    ------
    BadInput
        There is no such model, or no such component.
    """
    what, read = f"component {model}:{component}", read_model_of(folder, model)
    names = names_of(read, regions)
    index = _index(component, names)
    if index is None:
        listed = ", ".join(f"{name} ({k})" for k, name in enumerate(names, 1))
        raise BadInput(what, f"{model} has no such component", f"choose one of {listed}")
    field = read.deformation(_at_its_end(read, index))
    return Target(field, math.nan, math.nan, f"{model}:{names[index]}")


def read_model_of(folder: Path, name: str) -> ClassModel:
    """The blendshapes of a class or basic expression, in the folder of all models.

    Raises
    ------
    BadInput
        There is no such model.
    """
    models = _models(folder)
    if name not in models:
        listed = ", ".join(models[:MAX_LISTED])
        remedy = f"models are {listed}, ..." if models else "build the blendshapes"
        raise BadInput(name, f"there is no model {name}", remedy)
    return read_class(folder / f"{name}.zarr")


def component_names(folder: Path, model: str, *, regions: NDArray[np.int64]) -> list[str]:
    """The components of a class or basic expression by what they move; none without a model."""
    if model not in _models(folder):
        return []
    return names_of(read_class(folder / f"{model}.zarr"), regions)


def names_of(model: ClassModel, regions: NDArray[np.int64]) -> list[str]:
    """The names of a model's components: the regions (V,) that they move, at their ends."""
    signs = np.where(_ends(model) < 0, -1, 1)
    return name_regions(list(model.components * signs[:, None, None]), regions)


def _index(component: str, names: Sequence[str]) -> int | None:
    if component in names:
        return names.index(component)
    if component.isdecimal() and 1 <= int(component) <= len(names):
        return int(component) - 1
    return None


def _at_its_end(model: ClassModel, index: int) -> NDArray[np.float64]:
    """Weights (K,): the distribution's mean, but for one, the end of its range."""
    weights = np.array(model.distribution.mean)
    weights[index] = _ends(model)[index]
    return weights


def _ends(model: ClassModel) -> NDArray[np.float64]:
    """The end of each weight's range (K,); of both signs, the larger without its sign.

    Of a component that hardly a frame shows, 95 % show less than the mean: its end is the largest.
    """
    weights = model.distribution
    usual, last = (
        np.where(np.abs(low) > np.abs(high), low, high)
        for low, high in ((weights.at(1 - _END), weights.at(_END)), weights.quantiles[[0, -1]])
    )
    return np.asarray(np.where(np.abs(usual) > np.abs(weights.mean), usual, last))


def _models(folder: Path) -> list[str]:
    names = [path.stem for path in find_files(folder, "*.zarr")]
    return [name for name in names if name not in ("atlas", "expressions")]
