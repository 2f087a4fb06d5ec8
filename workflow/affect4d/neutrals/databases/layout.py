"""What layout files have in common: who owns a database, and how its file names are read."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return pattern


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Pattern = Annotated[str, AfterValidator(_compiles)]
Patterns = Annotated[list[Pattern], BeforeValidator(_as_list)]
Values = Annotated[list[str], BeforeValidator(_as_list)]
Rule: TypeAlias = dict[str, Values]  # values of a pattern's groups, all of which must fit
Groups: TypeAlias = Mapping[str, str]


class About(BaseModel):
    """What the owners of a database publish about it.

    Attributes
    ----------
    title : with its paper
    licence : what the owners ask of whoever uses it
    images : how many images, frames or clips they count
    subjects : how many people
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str
    licence: str
    images: int | None = None
    subjects: int | None = None


class Layout(BaseModel):
    """The content of a layout file; an adapter derives its own.

    Attributes
    ----------
    adapter : the adapter that reads it, where no module has the file's name
    about : the database
    known : patterns of files, with suffix, that belong to it and are none of its images
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    adapter: str = ""
    about: About | None = None
    known: Patterns = Field([])


class NameMatcher:
    """Finds the pattern of a layout that a file's name fits.

    A pattern without `/` fits the name alone; one with `/` fits as many of the path's last levels,
    so that folders above, whatever they are called, do not matter.

    Parameters
    ----------
    patterns : regular expressions, in order of preference
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [(re.compile(one), one.count("/") + 1) for one in patterns]

    def match(self, path: str) -> re.Match[str] | None:
        """The match of the first pattern that fits a path (POSIX), or None."""
        parts = path.split("/")
        tails = ["/".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        for pattern, levels in self._patterns:
            for tail in tails[:levels]:
                if found := pattern.fullmatch(tail):
                    return found
        return None


def fits(rule: Rule, groups: Groups) -> bool:
    """Whether every group that a rule names has one of its values, in upper or lower case."""
    return all(
        groups.get(name, "").casefold() in {value.casefold() for value in values}
        for name, values in rule.items()
    )


def describe_groups(names: Iterable[str], groups: Groups) -> str:
    """The groups' values as text: "session 01, recording 02"."""
    return ", ".join(
        f"{'expression code' if name == 'code' else name} {groups[name]}"
        for name in names
        if groups.get(name)
    )
