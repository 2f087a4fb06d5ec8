"""What a name stands for: looked up among artifacts, files, classes, frames, photographs, images.

Tables are read with filters and images are looked for in their own database's chunks, so that a
look-up in a build of a million images stays one of seconds.
"""

import bisect
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from affect4d import store
from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX

KINDS = (
    "artifact", "file", "class", "sequence", "frame", "photograph", "image", "quarantined",
)  # fmt: skip
_NEIGHBOURS = 25  # ids on either side of an unknown one that are compared with it
_LISTED = 20  # candidates named in a message


class UnknownName(LookupError):
    """Nothing in the build has the name; `str()` is one line with a remedy."""


class AmbiguousName(LookupError):
    """Several things have the name; `str()` lists them."""


@dataclass(frozen=True, order=True)
class Meaning:
    """One thing a name may stand for: its kind and its full name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def resolve(build: Build, text: str) -> Meaning:
    """The one thing that `text` stands for.

    Raises
    ------
    UnknownName, AmbiguousName
    """
    kind, _, name = text.partition(":")
    kind, name = (kind, name) if kind in KINDS and name else ("", text)
    names = Names(build)
    found: list[Meaning] = []
    # What is kept out matters only where it is not in the build after all, flagged perhaps.
    for look in (names.meanings, names.kept_out, names.partial):
        if not found:
            found = sorted({meaning for meaning in look(name) if kind in ("", meaning.kind)})
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(map(str, found[:_LISTED])) + (" ..." if len(found) > _LISTED else "")
        raise AmbiguousName(f"{text}: stands for {len(found)} things; name one of {listed}")
    near = difflib.get_close_matches(name, names.near(name), n=3)
    remedy = (
        f"did you mean {' or '.join(near)}?" if near else "`affect4d audit` knows what is there"
    )
    raise UnknownName(
        f"{text}: no image, frame, sequence, class, photograph or artifact has this name; {remedy}"
    )


class Names:
    """All names in a build, read when asked for."""

    def __init__(self, build: Build):
        self.build = build

    def meanings(self, text: str) -> Iterator[Meaning]:
        """Everything that is called exactly `text`."""
        path = self._inside(text)
        artifact = path.rstrip("/").removesuffix(SUFFIX).removesuffix(".zarr")
        if artifact + SUFFIX in {**self.build.manifests, **self.build.unreadable}:
            yield Meaning("artifact", artifact)
        elif path in self.build.owners:
            yield Meaning("file", path)
        for name, index in self.classes.items():
            if text in (name, str(index)):
                yield Meaning("class", name)
        if self._in_gallery("sequence", text):
            yield Meaning("sequence", text)
        if self._in_gallery("frame_id", text):
            yield Meaning("frame", text)
        for database, id_ in self.photographs:
            if text in (id_, f"{database}-{id_}"):
                yield Meaning("photograph", f"{database}-{id_}")
        if self._is_image(text):
            yield Meaning("image", text)

    def kept_out(self, text: str) -> Iterator[Meaning]:
        """`text` as an item of a quarantine table, or the file that broke a rule."""
        if any(text in (row["item"], row["file"]) for row in self.quarantine if text):
            yield Meaning("quarantined", text)

    def partial(self, text: str) -> Iterator[Meaning]:
        """Artifacts whose last part is `text`, or that lie in a folder of that name."""
        text = self._inside(text).strip("/")
        for name in self.artifacts:
            if text and (name.endswith(f"/{text}") or name.startswith(f"{text}/")):
                yield Meaning("artifact", name)

    def near(self, text: str) -> list[str]:
        """Names that `text` may be a slip of."""
        few = {*self.artifacts, *self.classes, *(row["item"] for row in self.quarantine)}
        few |= {Path(name).name for name in self.artifacts}
        few |= {f"{database}-{id_}" for database, id_ in self.photographs} | {
            id_ for _, id_ in self.photographs
        }
        many = [*self._gallery_ids("frame_id"), *self._gallery_ids("sequence")]
        for database in self.databases:
            if text.startswith(f"{database}-"):
                many += [id_ for _, ids in self.images(database) for id_ in ids]
        many = sorted(set(many))
        place = bisect.bisect(many, text)
        return sorted(few | set(many[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS]))

    @cached_property
    def artifacts(self) -> list[str]:
        """Every artifact's name."""
        every = {**self.build.manifests, **self.build.unreadable}
        return [name.removesuffix(SUFFIX) for name in every]

    @cached_property
    def classes(self) -> dict[str, int]:
        """Class name -> index."""
        path = self.build.verified_path("affectspace/classes.parquet")
        if path is None:
            return {}
        table = pq.read_table(path).to_pandas()
        if "name" not in table:
            return {}
        return dict(zip(table["name"], table["class"].astype(int), strict=True))

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
    def quarantine(self) -> list[dict[str, str]]:
        """Every row of every quarantine table."""
        return quarantine_rows(self.build)

    def images(self, database: str) -> Iterator[tuple[str, list[str]]]:
        """Each synthesis chunk of a database and the image_ids in it."""
        for artifact in self.artifacts:
            path = self.build.root / f"{artifact}.zarr"
            if artifact.startswith(f"synthesis/{database}/") and path.is_dir():
                yield artifact, store.open(path).attributes["image_ids"]

    def _inside(self, text: str) -> str:
        """`text` relative to the results folder, where it is a path into it."""
        folder = self.build.root.as_posix() + "/"
        text = text.removeprefix("./").removeprefix(folder)
        return text.removeprefix(f"{self.build.root.name}/")

    def _in_gallery(self, column: str, text: str) -> bool:
        path = self.build.verified_path("gallery/frames.parquet")
        if path is None:
            return False
        found = pq.read_table(path, columns=[column], filters=[(column, "==", text)])
        return found.num_rows > 0

    def _gallery_ids(self, column: str) -> Iterable[str]:
        path = self.build.verified_path("gallery/frames.parquet")
        if path is None:
            return []
        return pq.read_table(path, columns=[column])[column].unique().to_pylist()

    def _is_image(self, text: str) -> bool:
        return any(
            text in ids
            for database in self.databases
            if text.startswith(f"{database}-")
            for _, ids in self.images(database)
        )


def neutral_tables(build: Build, database: str) -> list[pd.DataFrame]:
    """The tables of a database's neutral images: all candidates, then those accepted."""
    candidates = build.verified_path(f"neutrals/{database}/candidates.parquet")
    accepted = build.verified_path(f"neutrals/{database}/accepted.csv")
    tables = [] if candidates is None else [pd.read_parquet(candidates)]
    return tables if accepted is None else [*tables, pd.read_csv(accepted, dtype=str)]


def quarantine_rows(build: Build) -> list[dict[str, str]]:
    """Every row of every quarantine table that a manifest lists, and the table it is in."""
    rows: list[dict[str, str]] = []
    for name in sorted(build.owners):
        path = Path(name)
        quarantine = path.name.endswith("quarantine.csv") or path.parent.name == "quarantine"
        found = build.verified_path(name) if quarantine and path.suffix == ".csv" else None
        if found is not None:
            table = pd.read_csv(found, dtype=str, keep_default_na=False)
            rows += [
                {"item": row.pop("item", ""), **row, "table": name}
                for row in table.to_dict("records")
            ]
    return rows
