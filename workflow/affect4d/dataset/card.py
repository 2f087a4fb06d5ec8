"""The dataset card: what was done, from the settings and the rows; Markdown with YAML above it."""

import importlib.resources
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd
import yaml

from affect4d.affectspace.grid import Grid
from affect4d.artifacts.dataset import RENDERED, SPLITS
from affect4d.artifacts.declaration import Column
from affect4d.config.blendshapes import TARGETS
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset.facts import (
    CITATION,
    GALLERIES,
    INTENDED,
    PROHIBITED,
    Facts,
    Source,
    list_sources,
)
from affect4d.plurals import plural

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_LARGEST_SIZE = "n>1M"  # as Hugging Face names sizes; the numbers are images
_STATED = ("intensity", "blend", "relight", "folds", "samples", "margin")
_BLENDS = {
    "warp": "the photograph was moved accordingly",
    "poisson": "the photograph was moved accordingly, and what it does not show completed by "
    "solving Poisson's equation",
}


def render_card(
    rows: pd.DataFrame,
    columns: list[Column],
    *,
    shards: Mapping[str, list[str]],
    classes: Sequence[str],
    facts: Facts,
    size: tuple[int, int],
    readings: list[dict[Hashable, Any]],
) -> str:
    """The card's text.

    Parameters
    ----------
    rows : of the dataset
    columns : that are published
    shards : names of the files of each split
    classes : names of all
    facts : what it states beside what follows from the rows
    size : height and width of the images, pixels
    readings : rows of `readers/summary.csv`
    """
    settings, synthesis = facts.settings, facts.synthesis
    synthesized = rows[rows["class"] >= 0]
    lossy = f"JPEG of quality {settings.jpeg_quality}, chroma not subsampled"
    text = importlib.resources.files("affect4d.dataset").joinpath("card.md.j2").read_text("utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters["plural"] = plural
    sources = list_sources(rows, settings)
    per_subject = synthesized.groupby(["database", "subject"]).size()
    return environment.from_string(text).render(
        header=header(
            len(rows), shards, settings, sources=sources, info=_info(rows, columns, classes)
        ),
        settings=settings,
        citation=CITATION,
        intended=INTENDED,
        prohibited=PROHIBITED,
        gallery=GALLERIES[facts.gallery],
        synthesis=synthesis,
        blend=_BLENDS[synthesis["blend"]],
        target=facts.target,
        stands_for=TARGETS[facts.target],
        others=_not_default(synthesis),
        columns=columns,
        synthesized=len(synthesized),
        neutrals=len(rows) - len(synthesized),
        subjects=len(per_subject),
        per_subject=sorted(per_subject),
        classes=synthesized["class"].nunique(),
        interpolated=int(synthesized["interpolated"].sum()),
        height=size[0],
        width=size[1],
        encoding="PNG (lossless)" if settings.image_format == "png" else lossy,
        readings=readings,
        inspected=facts.inspected,
        rendered=RENDERED,
        by_split=_counts(synthesized, ["split"]),
        by_class=_counts(synthesized, ["class", "class_name", "valence", "arousal"]),
        planes=_planes(synthesized, facts.annotated, classes),
        sources=sources,
    )


def _planes(
    synthesized: pd.DataFrame, annotated: Mapping[str, Mapping[str, int]], classes: Sequence[str]
) -> dict[str, str]:
    """Images per class of the plane as Markdown, by what is counted."""
    made = synthesized["class_name"].value_counts().reindex(classes, fill_value=0)
    known = [pd.Series(counts, dtype=int).reindex(classes, fill_value=0) for counts in
             annotated.values()]  # fmt: skip
    if not known:
        return {"Synthesized images": _plane(made)}
    real = sum(known[1:], known[0])
    names = ", ".join(annotated)
    return {
        f"Annotated frames of the source databases ({names})": _plane(real),
        "Synthesized images": _plane(made),
        "Both": _plane(real + made),
    }


def _plane(counts: pd.Series) -> str:
    """Counts by class as a table of Markdown: valence across, arousal up; none: empty."""
    side = math.isqrt(len(counts))
    centres = Grid(side).centres[:side, 1]
    squares = counts.to_numpy().reshape(side, side)  # valence by arousal
    lines = [
        ["arousal \\ valence", *(f"{centre:+.2g}" for centre in centres)],
        ["---"] * (side + 1),
    ]
    lines += [
        [f"{centres[row]:+.2g}", *(str(count or "") for count in squares[:, row])]
        for row in reversed(range(side))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _not_default(synthesis: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the synthesis that are not the default ones and that no row states yet."""
    defaults = SynthesisSettings().model_dump(mode="json")
    return {
        name: value
        for name, value in synthesis.items()
        if name not in _STATED and value != defaults.get(name)
    }


def header(
    count: int,
    splits: Iterable[str],
    settings: Settings,
    *,
    sources: Sequence[Source] = (),
    info: dict[str, Any] | None = None,
) -> str:
    """The card's YAML, as Hugging Face reads it.

    Parameters
    ----------
    count : of images
    splits : their names
    settings : of the stage `dataset`
    sources : the databases behind the images
    info : `dataset_info`
    """
    size = next((name for limit, name in _SIZES if count < limit), _LARGEST_SIZE)
    data = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    configs = [{"config_name": "default", "data_files": data}]
    if settings.labels:
        labels = [{"split": split, "path": f"labels/{split}-*.parquet"} for split in splits]
        configs.append({"config_name": "labels", "data_files": labels})
    content: dict[str, Any] = {
        "pretty_name": settings.name,
        "license": settings.licence,
        "task_categories": ["image-classification"],
        "annotations_creators": ["machine-generated"],
        "source_datasets": [
            "original" if each.kind == RENDERED else f"extended|other-{each.database}"
            for each in sources
        ],
        "tags": ["facial-expression", "valence-arousal", "synthetic"],
        "size_categories": [size],
        "configs": configs,
    }
    if info is not None:
        content["dataset_info"] = info
    # PyYAML writes U+0085 and U+2028 as they are, and reads them back as ends of lines
    readable = (settings.name + settings.licence).isprintable()
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=readable))


def _info(rows: pd.DataFrame, columns: list[Column], classes: Sequence[str]) -> dict[str, Any]:
    """Features and sizes of the splits, as Hugging Face's `dataset_info` writes them."""
    named = {"class_label": {"names": {str(number): name for number, name in enumerate(classes)}}}
    features = [
        {"name": column.name, "dtype": named if column.name == "class" else column.type}
        for column in columns
    ]
    counts = rows["split"].value_counts()
    splits = [{"name": name, "num_examples": int(counts[name])} for name in SPLITS
              if name in counts]  # fmt: skip
    return {"config_name": "default", "features": features, "splits": splits}


def _counts(rows: pd.DataFrame, keys: list[str]) -> list[dict[Hashable, Any]]:
    """Subjects and images per group, sorted by `keys`."""
    people = rows["database"] + "/" + rows["subject"]
    grouped = rows.assign(person=people).groupby(keys, sort=True)["person"]
    counts = grouped.agg(subjects="nunique", images="size").reset_index()
    return list(counts.to_dict("records"))
