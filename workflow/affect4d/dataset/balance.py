"""Balance: how many images of each class are published, and which.

Augmentation is to fill what real data lack. Of each class the images of different people take
turns, in an order that the seed and the images' names decide.
"""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.config.dataset import Settings
from affect4d.formats.tables import read_rows
from affect4d.quarantine import BadInput


def read_wanted(settings: Settings, classes: Collection[str]) -> dict[str, int] | None:
    """Most images of each class by its name; None where all are published.

    Parameters
    ----------
    settings : of the stage `dataset`
    classes : names of all; of one that the table lacks there is no real image (fill), or none is
        wanted (target)

    Raises
    ------
    BadInput
        The table of counts cannot be read, or names another class.
    """
    if settings.balance == "all" or settings.counts is None:
        return None
    counts: dict[str, int] = {}
    for line, row in read_rows(Path(settings.counts), ("class_name", "images")):
        if not row["images"].isdecimal():
            rule = "images is no whole number from 0 on"
            raise BadInput(f"{settings.counts}:{line}", rule, "write the number of images")
        if row["class_name"] not in classes:
            rule = f"{row['class_name']} is no class"
            raise BadInput(f"{settings.counts}:{line}", rule, "write such as v+0.5_a-0.1")
        counts[row["class_name"]] = int(row["images"])
    if settings.balance == "target":
        return counts
    most = max(counts.values(), default=0)
    return {name: most - counts.get(name, 0) for name in classes}


def balanced(rows: pd.DataFrame, wanted: Mapping[str, int] | None, seed: int) -> NDArray[np.bool_]:
    """Which rows are published: (N,) booleans, true for every neutral image.

    Parameters
    ----------
    rows : image_id, class, class_name, database, subject
    wanted : most images of each class; of a class that is not named, none; None for all
    seed : of the build
    """
    if wanted is None:
        return np.ones(len(rows), bool)
    neutral = (rows["class"] < 0).to_numpy()
    made = rows.loc[~neutral, ["image_id", "class_name", "database", "subject"]]
    made = made.assign(order=[_hash(seed, name) for name in made["image_id"]]).sort_values("order")
    made["turn"] = made.groupby(["class_name", "database", "subject"]).cumcount()
    made = made.sort_values(["turn", "order"])
    place = made.groupby("class_name").cumcount()
    chosen = made.index[place < made["class_name"].map(dict(wanted)).fillna(0)]
    return np.asarray(neutral | rows.index.isin(chosen))


def _hash(seed: int, image_id: str) -> str:
    return hashlib.sha256(f"{seed}/{image_id}".encode()).hexdigest()
