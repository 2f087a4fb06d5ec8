"""What a dataset's card and metadata state beside what follows from its rows."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel

from affect4d import store
from affect4d.config.dataset import Settings

CITATION = (
    "Kollias, Cheng, Pantic, Zafeiriou: Photorealistic Facial Synthesis in the Dimensional Affect "
    "Space. ECCV Workshops, 2018."
)
INTENDED = (
    "Research on affect from faces: to train or augment models that predict valence and arousal, "
    "together with images of real expressions, and to study how such models depend on pose, "
    "identity and expression. Measure on real images only."
)
PROHIBITED = (
    "deciding anything about a person",
    "surveillance",
    "identifying people",
    "showing people as having felt what they did not feel",
)
GALLERIES = {
    "synthetic": "the embedded gallery: people, expressions and annotations are synthetic",
    "ict_facekit": "people of ICT-FaceKit with synthetic expressions and annotations",
    "manifest": "scans of people, annotated frame by frame, of the builder's own",
}
_COMMENT = ("<!-- affect4d: ", " -->\n")  # around the facts in the card


class Facts(BaseModel):
    """What the card states beside what follows from the rows; kept in the card as a comment.

    Attributes
    ----------
    settings : of the stage `dataset`
    gallery : the source of the scans, as `gallery.source` names it
    target : what stands for a class, as `blendshapes.target` names it
    synthesis : settings of the stage `synthesis`, as the chunks state them
    inspected : who inspected the neutral images, by database
    annotated : frames of each database that carry valence and arousal, by class name
    """

    settings: Settings
    gallery: str
    target: str
    synthesis: dict[str, Any]
    inspected: dict[str, str]
    annotated: dict[str, dict[str, int]]

    def comment(self) -> str:
        """The facts as a line of Markdown that is not shown."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return text.replace(">", "\\u003e").join(_COMMENT)


class Source(NamedTuple):
    """A database whose neutral images are published: its people, and the images made of them."""

    database: str
    kind: str
    subjects: int
    images: int
    licence: str
    consent: str


def list_sources(rows: pd.DataFrame, settings: Settings) -> list[Source]:
    """The databases behind a dataset's rows, sorted.

    People count of whom only the neutral image is there: every edit of it was refused.
    """
    made = rows.assign(made=rows["class"] >= 0).groupby(["database", "kind"])
    counts = made.agg(subjects=("subject", "nunique"), images=("made", "sum"))
    return [
        Source(
            str(database),
            str(kind),
            int(subjects),
            int(images),
            settings.licences.get(str(database), "as its owners state it"),
            settings.consent.get(str(database), "as its owners state it"),
        )
        for (database, kind), subjects, images in counts.itertuples(name=None)
    ]


def read_facts(card: Path) -> Facts:
    """What a card was written from.

    Raises
    ------
    StoreError
        It is no card that this version wrote.
    """
    try:
        text = card.read_text(encoding="utf-8")
        return Facts.model_validate_json(text.rpartition(_COMMENT[0])[2].removesuffix(_COMMENT[1]))
    except (OSError, ValueError):
        what, remedy = "is no card of a dataset that can be written again", "publish it anew"
        raise store.StoreError(card, what, remedy) from None
