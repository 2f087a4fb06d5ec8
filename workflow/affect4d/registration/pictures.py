"""The report's section on registration: an overview, the worst frames, people, a filmstrip, and a
real scan. Raw scans are shown in the pose of their registered faces, by their landmarks.
"""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.formats.landmarks import DEFAULT_MARKUP, read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.formats.paths import inside
from affect4d.geometry.shading import CLAY, render
from affect4d.geometry.similarity import fit_similarity
from affect4d.plotting import montage as figures
from affect4d.plotting.faces import FACE_FRAME
from affect4d.quarantine import BadInput
from affect4d.registration.quality_summary import (
    cells,
    draw_cells,
    flag_table,
    read_quality,
    worst_frames,
    worst_sequences,
)
from affect4d.registration.reference_scan import carry_landmarks, register_real_scan

log = logging.getLogger(__name__)

WORST_SHOWN = 8
STRIP_FRAMES = 8
# One expression a person, and the strip's: those that move most come first.
PEOPLE_EXPRESSIONS = ("happiness", "surprise", "disgust", "anger")
STRIP_EXPRESSION = "surprise"
_PIXELS = (250, 210)
_FRAME = (FACE_FRAME[0], 120.0)
_FILLED = np.array([140, 165, 215], dtype=np.float32)
_SCAN_COLUMNS = ("frame_id", "mesh", "landmarks", "markup")


@dataclass(frozen=True)
class Shown:
    """One frame as it is shown.

    Attributes
    ----------
    raw, registered : (H, W, 3) uint8 pictures; `raw` is blank where the scan cannot be read
    frame_id : str
    problem : str, why `raw` is blank, or empty
    """

    raw: np.ndarray
    registered: np.ndarray
    frame_id: str
    problem: str


def section(root, scans, registrar):
    """Everything that the section shows.

    Parameters
    ----------
    root : Path, the results folder
    scans : Path that the scans' files are relative to
    registrar : Registrar of the build

    Returns
    -------
    dict of `pictures` (name: PNG or JPEG bytes), `tables` (name: DataFrame), `captions` (name:
    text) and `worst` (list of (JPEG bytes, caption))
    """
    log.info("reading the registration's quality")
    quality = read_quality(root / "registered")
    worst = worst_frames(quality, WORST_SHOWN)
    people = _people(root, quality)
    strip = _strip(root, quality)
    wanted = [
        (sequence, index)
        for rows in (zip(worst.sequence, worst.worst_index, strict=True), people, strip)
        for sequence, index in rows
    ]
    log.info("drawing %d scans and their registered faces", len(wanted))
    shown = _show(root, scans, registrar, wanted)
    worst_shown, rest = shown[: len(worst)], shown[len(worst) :]
    people_shown, strip_shown = rest[: len(people)], rest[len(people) :]
    log.info("registering the real scan")
    real = register_real_scan(registrar)
    return {
        "pictures": {
            "overview": draw_cells(cells(quality)),
            "people": _sheet(people_shown),
            "strip": _sheet(strip_shown),
            "real": figures.contact_sheet([[*real.raw, *real.registered]]),
        },
        "tables": {
            "flags": flag_table(quality, registrar.settings),
            "sequences": worst_sequences(quality),
        },
        "captions": {
            "overview": _totals(quality),
            "strip": f"{strip[0][0]}, frames {', '.join(str(index) for _, index in strip)}",
            "real": f"{real.residual:.2f} mm",
            "real_seen": f"{real.seen:.1%}",
        },
        "worst": [
            (figures.contact_sheet([[frame.raw, frame.registered]]), _caption(row, frame))
            for (_, row), frame in zip(worst.iterrows(), worst_shown, strict=True)
        ],
    }


def _totals(quality):
    frames, flagged = quality["frames"].sum(), quality["flagged"].sum()
    return (
        f"{frames:,} frames of {len(quality):,} sequences and {quality['subject'].nunique():,} "
        f"subjects are registered; {flagged:,} of them ({flagged / frames:.2%}) carry a flag, "
        f"{quality['quarantined'].sum():,} more are in quarantine."
    )


