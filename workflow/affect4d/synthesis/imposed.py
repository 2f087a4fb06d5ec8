"""What photographs receive: the deformations of the classes and of their samples."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.artifacts.synthesis import MEAN
from affect4d.blendshapes import read_class, sample
from affect4d.blendshapes.targets import Atlas
from affect4d.synthesis.editing.flow import BATCH, stack_deformations
from affect4d.template.anatomy import Anatomy


@dataclass(frozen=True)
class ClassSample:
    """What photographs receive, by name.

    Attributes
    ----------
    index : of its class
    sample : its number among the class's samples, or MEAN
    """

    index: int
    sample: int

    def name(self, classes: Sequence[str]) -> str:
        """The class's name, followed by the sample's number where it is one."""
        suffix = "" if self.sample == MEAN else f"-s{self.sample}"
        return f"{classes[self.index]}{suffix}"


def target_names(atlas: Atlas, samples: int) -> list[str]:
    """The names of all deformations that a photograph may receive, with so many samples a class."""
    numbers = (MEAN, *range(samples))
    return [
        ClassSample(index, number).name(atlas.names)
        for index in atlas.usable.tolist()
        for number in numbers
    ]


@dataclass(frozen=True)
class Imposed(ClassSample):
    """What photographs receive: `deformation` is (V, 3), mm."""

    deformation: NDArray[np.float32]


def deformations(
    atlas: Atlas, folder: Path, anatomy: Anatomy, *, samples: int, seed: int
) -> list[Imposed]:
    """The deformations of `drawn`, smoothed and tapered."""
    return [
        replace(each, deformation=anatomy.smooth_and_taper(each.deformation))
        for each in drawn(atlas, folder, samples=samples, seed=seed)
    ]


def drawn(
    atlas: Atlas,
    folder: Path,
    *,
    samples: int,
    seed: int,
    is_wanted: Callable[[ClassSample], bool] = lambda _: True,
) -> Iterator[Imposed]:
    """All deformations that a photograph receives, class by class: the mean, then samples.

    Of a class that is interpolated there is the mean alone.

    Parameters
    ----------
    atlas : of the build
    folder : where the classes' models lie
    samples : per class
    seed : a sample also depends on the class and its own number, and on nothing else
    is_wanted : says which are drawn; all if absent
    """
    for index, mean in zip(atlas.usable.tolist(), atlas.means(), strict=True):
        if is_wanted(ClassSample(index, MEAN)):
            yield Imposed(index, MEAN, mean)
        numbers = range(0 if atlas.is_interpolated(index) else samples)
        wanted = [number for number in numbers if is_wanted(ClassSample(index, number))]
        if wanted:
            model = read_class(folder / f"{atlas.names[index]}.zarr")
            for number in wanted:
                face = sample(model, np.random.default_rng([seed, index, number]))
                yield Imposed(index, number, face)


def stack_targets(
    imposed: Iterable[Imposed], anatomy: Anatomy, intensity: float
) -> Iterator[tuple[list[ClassSample], NDArray[np.float32]]]:
    """What is imposed, by name and as a block (V, 3, B), mm, smoothed and tapered together.

    Parameters
    ----------
    imposed : as drawn
    anatomy : of the template
    intensity : scales them
    """
    left = iter(imposed)
    while batch := list(islice(left, BATCH)):
        (block,) = stack_deformations([each.deformation for each in batch])
        names = [ClassSample(each.index, each.sample) for each in batch]
        yield names, np.float32(intensity) * anatomy.smooth_and_taper(block)
