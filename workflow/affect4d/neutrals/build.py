"""Builds `neutrals/{database}/`: the table of candidates, the accepted images, the quarantine."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from affect4d import store
from affect4d.artifacts.neutrals import (
    ACCEPTED_TABLE,
    CANDIDATES,
    IMAGE,
    LANDMARKS,
    NEUTRALS,
    QUARANTINE,
    SCAN,
)
from affect4d.artifacts.registration import TEMPLATE
from affect4d.config.neutrals import Database, Settings
from affect4d.config.registration import Settings as RegistrationSettings
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.formats.meshes import find_texture, write_ply
from affect4d.neutrals.candidates import COLUMNS, Candidate
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.decisions import apply_decisions
from affect4d.neutrals.loading import Loaded, difference, load
from affect4d.neutrals.scores import Scores, find_broken_rule, score_face
from affect4d.neutrals.selection import Quota, Selection, select
from affect4d.neutrals.withdrawn import Problems, drop_withdrawn
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine
from affect4d.readers.environment import find_obstacle

if TYPE_CHECKING:
    from affect4d.registration.registrar import Registrar

log = logging.getLogger(__name__)
_TYPES = {"frame": "int64", "is_neutral": bool, "valence": float, "arousal": float}


def build_neutrals(
    name: str,
    settings: Settings,
    context: RunContext,
    *,
    registration: RegistrationSettings | None = None,
) -> None:
    """Find, select, check and copy the neutral images of one database (rule `neutrals`).

    Writes candidates.parquet, accepted.csv (paths relative to the results folder), quarantine.csv,
    images/ (PNG, .pts, and .ply of scans) and, last, neutrals.manifest.json. Only images that the
    selection considers are decoded, so the quarantine names unreadable ones among those alone.

    Parameters
    ----------
    name : the database's name in the settings
    settings : of the stage `neutrals`
    context : of the run
    registration : of scans, which are brought to the build's template; the defaults if absent
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
    if settings.faces.min_neutral is not None and (obstacle := find_obstacle(detector=False)):
        raise obstacle  # in quarantine for it, all would stay out once the reader is installed
    trials = _Trials(settings, context, registration or RegistrationSettings())
    quota = Quota[_Face](
        settings.max_per_subject,
        settings.max_images,
        settings.min_spacing,
        lambda one, other: difference(one.loaded, other.loaded) < settings.min_difference,
        lambda face: find_broken_rule(face.scores, settings.faces),
    )
    selection = select(candidates, trials.load, quota)
    accepted = selection.accepted
    with store.replace_folder(images, manifest) as folder:
        for candidate, face in accepted:
            loaded = face.loaded
            if loaded.notes:
                log.warning("%s: %s", candidate.source, loaded.notes)
            names = {"database": name, "image_id": candidate.image_id}
            image = Path(IMAGE.name(**names)).name
            write_image(folder / image, loaded.image)
            write_pts(folder / Path(LANDMARKS.name(**names)).name, loaded.landmarks)
            if loaded.scan is not None:
                write_ply(folder / Path(SCAN.name(**names)).name, loaded.scan, image)
    log.info("%s: %d candidates, %d accepted", name, len(candidates), len(accepted))

    chosen = [candidate for candidate, _ in accepted]
    files = (CANDIDATES, ACCEPTED_TABLE, QUARANTINE)
    tables = [file.path(context.root, database=name) for file in files]
    with store.atomic(tables[0]) as path:
        reasons = _reasons(selection, context.quarantine)
        table = _candidate_table(candidates, reasons, database, scores=trials.scores)
        table.to_parquet(path, index=False)
    with store.atomic(tables[1]) as path:
        rows = _accepted_table(chosen, name, [face.loaded for _, face in accepted])
        rows.to_csv(path, index=False, lineterminator="\n")
    with store.atomic(tables[2]) as path:
        context.quarantine.write(path)
    registered = {"registration": trials.registration.model_dump()} if trials.has_scans else {}
    provenance = context.provenance(
        _sources(chosen), settings={"candidates": _digest(candidates)} | registered
    )
    store.record(manifest, [*tables, images], provenance)


