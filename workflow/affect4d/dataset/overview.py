"""What is in a published dataset: counts, and contact sheets by class and by person."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.dataset.published import Published
from affect4d.plotting.montage import contact_sheet


def describe_dataset(published: Published) -> str:
    """Counts per database and split, per class, and per person, as text."""
    rows = published.rows
    made, people = rows[rows["class"] >= 0], ["database", "subject"]
    keys = ["database", "kind", "split"]
    groups = rows.assign(person=rows["database"] + "/" + rows["subject"], made=rows["class"] >= 0)
    counts = groups.groupby(keys).agg(people=("person", "nunique"), images=("made", "sum"))
    of_class = made.groupby("class_name").agg(
        valence=("valence", "first"), arousal=("arousal", "first"), images=("image_id", "size")
    )
    of_person = made.groupby([*people, "split"]).size().rename("images")
    return "\n\n".join(
        [
            f"{len(made)} images of {len(of_person)} people in {len(of_class)} classes, "
            f"made from {len(rows) - len(made)} neutral images",
            counts.reset_index().to_string(index=False),
            of_class.sort_values(["valence", "arousal"]).reset_index().to_string(index=False),
            of_person.reset_index().to_string(index=False),
        ]
    )


def draw_sheets(published: Published, *, people: int, classes: int) -> dict[str, bytes]:
    """Contact sheets, JPEG each: `by_class` (a class per row), `by_subject` (a person per row).

    Both show the same people, of each database in turn, and the same classes, evenly over the
    plane; a picture that was not published is white.

    Parameters
    ----------
    published : the dataset
    people, classes : most of each that are shown
    """
    rows = published.rows
    made = rows[(rows["class"] >= 0) & (rows["sample"] == rows["sample"].min())]
    neutral = rows[rows["class"] < 0].drop_duplicates(["database", "subject"])
    turn = neutral.groupby("database").cumcount()
    shown = neutral.assign(turn=turn).sort_values(["turn", "database"])[:people]
    names = made.sort_values(["class"])["class_name"].unique()
    chosen = names[np.unique(np.linspace(0, len(names) - 1, classes).round().astype(int))]
    parts = [rows[rows["image_id"].isin(shown["image_id"])]]
    wanted = made["neutral_image_id"].isin(shown["image_id"]) & made["class_name"].isin(chosen)
    selected = pd.concat([*parts, made[wanted]], ignore_index=True)
    keys = zip(selected["neutral_image_id"], selected["class_name"], strict=True)
    pictures = dict(zip(keys, published.read(selected), strict=True))
    white = np.full_like(next(iter(pictures.values())), 255)

    def picture(person: str, name: str) -> NDArray[np.uint8]:
        return pictures.get((person, name), white)

    columns = [shown["class_name"].iloc[0], *chosen]
    by_subject = [[picture(who, name) for name in columns] for who in shown["image_id"]]
    return {
        "by_class": contact_sheet(list(zip(*by_subject, strict=True))),
        "by_subject": contact_sheet(by_subject),
    }
