"""Raw scans of the synthetic people, as a 4D scanner would deliver them; the truth kept apart.

Every frame has a topology of its own among a few, pose, noise, holes, floating fragments, a texture
and 68 landmarks, some of them grossly wrong. The truth is never read by any rule: tests and
benchmarks hold the results to it.
"""

import shutil

import cv2
import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from affect4d import store
from affect4d.artifacts.gallery import SCAN_COLUMNS
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import DEFAULT_MARKUP, write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.gallery.synthetic.model import read_model
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.sequences import styled_units, takes
from affect4d.gallery.synthetic.texture import paint, texture_uv
from affect4d.quarantine import Quarantine
from affect4d.random_streams import named_rng
from affect4d.template.ibug68 import EYES, INTERNAL, MIRROR

TEXTURE_PX = 256
ANGLE_SD = 4.0  # degrees
SHIFT_SD = 25.0  # mm
HOLES, HOLE_MM = 3, (4.0, 9.0)
FRAGMENTS, FRAGMENT_VERTICES = 2, 12
GROSS_POINTS, GROSS_MM = 5, 30.0
GROSS_KINDS = ("none", "displaced", "eyes swapped")


def scan_chunk(folder, chunk, subjects, model_path, settings, seed, provenance, progress):
    """Scan every sequence of a group of people.

    Parameters
    ----------
    folder : Path of `gallery/`
    chunk : str
    subjects : list of str
    model_path : path of the generator's store
    settings : config section gallery.synthetic or gallery.ict_facekit
    seed : int
    provenance : (item, inputs) -> store.Provenance
    progress : (iterable, total, what) -> iterable
    """
    # the manifest takes in the whole folder: nothing of an earlier build may stay in it
    shutil.rmtree(folder / "scans" / chunk, ignore_errors=True)
    model = read_model(model_path)
    rows, truths = [], []
    for subject in progress(subjects, len(subjects), "people scanned"):
        texture = cv2.resize(
            paint(model.template, subject, seed), (TEXTURE_PX,) * 2, interpolation=cv2.INTER_AREA
        )
        for take in takes(settings, subject, seed):
            out = folder / "scans" / chunk / take.name
            out.mkdir(parents=True, exist_ok=True)
            truths.append(_scan_take(model, take, texture, out, settings, seed))
            rows += _rows(take, f"gallery/scans/{chunk}/{take.name}")
    manifest = store.manifest_of(model_path)
    truth_path = folder / "truth" / f"{chunk}.zarr"
    _write_truth(truth_path, truths, rows, provenance(f"truth {chunk}", [manifest]))
    table = folder / "scans" / f"{chunk}.csv"
    rejected = folder / "scans" / f"{chunk}.quarantine.csv"
    with store.atomic(table) as unfinished:
        pd.DataFrame(rows, columns=SCAN_COLUMNS).to_csv(unfinished, index=False)
    with store.atomic(rejected) as unfinished:
        Quarantine("gallery").write(unfinished)
    store.record(
        folder / "scans" / f"{chunk}.manifest.json",
        [table, rejected, folder / "scans" / chunk],
        provenance(chunk, [manifest]),
    )


def _rows(take, place):
    return [
        (
            name, take.subject, take.session, take.name, take.task, t, f"{place}/{t:05d}.ply",
            f"{place}/{t:05d}.jpg", f"{place}/{t:05d}.pts", DEFAULT_MARKUP, take.expression,
            bool(take.is_apex[t]), bool(take.is_neutral[t]),
        )
        for t, name in enumerate(take.frame_ids())
    ]  # fmt: skip


def _scan_take(model, take, texture, out, settings, seed):
    """Write the scans of one sequence; returns its truth."""
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
            points, topology.triangles, topology.place(uv), rng
        )
        mesh = Mesh(vertices.astype(np.float32), triangles, coordinates)
        write_ply(out / f"{t:05d}.ply", mesh, f"{t:05d}.jpg")
        light = rng.normal(1.0, 0.02)
        shaded = np.clip(np.rint(texture * light), 0, 255).astype(np.uint8)
        write_image(out / f"{t:05d}.jpg", shaded)
        marks = landmarks_on(model.template, face) @ rotation.T + shift
        marks += settings.landmark_noise * rng.normal(size=marks.shape)
        # the neutral frame is the ground of its sequence: operators mark it with care
        if not take.is_neutral[t] and rng.random() < settings.gross_share:
            gross[t] = 1 + rng.integers(2)
            marks = _spoil(marks, gross[t], rng)
        write_pts(out / f"{t:05d}.pts", marks)
    return {
        "neutral": neutral,
        "faces": faces,
        "units": units,
        "affect": take.affect,
        "rotation": np.array([rotation for rotation, _ in poses]),
        "translation": np.array([shift for _, shift in poses]),
        "gross": gross,
    }


def landmarks_on(template, face):
    """The template's landmarks on a face: their offset from the nearest vertex is kept."""
    nearest = template.landmark_vertices
    return face[nearest] + (template.landmarks - template.vertices[nearest])


def _poses(length, rng):
    """Slow movements of the head: [(rotation (3, 3), translation (3,) mm)]."""
    base, drift = rng.normal(size=6), smooth_noise(rng, length, 8.0, 6)
    moves = 0.8 * base + 0.6 * drift
    rotations = Rotation.from_euler("xyz", ANGLE_SD * moves[:, :3], degrees=True).as_matrix()
    return list(zip(rotations, SHIFT_SD * moves[:, 3:], strict=True))


def _damage(points, triangles, uv, rng):
    """Cut holes and add floating fragments."""
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
        near = points[rng.integers(len(points))]
        cloud = near + rng.normal(0, 18, 3) + rng.normal(0, 2.5, (FRAGMENT_VERTICES, 3))
        vertices.append(cloud)
        coordinates.append(np.full((FRAGMENT_VERTICES, 2), 0.5))
        strip = np.arange(FRAGMENT_VERTICES - 2)[:, None] + np.arange(3)
        faces.append(count + strip)
        count += FRAGMENT_VERTICES
    return (
        np.concatenate(vertices),
        np.concatenate(faces).astype(np.int32),
        np.concatenate(coordinates).astype(np.float32),
    )


def _spoil(marks, kind, rng):
    """Landmarks as a failed detector leaves them."""
    marks = marks.copy()
    if GROSS_KINDS[kind] == "eyes swapped":
        marks[EYES] = marks[MIRROR[EYES]]
        return marks
    wrong = rng.choice(INTERNAL, GROSS_POINTS, replace=False)
    direction = rng.normal(size=(GROSS_POINTS, 3))
    marks[wrong] += GROSS_MM * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return marks


def _write_truth(path, truths, rows, provenance):
    """The truth of a chunk: per frame in the order of `frame_ids`, faces quantised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray | store.Vertices] = {
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
    store.write(path, arrays, attributes, provenance)
