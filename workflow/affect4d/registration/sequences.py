"""One chunk of sequences: every frame registered, or in quarantine with the reason.

The frames of a sequence are registered together: their landmarks are freed of noise in one step,
and every frame is placed on the neutral face of its own sequence, because later stages use frame
minus neutral. Each file is read once; registered frames are buffered on disk, so that memory does
not grow with the length.
"""

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.config.registration import Settings
from affect4d.formats.images import read_image
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.formats.paths import inside, safe_name
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.registration.denoise import denoise_landmarks
from affect4d.registration.disk_buffer import DiskBuffer
from affect4d.registration.quality import (
    FLAGS,
    MEASURES,
    REMEDIES,
    Quality,
    flag_names,
    reasons,
)
from affect4d.registration.reference import Reference, prepare
from affect4d.registration.registrar import Registered, Registrar
from affect4d.registration.robust import Checked
from affect4d.registration.scan_table import digest_of, files_of, read_row_landmarks, read_scans
from affect4d.registration.track import Texture, Tracker
from affect4d.store import Provenance
from affect4d.store.protocol import remove
from affect4d.template.template import Template

log = logging.getLogger("affect4d")
# A scan that shows a smaller share of the inner face is not the landmarks'.
_MIN_SEEN = 0.1
# A sequence of more frames logs its progress: some minutes of registration.
_LONG_SEQUENCE = 200


@dataclass(frozen=True)
class Frame:
    """One row of the scans' table, with what its landmark file held."""

    row: pd.Series
    mesh: Path
    texture: Path | None
    checked: Checked


def write_template(context: RunContext, template: Template) -> None:
    """Prepare a template and store it (rule `registration_template`)."""
    path = context.root / "registration" / "template.zarr"
    store_reference(path, prepare(template), context.provenance())


def store_reference(path: Path, reference: Reference, provenance: Provenance | None) -> None:
    """Store a prepared template."""
    store.write(path, reference.arrays(), {}, provenance=provenance)


def load_registrar(path: Path, settings: Settings) -> Registrar:
    """The Registrar on a template stored by `write_template`."""
    return Registrar(Reference.restore(store.open(path)), settings)


def register_chunk(
    context: RunContext, registrar: Registrar, scans: Path, *, files_root: Path
) -> None:
    """Register the sequences of one chunk, `context.item`, into `registered/`.

    Parameters
    ----------
    context : its inputs are what every sequence depends on: the template
    registrar : on the template
    scans : the chunk's table of scans (CSV)
    files_root : folder to which the table's paths are relative

    Raises
    ------
    BadInput
        At the first bad input, where the quarantine is strict.
    """
    folder, chunk = context.root / "registered", context.item
    groups = list(read_scans(scans).groupby("sequence", sort=True))
    register = _Chunk(registrar, scans, files_root).register
    made = context.map(register, groups, what="sequences")
    done = [manifest for manifest in made if manifest is not None]
    rejected = folder / "quarantine" / f"{chunk}.csv"
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    manifest = folder / "chunks" / f"{chunk}.manifest.json"
    store.record(
        manifest, [*done, rejected], context.provenance([scans.with_suffix(".manifest.json")])
    )


@dataclass(frozen=True)
class _Chunk:
    """What the sequences of a chunk share, as for `register_chunk`."""

    registrar: Registrar
    scans: Path
    files_root: Path

    def register(self, context: RunContext, group: tuple[str, pd.DataFrame]) -> Path | None:
        """Register one sequence, unless it is current; its manifest, or None where it cannot be."""
        sequence, rows = group
        rows = rows.sort_values("frame", kind="stable")
        path = None
        try:
            path = context.root / "registered" / f"{safe_name(sequence, self.scans)}.zarr"
            provenance = context.provenance(
                files_of(rows, self.files_root), item=sequence, settings={"rows": digest_of(rows)}
            )
            if not _is_current(path, provenance, context):
                job = _SequenceJob(context, self.registrar, rows, files_root=self.files_root)
                job.write(path, self.scans, provenance)
            return store.manifest_of(path)
        except BadInput as problem:
            if path is not None:  # an earlier, valid version of the sequence
                remove(store.manifest_of(path))
                remove(path)
            context.quarantine.add(sequence, problem)
            return None


def _is_current(path: Path, provenance: Provenance, context: RunContext) -> bool:
    """Whether the store is what this run would write; its quarantined frames are reported again."""
    if not store.is_current(store.manifest_of(path), provenance):
        return False
    for item, *problem in store.open(path).attributes["quarantined"]:
        context.quarantine.add(item, BadInput(*problem))
    return True


