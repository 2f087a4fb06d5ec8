"""Withdraw: remove a person from a build, and say what was made of them.

Everything that holds something of the person is found by the names of their photographs, which the
lineage of every image leads to. It is deleted as `audit --invalidate` deletes what is damaged, with
the manifests of what follows; the published dataset is written again without the person, so that it
can be used until the next run of snakemake.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from affect4d.artifacts import gallery, provenance
from affect4d.artifacts.dataset import CARD, DATASET
from affect4d.artifacts.neutrals import ACCEPTED_TABLE, CANDIDATES
from affect4d.audit.orphans import UNPROTECTED
from affect4d.audit.removal_summary import describe_removals
from affect4d.audit.repair import invalidate, plan_removals
from affect4d.audit.verdict import Verdict, damaged
from affect4d.dataset.published import Published
from affect4d.dataset.traces import Traces
from affect4d.dataset.withdrawal import Person, remove_person
from affect4d.dataset.writing import read_facts
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import neutral_tables, rows_where
from affect4d.store import StoreError
from affect4d.store.build_root import MARKER, is_root
from affect4d.store.manifest import SUFFIX

_WHAT = "holds something of a person who withdrew"


@dataclass(frozen=True)
class Withdrawal:
    """What removing a person takes away.

    Attributes
    ----------
    folder : results folder of a build, or the folder of a published dataset
    person : who
    photographs : the names of their photographs
    sources : their files in the database, which are never touched
    """

    folder: Path
    person: Person
    photographs: frozenset[str]
    sources: tuple[str, ...] = field(default=())

    @property
    def dataset(self) -> Path:
        """The folder of the published dataset, which a build may not have yet."""
        return self.folder / DATASET.name() if self.is_build else self.folder

    @cached_property
    def rewrites(self) -> bool:
        """Whether there is a dataset that can be written again; else a build loses all of it."""
        try:
            read_facts(self.dataset / Path(CARD.name()).name)
        except StoreError:
            return not self.is_build
        return True

    @property
    def is_build(self) -> bool:
        """Whether the folder is a build, and not a dataset alone."""
        return is_root(self.folder)

    @cached_property
    def traces(self) -> Traces:
        """How the person is recognised: by names, and by digests of photographs and images."""
        digests: set[str] = set()
        if self.is_build:
            build = lineage.load_build(self.folder)
            known = Traces(self.person, self.photographs)
            digests |= {sha for path, (_, sha) in build.owners.items() if known.is_named(path)}
        if (self.dataset / "data").is_dir():
            digests |= Published(self.dataset).digests(self.person.database, self.person.subject)
        return Traces(self.person, self.photographs, frozenset(digests))

    def describe(self) -> str:
        """What would be removed, in lines."""
        lines = [f"{self.person}: photographs: {', '.join(sorted(self.photographs))}"]
        if self.rewrites:
            lines.append(f"{self.dataset}: written again without the person")
        if self.is_build:
            lines += [describe_removals(self.folder, plan_removals(self.folder, self._verdict()))]
            lines += [f"{path}: deleted" for path in self._beside()]
        return "\n".join(filter(None, lines))

    def carry_out(self) -> list[str]:
        """Remove the person; what is left of them, one line per file: nothing, or it failed."""
        traces = self.traces  # digests, before the files go
        verdict, beside = (self._verdict(), self._beside()) if self.is_build else (None, [])
        if self.rewrites:
            remove_person(self.dataset, self.person)
        if verdict is not None:
            invalidate(self.folder, verdict)
        for path in beside:
            path.unlink()
        return [f"{path}: {what}" for path, what in traces.find(self.folder)]

    @cached_property
    def _found(self) -> list[Path]:
        """The files that hold something of the person."""
        return [path for path, _ in self.traces.find(self.folder)]

    def _verdict(self) -> Verdict:
        """The artifacts to be deleted as the audit would report them, the dataset excepted."""
        build = lineage.load_build(self.folder)
        found = {path.relative_to(self.folder).as_posix() for path in self._found}
        names = [*build.manifests]
        holding = {name for name in names if found & {name, *build.listed(name)}}
        if self.rewrites:
            holding.discard(DATASET.name() + SUFFIX)
        return Verdict(
            known={name: build.manifest_digest(name) for name in names},
            problems=tuple(damaged(n.removesuffix(SUFFIX), n, _WHAT) for n in sorted(holding)),
        )

    def _beside(self) -> list[Path]:
        """Files that no manifest lists and that name the person, as logs do; the report's page."""
        root, page = self.folder, provenance.REPORT_PAGE.path(self.folder)
        unprotected = [p for p in self._found if p.relative_to(root).parts[0] in UNPROTECTED]
        return sorted({*unprotected, *([page] if page.exists() else [])})


def plan_withdrawal(folder: Path, name: str) -> Withdrawal:
    """What removing a person takes.

    Parameters
    ----------
    folder : results folder of a build, or folder of a published dataset
    name : the person as the dataset's column `subject` has it; DATABASE/SUBJECT where two databases
        have the same

    Raises
    ------
    StoreError
        The folder is neither.
    LookupError
        There is no such person, or there are several; the message names them.
    """
    if not is_root(folder) and not (folder / "data").is_dir():
        what = f"has no {MARKER} and no data: it is no build and no dataset"
        raise StoreError(folder, what, "name a results folder, or a dataset's folder")
    build = lineage.load_build(folder) if is_root(folder) else None
    table = pd.DataFrame(_photographs(folder, build), columns=["person", "photograph", "source"])
    people = sorted({p for p in table["person"] if name in (str(p), p.subject)}, key=str)
    if len(people) > 1:
        raise LookupError(f"{name}: stands for several people: {', '.join(map(str, people))}")
    if not people:
        of_scans = build and rows_where(build, gallery.FRAMES.name(), "subject", value=name)
        remedy = "check the name with `affect4d dataset stats`"
        if of_scans:
            remedy = "every image rests on the scans: take the person out of those and build anew"
        raise LookupError(f"{name}: nobody of this name is on the photographs; {remedy}")
    theirs = table[table["person"].isin(people)]
    sources = sorted({str(source) for source in theirs["source"] if source})
    return Withdrawal(folder, people[0], frozenset(theirs["photograph"]), tuple(sources))


def _photographs(folder: Path, build: Build | None) -> Iterator[tuple[Person, str, str]]:
    """Person, name and source of each photograph: of the databases, then of the dataset."""
    for database in _databases(build) if build else ():
        for table in neutral_tables(build, database) if build else ():
            subjects = table["subject" if "subject" in table else "subject_id"]
            sources = table["path"] if "subject_id" in table else [""] * len(table)
            for subject, image_id, source in zip(subjects, table["image_id"], sources, strict=True):
                yield Person(database, str(subject)), str(image_id), str(source)
    dataset = folder / DATASET.name() if build else folder
    if (dataset / "data").is_dir():
        rows = Published(dataset).rows
        for row in rows[rows["class"] < 0].itertuples():
            name = str(row.image_id).removeprefix(f"{row.database}-")
            yield Person(str(row.database), str(row.subject)), name, ""


def _databases(build: Build) -> list[str]:
    tables = (CANDIDATES, ACCEPTED_TABLE)
    matches = (table.match(name) for name in build.owners for table in tables)
    return sorted({match["database"] for match in matches if match})
