"""A registered gallery on a small curved patch, for jobs that only read stores."""

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.template.template import Template
from support.recorded import record

SIDE, STEP_MM = 21, 5.0


def patch(side=SIDE, step=STEP_MM):
    """A gently curved square (side * side, 3) in mm and its triangles."""
    axis = (np.arange(side) - (side - 1) / 2) * step
    x, y = np.meshgrid(axis, axis)
    z = -0.002 * (x**2 + y**2)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + side], axis=1)
    upper = np.stack([corner + 1, corner + side + 1, corner + side], axis=1)
    return vertices, np.concatenate([lower, upper])


def bumps(vertices, centres, radius, rng):
    """Fields (K, V, 3) in mm that vanish beyond `radius` of each centre."""
    distance = np.linalg.norm(vertices[None] - vertices[centres][:, None], axis=-1)
    profile = np.maximum(1 - (distance / radius) ** 2, 0) ** 2
    directions = rng.normal(size=(len(centres), 1, 3))
    return 5 * profile[..., None] * directions / np.linalg.norm(directions, axis=-1, keepdims=True)


def template(side=SIDE, step=STEP_MM):
    """The patch as a Template, all of it inner face, whose landmarks have no meaning."""
    vertices, triangles = patch(side, step)
    return Template(
        vertices.astype(np.float32),
        triangles.astype(np.int32),
        np.zeros((68, 3)),
        np.zeros(68, dtype=np.int64),
        np.ones(len(vertices), dtype=bool),
        np.empty(0, dtype=np.int64),
    )


def build(root, subjects=6, length=60, seed=0):
    """Write `registered/*.zarr` and `gallery/frames.parquet` under `root`; return the table.

    Each subject has one spontaneous sequence, whose shapes follow valence and arousal, and three
    posed ones with two neutral frames and two apexes.
    """
    rng = np.random.default_rng(seed)
    vertices, _ = patch()
    fields = bumps(vertices, np.array([65, 90, 220, 350, 375]), 30, rng)
    mixing = np.array([[1, -1, 0, 0.5, 0], [0, 0.5, 1, 0, -1]])
    tables = []
    for subject in (f"s{number:03d}" for number in range(subjects)):
        affect = rng.uniform(-1, 1, size=(length, 2))
        affect[:2] = 0
        weights = np.maximum(affect @ mixing + rng.normal(scale=0.1, size=(length, 5)), 0)
        weights[:2] = 0
        tables.append(_write(root, subject, "spontaneous", weights @ _flat(fields), affect))
        for expression in ("anger", "fear", "happiness"):
            trajectory = np.array([0, 0, 0.5, 1, 1])[:, None] * rng.uniform(0, 1, size=(1, 5))
            missing = np.full((5, 2), np.nan)
            motion = trajectory @ _flat(fields)
            tables.append(_write(root, subject, expression, motion, missing, apexes=[3, 4]))
    table = pd.concat(tables, ignore_index=True)
    (root / "gallery").mkdir(parents=True, exist_ok=True)
    table.to_parquet(root / "gallery/frames.parquet", index=False)
    record(root, root / "gallery/frames.parquet")
    return table


def _flat(fields):
    return fields.reshape(len(fields), -1)


def write_sequence(root, sequence, vertices, *, attributes):
    """Write vertices (T, V, 3) as `registered/{sequence}.zarr`, without flags."""
    arrays = {
        "vertices": store.Vertices(vertices, vertices[0]),
        "flags": np.zeros(len(vertices), np.uint8),
    }
    provenance = store.Provenance(root, "registration", sequence)
    store.write(root / f"registered/{sequence}.zarr", arrays, attributes, provenance=provenance)


def _write(root, subject, kind, motion, affect, *, apexes=()):
    sequence, count = f"{subject}_1_{kind}", len(motion)
    task = "spontaneous" if kind == "spontaneous" else "posed"
    columns = {
        "frame_id": [f"{sequence}_{frame:04d}" for frame in range(count)],
        "is_neutral": [frame < 2 for frame in range(count)],
        "is_apex": [frame in apexes for frame in range(count)],
    }
    attributes = {
        "frame_ids": columns["frame_id"],
        "is_neutral": columns["is_neutral"],
        "is_apex": columns["is_apex"],
        "task": task,
    }
    vertices = patch()[0] + motion.reshape(count, -1, 3)
    write_sequence(root, sequence, vertices, attributes=attributes)
    return pd.DataFrame(columns).assign(
        subject=subject,
        sequence=sequence,
        task=task,
        frame=range(count),
        valence=affect[:, 0],
        arousal=affect[:, 1],
    )
