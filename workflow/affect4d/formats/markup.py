"""Mark-ups: the points of a landmark file, and which of iBUG's 68 they correspond to.

Each is a YAML file, here or of a user. An iBUG point is one point of the file (by its index from 0
or by its label), the mean of several, the point of a group that lies farthest along the line
between two others' centres, for groups whose inner order is not documented, or one of several that
divide a line through the file's points into parts of equal length.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from affect4d.formats.content import read_yaml
from affect4d.quarantine import BadInput
from affect4d.system_files import find_files
from affect4d.template.ibug68 import COUNT

_FOLDER = Path(__file__).parent / "markups"
DEFAULT_MARKUP = "ibug68"
MARKUP_FILES = (".yaml", ".yml")  # other mark-ups are names


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Farthest(_Part):
    """The point of group `farthest` with the greatest projection on the line `along` two groups."""

    farthest: str
    along: tuple[str, str]


class Line(_Part):
    """iBUG points that divide the line through points of the file into parts of equal length.

    Attributes
    ----------
    ibug : at least the two ends
    through : a point of the file, or several for their mean
    """

    ibug: list[int] = Field(min_length=2)
    through: list[int | list[int]] = Field(min_length=2)


Rule: TypeAlias = int | str | list[int] | list[str] | Farthest


class Markup(_Part):
    """The content of a mark-up's YAML file.

    Attributes
    ----------
    description : which points are marked
    evidence : the source of that
    points : number of points of a file; of labelled points: the largest number
    groups : {name: indices}, for `farthest`
    ibug : {iBUG index: index, label, several of them, or Farthest}
    lines : further iBUG points, of contours
    """

    description: str
    evidence: str
    points: int
    groups: dict[str, list[int]] = {}
    ibug: dict[int, Rule]
    lines: list[Line] = []

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        indices: list[int | str] = [
            index for value in self.ibug.values() for index in _names(value)
        ]
        indices += [index for group in self.groups.values() for index in group]
        places: list[Rule] = [place for line in self.lines for place in line.through]
        indices += [index for place in places for index in _names(place)]
        if len({isinstance(index, str) for index in indices}) != 1:
            raise ValueError("points are named either all by index or all by label")
        wrong: list[int | str] = []
        wrong += [i for i in indices if not isinstance(i, str) and not 0 <= i < self.points]
        named = [*self.ibug, *(i for line in self.lines for i in line.ibug)]
        wrong += [i for i in named if not 0 <= i < COUNT]
        rules = [value for value in self.ibug.values() if isinstance(value, Farthest)]
        names = [name for rule in rules for name in (rule.farthest, *rule.along)]
        wrong += [name for name in names if not self.groups.get(name)]
        if wrong:
            raise ValueError(f"there is no point or group {wrong[0]}")
        return self

    @property
    def is_labelled(self) -> bool:
        """Whether points are identified by labels."""
        return any(isinstance(i, str) for value in self.ibug.values() for i in _names(value))

    def arrange(
        self, points: NDArray[np.float64], labels: Sequence[str] | None = None
    ) -> NDArray[np.float64]:
        """Points in iBUG order.

        Parameters
        ----------
        points : (N, D), N = `points` of the mark-up where it is not labelled
        labels : the N points' labels where the mark-up is labelled

        Returns
        -------
        (68, D), NaN where the mark-up, or the list of labels, has no such point
        """
        names = labels if self.is_labelled and labels is not None else range(len(points))
        by_name = dict(zip(names, points, strict=True))
        arranged = np.full((COUNT, points.shape[1]), np.nan)
        for index, value in self.ibug.items():
            if isinstance(value, Farthest):
                arranged[index] = self._farthest(points, value)
            elif isinstance(value, list):
                if all(name in by_name for name in value):
                    arranged[index] = np.mean([by_name[name] for name in value], axis=0)
            elif value in by_name:
                arranged[index] = by_name[value]
        for line in self.lines:
            arranged[line.ibug] = _divide(points, line)
        return arranged

    def _farthest(self, points: NDArray[np.float64], rule: Farthest) -> NDArray[np.float64]:
        start, end = (points[self.groups[name]].mean(0) for name in rule.along)
        group = points[self.groups[rule.farthest]]
        return np.asarray(group[np.argmax(group @ (end - start))])


def _divide(points: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    places = np.array([points[np.atleast_1d(place)].mean(0) for place in line.through])
    lengths = np.linalg.norm(np.diff(places, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0.0, along[-1], len(line.ibug))
    return np.stack([np.interp(wanted, along, values) for values in places.T], axis=1)


def _names(rule: Rule) -> list[int | str]:
    """The indices or labels of one iBUG point."""
    if isinstance(rule, Farthest):
        return []
    return list(rule) if isinstance(rule, list) else [rule]


def known_markups() -> dict[str, Markup]:
    """{name: Markup} of those that are part of the package."""
    return {path.stem: load_markup(path.stem) for path in find_files(_FOLDER, "*.yaml")}


@lru_cache(maxsize=32)
def load_markup(markup: Path | str) -> Markup:
    """The Markup of a name ("ibug68") or of a user's .yaml file.

    Raises
    ------
    BadInput
        There is no such mark-up, or its file is not a mark-up.
    """
    name = str(markup)
    known = [file.stem for file in find_files(_FOLDER, "*.yaml")]
    if name not in known and not name.lower().endswith(MARKUP_FILES):
        raise BadInput(name, "no such mark-up", f"give one of {', '.join(known)}, or a .yaml")
    path = _FOLDER / f"{name}.yaml" if name in known else Path(name)
    try:
        return Markup.model_validate(read_yaml(path, "mark-up"))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(path, f"{key}: {first['msg']}", "see ibug49.yaml") from None
