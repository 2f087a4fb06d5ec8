"""AFEW-VA (Kossaifi, Tzimiropoulos, Todorovic & Pantic, IVC 2017) and what repackages it.

Each clip's JSON holds `actor`, `video_id` and `frames`: name -> valence, arousal (integers in
[-10, 10]) and 68 landmarks.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.database_adapters import Adapter, Source
from affect4d.formats.content import read_json
from affect4d.formats.landmarks import check_landmarks
from affect4d.formats.paths import find_beside, inside
from affect4d.neutrals.candidates import Candidate, make_image_id, normalise
from affect4d.neutrals.databases.layout import Layout, Pattern
from affect4d.neutrals.landmarks import DATABASE, DETECTOR, check_landmarks_or_detector
from affect4d.quarantine import BadInput, as_bad_input
from affect4d.system_files import is_hidden

_MAX_DIGITS = 18  # of a frame's number: those that 64 bits hold


class AfewVaLayout(Layout):
    """Clips of frames with one JSON each; `clip` has the group `clip`."""

    clip: Pattern
    images: list[str]
    low: float
    high: float
    first_pixel: int
    evidence: str


def find_afew_va(source: Source[AfewVaLayout]) -> list[Candidate]:
    """Candidates of every annotated frame below the root."""
    candidates = []
    for folder, clip in _clips(source.root, source.layout):
        annotation = folder / f"{clip}.json"
        annotation = find_beside(annotation, [".json"]) or annotation
        try:
            frames, actor = _read_clip(annotation, source.limits.side_file_bytes)
        except BadInput as problem:
            source.quarantine.add(make_image_id(source.name, clip), problem)
            continue
        for frame, content in sorted(frames.items()):
            image_id = make_image_id(source.name, clip, frame)
            try:
                fields = _read_frame(source, annotation, frame, content=content)
                candidates.append(
                    Candidate(
                        database=source.name,
                        subject_id=normalise(actor),
                        subject_name=actor,
                        image_id=image_id,
                        **fields,
                    )
                )
            except (BadInput, OSError) as error:
                source.quarantine.add(image_id, as_bad_input(error, annotation))
    return candidates


def _clips(root: Path, layout: AfewVaLayout) -> Iterator[tuple[Path, str]]:
    """Clip folders below the root, or one level further down, with the clip's number."""
    for folder in sorted([*root.glob("*"), *root.glob("*/*")]):
        match = re.fullmatch(layout.clip, folder.name)
        if match and folder.is_dir() and not is_hidden(folder.relative_to(root)):
            yield folder, match["clip"]


def _read_clip(annotation: Path, max_bytes: int) -> tuple[dict[str, Any], str]:
    """Frames and actor of a clip's JSON."""
    try:
        content = read_json(annotation, max_bytes, "annotation")
    except BadInput:
        if os.path.lexists(annotation):
            raise
        raise BadInput(
            annotation, "the clip has no annotation", "add it or drop the clip"
        ) from None
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, dict):
        raise BadInput(annotation, "holds no `frames`", "give AFEW-VA's JSON")
    actor = str(content.get("actor") or "")
    if not normalise(actor):
        raise BadInput(annotation, "names no `actor`", "name the person, or splits would leak")
    return frames, actor


def _read_frame(
    source: Source[AfewVaLayout], annotation: Path, frame: str, *, content: object
) -> dict[str, Any]:
    """What the JSON says of a frame, as fields of a Candidate."""
    if not isinstance(content, dict):
        raise BadInput(annotation, f"frame {frame} holds no annotation", "annotate or drop it")
    layout = source.layout
    valence, arousal = (
        _scaled(content.get(axis), f"frame {frame}: {axis}", annotation, layout=layout)
        for axis in ("valence", "arousal")
    )
    path = _image(annotation, frame, layout)
    if "landmarks" in content:
        points = _inline_landmarks(content["landmarks"], annotation, frame) - layout.first_pixel
        landmarks: dict[str, Any] = {"landmarks": points, "landmarks_path": None}
    else:
        beside = find_beside(path, [".pts"])
        check_landmarks_or_detector(beside, path, [".pts"])
        name = "" if beside is None else beside.relative_to(source.root).as_posix()
        by = DETECTOR if beside is None else DATABASE
        landmarks = {"landmarks_path": beside, "landmarks_source": name, "landmarks_by": by}
    is_neutral = valence == 0 and arousal == 0
    return {
        "path": path,
        "source": path.relative_to(source.root).as_posix(),
        "frame": int(frame),
        "clip": annotation.parent.as_posix(),
        "is_neutral": is_neutral,
        "evidence": layout.evidence if is_neutral else "valence or arousal is not 0",
        "valence": valence,
        "arousal": arousal,
        **landmarks,
    }


def _scaled(value: object, name: str, annotation: Path, *, layout: AfewVaLayout) -> float:
    """Valence or arousal of a frame, scaled to [-1, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(annotation, f"{name} is {value!r}", "give a number")
    if not layout.low <= value <= layout.high:
        raise BadInput(
            annotation,
            f"{name} {value} lies outside [{layout.low:g}, {layout.high:g}]",
            "annotate the frame again; values are never clipped",
        )
    return 2 * (value - layout.low) / (layout.high - layout.low) - 1


def _image(annotation: Path, frame: str, layout: AfewVaLayout) -> Path:
    """The image of a frame; nothing that the JSON says leads out of the clip's folder."""
    folder = annotation.parent
    try:
        paths = [inside(folder, f"{frame}{suffix}") for suffix in layout.images]
    except BadInput as problem:
        raise BadInput(annotation, f"frame {frame!r}: {problem.rule}", problem.remedy) from None
    if not frame.isdecimal() or len(frame) > _MAX_DIGITS:
        raise BadInput(folder / frame, "a frame's name is not a number", "name frames 00000 ...")
    found = find_beside(paths[0], layout.images)
    if found is not None:
        return found
    raise BadInput(paths[0], "the frame has no image", "add it or drop the frame")


def _inline_landmarks(points: object, annotation: Path, frame: str) -> NDArray[np.float64]:
    """Landmarks (68, 2) as the JSON counts pixels."""
    try:
        array = np.array(points, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise BadInput(
            annotation, f"frame {frame}: landmarks are not numbers", "annotate them again"
        ) from None
    try:
        return check_landmarks(array, annotation, dimension=2)
    except BadInput as problem:
        raise BadInput(annotation, f"frame {frame}: {problem.rule}", problem.remedy) from None


ADAPTER = Adapter(AfewVaLayout, find_afew_va)
