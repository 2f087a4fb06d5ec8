"""Builds `neutrals/{database}/`: the table of candidates, the accepted images, the quarantine."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.neutrals import (
    ACCEPTED_TABLE,
    CANDIDATES,
    IMAGE,
    LANDMARKS,
    NEUTRALS,
    QUARANTINE,
)
from affect4d.config.neutrals import Database, Settings
from affect4d.fitting.landmark_evidence import describe_mismatch
from affect4d.formats.images import read_photograph, write_image
from affect4d.formats.landmarks import write_pts
from affect4d.formats.limits import Limits
from affect4d.neutrals.candidates import COLUMNS, Candidate
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.selection import select
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine

log = logging.getLogger(__name__)
_TYPES = {"frame": "int64", "is_neutral": bool, "valence": float, "arousal": float}


def build_neutrals(name: str, settings: Settings, context: RunContext) -> None:
    """Find, select, check and copy the neutral images of one database (rule `neutrals`).

    Writes candidates.parquet, accepted.csv (paths relative to the results folder), quarantine.csv,
    images/ (PNG and .pts) and, last, neutrals.manifest.json. Only images that the selection
    considers are decoded, so the quarantine names unreadable ones among those alone.

    Parameters
    ----------
    name : the database's name in the settings
    settings : of the stage `neutrals`
    context : of the run
    """
    database = settings.databases[name]
    manifest = NEUTRALS.manifest(context.root, database=name)
    images = IMAGE.path(context.root, database=name, image_id="image").parent
    limits = settings.limits.of_files
    candidates = find_candidates(
        name, database, results=context.root, quarantine=context.quarantine, limits=limits
    )
    accepted = select(
        candidates,
        lambda candidate: _load(candidate, context.quarantine, limits),
        max_per_subject=settings.max_per_subject,
        max_images=settings.max_images,
    )
    with store.replace_folder(images, manifest) as folder:
        for candidate, (image, landmarks, notes) in accepted:
            if notes:
                log.warning("%s: %s", candidate.source, notes)
            names = {"database": name, "image_id": candidate.image_id}
            write_image(folder / Path(IMAGE.name(**names)).name, image)
            write_pts(folder / Path(LANDMARKS.name(**names)).name, landmarks)
    log.info("%s: %d candidates, %d accepted", name, len(candidates), len(accepted))

    chosen = [candidate for candidate, _ in accepted]
    files = (CANDIDATES, ACCEPTED_TABLE, QUARANTINE)
    tables = [file.path(context.root, database=name) for file in files]
    with store.atomic(tables[0]) as path:
        _candidate_table(candidates, chosen, database).to_parquet(path, index=False)
    with store.atomic(tables[1]) as path:
        _accepted_table(chosen, name, [notes for _, (_, _, notes) in accepted]).to_csv(
            path, index=False, lineterminator="\n"
        )
    with store.atomic(tables[2]) as path:
        context.quarantine.write(path)
    provenance = context.provenance(_sources(chosen), settings={"candidates": _digest(candidates)})
    store.record(manifest, [*tables, images], provenance)


def _load(
    candidate: Candidate, quarantine: Quarantine, limits: Limits
) -> tuple[NDArray[np.uint8], NDArray[np.float64], str] | None:
    """Image (H, W, 3), landmarks (68, 2) and notes; None if the candidate went into quarantine."""
    try:
        image, transparency = read_photograph(candidate.path, limits)
        landmarks = candidate.read_landmarks(limits)
        size = np.array([image.shape[1], image.shape[0]])
        if ((landmarks < -size) | (landmarks > 2 * size)).any():
            raise BadInput(
                candidate.landmarks_path or candidate.path,
                f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels",
                "annotate them on this very image",
            )
    except BadInput as problem:
        quarantine.add(candidate.image_id, problem)
        return None
    notes = [transparency, describe_mismatch(image, landmarks)]
    return image, landmarks, "; ".join(filter(None, notes))


def _candidate_table(
    candidates: Sequence[Candidate], chosen: Sequence[Candidate], database: Database
) -> pd.DataFrame:
    """COLUMNS and `accepted`, sorted by image_id.

    Paths are the names within the database after its root as configured, so that the table does
    not depend on where packages and results lie on this machine.
    """
    root = database.built_folder or database.root or ""
    rows = [
        {name: getattr(candidate, name) for name in COLUMNS}
        | {
            "path": _join(root, candidate.source),
            "landmarks_path": _join(root, candidate.landmarks_source),
        }
        for candidate in candidates
    ]
    text = {name: str for name in COLUMNS if name not in _TYPES}
    table = pd.DataFrame(rows, columns=COLUMNS).astype(_TYPES | text)
    table["accepted"] = table["image_id"].isin({candidate.image_id for candidate in chosen})
    return table.sort_values("image_id", ignore_index=True)


def _join(root: str, source: str) -> str:
    return f"{root}/{source}" if root and source else source


def _accepted_table(chosen: Sequence[Candidate], name: str, notes: Sequence[str]) -> pd.DataFrame:
    """ACCEPTED: paths relative to the results folder."""
    rows = [
        [
            candidate.image_id,
            candidate.subject_id,
            IMAGE.name(database=name, image_id=candidate.image_id),
            LANDMARKS.name(database=name, image_id=candidate.image_id),
            candidate.evidence,
            candidate.source,
            candidate.subject_name,
            note,
        ]
        for candidate, note in zip(chosen, notes, strict=True)
    ]
    return pd.DataFrame(rows, columns=ACCEPTED_TABLE.names)


def _sources(chosen: Sequence[Candidate]) -> list[Path]:
    """The accepted images and their landmark files, where they lie in the database."""
    return sorted({path for c in chosen for path in (c.path, c.landmarks_path) if path})


def _digest(candidates: Sequence[Candidate]) -> str:
    """sha256 over the names and sizes of all candidates' images."""
    lines = sorted(f"{c.source} {c.path.stat().st_size}" for c in candidates)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
