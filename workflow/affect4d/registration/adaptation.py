"""A template that is the gallery's own: its shape moved to the mean of a sample of people.

Groupwise registration: the sample's neutral scans are registered, the template's vertices move to
the mean of the faces, and again from there, until the mean rests. The topology stays, and so does
what each vertex stands for; prior, spline and unwrapping are computed anew on the mean face.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.config.registration import Settings
from affect4d.formats.meshes import read_mesh
from affect4d.formats.paths import inside
from affect4d.geometry.procrustes import align_faces
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.random_streams import choose_names
from affect4d.registration.consistency import Usual
from affect4d.registration.reference import Reference, prepare
from affect4d.registration.registrar import Registered, Registrar
from affect4d.registration.scan_table import digest_of, files_of, read_row_landmarks, read_scans
from affect4d.registration.sequences import store_reference
from affect4d.template.template import Template, make_template

log = logging.getLogger("affect4d")
# The mean rests where the inner face moves by less than this, or after so many passes.
_RESTING_MM, _MAX_PASSES = 0.2, 4
# Robust standard deviations from the median within which nearly all lie that belong to it.
_SPREADS = 3.0
# Fewer people are no mean of a gallery.
_MIN_PEOPLE = 4


@dataclass(frozen=True)
class Sample:
    """Where the neutral scans are taken from.

    Attributes
    ----------
    tables : the jobs' tables of scans (CSV)
    files_root : folder to which their paths are relative
    people : how many
    required : whether too few of them are an error; the template else stays as it is given
    """

    tables: Sequence[Path]
    files_root: Path
    people: int
    required: bool = True


@dataclass(frozen=True)
class NeutralScan:
    """One person's neutral scan: vertices (N, 3), triangles (M, 3), landmarks (68, 3)."""

    vertices: NDArray[np.floating[Any]]
    triangles: NDArray[np.integer[Any]]
    landmarks: NDArray[np.float64]


def choose_neutral(scans: pd.DataFrame, people: int) -> pd.DataFrame:
    """The first neutral scan of `people` people, whom the digests of their names choose.

    Whoever joins the gallery later seldom changes the choice, and with it the template.

    Parameters
    ----------
    scans : rows of the gallery's tables of scans
    people : at most
    """
    neutral = scans[scans["is_neutral"]].sort_values(["subject", "sequence", "frame"])
    first = neutral.drop_duplicates("subject")
    chosen = choose_names(first["subject"].astype(str), people)
    return first[first["subject"].astype(str).isin(chosen)]


def write_adapted(
    context: RunContext, template: Template, sample: Sample, *, settings: Settings
) -> None:
    """Adapt a template to a sample of people, prepare and store it (rule `registration_template`).

    It depends on the sample's rows and files alone: with other frames the same bytes are made, and
    nothing that follows is made again.

    Raises
    ------
    BadInput
        Too few scans can be registered, and they are required.
    """
    tables = pd.concat([read_scans(path) for path in sample.tables], ignore_index=True)
    rows, given = choose_neutral(tables, sample.people), prepare(template)
    try:
        adapted = adapt(given, _read(rows, sample.files_root), settings)
    except BadInput as problem:
        if sample.required:
            raise
        log.warning("the template stays as it is given: %s", problem)
        adapted = given
    files = files_of(rows.assign(texture=pd.NA), sample.files_root)  # its colours play no part
    provenance = context.provenance(files, settings={"rows": digest_of(rows)})
    store_reference(context.root / "registration/template.zarr", adapted, provenance)


def _read(rows: pd.DataFrame, root: Path) -> list[NeutralScan]:
    """The scans of rows that can be read; the others' own jobs quarantine them."""
    scans = []
    for _, row in rows.iterrows():
        try:
            mesh = read_mesh(inside(root, row.mesh))
            _, landmarks = read_row_landmarks(row, root)
            scans.append(NeutralScan(mesh.positions, mesh.triangles, landmarks))
        except BadInput as problem:
            log.warning("left out of the template's mean: %s", problem)
    return scans


