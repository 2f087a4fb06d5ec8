"""Pictures and tables of the registration: an overview, the worst frames, people, one sequence, and
a real scan. Raw scans are shown in the pose of their registered faces, by their landmarks.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts import registration as artifacts
from affect4d.artifacts.registration import REGISTERED
from affect4d.geometry.shading import CLAY, render
from affect4d.pipeline.context import RunContext
from affect4d.plotting.faces import FACE_FRAME
from affect4d.plotting.montage import contact_sheet
from affect4d.quarantine import BadInput
from affect4d.registration.posed_scan import read_posed_scan, scan_rows
from affect4d.registration.quality_summary import (
    draw_heat_maps,
    flag_table,
    heat_map_tables,
    read_quality,
    worst_frames,
    worst_sequences,
)
from affect4d.registration.reference_scan import register_real_scan
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.registration.registrar import Registrar

log = logging.getLogger(__name__)

WORST_SHOWN = 8  # frames
STRIP_FRAMES = 8  # as many as fit beside one another on the page
# One expression per person, and the strip's: those that move most come first.
PEOPLE_EXPRESSIONS = ("happiness", "surprise", "disgust", "anger")
STRIP_EXPRESSION = "surprise"
_PIXELS = (250, 210)  # height and width of a face
_FRAME = (FACE_FRAME[0], 120.0)  # centre and half height of a face's picture, mm: scan with neck
_FILLED = np.array([140, 165, 215], dtype=np.float32)  # RGB: blue, as no skin is

Frame = tuple[str, int]  # a sequence, and the row of a frame in it


@dataclass(frozen=True)
class Shown:
    """One frame as it is shown.

    Attributes
    ----------
    raw, registered : pictures (H, W, 3); `raw` is blank where the scan cannot be read
    frame_id : its id
    problem : why `raw` is blank, or empty
    """

    raw: NDArray[np.uint8]
    registered: NDArray[np.uint8]
    frame_id: str
    problem: str


def write_pictures(context: RunContext, *, scans: Path, registrar: Registrar) -> None:
    """Write the folder `registration/pictures` with its manifest.

    Beside pictures and two tables it holds `pictures.json`: `overview`, `strip`, `real` and
    `real_seen` (texts of the captions), and `worst` (picture and caption of the worst frames).

    Parameters
    ----------
    context : of the rule
    scans : folder that the scans' files are relative to
    registrar : the build's own
    """
    root = context.root
    log.info("reading the registration's quality")
    quality = read_quality(root / "registered")
    worst = worst_frames(quality, WORST_SHOWN)
    people, strip = _choose_people(root, quality), _choose_strip(root, quality)
    frames = [*zip(worst["sequence"], worst["worst_index"], strict=True), *people, *strip]
    log.info("drawing %d scans and their registered faces", len(frames))
    shown = _show(root, scans, registrar, frames=frames)
    last = len(worst) + len(people)
    log.info("registering the real scan")
    real = register_real_scan(registrar)
    entries = [
        {"picture": f"worst_{number}.jpg", "caption": _caption(row, frame)}
        for number, ((_, row), frame) in enumerate(zip(worst.iterrows(), shown, strict=False), 1)
    ]
    captions = {
        "overview": _totals(quality),
        "strip": f"{strip[0][0]}, frames {', '.join(str(index) for _, index in strip)}",
        "real": f"{real.residual:.2f} mm",
        "real_seen": f"{real.seen:.1%}",
        "worst": entries,
    }
    contents = {
        artifacts.OVERVIEW.name(): draw_heat_maps(heat_map_tables(quality)),
        artifacts.PEOPLE.name(): _raw_above_registered(shown[len(worst) : last]),
        artifacts.STRIP.name(): _raw_above_registered(shown[last:]),
        artifacts.REAL.name(): contact_sheet([[*real.raw, *real.registered]]),
        artifacts.FLAG_TABLE.name(): _csv(flag_table(quality, registrar.settings)),
        artifacts.SEQUENCE_TABLE.name(): _csv(worst_sequences(quality)),
        artifacts.CAPTIONS.name(): json.dumps(captions, indent=1, sort_keys=True).encode(),
    }
    for entry, frame in zip(entries, shown, strict=False):
        contents[entry["picture"]] = contact_sheet([[frame.raw, frame.registered]])
    folder = root / artifacts.PICTURES.name()
    with store.atomic_replace(folder, context.provenance()) as unfinished:
        unfinished.mkdir()
        for name, content in contents.items():
            (unfinished / Path(name).name).write_bytes(content)


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False)
    return text.encode()


def _totals(quality: pd.DataFrame) -> str:
    frames, flagged = quality["frames"].sum(), quality["flagged"].sum()
    return (
        f"{frames:,} frames of {len(quality):,} sequences and {quality['subject'].nunique():,} "
        f"subjects are registered; {flagged:,} of them ({flagged / frames:.2%}) carry a flag, "
        f"{quality['quarantined'].sum():,} more are in quarantine."
    )


def _caption(row: pd.Series, frame: Shown) -> str:
    """Frame, flags, residual, and why the scan is not shown."""
    flags = ", ".join(row["worst_flags"]) or "no flag"
    parts = [frame.frame_id, flags, f"landmark residual {row['worst_residual']:.2f} mm"]
    return " · ".join([*parts, frame.problem] if frame.problem else parts)


def _raw_above_registered(shown: list[Shown]) -> bytes:
    return contact_sheet([[frame.raw for frame in shown], [frame.registered for frame in shown]])


def _choose_people(root: Path, quality: pd.DataFrame) -> list[Frame]:
    """Neutral and middle apex frame of a posed sequence of up to four people."""
    frames = []
    posed = quality[quality["posed"]]
    for expression, (_, rows) in zip(PEOPLE_EXPRESSIONS, posed.groupby("subject"), strict=False):
        sequence = _of_expression(root, rows["sequence"], expression)
        opened = RegisteredSequence(REGISTERED.path(root, sequence=sequence))
        apex, neutral = np.flatnonzero(opened.is_apex), np.flatnonzero(opened.is_neutral)
        frames += [(sequence, int(index)) for index in neutral[:1]]
        frames.append((sequence, int(apex[len(apex) // 2])))
    return frames


def _choose_strip(root: Path, quality: pd.DataFrame) -> list[Frame]:
    """Frames spread over one posed sequence, or over the first one where none is posed."""
    rows = quality[quality["posed"]] if quality["posed"].any() else quality
    first = rows[rows["subject"] == rows["subject"].min()]
    sequence = _of_expression(root, first["sequence"], STRIP_EXPRESSION)
    frames = int(quality.set_index("sequence").loc[sequence, "frames"])
    spread = np.linspace(0, frames - 1, min(STRIP_FRAMES, frames)).round().astype(int)
    return [(sequence, int(index)) for index in spread]


def _of_expression(root: Path, sequences: Iterable[str], expression: str) -> str:
    """The first sequence of an expression, or the first."""
    sequences = list(sequences)
    for name in sequences:
        opened = RegisteredSequence(REGISTERED.path(root, sequence=name))
        if expression in opened.attributes["expression"]:
            return name
    return sequences[0]


def _show(root: Path, scans: Path, registrar: Registrar, *, frames: list[Frame]) -> list[Shown]:
    """The given frames, raw and registered."""
    opened = {n: RegisteredSequence(REGISTERED.path(root, sequence=n)) for n, _ in frames}
    ids = [opened[name].frame_ids[index] for name, index in frames]
    rows = scan_rows(root, set(ids))
    shown = []
    for (name, index), frame_id in zip(frames, ids, strict=True):
        vertices, seen = opened[name].vertices(index), opened[name].seen(index)
        problem = ""
        try:
            raw = _draw_scan(rows.loc[frame_id], scans, registrar, registered=vertices)
        except (BadInput, KeyError) as error:
            raw = np.full((*_PIXELS, 3), 255, dtype=np.uint8)
            problem = f"the scan cannot be shown: {error}"
        albedo = np.where(seen[:, None], CLAY, _FILLED)
        triangles = registrar.template.triangles
        registered = render(vertices, triangles, shape=_PIXELS, colours=albedo, frame=_FRAME)
        shown.append(Shown(raw, registered, frame_id, problem))
    return shown


def _draw_scan(
    row: pd.Series, scans: Path, registrar: Registrar, *, registered: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """The raw scan, in the pose of its registered face."""
    scan, vertices = read_posed_scan(row, scans, registrar, registered=registered)
    return render(vertices, scan.triangles, shape=_PIXELS, frame=_FRAME)