@dataclass(frozen=True)
class _Face:
    """A candidate that was loaded, and what is measured of it."""

    loaded: Loaded
    scores: Scores


@dataclass
class _Trials:
    """Loads candidates, and keeps what is measured of each.

    Attributes
    ----------
    settings : of the stage `neutrals`
    context : of the run; what cannot be used goes into its quarantine
    registration : of scans
    scores : by image_id
    """

    settings: Settings
    context: RunContext
    registration: RegistrationSettings
    scores: dict[str, Scores] = field(default_factory=dict)

    @cached_property
    def registrar(self) -> "Registrar":
        from affect4d.registration.sequences import load_registrar  # where there are scans

        return load_registrar(TEMPLATE.path(self.context.root), self.registration)

    @property
    def has_scans(self) -> bool:
        """Whether a scan was registered."""
        return "registrar" in self.__dict__

    def load(self, candidate: Candidate) -> _Face | None:
        """A candidate's face; None where it went into quarantine."""
        try:
            limits = self.settings.limits.of_files
            loaded = load(candidate, limits, lambda: self.registrar)
            by_reader = self.settings.faces.min_neutral is not None
            scores = score_face(loaded.image, loaded.landmarks, by_reader=by_reader)
        except BadInput as problem:
            self.context.quarantine.add(candidate.image_id, problem)
            return None
        except ValueError as error:
            wrong = BadInput(candidate.path, str(error), "mark its 68 landmarks again")
            self.context.quarantine.add(candidate.image_id, wrong)
            return None
        self.scores[candidate.image_id] = scores
        return _Face(loaded, scores)


def _reasons(selection: Selection[_Face], quarantine: Quarantine) -> dict[str, str]:
    """Why candidates are not used, by image_id: the rule that they break, where they break one."""
    rules = {row.item: row.rule for row in quarantine.rows}
    return selection.reasons | {
        item: rules[item] for item in selection.reasons.keys() & rules.keys()
    }


def _candidate_table(
    candidates: Sequence[Candidate],
    reasons: dict[str, str],
    database: Database,
    *,
    scores: dict[str, Scores],
) -> pd.DataFrame:
    """COLUMNS, the scores of those that were tried, `accepted` and `reason`, sorted by image_id.

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
    measured = pd.DataFrame.from_dict(scores, orient="index", columns=Scores._fields, dtype=float)
    table = table.join(measured, on="image_id")[CANDIDATES.names]
    return table.sort_values("image_id", ignore_index=True)


def _join(root: str, source: str) -> str:
    return f"{root}/{source}" if root and source else source


def _accepted_table(
    chosen: Sequence[Candidate], name: str, loaded: Sequence[Loaded]
) -> pd.DataFrame:
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
            face.notes,
            "" if face.scan is None else SCAN.name(database=name, image_id=candidate.image_id),
        ]
        for candidate, face in zip(chosen, loaded, strict=True)
    ]
    return pd.DataFrame(rows, columns=ACCEPTED_TABLE.names)


def _sources(chosen: Sequence[Candidate]) -> list[Path]:
    """The accepted images, scans' textures and landmark files, where they lie in the database."""
    textures = [find_texture(c.path) for c in chosen if c.image_from != "file"]
    files = [path for c in chosen for path in (c.path, c.landmarks_path)]
    return sorted({path for path in (*files, *textures) if path})


def _digest(candidates: Sequence[Candidate]) -> str:
    """sha256 over the names and sizes of all candidates' images."""
    sizes = {path: path.stat().st_size for path in {c.path for c in candidates}}
    lines = sorted(f"{c.source} {sizes[c.path]}" for c in candidates)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
