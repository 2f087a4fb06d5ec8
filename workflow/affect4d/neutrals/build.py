"""Builds `neutrals/{database}/`: the table of candidates, the accepted images, the quarantine."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

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
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.neutrals.candidates import COLUMNS, Candidate
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.decisions import apply_decisions
from affect4d.neutrals.loading import Loaded, difference, load
from affect4d.neutrals.selection import Quota, Selection, select
from affect4d.neutrals.withdrawn import Problems, drop_withdrawn
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
    problems = Problems(context.quarantine.stage)
    found = find_candidates(
        name, database, results=context.root, quarantine=problems, limits=limits
    )
    candidates, gone = drop_withdrawn(found, settings, name)  # before they are recorded anywhere
    problems.pass_on(context.quarantine, but=gone, root=database.folder(context.root) or Path())
    if not candidates:
        raise BadInput(
            database.root or name,
            f"no image of the database {name} can be used",
            context.quarantine.first() or "check its layout (docs/config.md), or leave it out",
        )
    if database.decisions is not None:
        candidates = apply_decisions(candidates, Path(database.decisions))
    selection = select(
        candidates,
        lambda candidate: load(candidate, context.quarantine, limits),
        Quota[Loaded](
            settings.max_per_subject,
            settings.max_images,
            settings.min_spacing,
            lambda one, other: difference(one, other) < settings.min_difference,
        ),
    )
    accepted = selection.accepted
    with store.replace_folder(images, manifest) as folder:
        for candidate, loaded in accepted:
            if loaded.notes:
                log.warning("%s: %s", candidate.source, loaded.notes)
            names = {"database": name, "image_id": candidate.image_id}
            write_image(folder / Path(IMAGE.name(**names)).name, loaded.image)
            write_pts(folder / Path(LANDMARKS.name(**names)).name, loaded.landmarks)
    log.info("%s: %d candidates, %d accepted", name, len(candidates), len(accepted))

    chosen = [candidate for candidate, _ in accepted]
    files = (CANDIDATES, ACCEPTED_TABLE, QUARANTINE)
    tables = [file.path(context.root, database=name) for file in files]
    with store.atomic(tables[0]) as path:
        reasons = _reasons(selection, context.quarantine)
        _candidate_table(candidates, reasons, database).to_parquet(path, index=False)
    with store.atomic(tables[1]) as path:
        _accepted_table(chosen, name, [loaded.notes for _, loaded in accepted]).to_csv(
            path, index=False, lineterminator="\n"
        )
    with store.atomic(tables[2]) as path:
        context.quarantine.write(path)
    provenance = context.provenance(_sources(chosen), settings={"candidates": _digest(candidates)})
    store.record(manifest, [*tables, images], provenance)


def _reasons(selection: Selection[Loaded], quarantine: Quarantine) -> dict[str, str]:
    """Why candidates are not used, by image_id: the rule that they break, where they break one."""
    rules = {row.item: row.rule for row in quarantine.rows}
    return selection.reasons | {
        item: rules[item] for item in selection.reasons.keys() & rules.keys()
    }


def _candidate_table(
    candidates: Sequence[Candidate], reasons: dict[str, str], database: Database
) -> pd.DataFrame:
    """COLUMNS, `accepted` and `reason`, sorted by image_id.

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
    table["reason"] = [reasons.get(image_id, "") for image_id in table["image_id"]]
    table["accepted"] = ~table["image_id"].isin(reasons.keys())
    table = table[CANDIDATES.names]
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
    sizes = {path: path.stat().st_size for path in {c.path for c in candidates}}
    lines = sorted(f"{c.source} {sizes[c.path]}" for c in candidates)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
