"""The names of all files below a database's root, read once; no file is opened."""

import os
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput, Quarantine, as_bad_input
from affect4d.system_files import is_hidden


@dataclass(frozen=True)
class Listing:
    """What lies below a root, as paths relative to it (POSIX), sorted by level.

    Attributes
    ----------
    root : the folder
    files : regular files
    others : links, folders, pipes and devices
    """

    root: Path
    files: list[str]
    others: list[str]
    _names: set[str] = field(init=False, repr=False)
    _by_name: dict[str, list[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_names", {*self.files, *self.others})
        by_name: dict[str, list[str]] = {}
        for path in self.files:
            by_name.setdefault(path.rpartition("/")[2].casefold(), []).append(path)
        object.__setattr__(self, "_by_name", by_name)

    def with_suffix(self, suffixes: list[str], *, regular: bool = True) -> list[str]:
        """The files, or what is no regular file, of some suffixes in lower case."""
        ends = tuple(suffixes)
        paths = self.files if regular else self.others
        return [path for path in paths if path.lower().endswith(ends)] if ends else []

    def beside(self, path: str, suffixes: list[str]) -> str | None:
        """What differs from a path by its suffix only: the first of the suffixes that exists."""
        stem = path[: len(path) - len(suffix_of(path))]
        for suffix in suffixes:
            for spelling in (suffix, suffix.upper(), suffix.title()):
                if f"{stem}{spelling}" in self._names:
                    return f"{stem}{spelling}"
        return None

    def ending_with(self, tail: str) -> list[str]:
        """The regular files whose last levels are those of `tail`, in upper or lower case."""
        folded = f"/{tail.casefold()}"
        named = self._by_name.get(folded.rpartition("/")[2], [])
        return [path for path in named if f"/{path.casefold()}".endswith(folded)]

    def below(self, folder: str) -> list[str]:
        """The regular files in a folder, at any depth."""
        parts = [*folder.split("/"), ""]
        first = bisect_left(self.files, parts, key=lambda path: path.split("/"))
        found = []
        for path in self.files[first:]:
            if not path.startswith(f"{folder}/"):
                break
            found.append(path)
        return found


def suffix_of(path: str) -> str:
    """The suffix as it is written, with its dot; "" where there is none."""
    name = path.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return dot + suffix if stem.strip(".") else ""


def list_files(root: Path, quarantine: Quarantine) -> Listing:
    """Everything below a root that is not hidden and comes from no operating system.

    Linked folders are not entered: a link may lead anywhere, or in a circle.

    Parameters
    ----------
    root : the folder
    quarantine : receives folders that cannot be read, and links to folders
    """
    files, others, pending = [], [], [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    name = f"{folder}{entry.name}"
                    if entry.is_file(follow_symlinks=False):
                        files.append(name)
                        continue
                    others.append(name)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{name}/")
                    elif entry.is_symlink() and _leads_to_folder(entry):
                        rule = "it is a link to a folder, which is not followed"
                        remedy = "put the folder itself here, or point `root` at it"
                        quarantine.add(name, BadInput(root / name, rule, remedy))
        except OSError as error:
            quarantine.add(folder or ".", as_bad_input(error, root / folder))
    return Listing(root, *(sorted(names, key=lambda n: n.split("/")) for names in (files, others)))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop
        return False


def check_regular(root: Path, relative: str) -> Path:
    """The path of what is listed among `others`, if it leads to a regular file within the root.

    Raises
    ------
    BadInput
        It does not.
    """
    path = inside(root, relative)
    if not path.is_file():
        raise BadInput(path, "it is no regular file", "give the file itself")
    return path
