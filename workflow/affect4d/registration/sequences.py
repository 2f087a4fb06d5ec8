"""One chunk of sequences: every frame registered, or in quarantine with the reason.

A sequence is registered as a whole: its landmarks are freed of noise together, and every frame is
placed on the neutral face of its own sequence, because later rooms use frame minus neutral.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.meshes import read_mesh
from affect4d.formats.paths import inside, safe_name
from affect4d.formats.quarantine import BadInput
from affect4d.registration.denoise import denoise
from affect4d.registration.quality import FLAGS, MEASURES
from affect4d.registration.reference import Reference, prepare
from affect4d.registration.registrar import Checked, Registrar
from affect4d.registration.track import Texture, Tracker
from affect4d.store.protocol import remove

_TEXT = ("frame_id", "subject", "sequence", "task", "mesh", "texture", "landmarks")


@dataclass(frozen=True)
class Frame:
    """One row of the scans' table, with what its landmark file held."""

    row: pd.Series
    mesh: Path
    texture: Path | None
    checked: Checked


def write_template(path, template, provenance):
    """Prepare a template and store it (rule `registration_template`)."""
    store.write(path, prepare(template).arrays(), {}, provenance)


def load_registrar(path, settings):
    """The Registrar on a template stored by `write_template`."""
    return Registrar(Reference.restore(store.open(path)), settings)


def register_chunk(registrar, scans, root, quarantine, provenance, manifest, progress):
    """Register the sequences of one chunk.

    Parameters
    ----------
    registrar : Registrar
    scans : path of the chunk's table of scans (CSV); its paths are relative to `root`
    root : folder of the scans' files
    quarantine : Quarantine
    provenance : (item, inputs, extra settings) -> store.Provenance
    manifest : path of the chunk's manifest, `registered/chunks/{chunk}.manifest.json`
    progress : (iterable, total, what) -> iterable, logs how far it got

    Raises
    ------
    BadInput
        At the first bad input, where the quarantine is strict.
    """
    scans, root, manifest = Path(scans), Path(root), Path(manifest)
    folder = manifest.parent.parent
    chunk = manifest.name.removesuffix(".manifest.json")
    table = pd.read_csv(
        scans, dtype=dict.fromkeys(_TEXT, "string"), keep_default_na=False, na_values=[""]
    )
    groups = list(table.groupby("sequence", sort=True))
    done = []
    for sequence, rows in progress(groups, len(groups), "sequences"):
        rows = rows.sort_values("frame", kind="stable")
        path = None
        try:
            path = folder / f"{safe_name(sequence, scans)}.zarr"
            made_from = provenance(sequence, _files(rows, root), {"rows": _digest(rows)})
            if not _is_kept(path, made_from, quarantine):
                _register_sequence(registrar, rows, scans, root, quarantine, path, made_from)
            done.append(store.manifest_of(path))
        except BadInput as problem:
            if path is not None:  # what an earlier, better version of the sequence left
                remove(store.manifest_of(path))
                remove(path)
            quarantine.add(sequence, problem)
    rejected = folder / "quarantine" / f"{chunk}.csv"
    with store.atomic(rejected) as unfinished:
        quarantine.write(unfinished)
    store.record(
        manifest, [*done, rejected], provenance(chunk, [scans.with_suffix(".manifest.json")], {})
    )


def _files(rows, root):
    """Every file of a sequence that is there: what its store is made from."""
    names = pd.concat([rows[column] for column in ("mesh", "texture", "landmarks")]).dropna()
    found = set()
    for name in names:
        try:
            found.add(inside(root, name))
        except BadInput:
            continue
    return sorted(path for path in found if path.is_file())


