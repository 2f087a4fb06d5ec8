"""Raw scans of the synthetic people, as a 4D scanner would deliver them, and their truth.

Every frame has a topology of its own among a few, pose, noise, holes, floating fragments, a texture
and 68 landmarks, some of them grossly wrong. No rule reads the truth: tests and benchmarks compare
results with it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from affect4d import store
from affect4d.artifacts.gallery import CHUNK, SCAN_COLUMNS, SCANS, SCANS_QUARANTINE, TRUTH
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.formats.markup import DEFAULT_MARKUP
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.gallery.synthetic.model import Model, read_model
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.sequences import Recording, Take, styled_units, takes
from affect4d.gallery.synthetic.texture import paint, texture_uv
from affect4d.pipeline.context import RunContext
from affect4d.random_streams import named_rng
from affect4d.template.ibug68 import EYES, INTERNAL, MIRROR

TEXTURE_PX = 256  # side of a scan's texture: small, so that the embedded build is
# What a scanner does to a face: chosen by eye after published 4D data.
ANGLE_SD = 4.0  # degrees, of the head's rotation about each axis
SHIFT_SD = 25.0  # mm, of the head's translation along each axis
POSE_SHARES = (0.8, 0.6)  # a sequence's own pose, and the drift in it: squares add up to 1
DRIFT_FRAMES = 8.0  # correlation time of that drift
LIGHT_SD = 0.02  # of the texture's brightness from frame to frame
HOLES, HOLE_MM = 3, (4.0, 9.0)  # at most, and their radius from and to
FRAGMENTS, FRAGMENT_VERTICES = 2, 12  # that float about the face
FRAGMENT_OFFSET_MM, FRAGMENT_SD_MM = 18.0, 2.5  # their distance from it, and their size
# Grossly wrong landmarks: displaced by more than registration corrects as noise.
GROSS_POINTS, GROSS_MM = 5, 30.0
GROSS_KINDS = ("none", "displaced", "eyes swapped")

Truth = dict[str, NDArray[Any]]


def scan_chunk(
    chunk: str,
    subjects: Sequence[str],
    settings: Recording,
    *,
    model: str | Path,
    context: RunContext,
) -> None:
    """Scan every sequence of a group of people (rule `gallery_scans`).

    Parameters
    ----------
    chunk : name of the chunk
    subjects : names of the people
    settings : of the recording
    model : path of the generator's store
    context : of the run
    """
    name, manifest = CHUNK.name(chunk=chunk), CHUNK.manifest(context.root, chunk=chunk)
    generator = read_model(Path(model))
    scan = partial(_scan_take, generator, settings=settings, seed=context.seed)
    rows, truths = [], []
    # the manifest lists the complete folder, so no file of an earlier build may stay in it
    with store.replace_folder(context.root / name, manifest) as folder:
        for subject in context.progress(subjects, total=len(subjects), what="people scanned"):
            painted = paint(generator.template, subject, context.seed)
            small = cv2.resize(painted, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_AREA)
            texture = np.asarray(small, np.uint8)
            for take in takes(settings, subject, context.seed):
                (folder / take.name).mkdir()
                truths.append(scan(take, texture, out=folder / take.name))
                rows += _rows(take, f"{name}/{take.name}")
    truth = TRUTH.path(context.root, chunk=chunk)
    _write_truth(truth, truths, rows, provenance=context.provenance(item=f"truth {chunk}"))
    table, rejected = (f.path(context.root, chunk=chunk) for f in (SCANS, SCANS_QUARANTINE))
    with store.atomic(table) as unfinished:
        pd.DataFrame(rows, columns=SCAN_COLUMNS).to_csv(unfinished, index=False)
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    files = [table, rejected, context.root / name]
    store.record(manifest, files, context.provenance(item=chunk))


def _rows(take: Take, folder: str) -> list[tuple[Any, ...]]:
    """SCAN_COLUMNS of the take's frames, whose files lie in `folder` under the results."""
    return [
        (
            name, take.subject, take.session, take.name, take.task, t, f"{folder}/{t:05d}.ply",
            f"{folder}/{t:05d}.jpg", f"{folder}/{t:05d}.pts", DEFAULT_MARKUP, take.expression,
            bool(take.is_apex[t]), bool(take.is_neutral[t]),
        )
        for t, name in enumerate(take.frame_ids())
    ]  # fmt: skip


