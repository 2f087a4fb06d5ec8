"""The sheet that the dataset card shows: a few people, each neutral and in some classes."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.plotting.montage import contact_sheet

PEOPLE, CLASSES = 4, 7  # rows of the sheet, and pictures beside the neutral one


def draw_preview(
    rows: pd.DataFrame, read: Callable[[pd.DataFrame], list[NDArray[np.uint8]]]
) -> bytes:
    """JPEG bytes: for people of each database in turn, the neutral image and classes in order.

    Parameters
    ----------
    rows : of the dataset
    read : gives the images of some of the rows
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
        pictures.append(read(row))
    return contact_sheet(pictures)
