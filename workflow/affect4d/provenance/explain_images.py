"""Explain an image or a photograph: class, frames and scans here, fit and source there."""

from affect4d import store
from affect4d.artifacts import affectspace, blendshapes, neutrals
from affect4d.formats.own_tables import read_csv
from affect4d.provenance.explain_artifact import describe_steps, find_manifest
from affect4d.provenance.explain_frames import frames_folder
from affect4d.provenance.lineage import Build
from affect4d.provenance.names import Names
from affect4d.provenance.records import (
    Record,
    by_name,
    frames_of,
    neutral_tables,
    plain,
    quarantine_rows,
    required_path,
)
from affect4d.store import Store
from affect4d.store.manifest import SUFFIX


def describe_image(build: Build, image_id: str) -> Record:
    """The record of a synthesized image: from its label back to the scans and the photograph."""
    artifact, chunk, row = _find_image(build, image_id)
    index = int(chunk["class"][row])
    name = chunk.attributes["classes"][index]
    weights = _mixture(build, index) if chunk["interpolated"][row] else {name: 1.0}
    models = [
        store.open(blendshapes.MODEL.path(build.root, model=source)).attributes
        for source in weights
    ]
    about = {"interpolated_between": weights} if chunk["interpolated"][row] else _model(models[0])
    photograph = chunk.attributes["photographs"][int(chunk["photograph"][row])]
    fit = _fit(build, artifact, photograph["image_id"])
    artifacts = [artifact, fit["artifact"].removesuffix(".zarr")]
    artifacts += [f"blendshapes/{source}" for source in weights]
    # The provenance of a class's model has the digest of its frames, not the table that names them.
    artifacts.append(affectspace.AFFECT_SPACE.name())
    return {
        "what": "a synthesized image: the class's deformation imposed on a photograph",
        "image_id": image_id,
        "artifact": f"{artifact}.zarr",
        "label": {axis: float(chunk[axis][row]) for axis in ("valence", "arousal")},
        "sample": int(chunk["sample"][row]),
        "quality": by_name(chunk.attributes["quality"], chunk["quality"][row]),
        "class": {"index": index, "name": name, **about},
        "photograph": _source(build, chunk.attributes["database"], photograph),
        "fit": fit,
        "frames": frames_of(build, [frame for model in models for frame in model["frame_ids"]]),
        "frames_folder": frames_folder(build),
    } | describe_steps(build, artifacts)


def describe_photograph(build: Build, name: str) -> Record:
    """The record of a neutral image: accepted or not, its fit, and the images made of it."""
    names = Names(build)
    database, image_id = next(
        (database, id_) for database, id_ in names.photographs if f"{database}-{id_}" == name
    )
    about = {
        key: value
        for table in neutral_tables(build, database)
        for row in table[table["image_id"].astype(str) == image_id].to_dict("records")
        for key, value in plain(row).items()
    }
    artifacts = [neutrals.NEUTRALS.name(database=database)]
    images: list[str] = []
    used: Record = {}
    for artifact, ids in names.images(database):
        chunk = store.open(build.root / f"{artifact}.zarr")
        photographs = {p["image_id"]: n for n, p in enumerate(chunk.attributes["photographs"])}
        if image_id in photographs:
            number = photographs[image_id]
            images = [ids[row] for row in (chunk["photograph"][...] == number).nonzero()[0]]
            fit = _fit(build, artifact, image_id)
            used = {"artifact": f"{artifact}.zarr", "fit": fit}
            artifacts = [artifact, fit["artifact"].removesuffix(".zarr"), *artifacts]
            about |= chunk.attributes["photographs"][number]
            break
    rows = quarantine_rows(build)
    state = "which images were made of" if images else "of which no image was made"
    return {
        "what": f"a neutral image of {database}, {state}",
        "image_id": name,
        "photograph": {"database": database, **about},
        **used,
        "images": images,
        "refused": [row for row in rows if row["item"].startswith(f"{name}-")],
        "quarantine": [row for row in rows if row["item"] in (image_id, name)],
        "frames": [],
    } | describe_steps(build, artifacts)


def _find_image(build: Build, image_id: str) -> tuple[str, Store, int]:
    """The chunk that holds the image, and its row there."""
    names = Names(build)
    for database in names.databases:
        if image_id.startswith(f"{database}-"):
            for artifact, ids in names.images(database):
                if image_id in ids:
                    chunk = store.open(build.root / f"{artifact}.zarr")
                    return artifact, chunk, ids.index(image_id)
    raise KeyError(image_id)


def _mixture(build: Build, index: int) -> dict[str, float]:
    """The classes that an interpolated one is mixed from: natural-neighbour weights."""
    atlas = store.open(blendshapes.ATLAS.path(build.root))
    weights, names = atlas["shares"][index], atlas.attributes["names"]
    return {names[i]: float(weights[i]) for i in weights.nonzero()[0]}


def _model(attributes: Record) -> Record:
    """Medians and sizes of a class that has a model."""
    return {
        "median_valence": attributes["median_valence"],
        "median_arousal": attributes["median_arousal"],
        "frames": len(attributes["frame_ids"]),
        "neutral_frames": sum(map(len, attributes["neutral_frame_ids"].values())),
    }


def _source(build: Build, database: str, photograph: Record) -> Record:
    """The neutral image: its copy in the build, and the file in the database it was copied from."""
    path = required_path(build, neutrals.ACCEPTED_TABLE.name(database=database))
    row = read_csv(path).set_index("image_id").loc[photograph["image_id"]]
    return {"database": database, **photograph, **plain(row.to_dict())}


def _fit(build: Build, artifact: str, image_id: str) -> Record:
    """The fit of a photograph, from the store that the chunk was built from."""
    inputs = find_manifest(build, artifact).inputs
    source = next(name for name in inputs if name.startswith("fits/"))
    name = source.removesuffix(SUFFIX) + ".zarr"
    fits = store.open(build.root / name)
    row = fits.attributes["image_ids"].index(image_id)
    return {
        "artifact": name,
        "camera": by_name(fits.attributes["camera"], fits["camera"][row]),
        "quality": by_name(fits.attributes["quality"], fits["quality"][row]),
    }
