"""Builds `neutrals/{database}/`: the table of candidates, the accepted images, the quarantine."""

import hashlib
import logging
import shutil

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.neutrals import ACCEPTED
from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import write_pts
from affect4d.neutrals.candidates import tabulate
from affect4d.neutrals.databases import find_candidates
from affect4d.neutrals.selection import select
from affect4d.quarantine import BadInput

log = logging.getLogger(__name__)


def build_neutrals(name, database, settings, results, quarantine, provenance):
    """Find, select, check and copy the neutral images of one database.

    Writes candidates.parquet, accepted.csv (paths relative to the results folder),
    quarantine.csv, images/ (PNG and .pts) and, last, neutrals.manifest.json. Images are decoded
    only where the selection comes to them, so quarantine names unreadable ones among those alone.

    Parameters
    ----------
    name : str
    database : affect4d.config.neutrals.Database
    settings : affect4d.config.neutrals.Settings
    results : Path, the results folder
    quarantine : affect4d.formats.quarantine.Quarantine
    provenance : (further inputs, further settings) -> affect4d.store.Provenance
    """
    folder = results / "neutrals" / name
    manifest = folder / "neutrals.manifest.json"
    manifest.unlink(missing_ok=True)
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir(parents=True)

    candidates = find_candidates(
        name, database.adapter, database.folder(results), database.layout_file, quarantine
    )
    accepted = select(
        candidates,
        settings.max_per_subject,
        settings.max_images,
        lambda candidate: _load(candidate, quarantine),
    )
    for candidate, (image, landmarks) in accepted:
        write_image(folder / "images" / f"{candidate.image_id}.png", image)
        write_pts(folder / "images" / f"{candidate.image_id}.pts", landmarks)
    log.info("%s: %d candidates, %d accepted", name, len(candidates), len(accepted))

    chosen = [candidate for candidate, _ in accepted]
    _write_tables(folder, name, database, candidates, chosen, quarantine)
    store.record(
        manifest,
        [
            *(folder / table for table in ("candidates.parquet", "accepted.csv", "quarantine.csv")),
            *sorted((folder / "images").iterdir()),
        ],
        provenance(_sources(chosen), {"candidates": _digest(candidates)}),
    )


def _load(candidate, quarantine):
    """Image and landmarks of a candidate, or None where it went into quarantine."""
    try:
        image, landmarks = read_image(candidate.path), candidate.read_landmarks()
        size = np.array([image.shape[1], image.shape[0]])
        if ((landmarks < -size) | (landmarks > 2 * size)).any():
            raise BadInput(
                candidate.landmarks_path or candidate.path,
                f"landmarks lie far outside the image of {size[0]} x {size[1]} pixels",
                "mark them on this very image",
            )
    except BadInput as problem:
        quarantine.add(candidate.image_id, problem)
        return None
    return image, landmarks


def _write_tables(folder, name, database, candidates, chosen, quarantine):
    ids = {candidate.image_id for candidate in chosen}
    table = tabulate(candidates, database.built_folder or database.root or "")
    table["accepted"] = table["image_id"].isin(ids)
    with store.atomic(folder / "candidates.parquet") as path:
        table.to_parquet(path, index=False)
    rows = [
        [
            candidate.image_id,
            candidate.subject_id,
            f"neutrals/{name}/images/{candidate.image_id}.png",
            f"neutrals/{name}/images/{candidate.image_id}.pts",
            candidate.evidence,
            candidate.source,
        ]
        for candidate in chosen
    ]
    with store.atomic(folder / "accepted.csv") as path:
        pd.DataFrame(rows, columns=ACCEPTED).to_csv(path, index=False, lineterminator="\n")
    with store.atomic(folder / "quarantine.csv") as path:
        quarantine.write(path)


def _sources(chosen):
    """The accepted images and their landmark files, where they lie in the database."""
    files = [path for c in chosen for path in (c.path, c.landmarks_path) if path]
    return sorted(set(files))


def _digest(candidates):
    """sha256 over the names and sizes of all candidates' files: what the table was made from."""
    lines = sorted(f"{c.source} {c.path.stat().st_size}" for c in candidates)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
