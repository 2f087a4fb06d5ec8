"""What a name stands for: looked up among artifacts, files, classes, frames, photographs, images.

Tables are read with filters and images are searched in their own database's chunks only, so that a
look-up in a build of a million images takes seconds.
"""

import bisect
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from affect4d import store
from affect4d.artifacts import affectspace, gallery
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import neutral_tables, people_of, quarantine_rows
from affect4d.store.manifest import SUFFIX

KINDS = (
    "artifact", "file", "class", "sequence", "frame", "photograph", "image", "subject",
    "quarantined",
)  # fmt: skip
_NEIGHBOURS = 25  # ids on either side of an unknown one that are compared with it
_LISTED = 20  # candidates named in a message


class UnknownName(LookupError):
    """Nothing in the build has the name; `str()` is one line with a remedy."""


class AmbiguousName(LookupError):
    """Several things have the name; `str()` lists them."""


@dataclass(frozen=True, order=True)
class NameMatch:
    """One thing a name may stand for: its kind and its full name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def resolve_name(build: Build, text: str) -> NameMatch:
    """The one thing that `text` stands for.

    Raises
    ------
    UnknownName, AmbiguousName
    """
    kind, _, name = text.partition(":")
    kind, name = (kind, name) if kind in KINDS and name else ("", text)
    names = Names(build)
    matches: list[NameMatch] = []
    # A quarantined item counts only where it is not in the build after all, flagged perhaps.
    searches = (names.exact_matches, names.people, names.quarantined, names.partial_matches)
    for search in searches:
        if not matches:
            matches = sorted({match for match in search(name) if kind in ("", match.kind)})
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(map(str, matches[:_LISTED])) + " ..." * (len(matches) > _LISTED)
        raise AmbiguousName(f"{text}: stands for {len(matches)} things; name one of {listed}")
    suggestions = difflib.get_close_matches(name, names.suggestions(name), n=3)
    remedy = f"did you mean {' or '.join(suggestions)}?" if suggestions else "check its spelling"
    raise UnknownName(
        f"{text}: no image, frame, sequence, class, photograph, person or artifact has this name; "
        f"{remedy}"
    )


class Names:
    """All names in a build, read on demand."""

    def __init__(self, build: Build) -> None:
        self.build = build

    def exact_matches(self, text: str) -> Iterator[NameMatch]:
        """Everything that is called exactly `text`."""
        path = self._inside(text)
        artifact = path.rstrip("/").removesuffix(SUFFIX).removesuffix(".zarr")
        if artifact in self.artifacts:
            yield NameMatch("artifact", artifact)
        elif path in self.build.owners:
            yield NameMatch("file", path)
        for name, index in self.classes.items():
            if text in (name, str(index)):
                yield NameMatch("class", name)
        for kind, ids in self.gallery_ids.items():
            if text in ids:
                yield NameMatch(kind, text)
        for database, id_ in self.photographs:
            if text in (id_, f"{database}-{id_}"):
                yield NameMatch("photograph", f"{database}-{id_}")
        if any(text in ids for ids in self._images_like(text)):
            yield NameMatch("image", text)

    def people(self, text: str) -> Iterator[NameMatch]:
        """The person of the photographs or the gallery that `text` names."""
        if text in self.subjects:
            yield NameMatch("subject", text)

    def quarantined(self, text: str) -> Iterator[NameMatch]:
        """`text` as an item of a quarantine table, or the file that broke a rule."""
        if any(text in (row["item"], row["file"]) for row in self.quarantine if text):
            yield NameMatch("quarantined", text)

    def partial_matches(self, text: str) -> Iterator[NameMatch]:
        """Artifacts whose last part is `text`, or that lie in a folder of that name."""
        text = self._inside(text).strip("/")
        for name in self.artifacts:
            if text and (name.endswith(f"/{text}") or name.startswith(f"{text}/")):
                yield NameMatch("artifact", name)

    def suggestions(self, text: str) -> list[str]:
        """Names that `text` may be a misspelling of."""
        names = {*self.artifacts, *self.classes, *self.subjects}
        names |= {row["item"] for row in self.quarantine}
        names |= {Path(name).name for name in self.artifacts}
        for database, id_ in self.photographs:
            names |= {id_, f"{database}-{id_}"}
        # of the ids of frames, sequences and images only the neighbours: there may be a million
        ordered = sorted(set().union(*self.gallery_ids.values(), *self._images_like(text)))
        position = bisect.bisect(ordered, text)
        return sorted(names.union(ordered[max(0, position - _NEIGHBOURS) : position + _NEIGHBOURS]))

    @cached_property
    def artifacts(self) -> dict[str, None]:
        """Every artifact's name, in order."""
        manifests = (*self.build.manifests, *self.build.unreadable, *self.build.left_out)
        return dict.fromkeys(name.removesuffix(SUFFIX) for name in manifests)

    @cached_property
    def classes(self) -> dict[str, int]:
        """Class name -> index."""
        path = self.build.verified_path(affectspace.CLASSES.name())
        table = pd.DataFrame() if path is None else pd.read_parquet(path)
        if "name" not in table:
            return {}
        return dict(zip(table["name"], table["class"].astype(int), strict=True))

    @cached_property
    def gallery_ids(self) -> dict[str, set[str]]:
        """The ids of all sequences and of all frames."""
        path = self.build.verified_path(gallery.FRAMES.name())
        columns = {"sequence": "sequence", "frame": "frame_id"}
        if path is None:
            return {}
        table = pq.read_table(path, columns=list(columns.values()))
        return {kind: set(table[name].unique().to_pylist()) for kind, name in columns.items()}

    @cached_property
    def databases(self) -> list[str]:
        """The databases of photographs."""
        parts = (name.split("/") for name in self.artifacts if name.startswith("neutrals/"))
        return sorted({part[1] for part in parts if len(part) > 1})

    @cached_property
    def photographs(self) -> list[tuple[str, str]]:
        """(database, image_id) of every candidate."""
        return [
            (database, str(id_))
            for database in self.databases
            for table in neutral_tables(self.build, database)
            for id_ in table["image_id"]
        ]

    @cached_property
    def subjects(self) -> set[str]:
        """The people of photographs and gallery, as their columns `subject` name them."""
        tables = (t for name in self.databases for t in neutral_tables(self.build, name))
        of_photographs = {subject for table in tables for subject in people_of(table)}
        path = self.build.verified_path(gallery.FRAMES.name())
        of_frames = [] if path is None else pd.read_parquet(path, columns=["subject"])["subject"]
        return of_photographs.union(map(str, of_frames))

    @cached_property
    def quarantine(self) -> list[dict[str, str]]:
        """Every row of every quarantine table."""
        return quarantine_rows(self.build)

    def images(self, database: str) -> Iterator[tuple[str, list[str]]]:
        """Each synthesis chunk of a database and the image_ids in it."""
        for artifact in self.artifacts:
            path = self.build.root / f"{artifact}.zarr"
            if artifact.startswith(f"synthesis/{database}/") and path.is_dir():
                yield artifact, store.open(path).attributes["image_ids"]

    def subjects_of_images(self, database: str) -> Iterator[list[str]]:
        """The person of each image, for each synthesis chunk of a database."""
        for artifact, _ in self.images(database):
            yield store.open(self.build.root / f"{artifact}.zarr").attributes["subjects"]

    def _images_like(self, text: str) -> Iterator[list[str]]:
        """The image_ids of each chunk of the databases that `text` may name an image of."""
        for database in self.databases:
            if text.startswith(f"{database}-"):
                yield from (ids for _, ids in self.images(database))

    def _inside(self, text: str) -> str:
        """`text` relative to the results folder, where it is a path into it."""
        folder = self.build.root.as_posix() + "/"
        text = text.removeprefix("./").removeprefix(folder)
        return text.removeprefix(f"{self.build.root.name}/")