class _SequenceJob:
    """One sequence's registration: from files to a store."""

    def __init__(
        self,
        context: RunContext,
        registrar: Registrar,
        rows: pd.DataFrame,
        *,
        files_root: Path,
    ) -> None:
        self._context, self._quarantine = context, context.quarantine
        self._registrar, self._rows, self._root = registrar, rows, files_root
        self._first_quarantined = len(self._quarantine.rows)
        self._tracker: Tracker | None = None
        self._qualities: dict[int, Quality] = {}
        self._colour: NDArray[np.uint8] | None = None
        self._tried: list[int] = []
        count = len(registrar.template.vertices)
        self._vertices = DiskBuffer((count, 3), np.float32)
        self._seen = DiskBuffer((count,), np.bool_)

    def write(self, path: Path, scans: Path, provenance: Provenance) -> None:
        """Register every frame that can be; BadInput where none can be the neutral one."""
        with self._vertices, self._seen:
            frames = self._check_frames()
            neutral = self._register_neutral(frames)
            if neutral is None:
                raise BadInput(
                    scans,
                    f"sequence {path.stem} has no usable neutral frame",
                    "mark one of its frames as is_neutral, or repair the one there is",
                )
            others = [number for number in range(len(frames)) if number not in self._tried]
            what = f"frames of {path.stem}"
            is_long = len(others) >= _LONG_SEQUENCE
            progress = self._context.progress(others, total=len(others), what=what)
            for number in progress if is_long else others:
                self._register(number, frames[number], neutral)
            self._store(path, frames, provenance, neutral=neutral.vertices)

    def _check_frames(self) -> list[Frame]:
        """Frames whose files exist and whose landmarks can be used; others in quarantine."""
        frames = []
        for _, row in self._rows.iterrows():
            try:
                mesh = inside(self._root, row.mesh)
                texture = None if pd.isna(row.texture) else inside(self._root, row.texture)
                landmarks, points = read_row_landmarks(row, self._root)
                checked = _check(self._registrar, points, landmarks)
                frames.append(Frame(row, mesh, texture, checked))
            except BadInput as problem:
                self._quarantine.add(row.frame_id, problem)
        checks = denoise_landmarks([frame.checked for frame in frames])
        return [
            replace(frame, checked=checked) for frame, checked in zip(frames, checks, strict=True)
        ]

    def _register_neutral(self, frames: list[Frame]) -> Registered | None:
        """The neutral frame placed on the template, or None where none can be read.

        The first without a flag; the first that can be read where all are flagged.
        """
        usable = []
        for number, frame in enumerate(frames):
            if not frame.row.is_neutral:
                continue
            self._tried.append(number)
            registered = self._begin(number, frame)
            if registered is not None:
                usable.append((number, frame, registered))
                if not registered.quality.flags(self._registrar.settings):
                    break
        if not usable:
            return None
        number, frame, neutral = usable[-1]
        if neutral.quality.flags(self._registrar.settings) and len(usable) > 1:
            number, frame, neutral = usable[0]
            self._begin(number, frame)  # the tracker has seen others since
        for other, frame, _ in usable:  # they are placed on it as well
            if other != number:
                self._register(other, frame, neutral)
        return neutral

    def _begin(self, number: int, frame: Frame) -> Registered | None:
        """A frame as the neutral one: the tracker's first."""
        tracking = self._registrar.settings.tracking and frame.texture is not None
        self._tracker = Tracker(self._registrar.raster) if tracking else None
        return self._register(number, frame, None)

    def _register(self, number: int, frame: Frame, neutral: Registered | None) -> Registered | None:
        """One frame into the buffers; None and a row in quarantine where it cannot be read."""
        try:
            mesh = read_mesh(frame.mesh)
            is_needed = neutral is None or self._tracker is not None
            texture = _read_texture(mesh, frame) if is_needed else None
            registered = self._register_mesh(mesh, frame, neutral=neutral, texture=texture)
        except BadInput as problem:
            self._quarantine.add(frame.row.frame_id, problem)
            return None
        self._vertices.put(number, registered.vertices)
        self._seen.put(number, registered.seen)
        self._qualities[number] = registered.quality
        if neutral is None and texture is not None:
            self._colour = _colour(self._registrar, mesh, texture, registered=registered)
        return registered

    def _register_mesh(
        self,
        mesh: Mesh,
        frame: Frame,
        *,
        neutral: Registered | None,
        texture: Texture | None,
    ) -> Registered:
        """The registered scan; BadInput where mesh and landmarks do not belong together."""
        try:
            registered = self._registrar.register(
                mesh.positions,
                mesh.triangles,
                frame.checked,
                neutral=neutral,
                tracker=self._tracker,
                texture=texture,
            )
        except ValueError as error:
            raise BadInput(
                frame.mesh, f"cannot be registered ({error})", "check mesh and landmarks"
            ) from None
        if registered.quality.seen < _MIN_SEEN:
            raise BadInput(
                frame.mesh,
                "the mesh shows nothing of the face that the landmarks mark",
                "give mesh and landmarks in the same coordinates",
            )
        return registered

    def _store(
        self,
        path: Path,
        frames: list[Frame],
        provenance: Provenance,
        *,
        neutral: NDArray[np.float32],
    ) -> None:
        kept = sorted(self._qualities)
        inner = self._registrar.template.inner
        qualities = _with_scale_change(
            [self._qualities[number] for number in kept], self._registrar.settings
        )
        qualities = _with_jitter(self._vertices.select(kept), qualities, inner)
        flags = [quality.flags(self._registrar.settings) for quality in qualities]
        _warn(path.stem, flags, self._registrar.settings)
        arrays: dict[str, NDArray[Any] | DiskBuffer | store.Vertices] = {
            "vertices": store.Vertices(self._vertices, neutral),
            "seen": self._seen.select(kept),
            "quality": np.array([quality.row() for quality in qualities], dtype=np.float32),
            "flags": np.array(flags, dtype=np.uint16),
        }
        if self._colour is not None:
            arrays["colour"] = self._colour
        chosen = [frames[number].row for number in kept]
        quarantined = self._quarantine.rows[self._first_quarantined :]
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