def _digest(rows):
    """The table's rows enter the store as well: its neutral frame, its names."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()[:16]


def _is_kept(path, provenance, quarantine):
    """Whether the store is as it would be built again; its quarantined frames are reported anew."""
    if not store.is_current(store.manifest_of(path), provenance):
        return False
    for item, *problem in store.open(path).attributes["quarantined"]:
        quarantine.add(item, BadInput(*problem))
    return True


def _register_sequence(registrar, rows, scans, root, quarantine, path, provenance):
    first = len(quarantine.rows)
    frames = _check_frames(registrar, rows, root, quarantine)
    registered = _register_frames(registrar, frames, quarantine)
    if not registered:
        raise BadInput(
            scans,
            f"sequence {path.stem} has no usable neutral frame",
            "mark one of its frames as is_neutral, or repair the one there is",
        )
    kept = [frames[index] for index, _ in registered]
    results = [result for _, result in registered]
    neutral = next(i for i, frame in enumerate(kept) if frame.row.is_neutral)
    vertices = np.stack([result.vertices for result in results])
    qualities = _with_jitter(vertices, [r.quality for r in results], registrar.template.inner)
    arrays: dict[str, np.ndarray | store.Vertices] = {
        "vertices": store.Vertices(vertices, vertices[neutral]),
        "seen": np.stack([result.seen for result in results]),
        "quality": np.array([quality.row() for quality in qualities], dtype=np.float32),
        "flags": np.array(
            [quality.flags(registrar.settings) for quality in qualities], dtype=np.uint8
        ),
    }
    if kept[neutral].texture is not None:
        arrays["colour"] = _colour(registrar, kept[neutral], results[neutral])
    attributes = {
        "measures": list(MEASURES),
        "flag_names": list(FLAGS),
        "subject": str(rows.subject.iloc[0]),
        "task": str(rows.task.iloc[0]),
        "frame_ids": [str(frame.row.frame_id) for frame in kept],
        "expression": [_text(frame.row.expression) for frame in kept],
        "is_apex": [bool(frame.row.is_apex) for frame in kept],
        "is_neutral": [bool(frame.row.is_neutral) for frame in kept],
        "quarantined": [
            [row.item, row.file, row.rule, row.remedy] for row in quarantine.rows[first:]
        ],
    }
    store.write(path, arrays, attributes, provenance)


def _check_frames(registrar, rows, root, quarantine):
    """Frames whose files are there and whose landmarks can be used; the others in quarantine."""
    frames = []
    for _, row in rows.iterrows():
        try:
            mesh, landmarks = inside(root, row.mesh), inside(root, row.landmarks)
            texture = None if pd.isna(row.texture) else inside(root, row.texture)
            points = read_landmarks(landmarks, dimension=3)
            frames.append(Frame(row, mesh, texture, _check(registrar, points, landmarks)))
        except BadInput as problem:
            quarantine.add(row.frame_id, problem)
    checks = denoise([frame.checked for frame in frames])
    return [replace(frame, checked=checked) for frame, checked in zip(frames, checks, strict=True)]


def _check(registrar, points, file):
    try:
        return registrar.check(points)
    except ValueError as error:
        raise BadInput(file, f"the landmarks form no face ({error})", "mark them again") from None


def _register_frames(registrar, frames, quarantine):
    """(index, Registered) of every frame whose mesh can be read, in order of the frames.

    The first usable neutral frame is placed on the template, the others on it; empty without one.
    """
    tracker = Tracker(registrar.grid)
    results, ground = {}, None
    for index in (i for i, frame in enumerate(frames) if frame.row.is_neutral):
        results[index] = _register(registrar, frames[index], None, tracker, quarantine)
        if results[index] is not None:
            ground = results[index].vertices
            break
    if ground is None:
        return []
    for index, frame in enumerate(frames):
        if index not in results:
            results[index] = _register(registrar, frame, ground, tracker, quarantine)
    return [(index, results[index]) for index in sorted(results) if results[index] is not None]


def _register(registrar, frame, place_on, tracker, quarantine):
    try:
        mesh = read_mesh(frame.mesh)
        texture = _read_texture(mesh, frame)
    except BadInput as problem:
        quarantine.add(frame.row.frame_id, problem)
        return None
    return registrar.register(
        mesh.vertices,
        mesh.triangles,
        frame.checked,
        place_on=place_on,
        tracker=tracker,
        texture=texture,
    )


def _read_texture(mesh, frame):
    """The frame's Texture, or None where the table names none."""
    if frame.texture is None:
        return None
    image = read_image(frame.texture)
    if mesh.uv is None:
        raise BadInput(frame.mesh, "the mesh has no texture coordinates", "export them as well")
    return Texture(image, mesh.uv)


def _with_jitter(vertices, qualities, inner):
    """Qualities with each frame's mean distance (mm) from the mean of its two neighbours."""
    if len(vertices) < 3:
        return qualities
    face = vertices[:, inner]
    middle = np.linalg.norm(face[1:-1] - (face[:-2] + face[2:]) / 2, axis=2).mean(1)
    jitter = [float("nan"), *map(float, middle), float("nan")]
    return [replace(q, jitter=value) for q, value in zip(qualities, jitter, strict=True)]


def _colour(registrar, frame, registered):
    """The texture's colour (V, 3) uint8 at the registered vertices; filled where none was seen."""
    mesh = read_mesh(frame.mesh)
    texture = _read_texture(mesh, frame)
    colour = texture.colours(mesh.triangles, registered.triangle, registered.weights)
    seen = registered.seen
    mean = colour[seen].mean(0)
    filled = registrar.fill(np.where(seen[:, None], colour - mean, 0), seen)
    return np.clip(np.rint(filled + mean), 0, 255).astype(np.uint8)


def _text(value):
    return "" if pd.isna(value) else str(value)
