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
from affect4d.audit import journal
from affect4d.audit.orphans import UNPROTECTED
from affect4d.audit.removal_summary import describe_removals
from affect4d.audit.repair import invalidate, plan_removals
from affect4d.audit.verdict import Verdict, damaged
from affect4d.audit.withdrawn import lists_of
from affect4d.config.neutrals import Settings
from affect4d.dataset.facts import read_facts
from affect4d.dataset.published import Published
from affect4d.dataset.traces import Traces
from affect4d.dataset.withdrawal import remove_person, shows_others
from affect4d.neutrals.withdrawn import Person
from affect4d.provenance import lineage
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import neutral_tables, people_of, rows_where
from affect4d.quarantine import BadInput
from affect4d.store import StoreError
from affect4d.store.build_root import MARKER, is_root
from affect4d.store.manifest import SUFFIX

_WHAT = "holds something of a person who withdrew"
_LOGS = "logs", "benchmarks"
_BESIDE = {*UNPROTECTED, journal.NAME, provenance.LEFT.pattern}  # no manifest lists them


@dataclass(frozen=True)
class Withdrawal:
    """What removing a person takes away.

    Attributes
    ----------
    folder : results folder of a build, or the folder of a published dataset
    person : who
    photographs : the names of their photographs
    sources : their files in the database, which are never touched
    calls : what else a log may call them: paths within the database, the name there
    """

    folder: Path
    person: Person
    photographs: frozenset[str]
    sources: tuple[str, ...] = field(default=())
    calls: frozenset[str] = field(default=frozenset())

    @property
    def dataset(self) -> Path:
        """The folder of the published dataset, which a build may not have yet."""
        return self.folder / DATASET.name() if self.is_build else self.folder

    @cached_property
    def rewrites(self) -> bool:
        """Whether the dataset can be written again without the person; else a build loses it."""
        try:
            read_facts(self.dataset / Path(CARD.name()).name)
        except StoreError:
            return not self.is_build
        return not self.is_build or shows_others(Published(self.dataset), self.person)

    def default_list(self) -> Path:
        """The list of withdrawals that the build's settings name.

        Raises
        ------
        BadInput
            They name several.
        """
        lists = lists_of(lineage.load_build(self.folder)) if self.is_build else set()
        if len(lists) > 1:
            rule = f"was built by several lists: {', '.join(sorted(map(str, lists)))}"
            raise BadInput(self.folder, rule, "name one with --list")
        return next(iter(lists), Path(Settings.model_fields["withdrawn"].default))

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
            known = Traces(self.person, self._names)
            digests |= {sha for path, (_, sha) in build.owners.items() if known.is_named(path)}
        if (self.dataset / "data").is_dir():
            digests |= Published(self.dataset).digests(self.person.database, self.person.subject)
        return Traces(self.person, self._names, frozenset(digests))

    @property
    def _names(self) -> frozenset[str]:
        return self.photographs.union(self.sources)

    def describe(self) -> str:
        """What would be removed, in lines."""
        lines = [f"{self.person}: photographs: {', '.join(sorted(self.photographs))}"]
        if self.rewrites:
            lines.append(f"{self.dataset}: written again without the person")
        if self.is_build:
            lines += [describe_removals(self.folder, plan_removals(self.folder, self._verdict()))]
            beside = self._beside()
            lines += [f"{path}: deleted" for path in beside]
            if any(path.is_relative_to(self.folder / provenance.LEFT.pattern) for path in beside):
                lines.append("a seal of this build does not hold any more, for it lists these")
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
        return [f"{path}: {what}" for path, what in self._find(traces)]

    @cached_property
    def _found(self) -> list[Path]:
        """The files that hold something of the person."""
        return [path for path, _ in self._find(self.traces)]

    def _find(self, traces: Traces) -> Iterator[tuple[Path, str]]:
        """Each file that holds something of the person, and what."""
        yield from traces.find(self.folder)
        if self.is_build:
            # others may be called the same: in what is nothing but a log, that costs nothing
            called = Traces(self.person, self._names | self.calls)
            for name in _LOGS:
                yield from called.find(self.folder / name)

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
        root, database = self.folder, self.person.database
        found = [path for path in self._found if path.relative_to(root).parts[0] in _BESIDE]
        log = root / _LOGS[0] / "neutrals" / f"{database}.log"
        always = (provenance.REPORT_PAGE.path(root), log, root / journal.NAME)
        return sorted({*found, *(path for path in always if path.exists())})


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
    columns = ["person", "photograph", "source", "calls"]
    table = pd.DataFrame(_photographs(folder, build), columns=columns)
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
    calls = frozenset(text for each in theirs["calls"] for text in each if text)
    return Withdrawal(folder, people[0], frozenset(theirs["photograph"]), tuple(sources), calls)


def _photographs(
    folder: Path, build: Build | None
) -> Iterator[tuple[Person, str, str, tuple[str, ...]]]:
    """Person, name, source of each photograph, and what else logs call it and the person."""
    for database in _databases(build) if build else ():
        for table in neutral_tables(build, database) if build else ():
            sources = table["path"] if "subject_id" in table else [""] * len(table)
            calls = table.reindex(columns=["source", "subject_name"]).fillna("").astype(str)
            rows = zip(people_of(table), table["image_id"], sources, calls.to_numpy(), strict=True)
            for subject, image_id, source, called in rows:
                yield Person(database, subject), str(image_id), str(source), tuple(called)
    dataset = folder / DATASET.name() if build else folder
    if (dataset / "data").is_dir():
        rows = Published(dataset).rows
        for row in rows[rows["class"] < 0].itertuples():
            name = str(row.image_id).removeprefix(f"{row.database}-")
            yield Person(str(row.database), str(row.subject)), name, "", ()


def _databases(build: Build) -> list[str]:
    tables = (CANDIDATES, ACCEPTED_TABLE)
    matches = (table.match(name) for name in build.owners for table in tables)
    return sorted({match["database"] for match in matches if match})
