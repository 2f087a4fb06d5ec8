"""Explain an image or a photograph: class, frames and scans here, fit and source there."""

from pathlib import Path
from typing import Any

import pandas as pd

from affect4d import store
from affect4d.provenance.explain_artifact import manifest_named, named, plain, steps
from affect4d.provenance.lineage import Build
from affect4d.provenance.names import Names, neutral_tables, quarantine_rows
from affect4d.store import Store, StoreError
from affect4d.store.manifest import SUFFIX

_FRAME_COLUMNS = (
    "frame_id",
    "subject",
    "sequence",
    "valence",
    "arousal",
    "mesh",
    "texture",
    "landmarks",
)


def image(build: Build, image_id: str) -> dict[str, Any]:
    """The record of a synthesized image: from its label back to the scans and the photograph."""
    artifact, chunk, row = _chunk_of(build, image_id)
    index = int(chunk["class"][row])
    name = chunk.attributes["classes"][index]
    mixed = _shares(build, index) if chunk["interpolated"][row] else {name: 1.0}
    kept = [store.open(build.root / "blendshapes" / f"{n}.zarr").attributes for n in mixed]
    photograph = chunk.attributes["photographs"][int(chunk["photograph"][row])]
    fit = _fit(build, artifact, photograph["image_id"])
    behind = [artifact, fit["artifact"].removesuffix(".zarr")]
    behind += [f"blendshapes/{source}" for source in mixed]
    # A class's model holds the digest of its frames in place of the table that names them.
    behind.append("affectspace/affectspace")
    return {
        "what": "a synthesized image: the class's deformation imposed on a photograph",
        "image_id": image_id,
        "artifact": f"{artifact}.zarr",
        "label": {axis: float(chunk[axis][row]) for axis in ("valence", "arousal")},
        "sample": int(chunk["sample"][row]),
        "quality": named(chunk.attributes["quality"], chunk["quality"][row]),
        "class": (
            {"index": index, "name": name, "interpolated_between": mixed}
            if chunk["interpolated"][row]
            else _class(index, name, kept[0])
        ),
        "photograph": _source(build, chunk.attributes["database"], photograph),
        "fit": fit,
        "frames": frames_of(build, [frame for model in kept for frame in model["frame_ids"]]),
        "frames_folder": str(frames_folder(build)),
    } | steps(build, behind)


def photograph(build: Build, name: str) -> dict[str, Any]:
    """The record of a neutral image: accepted or not, its fit, and the images made of it."""
    database, image_id = next(
        (database, id_) for database, id_ in Names(build).photographs if f"{database}-{id_}" == name
    )
    rows = {
        key: value
        for table in neutral_tables(build, database)
        for row in table[table["image_id"].astype(str) == image_id].to_dict("records")
        for key, value in plain(row).items()
    }
    behind = [f"neutrals/{database}/neutrals"]
    made, record = [], {}
    for artifact, ids in Names(build).images(database):
        chunk = store.open(build.root / f"{artifact}.zarr")
        found = {p["image_id"]: n for n, p in enumerate(chunk.attributes["photographs"])}
        if image_id in found:
            numbers = chunk["photograph"][...]
            made = [ids[row] for row in (numbers == found[image_id]).nonzero()[0]]
            fit = _fit(build, artifact, image_id)
            record = {"artifact": f"{artifact}.zarr", "fit": fit}
            behind = [artifact, fit["artifact"].removesuffix(".zarr"), *behind]
            rows |= chunk.attributes["photographs"][found[image_id]]
            break
    problems = [
        row for row in quarantine_rows(build) if row["item"] == image_id or row["item"] == name
    ]
    state = "which images were made of" if made else "of which no image was made"
    return {
        "what": f"a neutral image of {database}, {state}",
        "image_id": name,
        "photograph": {"database": database, **rows},
        **record,
        "images": made,
        "refused": [row for row in quarantine_rows(build) if row["item"].startswith(f"{name}-")],
        "quarantine": problems,
        "frames": [],
    } | steps(build, behind)


def frames_of(build: Build, frame_ids: list[str]) -> list[dict]:
    """The gallery's rows of the frames, with their files, in the order of `frame_ids`."""
    if not frame_ids:
        return []
    table = pd.read_parquet(
        _table(build, "gallery/frames.parquet"),
        columns=list(_FRAME_COLUMNS),
        filters=[("frame_id", "in", frame_ids)],
    )
    table = table.set_index("frame_id", drop=False).loc[frame_ids]
    return [plain(row) for row in table.to_dict("records")]


def _table(build: Build, name: str) -> Path:
    path = build.verified_path(name)
    if path is None:
        raise StoreError(build.root / name, "is missing", "run `affect4d audit`")
    return path


def frames_folder(build: Build) -> Path:
    """The folder that the frames' files are relative to; the results folder if it built them."""
    settings = manifest_named(build, "gallery/frames").settings
    return build.root / settings.get("files_root", "")


def _chunk_of(build: Build, image_id: str) -> tuple[str, Store, int]:
    """The chunk that holds the image, and its row there."""
    names = Names(build)
    for database in names.databases:
        if image_id.startswith(f"{database}-"):
            for artifact, ids in names.images(database):
                if image_id in ids:
                    chunk = store.open(build.root / f"{artifact}.zarr")
                    return artifact, chunk, ids.index(image_id)
    raise KeyError(image_id)


def _shares(build: Build, index: int) -> dict[str, float]:
    """The classes that an interpolated one is mixed from."""
    atlas = store.open(build.root / "blendshapes" / "atlas.zarr")
    shares = atlas["shares"][index]
    names = atlas.attributes["names"]
    return {names[i]: float(shares[i]) for i in shares.nonzero()[0]}


def _class(index: int, name: str, kept: dict) -> dict:
    return {
        "index": index,
        "name": name,
        "median_valence": kept["median_valence"],
        "median_arousal": kept["median_arousal"],
        "frames": len(kept["frame_ids"]),
        "neutral_frames": sum(map(len, kept["neutral_frame_ids"].values())),
    }


def _source(build: Build, database: str, photograph: dict) -> dict:
    """The neutral image: its copy in the build, and the file in the database it was copied from."""
    accepted = pd.read_csv(_table(build, f"neutrals/{database}/accepted.csv"), dtype=str)
    row = accepted.set_index("image_id").loc[photograph["image_id"]]
    return {"database": database, **photograph, **plain(row.to_dict())}


def _fit(build: Build, artifact: str, image_id: str) -> dict:
    """The fit of a photograph, from the store that the chunk was built from."""
    inputs = manifest_named(build, artifact).inputs
    source = next(name for name in inputs if name.startswith("fits/"))
    name = source.removesuffix(SUFFIX) + ".zarr"
    fits = store.open(build.root / name)
    row = fits.attributes["image_ids"].index(image_id)
    return {
        "artifact": name,
        "camera": named(fits.attributes["camera"], fits["camera"][row]),
        "quality": named(fits.attributes["quality"], fits["quality"][row]),
    }
