"""The sheet that the dataset card shows: a few people, each neutral and in some classes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.dataset.shards import read_pixels
from affect4d.plotting.montage import contact_sheet

PEOPLE, CLASSES = 4, 7  # rows of the sheet, and pictures beside the neutral one


def draw_preview(rows: pd.DataFrame, stores: Mapping[str, store.Store]) -> bytes:
    """JPEG bytes: for people of each database in turn, the neutral image and classes in order.

    Parameters
    ----------
    rows : of the dataset, with `store`, `array` and `index`
    stores : the open stores that the rows name
    """
    synthesized = rows[(rows["class"] >= 0) & (rows["sample"] == rows["sample"].min())]
    counts = synthesized.groupby("neutral_image_id")["class"].size()
    neutrals = rows[(rows["class"] < 0) & (rows["image_id"].map(counts) >= CLASSES)]
    turn = neutrals.groupby("database").cumcount()
    chosen = neutrals.assign(turn=turn).sort_values(["turn", "database"])["image_id"][:PEOPLE]
    pictures = []
    for neutral in chosen:
        own = synthesized[synthesized["neutral_image_id"] == neutral].sort_values("class")
        shown = own.iloc[np.linspace(0, len(own) - 1, CLASSES).round().astype(int)]
        row = pd.concat([rows[rows["image_id"] == neutral], shown], ignore_index=True)
        pictures.append(read_pixels(row, stores))
    return contact_sheet(pictures)
