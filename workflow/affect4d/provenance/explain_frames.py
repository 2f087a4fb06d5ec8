"""Explain a frame, a sequence, a class, or what is in quarantine."""

import pandas as pd
import pyarrow.dataset as ds

from affect4d import store
from affect4d.artifacts import affectspace, blendshapes, gallery
from affect4d.artifacts.dataset import DATASET
from affect4d.artifacts.registration import REGISTERED
from affect4d.provenance.explain_artifact import describe_steps, find_manifest
from affect4d.provenance.lineage import Build
from affect4d.provenance.names import Names
from affect4d.provenance.records import Record, by_name, frames_of, quarantine_of, rows_where
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

_GALLERY, _AFFECTSPACE = gallery.GALLERY.name(), affectspace.AFFECT_SPACE.name()
_FRAMES, _ASSIGNED = gallery.FRAMES.name(), affectspace.FRAMES.name()


def describe_frame(build: Build, frame_id: str) -> Record:
    """The record of a frame: annotation, files, registration, class, and what keeps it out."""
    row = rows_where(build, _FRAMES, "frame_id", value=frame_id)[0]
    sequence = str(row["sequence"])
    assigned = rows_where(build, _ASSIGNED, "frame_id", value=frame_id)
    files = {name: row.pop(name, None) for name in ("mesh", "texture", "landmarks")}
    record: Record = {
        "what": f"a frame of sequence {sequence}",
        "annotation": {name: row.pop(name, None) for name in ("valence", "arousal")},
        "about": row,
        "files": files,
        "files_folder": frames_folder(build),
        "registration": f"the sequence {sequence} was not registered",
    }
    artifacts = [_GALLERY]
    stored = _registered(build, sequence)
    if stored is not None:
        record["registration"] = _registration_of_frame(stored, sequence, frame_id)
        artifacts.append(f"registered/{sequence}")
    if assigned:
        record["class"] = _class_of_frame(build, assigned[0], frame_id)
        artifacts += [_AFFECTSPACE, *record["class"]["models"]]
    record["quarantine"] = quarantine_of(build, {frame_id, sequence})
    return record | describe_steps(build, artifacts)


def describe_sequence(build: Build, name: str) -> Record:
    """The record of a sequence: its frames, how they were registered, their classes."""
    rows = rows_where(build, _FRAMES, "sequence", value=name)
    ids = [str(row["frame_id"]) for row in rows]
    about = ("subject", "session", "task", "expression")
    record: Record = {
        "what": f"a sequence of {len(rows)} frames",
        "about": {key: rows[0][key] for key in about if key in rows[0]},
        "registration": "it was not registered",
    }
    artifacts = [_GALLERY]
    stored = _registered(build, name)
    if stored is not None:
        record["registration"] = {
            "artifact": REGISTERED.name(sequence=name),
            "frames": len(stored.frame_ids),
            "flagged": int((stored.flags != 0).sum()),
        }
        artifacts.append(f"registered/{name}")
    assigned = pd.DataFrame(rows_where(build, _ASSIGNED, "sequence", value=name))
    if len(assigned):
        artifacts.append(_AFFECTSPACE)
        names = {index: name for name, index in Names(build).classes.items()}
        statuses = assigned.get("status", pd.Series(dtype=str)).value_counts()
        classes = assigned.loc[assigned["class"] >= 0, "class"].value_counts().sort_index()
        record["frames_by_status"] = {str(key): int(n) for key, n in statuses.items()}
        record["frames_by_class"] = {names.get(k, str(k)): int(n) for k, n in classes.items()}
    record["frames"] = frames_of(build, ids)
    record["frames_folder"] = frames_folder(build)
    record["quarantine"] = quarantine_of(build, {name, *ids})
    return record | describe_steps(build, artifacts)


