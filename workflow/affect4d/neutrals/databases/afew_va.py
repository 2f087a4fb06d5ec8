"""AFEW-VA (Kossaifi, Tzimiropoulos, Todorovic & Pantic, IVC 2017) and what repackages it.

Each clip's JSON holds `actor`, `video_id` and `frames`: name -> valence, arousal (integers in
[-10, 10]) and 68 landmarks.
"""

import json
import re

import numpy as np

from affect4d.formats.landmarks import check_landmarks
from affect4d.formats.paths import inside
from affect4d.neutrals.candidates import Candidate, identify, normalise
from affect4d.quarantine import BadInput


def find_afew_va(name, root, layout, quarantine):
    """Candidates of every annotated frame below `root`."""
    if not root.is_dir():
        raise BadInput(root, "no such folder", f"check `neutrals.databases.{name}.root`")
    found = []
    for folder, clip in _clips(root, layout):
        try:
            annotation = folder / f"{clip}.json"
            frames, subject = _read_clip(annotation)
        except BadInput as problem:
            quarantine.add(identify(name, clip), problem)
            continue
        for frame, content in sorted(frames.items()):
            image_id = identify(name, clip, frame)
            try:
                found.append(
                    _candidate(name, root, annotation, subject, image_id, frame, content, layout)
                )
            except BadInput as problem:
                quarantine.add(image_id, problem)
    return found


def _clips(root, layout):
    """Clip folders below the root, or one level further down, with the clip's number."""
    for folder in sorted([*root.glob("*"), *root.glob("*/*")]):
        match = re.fullmatch(layout.clip, folder.name)
        if match and folder.is_dir():
            yield folder, match["clip"]


def _read_clip(annotation):
    """Frames and subject of a clip's JSON."""
    try:
        content = json.loads(annotation.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            annotation, "the clip has no annotation", "add it or drop the clip"
        ) from None
    except (ValueError, OSError) as error:
        raise BadInput(annotation, f"cannot be read as JSON ({error})", "fetch it again") from None
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, dict):
        raise BadInput(annotation, "holds no `frames`", "give AFEW-VA's JSON")
    subject = normalise(content.get("actor") or "")
    if not subject:
        raise BadInput(annotation, "names no `actor`", "name the person, lest splits leak")
    return frames, subject


def _candidate(name, root, annotation, subject, image_id, frame, content, layout):
    if not isinstance(content, dict):
        raise BadInput(annotation, f"frame {frame} holds no annotation", "annotate or drop it")
    valence, arousal = (
        _scaled(annotation, frame, content, axis, layout) for axis in ("valence", "arousal")
    )
    path = _image(annotation.parent, frame, layout)
    if "landmarks" in content:
        landmarks = _inline_landmarks(annotation, frame, content["landmarks"], layout)
        landmarks_path, landmarks_source = None, ""
    else:
        landmarks, landmarks_path = None, path.with_suffix(".pts")
        landmarks_source = landmarks_path.relative_to(root).as_posix()
    neutral = valence == 0 and arousal == 0
    return Candidate(
        database=name,
        subject_id=subject,
        image_id=image_id,
        path=path,
        source=path.relative_to(root).as_posix(),
        frame=int(frame),
        is_neutral=neutral,
        evidence=layout.evidence if neutral else "valence or arousal is not 0",
        landmarks_path=landmarks_path,
        landmarks_source=landmarks_source,
        landmarks=landmarks,
        valence=valence,
        arousal=arousal,
    )


def _scaled(annotation, frame, content, axis, layout):
    """Valence or arousal of a frame brought to [-1, 1]."""
    value = content.get(axis)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(annotation, f"frame {frame}: {axis} is {value!r}", "give a number")
    if not layout.low <= value <= layout.high:
        raise BadInput(
            annotation,
            f"frame {frame}: {axis} {value} lies outside [{layout.low:g}, {layout.high:g}]",
            "annotate the frame again; values are never clipped",
        )
    return 2 * (value - layout.low) / (layout.high - layout.low) - 1


def _image(folder, frame, layout):
    """The image of a frame; nothing that the JSON says leads out of the clip's folder."""
    try:
        paths = [inside(folder, f"{frame}{suffix}") for suffix in layout.images]
    except BadInput as problem:
        raise BadInput(
            folder / f"{folder.name}.json", f"frame {frame!r}: {problem.rule}", problem.remedy
        ) from None
    if not frame.isdecimal():
        raise BadInput(folder / frame, "a frame's name is not a number", "name frames 00000 ...")
    for path in paths:
        if path.is_file():
            return path
    raise BadInput(paths[0], "the frame has no image", "add it or drop the frame")


def _inline_landmarks(annotation, frame, points, layout):
    try:
        array = np.array(points, dtype=np.float64)
    except (ValueError, TypeError):
        raise BadInput(
            annotation, f"frame {frame}: landmarks are not numbers", "mark them again"
        ) from None
    try:
        return check_landmarks(array, annotation, dimension=2) - layout.first_pixel
    except BadInput as problem:
        raise BadInput(annotation, f"frame {frame}: {problem.rule}", problem.remedy) from None
