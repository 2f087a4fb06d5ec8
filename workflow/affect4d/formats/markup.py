"""Mark-ups: which points a landmark file holds, and which of iBUG's 68 they stand for.

Each is a YAML file, here or a user's own. An iBUG point is one point of the file (by its index
from 0 or by its label), the mean of several, or the point of a group that lies farthest along the
line between two others' centres, for groups whose order inside is not documented.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from affect4d.formats.content import read_content
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import COUNT

_FOLDER = Path(__file__).parent / "markups"
MARKUP_FILES = (".yaml", ".yml")  # other mark-ups are names
_LARGEST_YAML = 1 << 20  # bytes


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Farthest(_Part):
    """The point of group `farthest` with the greatest projection on the line `along` two groups."""

    farthest: str
    along: tuple[str, str]


class Markup(_Part):
    """The content of a mark-up's YAML file.

    Attributes
    ----------
    description, evidence : str; what is marked, and how we know
    points : int, how many points a file holds; of labelled points: how many there can be
    groups : {name: indices}, for `farthest`
    ibug : {iBUG index: index, label, several of them, or Farthest}
    """

    description: str
    evidence: str
    points: int
    groups: dict[str, list[int]] = {}
    ibug: dict[int, int | str | list[int] | list[str] | Farthest]

    @model_validator(mode="after")
    def _refer_to_what_there_is(self):
        indices = [index for value in self.ibug.values() for index in _names(value)]
        indices += [index for group in self.groups.values() for index in group]
        if len({isinstance(index, str) for index in indices}) != 1:
            raise ValueError("points are named either all by index or all by label")
        wrong = [i for i in indices if not isinstance(i, str) and not 0 <= i < self.points]
        wrong += [i for i in self.ibug if not 0 <= i < COUNT]
        for value in self.ibug.values():
            if isinstance(value, Farthest):
                wrong += [n for n in (value.farthest, *value.along) if not self.groups.get(n)]
        if wrong:
            raise ValueError(f"there is no point or group {wrong[0]}")
        return self

    @property
    def is_labelled(self):
        """Whether points are known by their labels."""
        return any(isinstance(i, str) for value in self.ibug.values() for i in _names(value))

    def arrange(self, points, labels=None):
        """Points in iBUG order.

        Parameters
        ----------
        points : (N, D) float, N = `points` of the mark-up where it is not labelled
        labels : N str, the points' labels where the mark-up is labelled

        Returns
        -------
        (68, D) float64, NaN where the mark-up, or the list of labels, has no such point
        """
        named = labels if self.is_labelled else range(len(points))
        places = dict(zip(named, points, strict=True))
        arranged = np.full((COUNT, points.shape[1]), np.nan)
        for index, value in self.ibug.items():
            if isinstance(value, Farthest):
                arranged[index] = self._farthest(points, value)
            elif isinstance(value, list):
                if all(name in places for name in value):
                    arranged[index] = np.mean([places[name] for name in value], axis=0)
            elif value in places:
                arranged[index] = places[value]
        return arranged

    def _farthest(self, points, rule):
        start, end = (points[self.groups[name]].mean(0) for name in rule.along)
        group = points[self.groups[rule.farthest]]
        return group[np.argmax(group @ (end - start))]


def _names(value):
    """The indices or labels that stand for one iBUG point directly."""
    if isinstance(value, Farthest):
        return []
    return value if isinstance(value, list) else [value]


def known_markups():
    """{name: Markup} of those that come with the package."""
    return {path.stem: load_markup(path.stem) for path in sorted(_FOLDER.glob("*.yaml"))}


@lru_cache(maxsize=32)
def load_markup(name):
    """The Markup of a name ("ibug68") or of a user's own .yaml file.

    Raises
    ------
    BadInput
        There is no such mark-up, or its file is no mark-up.
    """
    name = str(name)
    known = sorted(file.stem for file in _FOLDER.glob("*.yaml"))
    if name not in known and not name.endswith(MARKUP_FILES):
        raise BadInput(name, "no such mark-up", f"take one of {', '.join(known)}, or give a .yaml")
    path = _FOLDER / f"{name}.yaml" if name in known else Path(name)
    try:
        return Markup.model_validate(yaml.safe_load(read_content(path, _LARGEST_YAML, "mark-up")))
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BadInput(path, f"no YAML ({reason})", "mend it") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(path, f"{place}: {first['msg']}", "see ibug49.yaml") from None