def _caption(row, frame):
    """Frame, flags, residual, and why the scan is not shown."""
    flags = ", ".join(row.worst_flags) or "no flag"
    parts = [frame.frame_id, flags, f"landmark residual {row.worst_residual:.2f} mm"]
    return " · ".join([*parts, frame.problem] if frame.problem else parts)


def _sheet(shown):
    return figures.contact_sheet(
        [[frame.raw for frame in shown], [frame.registered for frame in shown]]
    )


def _people(root, quality):
    """Neutral and middle apex frame of a posed sequence of up to four people."""
    chosen = []
    posed = quality[quality["posed"]]
    for wanted, (_, rows) in zip(PEOPLE_EXPRESSIONS, posed.groupby("subject"), strict=False):
        sequence = _of_expression(root, rows["sequence"], wanted)
        attributes = store.open(root / "registered" / f"{sequence}.zarr").attributes
        apex, neutral = np.flatnonzero(attributes["is_apex"]), attributes["is_neutral"]
        chosen += [(sequence, int(index)) for index in np.flatnonzero(neutral)[:1]]
        chosen.append((sequence, int(apex[len(apex) // 2])))
    return chosen


def _strip(root, quality):
    """Frames spread over one posed sequence, or over the first one where none is posed."""
    rows = quality[quality["posed"]] if quality["posed"].any() else quality
    first = rows[rows["subject"] == rows["subject"].min()]
    sequence = _of_expression(root, first["sequence"], STRIP_EXPRESSION)
    frames = int(quality.set_index("sequence").loc[sequence, "frames"])
    spread = np.linspace(0, frames - 1, min(STRIP_FRAMES, frames)).round().astype(int)
    return [(sequence, int(index)) for index in spread]


def _of_expression(root, sequences, wanted):
    """The first sequence of an expression, or the first."""
    for sequence in sequences:
        if wanted in store.open(root / "registered" / f"{sequence}.zarr").attributes["expression"]:
            return sequence
    return sequences.iloc[0]


def _show(root, scans, registrar, wanted):
    """A Shown for every (sequence, index)."""
    stores = {name: store.open(root / "registered" / f"{name}.zarr") for name, _ in wanted}
    ids = [stores[sequence].attributes["frame_ids"][index] for sequence, index in wanted]
    rows = _scan_rows(root, set(ids))
    shown = []
    for (sequence, index), frame_id in zip(wanted, ids, strict=True):
        vertices = stores[sequence]["vertices"][index]
        seen = stores[sequence]["seen"][index]
        problem = ""
        try:
            raw = _draw_scan(rows.loc[frame_id], scans, registrar, vertices)
        except (BadInput, KeyError) as error:
            raw = np.full((*_PIXELS, 3), 255, dtype=np.uint8)
            problem = f"the scan cannot be shown: {error}"
        albedo = np.where(seen[:, None], CLAY, _FILLED)
        triangles = registrar.template.triangles
        registered = render(vertices, triangles, *_PIXELS, colours=albedo, frame=_FRAME)
        shown.append(Shown(raw, registered, frame_id, problem))
    return shown


def _scan_rows(root, frame_ids):
    """The rows of some frames in the chunks' tables of scans, by frame_id."""
    found = []
    for path in sorted((root / "gallery" / "scans").glob("*.csv")):
        if path.name.endswith(".quarantine.csv"):
            continue
        table = pd.read_csv(path, dtype="string", usecols=lambda name: name in _SCAN_COLUMNS)
        found.append(table[table["frame_id"].isin(frame_ids)])
    return pd.concat(found, ignore_index=True).set_index("frame_id")


def _draw_scan(row, scans, registrar, registered):
    """The raw scan, turned into the pose of its registered face by the landmarks that are kept."""
    markup = row.get("markup")
    points = read_landmarks(
        inside(scans, row["landmarks"]), 3, DEFAULT_MARKUP if pd.isna(markup) else markup
    )
    checked = registrar.check(points)
    carried = carry_landmarks(registrar.template, registered)
    keep = checked.keep
    pose = fit_similarity(checked.alignment.landmarks[keep], carried[keep])
    scan = read_mesh(inside(scans, row["mesh"]))
    return render(pose.apply(scan.vertices), scan.triangles, *_PIXELS, frame=_FRAME)
