"""The list of people who withdrew: none of them may be in the build."""

from collections.abc import Iterator

import pandas as pd

from affect4d.artifacts.dataset import DATASET, SPLIT_TABLE
from affect4d.artifacts.neutrals import NEUTRALS
from affect4d.audit.verdict import Finding, damaged
from affect4d.audit.verified_build import VerifiedBuild
from affect4d.config.neutrals import Settings as NeutralsSettings
from affect4d.neutrals.withdrawn import Person, read_withdrawn
from affect4d.provenance.lineage import Build
from affect4d.provenance.records import neutral_tables, people_of


def check_withdrawn(build: VerifiedBuild) -> Iterator[Finding]:
    """People on the list among the photographs or in the dataset; no name is said."""
    gone = people_withdrawn(build.build)
    if not gone:
        return
    people: dict[str, set[Person]] = {}
    for name in build.artifacts:
        if fields := NEUTRALS.match(name):
            tables = neutral_tables(build.build, fields["database"])
            people[name] = {(fields["database"], who) for t in tables for who in people_of(t)}
    if DATASET.name() in build.artifacts:
        table = pd.read_csv(SPLIT_TABLE.path(build.root), dtype=str, keep_default_na=False)
        people[DATASET.name()] = {*zip(table["database"], table["subject"], strict=True)}
    for name, present in people.items():
        if count := len(present & gone):
            yield damaged(name, name, f"has {count} of the people who withdrew")


def people_withdrawn(build: Build) -> set[Person]:
    """The people on the lists that the build's settings name, in the working directory."""
    stated = (manifest.settings.get("neutrals") for manifest in build.manifests.values())
    default = NeutralsSettings.model_fields["withdrawn"].default
    lists = {str(each.get("withdrawn", default)) for each in stated if isinstance(each, dict)}
    return {person for file in lists for person in read_withdrawn(file)}


def describe_withdrawn(build: Build) -> Iterator[str]:
    """A note of how many people withdrew, where any did."""
    if count := len(people_withdrawn(build)):
        yield f"{count} people withdrew; photographs and dataset were searched for them"
