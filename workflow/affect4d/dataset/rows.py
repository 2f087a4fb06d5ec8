"""The rows of the dataset: every synthesized image, and the neutral image it came from.

Only labels are read here; images stay in their stores until a shard is written.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.dataset import MEAN, NEUTRAL, NEUTRAL_CLASS, QUALITY, READ
from affect4d.quarantine import BadInput


def collect_rows(stores: Mapping[str, store.Store], kinds: dict[str, str]) -> pd.DataFrame:
    """The rows of all synthesis chunks.

    Parameters
    ----------
    stores : `synthesis/{database}/{chunk}.zarr`, open, by any name
    kinds : database -> "photograph" or "rendered"

    Returns
    -------
    DataFrame
        One row per image, by database and image_id: the dataset's columns but `image` and `split`,
        and `store` (the name), `array`, `index`, which say where the pixels lie.

    Raises
    ------
    StoreError
        A chunk is damaged.
    BadInput
        No image was synthesized.
    ValueError
        Two images have the same image_id.
    """
    tables = []
    for name, chunk in stores.items():
        rows = read_chunk(chunk)
        if len(rows):
            tables.append(rows.assign(kind=rows["database"].map(kinds), store=name))
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"class": []})
    if not (rows["class"] >= 0).any():
        reasons = "affectspace/quarantine.csv and synthesis/*/quarantine/*.csv"
        raise BadInput("dataset", "no image was synthesized", f"{reasons} say why, and what to do")
    repeated = rows.loc[rows["image_id"].duplicated(), "image_id"]
    if len(repeated):
        raise ValueError(f"image_id {repeated.iloc[0]} occurs twice in the synthesis chunks")
    return rows.sort_values(["database", "image_id"], ignore_index=True)


def add_readings(rows: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """The rows with what was read of them: null where an image was not read.

    Parameters
    ----------
    rows : of the dataset
    readings : columns image_id and those of `READ`
    """
    renamed = readings[["image_id", *READ]].rename(columns=READ)
    return rows.merge(renamed, on="image_id", how="left", validate="one_to_one")


def read_chunk(chunk: store.Store) -> pd.DataFrame:
    """The rows of one chunk's synthesized images, then of its neutral images.

    Returns
    -------
    DataFrame
        The dataset's columns but `image`, `kind` and `split`, and `array` and `index`.
    """
    attributes = chunk.attributes
    database, photographs = attributes["database"], attributes["photographs"]
    neutral_ids = [f"{database}-{photograph['image_id']}" for photograph in photographs]
    neutrals = pd.DataFrame(
        {
            "image_id": neutral_ids,
            "class": NEUTRAL_CLASS,
            "class_name": NEUTRAL,
            "valence": np.nan,
            "arousal": np.nan,
            "sample": MEAN,
            "interpolated": False,
            "subject": [photograph["subject"] for photograph in photographs],
            "neutral_image_id": neutral_ids,
            "array": "neutral",
            "index": np.arange(len(photographs)),
        }
    )
    photograph, classes = chunk["photograph"][...], chunk["class"][...]
    images = pd.DataFrame(
        {
            "image_id": attributes["image_ids"],
            "class": classes,
            "class_name": np.array(attributes["classes"], object)[classes],
            "valence": chunk["valence"][...],
            "arousal": chunk["arousal"][...],
            "sample": chunk["sample"][...],
            "interpolated": chunk["interpolated"][...],
            "subject": attributes["subjects"],
            "neutral_image_id": np.array(neutral_ids, object)[photograph],
            "array": "images",
            "index": np.arange(len(photograph)),
        }
    )
    measures = [QUALITY + name for name in attributes["quality"]]
    images = pd.concat([images, pd.DataFrame(chunk["quality"][...], columns=measures)], axis=1)
    tables = [table for table in (images, neutrals) if len(table)]
    rows = pd.concat(tables, ignore_index=True) if tables else images
    return rows.assign(database=database)
