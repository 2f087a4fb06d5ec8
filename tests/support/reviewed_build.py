"""Neutral faces of a folder per person, for tests of their review."""

import pandas as pd

from affect4d.config.neutrals import Database, Settings
from affect4d.neutrals.build import build_neutrals
from support.contexts import context
from support.database_layouts import put

PEOPLE = 12


def build(root, people=PEOPLE, images=2, decisions=None, **settings):
    """The neutral faces of a folder per person; gives the results folder."""
    for person in range(people):
        for image in range(images):
            put(root / "database" / f"p{person:03d}" / f"{image}.jpg", person)
    database = Database(
        adapter="folder_per_person",
        root=str(root / "database"),
        decisions=None if decisions is None else str(decisions),
    )
    stage = Settings(databases={"mine": database}, **{"max_images": people} | settings)
    results = root / "results"
    run = context(
        results, "neutrals", item="mine", settings={"neutrals": stage.model_dump(mode="json")}
    )
    build_neutrals("mine", stage, run)
    return results


def used(results):
    rows = pd.read_csv(results / "neutrals/mine/accepted.csv")
    return rows["image_id"].tolist()
