"""Difference vectors for `blendshapes.py`, from fixed seeds."""

import numpy as np
from ict_truth import clone

from affect4d.formats.facekit import NEUTRAL, facekit_files, read_positions, read_triangles

NOISE_MM, ACTIVE = 0.1, 0.15
FIELDS, RADII_MM, LONGEST_MM = 150, (8.0, 25.0), 4.0


def ict_frames(count, seed=0):
    """ICT-FaceKit's neutral face (V, 3) and triangles, and frames (count, 3V) float32, mm."""
    folder = clone()
    if folder is None:
        raise SystemExit("name a clone of ICT-FaceKit, or its archive, in AFFECT4D_ICT")
    files = facekit_files(folder.parent)
    neutral = read_positions(files[NEUTRAL])
    people = sum(name.startswith("identity") for name in files)
    names = [name for name in files if name not in ("", NEUTRAL) and "identity" not in name]
    shapes = np.array([read_positions(files[name]) - neutral for name in names])
    rng = np.random.default_rng(seed)
    own_strength = rng.uniform(0.5, 1.0, size=(people, len(shapes)))
    weights = _weights(rng, count, len(shapes)) * own_strength[np.arange(count) % people]
    D = (weights @ shapes.reshape(len(shapes), -1)).astype(np.float32)
    D += rng.normal(0, NOISE_MM, D.shape).astype(np.float32)
    return neutral, read_triangles(files[NEUTRAL]), D


def local_fields(vertices, seed=0):
    """FIELDS smooth local motions (FIELDS, 3V) float32 of the face, mm."""
    rng = np.random.default_rng(seed)
    front = np.flatnonzero(vertices[:, 2] > np.quantile(vertices[:, 2], 0.5))
    centres = vertices[rng.choice(front, FIELDS, replace=False)]
    radii = rng.uniform(*RADII_MM, size=(FIELDS, 1))
    distance = np.linalg.norm(vertices[None] - centres[:, None], axis=-1)
    direction = rng.normal(size=(FIELDS, 1, 3))
    direction *= LONGEST_MM / np.linalg.norm(direction, axis=2, keepdims=True)
    fields = np.exp(-((distance / radii) ** 2))[..., None] * direction
    return fields.reshape(FIELDS, -1).astype(np.float32)


def template_frames(vertices, count, seed=0):
    """Frames (count, 3V) float32, mm, of the same fields for any seed."""
    return moved(local_fields(vertices), count, np.random.default_rng([1, seed]))


def moved(fields, count, rng):
    """Random sums of the fields, with noise."""
    D = _weights(rng, count, len(fields)).astype(np.float32) @ fields
    for row in D:
        row += NOISE_MM * rng.standard_normal(len(row), dtype=np.float32)
    return D


def _weights(rng, frames, count):
    """Some of `count` motions are active in a frame, most of them weakly."""
    return rng.beta(0.5, 1.5, (frames, count)) * (rng.random((frames, count)) < ACTIVE)