def adapt(reference: Reference, scans: Sequence[NeutralScan], settings: Settings) -> Reference:
    """A prepared template with the mean shape of people, true to their size.

    It also knows what is usual of these people, each registered to the mean of the others: how far
    landmarks as a whole lie off their surfaces, the median plus three robust standard deviations
    (Huber, Robust Statistics, 1981, ch. 5), and how far they are from the mean, the median.

    Parameters
    ----------
    reference : the given template, prepared
    scans : one of each person; those whose registration is flagged do not count
    settings : of the registration

    Raises
    ------
    BadInput
        Too few scans can be registered.
    """
    template = reference.template
    for number in range(_MAX_PASSES):
        # the surface bends little: spline and prior of the given template serve every pass
        _, found = _register(replace(reference, template=template), scans, settings)
        mean = _mean_face([one.vertices.astype(np.float64) for one in found], template)
        moved = np.linalg.norm(mean - template.vertices, axis=1)[template.inner].mean()
        log.info(
            "pass %d: %d of %d people, the mean moved by %.2f mm",
            number + 1, len(found), len(scans), moved,
        )  # fmt: skip
        template = _with_shape(template, mean)
        if moved < _RESTING_MM:
            break
    adapted = prepare(_with_landmarks_on_their_vertices(template))
    return replace(adapted, usual=_usual(adapted, scans, settings))


def _usual(reference: Reference, scans: Sequence[NeutralScan], settings: Settings) -> Usual:
    """What is usual of scans on the mean of the other people: of strangers."""
    from scipy import stats  # slow to load, and templates that are not adapted do not need it

    template, measured = reference.template, []
    scans, found = _register(reference, scans, settings)
    faces = [one.vertices.astype(np.float64) for one in found]
    for left_out, scan in enumerate(scans):
        others = faces[:left_out] + faces[left_out + 1 :]
        mean = _with_shape(template, _mean_face(others, template))
        registrar = Registrar(replace(reference, template=mean), settings)
        one = registrar.register(scan.vertices, scan.triangles, scan.landmarks)
        measured.append((one.offset, one.deviation))
    offsets, deviations = np.transpose(measured)
    spread = stats.median_abs_deviation(offsets, scale="normal")
    return Usual(float(np.median(offsets) + _SPREADS * spread), float(np.nanmedian(deviations)))


def _with_shape(template: Template, face: NDArray[np.float64]) -> Template:
    """The template with other vertices (V, 3) mm; its landmarks go along."""
    landmarks = template.landmarks_on(face)
    return replace(template, vertices=face.astype(np.float32), landmarks=landmarks)


def _with_landmarks_on_their_vertices(template: Template) -> Template:
    """The template made anew, each landmark nearest to its own vertex.

    It lies on it where another vertex, such as one of the other lip, has come nearer.
    """
    own, nearest = template.landmark_vertices, cKDTree(template.vertices)
    kept = nearest.query(template.landmarks)[1] == own
    landmarks = np.where(kept[:, None], template.landmarks, template.vertices[own])
    return make_template(template.vertices, template.triangles, landmarks)


def _register(
    reference: Reference, scans: Sequence[NeutralScan], settings: Settings
) -> tuple[list[NeutralScan], list[Registered]]:
    """The scans whose registration raises no flag, and what it gives."""
    registrar, kept, found = Registrar(reference, settings), [], []
    for scan in scans:
        try:
            one = registrar.register(scan.vertices, scan.triangles, scan.landmarks)
        except ValueError:
            continue
        if not one.quality.flags(settings):
            kept.append(scan)
            found.append(one)
    if len(found) < _MIN_PEOPLE:
        raise BadInput(
            "registration/template",
            f"of {len(scans)} people's neutral scans {len(found)} can be registered without a flag",
            f"mark neutral frames of {_MIN_PEOPLE} people or more, or set template.adapt_people: 0",
        )
    return kept, found


def _mean_face(faces: list[NDArray[np.float64]], template: Template) -> NDArray[np.float64]:
    """Their Procrustes mean (V, 3) mm, as large as people are in the geometric mean."""
    inner = template.inner
    _, mean = align_faces(faces, template.vertices, inner.astype(np.float64))
    size = np.exp(np.mean([np.log(_radius(face[inner])) for face in faces]))
    middle = mean[inner].mean(0)
    grown: NDArray[np.float64] = (mean - middle) * (size / _radius(mean[inner])) + middle
    return grown


def _radius(points: NDArray[np.float64]) -> float:
    """Root mean square distance (mm) of points (N, 3) from their middle."""
    return float(np.sqrt(((points - points.mean(0)) ** 2).sum(1).mean()))
