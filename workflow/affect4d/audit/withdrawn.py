"""The list of people who withdrew: none of them may be in the build."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from affect4d.artifacts.dataset import DATASET, SPLIT_TABLE
from affect4d.artifacts.neutrals import NEUTRALS
from affect4d.audit.verdict import Finding, damaged
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.neutrals.withdrawn import Person, read_withdrawn, spellings, withdrawal_lists
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import neutral_tables, people_of


def check_withdrawn(build: VerifiedBuild) -> Iterator[Finding]:
    """People on the list among the photographs or in the dataset; no name is said."""
    listed = people_withdrawn(build.build)
    gone = {spelled for person in listed for spelled in spellings(person)}
    if not gone:
        return
    people: dict[str, set[Person]] = {}
    for name in build.artifacts:
        if fields := NEUTRALS.match(name):
            tables = neutral_tables(build.build, fields["database"])
            people[name] = _listed(tables, fields["database"], gone)
    if DATASET.name() in build.artifacts:
        table = pd.read_csv(SPLIT_TABLE.path(build.root), dtype=str, keep_default_na=False)
        every = set(map(Person, table["database"], table["subject"]))
        people[DATASET.name()] = every & gone
    for name, present in people.items():
        if count := len(present):
            yield damaged(name, name, f"has {count} of the people who withdrew")


def _listed(tables: Iterable[pd.DataFrame], database: str, gone: set[Person]) -> set[Person]:
    """The people of a database's tables who are on the list by their id or their name."""
    return {
        Person(database, who)
        for table in tables
        for who, name in zip(people_of(table), table["subject_name"].astype(str), strict=True)
        if not gone.isdisjoint({(database, who), (database, name)})
    }


def people_withdrawn(build: Build) -> set[Person]:
    """The people on the lists that the build's settings name."""
    return {person for file in lists_of(build) for person in read_withdrawn(file)}


def lists_of(build: Build) -> set[Path]:
    """The lists that the build's settings name."""
    stated = (manifest.settings for manifest in build.manifests.values())
    return withdrawal_lists(stated, build.root)


def describe_withdrawn(build: Build) -> Iterator[str]:
    """A note of how many people withdrew, where any did."""
    if count := len(people_withdrawn(build)):
        yield f"{count} people withdrew; photographs and dataset were searched for them"
