"""Learn the morphable model from the registered gallery.

Identity: generalised Procrustes alignment and PCA of one neutral face per subject and of their
mirror images, or the modes of a published model (`fitting.lsfm`, `fitting.facekit`).
Expression: PCA of the posed apexes as differences from the neutral face of the same sequence,
not centred, so that the neutral face stays at the origin.
What neither spans: smooth fields (`fitting.smooth_identity`).
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import igl
import numpy as np
from numpy.typing import NDArray

from affect4d.config.fitting import Settings
from affect4d.fitting.facekit import read_facekit
from affect4d.fitting.lsfm import read_lsfm
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.smooth_identity import smooth_modes
from affect4d.geometry.procrustes import align_faces
from affect4d.geometry.similarity import Similarity, fit_similarity
from affect4d.quarantine import BadInput
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.template.ibug68 import INTERNAL, MIRROR
from affect4d.template.nose_ridge import photograph_vertices
from affect4d.template.template import Template

log = logging.getLogger(__name__)

_MIRROR = np.array([-1.0, 1.0, 1.0])  # in x = 0
MIN_DEVIATION = 1e-4  # of the first mode's: below, a mode is numerical noise


def learn_model(
    sequences: Iterable[Path], template: Template, settings: Settings
) -> MorphableModel:
    """The morphable model of registered sequences.

    Parameters
    ----------
    sequences : paths of `registered/*.zarr`
    template : of the registered sequences
    settings : of the fitting

    Raises
    ------
    BadInput
        No sequence holds a neutral frame, or the given identity model cannot be used.
    """
    neutrals, apexes = gather_faces(sequences)
    if settings.lsfm_model:
        mean, identity = read_lsfm(
            settings.lsfm_model, template, settings.identity_modes, settings=settings
        )
    elif settings.ict_facekit:
        mean, identity = read_facekit(settings.ict_facekit, template, settings.identity_modes)
    else:
        mean, identity = identity_modes(neutrals, template, settings.identity_modes)
    # a gallery may have no posed sequence at all
    apexes = apexes.reshape(-1, *mean.shape)
    expression = principal_modes(apexes, settings.expression_modes, centred=False)
    log.info("%d identity modes, %d expression modes", len(identity), len(expression))
    landmark_vertices = photograph_vertices(template.vertices, template.landmark_vertices)
    return MorphableModel(
        mean,
        identity,
        expression,
        template.triangles,
        landmark_vertices,
        smooth_modes(mean, template),
    )


def gather_faces(
    sequences: Iterable[Path],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float32]]:
    """Neutral faces and apex differences of registered sequences, flagged frames left out.

    Returns
    -------
    neutrals : {subject: (V, 3) mm}, mean over the neutral faces of the subject's sequences
    apexes : (m, V, 3) mm, one per posed sequence with a neutral face
    """
    faces: dict[str, list[NDArray[np.float64]]] = defaultdict(list)
    apexes = []
    for path in sorted(sequences):
        sequence = RegisteredSequence(path)
        attributes = sequence.attributes
        clean = sequence.flags == 0
        neutral_frames = np.flatnonzero(clean & sequence.is_neutral)
        if not len(neutral_frames):
            continue
        neutral = sequence.vertices(neutral_frames).mean(0, dtype=np.float64)
        faces[attributes["subject"]].append(neutral)
        apex_frames = np.flatnonzero(clean & sequence.is_apex)
        if attributes["task"] == "posed" and len(apex_frames):
            apex = sequence.vertices(apex_frames).mean(0, dtype=np.float64)
            apexes.append((apex - neutral).astype(np.float32))
    neutrals = {subject: np.mean(several, axis=0) for subject, several in sorted(faces.items())}
    return neutrals, np.array(apexes, dtype=np.float32)


def identity_modes(
    neutrals: Mapping[str, NDArray[np.float64]], template: Template, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean face (V, 3) and identity modes (K, V, 3), mm, of one face per subject; K <= `count`.

    Each face counts with its mirror image: a trait is as likely on one side as on the other, and
    few people would teach that it is not.

    Raises
    ------
    BadInput
        Fewer than two subjects.
    """
    if len(neutrals) < 2:
        raise BadInput(
            "registered",
            f"{len(neutrals)} subjects with neutral frames cannot span an identity model",
            "mark neutral frames (is_neutral) of at least two subjects, or set `lsfm_model`",
        )
    aligned, _ = align_faces(list(neutrals.values()), template.vertices)
    faces = np.concatenate([aligned, _mirrored(aligned, template)])
    mean = faces.mean(0)
    modes = principal_modes(faces - mean, count, centred=True)
    return mean.astype(np.float32), modes


def _mirrored(faces: NDArray[np.float64], template: Template) -> NDArray[np.float64]:
    """Mirror images (N, V, 3) of faces (N, V, 3): displacements from the template change sides.

    The plane of symmetry is x = 0 or, of a template that lies elsewhere, that of its landmarks:
    the one that leaves the mirror image of the inner face nearer to the template.
    """
    vertices = template.vertices.astype(np.float64)
    triangles = template.triangles.astype(np.int64)
    marks, others = template.landmarks[INTERNAL], template.landmarks[MIRROR[INTERNAL]]
    tried = []
    for plane in (
        Similarity(1.0, np.eye(3), np.zeros(3)),
        fit_similarity(marks * _MIRROR, others, scale=False),
    ):
        image = plane.apply(vertices * _MIRROR)
        squared, triangle, nearest = igl.point_mesh_squared_distance(image, vertices, triangles)
        tried.append((float(squared[template.inner].mean()), plane, triangle, nearest))
    _, plane, triangle, nearest = min(tried, key=lambda one: one[0])
    corners = triangles[triangle]
    weights = igl.barycentric_coordinates(nearest, *np.swapaxes(vertices[corners], 0, 1).copy())
    weights[~np.isfinite(weights).all(axis=1)] = (1, 0, 0)  # of a triangle without an area
    away = faces - vertices
    other = sum(weights[:, [k]] * away[:, corners[:, k]] for k in range(3))
    mirrored: NDArray[np.float64] = vertices + (other @ plane.rotation) * _MIRROR
    return mirrored


def principal_modes(
    samples: NDArray[np.floating], count: int, *, centred: bool
) -> NDArray[np.float32]:
    """Leading principal modes (K, V, 3) of samples (m, V, 3), each at one deviation.

    By the Gram matrix of the samples, which are far fewer than their coordinates.
    """
    shape = samples.shape[1:]
    flat = samples.reshape(len(samples), int(np.prod(shape))).astype(np.float64)
    if centred:
        flat = flat - flat.mean(0)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    deviations = np.sqrt(np.maximum(values, 0) / max(len(flat) - int(centred), 1))
    kept = np.flatnonzero(deviations > MIN_DEVIATION * deviations[:1].sum())[:count]
    freedom = np.sqrt(max(len(flat) - int(centred), 1))
    modes = (vectors[:, kept].T @ flat) / freedom
    signed: NDArray[np.float64] = (modes * _signs(modes)[:, None]).reshape(-1, *shape)
    return signed.astype(np.float32)


def _signs(modes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Signs (K,) that make each mode's largest coordinate positive: eigenvectors carry none."""
    largest = np.abs(modes).argmax(1) if len(modes) else np.empty(0, dtype=int)
    return np.where(modes[np.arange(len(modes)), largest] < 0, -1.0, 1.0)
