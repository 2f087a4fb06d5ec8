"""Do artifacts agree with one another: labels with class medians, counts with what was counted."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.audit.lineage import Build
from affect4d.audit.verdict import Finding, Kind
from affect4d.store.manifest import SUFFIX

_GALLERY, _AFFECTSPACE = "gallery/frames", "affectspace/affectspace"
_ATLAS, _DATASET = "blendshapes/atlas", "dataset"
_TOLERANCE = 1e-6  # labels may have passed through float32


def check(build: Build, broken: set[str]) -> list[Finding]:
    """Compare the artifacts that are there and whole.

    Parameters
    ----------
    build : all manifests
    broken : artifacts whose bytes cannot be believed; they are left out
    """
    whole = {m.artifact for m in build.manifests.values()} - broken
    findings: list[Finding] = []
    classes = None
    if _AFFECTSPACE in whole:
        frames = pd.read_parquet(build.root / "affectspace/frames.parquet")
        classes = pd.read_parquet(build.root / "affectspace/classes.parquet").set_index("class")
        findings += _check_classes(frames, classes)
        if _GALLERY in whole:
            findings += _check_frame_count(build, len(frames))
    tables = {name: _labels(build, name) for name in sorted(whole) if _is_synthesis(build, name)}
    if _ATLAS in whole:
        atlas = store.open(build.root / f"{_ATLAS}.zarr")
        medians = pd.DataFrame(atlas["median"][...], columns=["valence", "arousal"])
        for name, labels in tables.items():
            findings += _check_labels(name, labels, medians)
    if _DATASET in whole:
        findings += _check_dataset(build, tables)
    return findings


def _check_classes(frames: pd.DataFrame, classes: pd.DataFrame) -> Iterator[Finding]:
    """Counts and medians of the classes, against the frames themselves."""
    groups = frames[frames["class"] >= 0].groupby("class")
    count = groups.size().reindex(classes.index, fill_value=0)
    medians = groups[["valence", "arousal"]].median().reindex(classes.index)
    for index in classes.index[count != classes["count"]]:
        what = (
            f"class {index} counts {classes.loc[index, 'count']} frames, {count[index]} are in it"
        )
        yield Finding(Kind.DAMAGED, _AFFECTSPACE, "affectspace/classes.parquet", what)
    for axis in ("valence", "arousal"):
        same = np.isclose(medians[axis], classes[f"median_{axis}"], atol=1e-9, equal_nan=True)
        for index in classes.index[~same]:
            what = f"the median {axis} of class {index} is {medians.loc[index, axis]:.6f}"
            yield Finding(Kind.DAMAGED, _AFFECTSPACE, "affectspace/classes.parquet", what)


def _check_frame_count(build: Build, count: int) -> Iterator[Finding]:
    frames = len(pd.read_parquet(build.root / "gallery/frames.parquet", columns=["frame_id"]))
    if frames != count:
        what = f"has {count} frames, the gallery {frames}"
        yield Finding(Kind.DAMAGED, _AFFECTSPACE, "affectspace/frames.parquet", what)


def _is_synthesis(build: Build, artifact: str) -> bool:
    return artifact.startswith("synthesis/") and (build.root / f"{artifact}.zarr").is_dir()


def _labels(build: Build, artifact: str) -> pd.DataFrame:
    """The labels of a synthesis chunk's images."""
    chunk = store.open(build.root / f"{artifact}.zarr")
    return pd.DataFrame(
        {"image_id": chunk.attributes["image_ids"]}
        | {name: chunk[name][...] for name in ("class", "valence", "arousal")}
    )


def _check_labels(name: str, labels: pd.DataFrame, medians: pd.DataFrame) -> Iterator[Finding]:
    """Every label is the median of the frames behind its class's mean."""
    medians = medians.reindex(labels["class"])
    for axis in ("valence", "arousal"):
        wrong = ~np.isclose(labels[axis], medians[axis], rtol=0, atol=_TOLERANCE)
        for image_id in labels.loc[wrong, "image_id"]:
            what = f"the {axis} of {image_id} is not the median of its class"
            yield Finding(Kind.DAMAGED, name, f"{name}.zarr/{axis}", what)


def _check_dataset(build: Build, tables: dict[str, pd.DataFrame]) -> Iterator[Finding]:
    """The dataset holds the images of the chunks it was built from, with their labels."""
    sources = [n.removesuffix(SUFFIX) for n in build.manifests[_DATASET + SUFFIX].inputs]
    if not set(sources) <= set(tables):
        return
    columns = ["image_id", "class", "valence", "arousal"]
    shards = sorted((build.root / "dataset/data").glob("*.parquet"))
    published = pd.concat(
        [pd.DataFrame(columns=columns), *(pd.read_parquet(p, columns=columns) for p in shards)]
    )
    published = published[published["class"] >= 0].set_index("image_id").sort_index()
    made = pd.concat([tables[name] for name in sources]).set_index("image_id").sort_index()
    if not published.index.equals(made.index):
        what = f"has {len(published)} synthesized images, the chunks {len(made)}"
        yield Finding(Kind.DAMAGED, _DATASET, "dataset/data", what)
    elif not np.allclose(published.astype(float), made[columns[1:]], rtol=0, atol=_TOLERANCE):
        what = "labels differ from those of the chunks"
        yield Finding(Kind.DAMAGED, _DATASET, "dataset/data", what)
