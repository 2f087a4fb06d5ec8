"""Explain a frame, a sequence, a class, or what quarantine kept out of the build."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from affect4d import store
from affect4d.provenance.explain_artifact import manifest_named, named, plain, steps
from affect4d.provenance.explain_images import frames_folder, frames_of
from affect4d.provenance.lineage import Build
from affect4d.provenance.names import quarantine_rows
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

_AFFECTSPACE = "affectspace/affectspace"


def frame(build: Build, frame_id: str) -> dict[str, Any]:
    """The record of a frame: annotation, files, registration, class, and what keeps it out."""
    row = plain(_rows(build, "gallery/frames.parquet", "frame_id", frame_id)[0])
    sequence = str(row["sequence"])
    assigned = _rows(build, "affectspace/frames.parquet", "frame_id", frame_id)
    files = {name: row.pop(name, None) for name in ("mesh", "texture", "landmarks")}
    record: dict[str, Any] = {
        "what": f"a frame of sequence {sequence}",
        "annotation": {k: row.pop(k, None) for k in ("valence", "arousal")},
        "about": row,
        "files": files,
        "files_folder": str(frames_folder(build)),
    }
    artifacts = ["gallery/frames"]
    if f"registered/{sequence}{SUFFIX}" in build.manifests:
        record["registration"] = _registration(build, sequence, frame_id)
        artifacts.append(f"registered/{sequence}")
    else:
        record["registration"] = f"the sequence {sequence} was not registered"
    if assigned:
        record["class"], models = _class_of_frame(build, plain(assigned[0]), frame_id)
        artifacts += [_AFFECTSPACE, *models]
    record["quarantine"] = _quarantine(build, {frame_id, sequence})
    return record | steps(build, artifacts)


def sequence(build: Build, name: str) -> dict[str, Any]:
    """The record of a sequence: its frames, how they were registered, their classes."""
    rows = _rows(build, "gallery/frames.parquet", "sequence", name)
    ids = [str(row["frame_id"]) for row in rows]
    first = plain(rows[0])
    about = {k: first[k] for k in ("subject", "session", "task", "expression") if k in first}
    record: dict[str, Any] = {"what": f"a sequence of {len(rows)} frames", "about": about}
    artifacts = ["gallery/frames"]
    if f"registered/{name}{SUFFIX}" in build.manifests:
        stored = store.open(build.root / "registered" / f"{name}.zarr")
        flagged = stored["flags"][...] != 0 if "flags" in stored else np.zeros(0, bool)
        record["registration"] = {
            "artifact": f"registered/{name}.zarr",
            "frames": len(stored.attributes["frame_ids"]),
            "flagged": int(flagged.sum()),
        }
        artifacts.append(f"registered/{name}")
    else:
        record["registration"] = "it was not registered"
    assigned = pd.DataFrame(_rows(build, "affectspace/frames.parquet", "sequence", name))
    if len(assigned):
        artifacts.append(_AFFECTSPACE)
        counts = assigned.get("status", pd.Series(dtype=str)).value_counts()
        record["frames_by_status"] = {str(k): int(v) for k, v in counts.items()}
        classes = assigned.loc[assigned["class"] >= 0, "class"].value_counts().sort_index()
        names = _class_names(build)
        record["frames_by_class"] = {names.get(int(k), str(k)): int(v) for k, v in classes.items()}
    record["frames"] = frames_of(build, ids)
    record["frames_folder"] = str(frames_folder(build))
    record["quarantine"] = _quarantine(build, {name, *ids})
    return record | steps(build, artifacts)


def affect_class(build: Build, name: str) -> dict[str, Any]:
    """The record of a class: its count and status, model, frames and images."""
    row = plain(_rows(build, "affectspace/classes.parquet", "name", name)[0])
    index = int(row["class"])
    assigned = _rows(build, "affectspace/frames.parquet", "class", index)
    model = f"blendshapes/{name}"
    there = model + SUFFIX in build.manifests
    settings = manifest_named(build, _AFFECTSPACE).settings.get("affectspace", {})
    status = row.get("status") or ("ok" if there else "without a model")
    record: dict[str, Any] = {
        "what": f"a class of the valence-arousal plane: {row['count']} frames, {status}",
        **{key: value for key, value in row.items() if key != "name"},
        "needs": {k: settings[k] for k in ("min_frames", "min_subjects") if k in settings},
        "model": f"{model}.zarr" if there else None,
        "images": _images(build, index),
        "frames": frames_of(build, [str(row["frame_id"]) for row in assigned]),
        "quarantine": _quarantine(build, {name}),
    }
    return record | steps(build, [_AFFECTSPACE, *([model] if there else [])])


def quarantined(build: Build, item: str) -> dict[str, Any]:
    """The record of what is not in the build: which file broke which rule, and the remedy."""
    rows = _quarantine(build, {item})
    tables = dict.fromkeys(build.owners[row["table"]][0].removesuffix(SUFFIX) for row in rows)
    rooms = ", ".join(dict.fromkeys(row["stage"] for row in rows))
    return {"what": f"is not in the build: put into quarantine by {rooms}", "quarantine": rows} | (
        steps(build, tables)
    )


def _rows(build: Build, table: str, column: str, value: Any) -> list[dict[str, Any]]:
    """The rows of a Parquet table in which `column` is `value`; none where it is not there."""
    path = build.verified_path(table)
    if path is None or column not in pq.read_schema(path).names:
        return []
    return pd.read_parquet(path, filters=[(column, "==", value)]).to_dict("records")


def _quarantine(build: Build, items: set[str]) -> list[dict[str, str]]:
    rows = quarantine_rows(build)
    return [row for row in rows if row["item"] in items or row["file"] in items]


def _class_names(build: Build) -> dict[int, str]:
    path = build.verified_path("affectspace/classes.parquet")
    table = pd.DataFrame() if path is None else pd.read_parquet(path)
    if "name" not in table:
        return {}
    return dict(zip(table["class"].astype(int), table["name"], strict=True))


def _registration(build: Build, sequence: str, frame_id: str) -> dict[str, Any] | str:
    """Quality and flags of a registered frame."""
    stored = store.open(build.root / "registered" / f"{sequence}.zarr")
    ids = stored.attributes["frame_ids"]
    if frame_id not in ids:
        return f"the frame is not among the {len(ids)} registered frames of {sequence}"
    row = ids.index(frame_id)
    record: dict[str, Any] = {"artifact": f"registered/{sequence}.zarr", "row": row}
    if "quality" in stored and "measures" in stored.attributes:
        record["quality"] = named(stored.attributes["measures"], stored["quality"][row])
    if "flags" in stored and "flag_names" in stored.attributes:
        flags, names = int(stored["flags"][row]), stored.attributes["flag_names"]
        record["flags"] = [name for bit, name in enumerate(names) if flags >> bit & 1]
    return record


def _class_of_frame(
    build: Build, assigned: dict[str, Any], frame_id: str
) -> tuple[dict[str, Any], list[str]]:
    """The class of a frame, and the models that it is part of, as a frame or as a neutral."""
    index = int(assigned["class"])
    name = _class_names(build).get(index)
    record = {"index": index, "name": name, "status": assigned.get("status")}
    models = []
    if name and f"blendshapes/{name}{SUFFIX}" in build.manifests:
        kept = store.open(build.root / "blendshapes" / f"{name}.zarr").attributes
        if frame_id in kept["frame_ids"]:
            models.append(f"blendshapes/{name}")
    return record | {"models": models}, models


def _images(build: Build, index: int) -> dict[str, int]:
    """The published images of a class, counted by database."""
    if "dataset" + SUFFIX not in build.manifests:
        return {}
    manifest = manifest_named(build, "dataset")
    shards = [manifest.locate(f) for f in manifest.files if f.path.endswith(".parquet")]
    if missing := [shard for shard in shards if not shard.is_file()]:
        raise StoreError(missing[0], "is missing", "run `affect4d audit`")
    if not shards:
        return {}
    found = ds.dataset(shards).to_table(["database"], filter=ds.field("class") == index)
    counts = found["database"].to_pandas().value_counts().sort_index()
    return {str(database): int(count) for database, count in counts.items()}