def describe_class(build: Build, name: str) -> Record:
    """The record of a class: its count and status, model, frames and images."""
    row = rows_where(build, affectspace.CLASSES.name(), "name", value=name)[0]
    index = int(row["class"])
    assigned = rows_where(build, _ASSIGNED, "class", value=index)
    models = [f"blendshapes/{name}"] if f"blendshapes/{name}{SUFFIX}" in build.manifests else []
    settings = find_manifest(build, _AFFECTSPACE).settings.get("affectspace", {})
    status = row.get("status") or ("ok" if models else "without a model")
    record = {
        "what": f"a class of the valence-arousal plane: {row['count']} frames, {status}",
        **{key: value for key, value in row.items() if key != "name"},
        "needs": {k: settings[k] for k in ("min_frames", "min_subjects") if k in settings},
        "model": blendshapes.MODEL.name(model=name) if models else None,
        "images": _count_images(build, index),
        "frames": frames_of(build, [str(row["frame_id"]) for row in assigned]),
        "quarantine": quarantine_of(build, {name}),
    }
    return record | describe_steps(build, [_AFFECTSPACE, *models])


def describe_quarantined(build: Build, item: str) -> Record:
    """The record of what is not in the build: which file broke which rule, and the remedy."""
    rows = quarantine_of(build, {item})
    artifacts = dict.fromkeys(build.owners[row["table"]][0].removesuffix(SUFFIX) for row in rows)
    stages = ", ".join(dict.fromkeys(row["stage"] for row in rows))
    what = f"is not in the build: put into quarantine by {stages}"
    return {"what": what, "quarantine": rows} | describe_steps(build, artifacts)


def frames_folder(build: Build) -> str:
    """The folder that the frames' files are relative to; the results folder if it built them."""
    settings = find_manifest(build, _GALLERY).settings
    return str(build.root / settings.get("files_root", ""))


def _registered(build: Build, sequence: str) -> RegisteredSequence | None:
    """A sequence as it was registered, where it was."""
    if f"registered/{sequence}{SUFFIX}" not in build.manifests:
        return None
    return RegisteredSequence(REGISTERED.path(build.root, sequence=sequence))


def _registration_of_frame(
    stored: RegisteredSequence, sequence: str, frame_id: str
) -> Record | str:
    """Quality and flags of a registered frame."""
    ids = stored.frame_ids
    if frame_id not in ids:
        return f"the frame is not among the {len(ids)} registered frames of {sequence}"
    row = ids.index(frame_id)
    return {
        "artifact": REGISTERED.name(sequence=sequence),
        "row": row,
        "quality": by_name(stored.attributes["measures"], stored.quality.to_numpy()[row]),
        "flags": stored.flag_names(row),
    }


def _class_of_frame(build: Build, assigned: Record, frame_id: str) -> Record:
    """The class of a frame, and the models that were fitted to it."""
    index = int(assigned["class"])
    name = {i: name for name, i in Names(build).classes.items()}.get(index)
    models = []
    if name and f"blendshapes/{name}{SUFFIX}" in build.manifests:
        model = store.open(blendshapes.MODEL.path(build.root, model=name))
        models = [f"blendshapes/{name}"] if frame_id in model.attributes["frame_ids"] else []
    return {"index": index, "name": name, "status": assigned.get("status"), "models": models}


def _count_images(build: Build, index: int) -> dict[str, int]:
    """The published images of a class, counted by database."""
    if DATASET.name() + SUFFIX not in build.manifests:
        return {}
    manifest = find_manifest(build, DATASET.name())
    shards = [manifest.locate(f) for f in manifest.files if f.path.endswith(".parquet")]
    if missing := [shard for shard in shards if not shard.is_file()]:
        raise StoreError(missing[0], "is missing", "run `affect4d audit`")
    if not shards:
        return {}
    images = ds.dataset(shards).to_table(["database"], filter=ds.field("class") == index)
    counts = images["database"].to_pandas().value_counts().sort_index()
    return {str(database): int(count) for database, count in counts.items()}