def _check(registrar: Registrar, points: NDArray[np.float64], file: Path) -> Checked:
    try:
        return registrar.check(points)
    except ValueError as error:
        raise BadInput(file, f"the landmarks form no face ({error})", "mark them again") from None


def _read_texture(mesh: Mesh, frame: Frame) -> Texture | None:
    """The frame's Texture, or None where the table names none."""
    if frame.texture is None:
        return None
    image = read_image(frame.texture, is_texture=True)
    if mesh.uv is None:
        raise BadInput(frame.mesh, "the mesh has no texture coordinates", "export them as well")
    return Texture(image, mesh.uv, mesh.repeats)


def _warn(sequence: str, flags: list[int], settings: Settings) -> None:
    """One line on the frames that later stages exclude, with a remedy for each flag."""
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


def _with_scale_change(qualities: list[Quality], settings: Settings) -> list[Quality]:
    """Qualities with each frame's size over the sequence's median: a head does not grow.

    The median of the frames without any other flag, where there are any.
    """
    clean = [quality.scale for quality in qualities if not quality.flags(settings)]
    usual = float(np.median(clean or [quality.scale for quality in qualities]))
    return [replace(quality, scale_change=quality.scale / usual) for quality in qualities]


def _with_jitter(
    vertices: DiskBuffer, qualities: list[Quality], inner: NDArray[np.bool_]
) -> list[Quality]:
    """Qualities with each frame's mean distance (mm) from the mean of its two neighbours."""
    if len(qualities) < 3:
        return qualities
    before, here = (vertices[number : number + 1][0][inner] for number in (0, 1))
    measured = [qualities[0]]
    for number, quality in enumerate(qualities[1:-1], 1):
        after = vertices[number + 1 : number + 2][0][inner]
        jitter = np.linalg.norm(here - (before + after) / 2, axis=1).mean()
        measured.append(replace(quality, jitter=float(jitter)))
        before, here = here, after
    return [*measured, qualities[-1]]


def _colour(
    registrar: Registrar, mesh: Mesh, texture: Texture, *, registered: Registered
) -> NDArray[np.uint8]:
    """The texture's colour (V, 3) at the registered vertices; filled where none was seen."""
    colour = texture.colours(mesh.triangles, registered.triangle, registered.weights)
    seen = registered.seen
    mean = colour[seen].mean(0)
    filled = registrar.fill(np.where(seen[:, None], colour - mean, 0), seen)
    clipped: NDArray[np.uint8] = np.clip(np.rint(filled + mean), 0, 255).astype(np.uint8)
    return clipped


def _text(value: object) -> str:
    return "" if pd.isna(value) else str(value)
