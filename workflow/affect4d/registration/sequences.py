"""One chunk of sequences: every frame registered, or in quarantine with the reason.

A sequence is registered as a whole: its landmarks are freed of noise together, and every frame is
placed on the neutral face of its own sequence, because later rooms use frame minus neutral. Each
file is read once; what was registered waits on disk, so that memory does not grow with the length.
"""

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import DEFAULT_MARKUP, read_landmarks
from affect4d.formats.markup import MARKUP_FILES
from affect4d.formats.meshes import read_mesh
from affect4d.formats.paths import inside, safe_name
from affect4d.quarantine import BadInput
from affect4d.registration.denoise import denoise
from affect4d.registration.quality import (
    FLAGS,
    MEASURES,
    REMEDIES,
    Quality,
    flag_names,
    reasons,
)
from affect4d.registration.reference import Reference, prepare
from affect4d.registration.registrar import Checked, Registered, Registrar
from affect4d.registration.spool import Spool
from affect4d.registration.track import Texture, Tracker
from affect4d.store.protocol import remove

log = logging.getLogger("affect4d")
_TEXT = ("frame_id", "subject", "sequence", "task", "mesh", "texture", "landmarks", "markup")
# A scan that shows less of the inner face is not the landmarks'.
_LEAST_SEEN = 0.1
# A sequence of more frames logs how far it got.
_LONG = 200


@dataclass(frozen=True)
class Frame:
    """One row of the scans' table, with what its landmark file held."""

    row: pd.Series
    mesh: Path
    texture: Path | None
    checked: Checked


def write_template(path, template, provenance):
    """Prepare a template and store it (rule `registration_template`)."""
    store_reference(path, prepare(template), provenance)


def store_reference(path, reference, provenance):
    """Store a prepared template."""
    store.write(path, reference.arrays(), {}, provenance=provenance)


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
                sequence_of = _Sequence(registrar, rows, root, quarantine, progress)
                sequence_of.write(path, scans, made_from)
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
    # a user's own mark-up; the gallery made sure of where it lies
    found = {Path(name) for name in rows["markup"].dropna() if name.endswith(MARKUP_FILES)}
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


class _Sequence:
    """One sequence on its way from files to a store."""

    def __init__(self, registrar, rows, root, quarantine, progress):
        self._registrar, self._rows, self._root = registrar, rows, root
        self._quarantine, self._progress = quarantine, progress
        self._first = len(quarantine.rows)
        self._tracker: Tracker | None = None
        self._qualities: dict[int, Quality] = {}
        self._colour: np.ndarray | None = None
        self._tried: list[int] = []

    def write(self, path, scans, provenance):
        """Register every frame that can be; BadInput where none can be the neutral one."""
        frames = self._check_frames()
        count = len(self._registrar.template.vertices)
        with Spool((count, 3), np.float32) as vertices, Spool((count,), np.bool_) as seen:
            neutral = self._register_neutral(frames, vertices, seen)
            if neutral is None:
                raise BadInput(
                    scans,
                    f"sequence {path.stem} has no usable neutral frame",
                    "mark one of its frames as is_neutral, or repair the one there is",
                )
            others = [number for number in range(len(frames)) if number not in self._tried]
            if len(others) >= _LONG:
                others = self._progress(others, len(others), f"frames of {path.stem}")
            for number in others:
                self._register(number, frames[number], neutral, vertices, seen)
            self._store(path, frames, neutral, vertices, seen, provenance)

    def _check_frames(self):
        """Frames whose files are there and whose landmarks can be used; others in quarantine."""
        frames = []
        for _, row in self._rows.iterrows():
            try:
                mesh, landmarks = inside(self._root, row.mesh), inside(self._root, row.landmarks)
                texture = None if pd.isna(row.texture) else inside(self._root, row.texture)
                markup = DEFAULT_MARKUP if pd.isna(row.markup) else row.markup
                points = read_landmarks(landmarks, dimension=3, markup=markup)
                checked = _check(self._registrar, points, landmarks)
                frames.append(Frame(row, mesh, texture, checked))
            except BadInput as problem:
                self._quarantine.add(row.frame_id, problem)
        checks = denoise([frame.checked for frame in frames])
        return [
            replace(frame, checked=checked) for frame, checked in zip(frames, checks, strict=True)
        ]

    def _register_neutral(self, frames, vertices, seen):
        """The neutral frame placed on the template: (V, 3), or None where none can be read.

        The first without a flag; the first that can be read where all are flagged.
        """
        usable = []
        for number, frame in enumerate(frames):
            if not frame.row.is_neutral:
                continue
            self._tried.append(number)
            registered = self._begin(number, frame, vertices, seen)
            if registered is not None:
                usable.append((number, frame, registered))
                if not registered.quality.flags(self._registrar.settings):
                    break
        if not usable:
            return None
        number, frame, neutral = usable[-1]
        if neutral.quality.flags(self._registrar.settings) and len(usable) > 1:
            number, frame, neutral = usable[0]
            self._begin(number, frame, vertices, seen)  # the tracker saw others since
        for other, frame, _ in usable:  # they are placed on it as well
            if other != number:
                self._register(other, frame, neutral.vertices, vertices, seen)
        return neutral.vertices

    def _begin(self, number, frame, vertices, seen) -> Registered | None:
        """A frame as the neutral one: the tracker's first."""
        tracking = self._registrar.settings.tracking and frame.texture is not None
        self._tracker = Tracker(self._registrar.grid) if tracking else None
        return self._register(number, frame, None, vertices, seen)

    def _register(self, number, frame, place_on, vertices, seen) -> Registered | None:
        """One frame into the spools; None and a row in quarantine where it cannot be read."""
        try:
            mesh = read_mesh(frame.mesh)
            wanted = place_on is None or self._tracker is not None
            texture = _read_texture(mesh, frame) if wanted else None
            registered = self._surface(mesh, frame, place_on, texture)
        except BadInput as problem:
            self._quarantine.add(frame.row.frame_id, problem)
            return None
        vertices.put(number, registered.vertices)
        seen.put(number, registered.seen)
        self._qualities[number] = registered.quality
        if place_on is None and texture is not None:
            self._colour = _colour(self._registrar, mesh, texture, registered)
        return registered

    def _surface(self, mesh, frame, place_on, texture) -> Registered:
        """The registered scan; BadInput where mesh and landmarks do not belong together."""
        try:
            registered = self._registrar.register(
                mesh.vertices,
                mesh.triangles,
                frame.checked,
                place_on=place_on,
                tracker=self._tracker,
                texture=texture,
            )
        except ValueError as error:
            raise BadInput(
                frame.mesh, f"cannot be registered ({error})", "look at mesh and landmarks"
            ) from None
        if registered.quality.seen < _LEAST_SEEN:
            raise BadInput(
                frame.mesh,
                "the mesh shows nothing of the face that the landmarks mark",
                "give mesh and landmarks in the same coordinates",
            )
        return registered

    def _store(self, path, frames, neutral, vertices, seen, provenance):
        kept = sorted(self._qualities)
        inner = self._registrar.template.inner
        qualities = _with_scale_change(
            [self._qualities[number] for number in kept], self._registrar.settings
        )
        qualities = _with_jitter(vertices.select(kept), qualities, inner)
        flags = [quality.flags(self._registrar.settings) for quality in qualities]
        _warn(path.stem, flags, self._registrar.settings)
        arrays = {
            "vertices": store.Vertices(vertices, neutral),
            "seen": seen.select(kept),
            "quality": np.array([quality.row() for quality in qualities], dtype=np.float32),
            "flags": np.array(flags, dtype=np.uint16),
        }
        if self._colour is not None:
            arrays["colour"] = self._colour
        chosen = [frames[number].row for number in kept]
        quarantined = self._quarantine.rows[self._first :]
        attributes = {
            "measures": list(MEASURES),
            "flag_names": list(FLAGS),
            "subject": str(self._rows.subject.iloc[0]),
            "task": str(self._rows.task.iloc[0]),
            "frame_ids": [str(row.frame_id) for row in chosen],
            "expression": [_text(row.expression) for row in chosen],
            "is_apex": [bool(row.is_apex) for row in chosen],
            "is_neutral": [bool(row.is_neutral) for row in chosen],
            "quarantined": [[row.item, row.file, row.rule, row.remedy] for row in quarantined],
        }
        store.write(path, arrays, attributes, provenance=provenance)


