"""The dataset card: what was done, from the settings and the rows; Markdown with YAML above it."""

import importlib.resources
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import jinja2
import pandas as pd
import yaml

from affect4d.artifacts.declaration import Column
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset import croissant

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_LARGEST_SIZE = "n>1M"  # as Hugging Face names sizes; the numbers are images
_STATED = ("intensity", "blend", "relight", "folds", "samples", "margin")
_BLENDS = {
    "warp": "the photograph was moved accordingly",
    "poisson": "the photograph was moved accordingly, and what it does not show completed by "
    "solving Poisson's equation",
}
_GALLERIES = {
    "synthetic": "the embedded gallery: people, expressions and annotations are synthetic",
    "ict_facekit": "people of ICT-FaceKit with synthetic expressions and annotations",
    "manifest": "scans of people, annotated frame by frame, of the builder's own",
}


def render_card(
    rows: pd.DataFrame,
    columns: list[Column],
    *,
    shards: Mapping[str, list[str]],
    settings: Settings,
    gallery: str,
    synthesis: Mapping[str, Any],
    size: tuple[int, int],
    readings: list[dict[Hashable, Any]],
    inspected: Mapping[str, str],
) -> str:
    """The card's text.

    Parameters
    ----------
    rows : of the dataset
    columns : that are published
    shards : names of the files of each split
    settings : of the stage `dataset`
    gallery : the source of the scans, as `gallery.source` names it
    synthesis : settings of the stage `synthesis`, as the chunks state them
    size : height and width of the images, pixels
    readings : rows of `readers/summary.csv`
    inspected : who inspected the neutral images, by database
    """
    synthesized = rows[rows["class"] >= 0]
    lossy = f"JPEG of quality {settings.jpeg_quality}, chroma not subsampled"
    text = importlib.resources.files("affect4d.dataset").joinpath("card.md.j2").read_text("utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    by_database = _counts(synthesized, ["database", "kind"])
    licences = {row["database"]: settings.licences.get(row["database"]) for row in by_database}
    return environment.from_string(text).render(
        header=header(len(rows), shards, settings),
        settings=settings,
        citation=croissant.CITATION,
        gallery=_GALLERIES[gallery],
        synthesis=synthesis,
        blend=_BLENDS[synthesis["blend"]],
        others=_not_default(synthesis),
        columns=columns,
        synthesized=len(synthesized),
        neutrals=len(rows) - len(synthesized),
        subjects=len(synthesized[["database", "subject"]].drop_duplicates()),
        classes=synthesized["class"].nunique(),
        interpolated=int(synthesized["interpolated"].sum()),
        height=size[0],
        width=size[1],
        encoding="PNG (lossless)" if settings.image_format == "png" else lossy,
        readings=readings,
        inspected=inspected,
        by_split=_counts(synthesized, ["split"]),
        by_database=by_database,
        by_class=_counts(synthesized, ["class", "class_name", "valence", "arousal"]),
        licences=licences,
    )


def _not_default(synthesis: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the synthesis that are not the default ones and that no row states yet."""
    defaults = SynthesisSettings().model_dump(mode="json")
    return {
        name: value
        for name, value in synthesis.items()
        if name not in _STATED and value != defaults.get(name)
    }


def header(count: int, splits: Iterable[str], settings: Settings) -> str:
    """The card's YAML, as Hugging Face reads it: `count` images in splits of these names."""
    size = next((name for limit, name in _SIZES if count < limit), _LARGEST_SIZE)
    data = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    configs = [{"config_name": "default", "data_files": data}]
    if settings.labels:
        labels = [{"split": split, "path": f"labels/{split}-*.parquet"} for split in splits]
        configs.append({"config_name": "labels", "data_files": labels})
    content = {
        "pretty_name": settings.name,
        "license": settings.licence,
        "task_categories": ["image-classification"],
        "tags": ["facial-expression", "valence-arousal", "synthetic"],
        "size_categories": [size],
        "configs": configs,
    }
    # PyYAML writes U+0085 and U+2028 as they are, and reads them back as ends of lines
    readable = (settings.name + settings.licence).isprintable()
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=readable))


def _counts(rows: pd.DataFrame, keys: list[str]) -> list[dict[Hashable, Any]]:
    """Subjects and images per group, sorted by `keys`."""
    people = rows["database"] + "/" + rows["subject"]
    grouped = rows.assign(person=people).groupby(keys, sort=True)["person"]
    counts = grouped.agg(subjects="nunique", images="size").reset_index()
    return list(counts.to_dict("records"))