def _scan_take(
    model: Model,
    take: Take,
    texture: NDArray[np.uint8],
    *,
    out: Path,
    settings: Recording,
    seed: int,
) -> Truth:
    """Write the scans of one sequence into the folder `out`; returns its truth."""
    rng = named_rng(seed, "scans", take.name)
    units, asymmetry, identity = styled_units(take, len(model.identity), seed)
    neutral = model.neutral(identity)
    faces = neutral + model.expressions(units, asymmetry)
    poses = _poses(len(faces), rng)
    uv = texture_uv(model.template)
    gross = np.zeros(len(faces), dtype=np.uint8)
    for t, (face, (rotation, shift)) in enumerate(zip(faces, poses, strict=True)):
        topology = model.topologies[rng.integers(len(model.topologies))]
        points = topology.place(face) @ rotation.T + shift
        points = points + settings.noise * rng.normal(size=points.shape)
        vertices, triangles, coordinates = _damage(
            points, topology.triangles, topology.place(uv), rng=rng
        )
        mesh = Mesh(vertices.astype(np.float32), triangles, coordinates)
        write_ply(out / f"{t:05d}.ply", mesh, f"{t:05d}.jpg")
        light = rng.normal(1.0, LIGHT_SD)
        shaded = np.clip(np.rint(texture * light), 0, 255).astype(np.uint8)
        write_image(out / f"{t:05d}.jpg", shaded)
        landmarks = model.template.landmarks_on(face) @ rotation.T + shift
        landmarks += settings.landmark_noise * rng.normal(size=landmarks.shape)
        # a sequence is registered from its neutral frame, which operators annotate with care
        if not take.is_neutral[t] and rng.random() < settings.gross_share:
            gross[t] = 1 + rng.integers(2)
            landmarks = _spoil(landmarks, GROSS_KINDS[gross[t]], rng)
        write_pts(out / f"{t:05d}.pts", landmarks)
    return {
        "neutral": neutral,
        "faces": faces,
        "units": units,
        "affect": take.affect,
        "rotation": np.array([rotation for rotation, _ in poses]),
        "translation": np.array([shift for _, shift in poses]),
        "gross": gross,
    }


def _poses(
    length: int, rng: np.random.Generator
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Slow movements of the head: rotation (3, 3) and translation (3,), mm, of each frame."""
    own, drift = rng.normal(size=6), smooth_noise(rng, length, DRIFT_FRAMES, channels=6)
    moves = POSE_SHARES[0] * own + POSE_SHARES[1] * drift
    rotations = Rotation.from_euler("xyz", ANGLE_SD * moves[:, :3], degrees=True).as_matrix()
    return list(zip(rotations, SHIFT_SD * moves[:, 3:], strict=True))


def _damage(
    points: NDArray[np.float64],
    triangles: NDArray[np.int32],
    uv: NDArray[np.floating],
    *,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float32]]:
    """Vertices (N, 3), triangles (F, 3) and uv (N, 2) with holes and floating fragments."""
    keep = np.ones(len(points), dtype=bool)
    for _ in range(rng.integers(HOLES + 1)):
        centre = points[rng.integers(len(points))]
        keep &= np.linalg.norm(points - centre, axis=1) > rng.uniform(*HOLE_MM)
    triangles = triangles[keep[triangles].all(1)]
    used = np.zeros(len(points), dtype=bool)
    used[triangles] = True
    number = np.cumsum(used) - 1
    vertices, coordinates, faces = [points[used]], [uv[used]], [number[triangles]]
    count = used.sum()
    for _ in range(FRAGMENTS):
        centre = points[rng.integers(len(points))] + rng.normal(0, FRAGMENT_OFFSET_MM, 3)
        vertices.append(centre + rng.normal(0, FRAGMENT_SD_MM, (FRAGMENT_VERTICES, 3)))
        coordinates.append(np.full((FRAGMENT_VERTICES, 2), 0.5))
        strip = np.arange(FRAGMENT_VERTICES - 2)[:, None] + np.arange(3)
        faces.append(count + strip)
        count += FRAGMENT_VERTICES
    return (
        np.concatenate(vertices),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(coordinates).astype(np.float32),
    )


def _spoil(
    landmarks: NDArray[np.float64], kind: str, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Landmarks (68, 3), mm, as a failed detector leaves them; `kind` is one of GROSS_KINDS."""
    landmarks = landmarks.copy()
    if kind == "eyes swapped":
        landmarks[EYES] = landmarks[MIRROR[EYES]]
        return landmarks
    wrong = rng.choice(INTERNAL, GROSS_POINTS, replace=False)
    direction = rng.normal(size=(GROSS_POINTS, 3))
    landmarks[wrong] += GROSS_MM * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return landmarks


def _write_truth(
    path: Path,
    truths: Sequence[Truth],
    rows: Sequence[tuple[Any, ...]],
    *,
    provenance: store.Provenance,
) -> None:
    """The truth of a chunk: per frame in the order of `frame_ids`, faces quantised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any] | store.Vertices] = {
        name: np.concatenate([truth[name] for truth in truths])
        for name in ("units", "affect", "rotation", "translation", "gross")
    }
    for index, truth in enumerate(truths):
        faces = truth["faces"].astype(np.float32)
        arrays[f"faces{index}"] = store.Vertices(faces, truth["neutral"].astype(np.float32))
    attributes = {
        "frame_ids": [row[0] for row in rows],
        "sequences": list(dict.fromkeys(row[3] for row in rows)),
        "gross_kinds": list(GROSS_KINDS),
    }
    store.write(path, arrays, attributes, provenance=provenance)