def _check(registrar, points, file):
    try:
        return registrar.check(points)
    except ValueError as error:
        raise BadInput(file, f"the landmarks form no face ({error})", "mark them again") from None


def _read_texture(mesh, frame):
    """The frame's Texture, or None where the table names none."""
    if frame.texture is None:
        return None
    image = read_image(frame.texture)
    if mesh.uv is None:
        raise BadInput(frame.mesh, "the mesh has no texture coordinates", "export them as well")
    return Texture(image, mesh.uv)


def _warn(sequence, flags, settings):
    """One line on the frames that later rooms leave out, with what to do about each flag."""
    flagged = sum(map(bool, flags))
    if not flagged:
        return
    counts = Counter(name for mask in flags for name in flag_names(mask))
    about = "; ".join(
        f"{name} {counts[name]} ({reason}): {REMEDIES[name]}"
        for name, reason in reasons(settings).items()
        if counts[name]
    )
    log.warning(
        "%s: %d of %d frames are flagged and left out: %s", sequence, flagged, len(flags), about
    )


def _with_scale_change(qualities, settings):
    """Qualities with each frame's size over the sequence's median: a head does not grow.

    The median of the frames that nothing else speaks against, where there are any.
    """
    sound = [quality.scale for quality in qualities if not quality.flags(settings)]
    usual = float(np.median(sound or [quality.scale for quality in qualities]))
    return [replace(quality, scale_change=quality.scale / usual) for quality in qualities]


def _with_jitter(vertices, qualities, inner):
    """Qualities with each frame's mean distance (mm) from the mean of its two neighbours."""
    if len(qualities) < 3:
        return qualities
    before, here = (vertices[number : number + 1][0][inner] for number in (0, 1))
    judged = [qualities[0]]
    for number, quality in enumerate(qualities[1:-1], 1):
        after = vertices[number + 1 : number + 2][0][inner]
        jitter = np.linalg.norm(here - (before + after) / 2, axis=1).mean()
        judged.append(replace(quality, jitter=float(jitter)))
        before, here = here, after
    return [*judged, qualities[-1]]


def _colour(registrar, mesh, texture, registered):
    """The texture's colour (V, 3) uint8 at the registered vertices; filled where none was seen."""
    colour = texture.colours(mesh.triangles, registered.triangle, registered.weights)
    seen = registered.seen
    mean = colour[seen].mean(0)
    filled = registrar.fill(np.where(seen[:, None], colour - mean, 0), seen)
    return np.clip(np.rint(filled + mean), 0, 255).astype(np.uint8)


def _text(value):
    return "" if pd.isna(value) else str(value)
