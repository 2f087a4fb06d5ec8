"""A gallery whose best predictor of affect is known, as registered sequences and annotations.

Each frame of a person s holds a true affect t = m_s + d (means of people and deviations, normal),
and is annotated as y = t + e. The shape is that of FIELDS fields on a small patch: the first
AFFECT of them with weights w = M't + b_s + u (what all people do, a person's style, chance),
the others with weights of a person's own z_s + v, which say who it is and nothing else. All is
jointly normal, so that the mean of y given the weights of an unseen person's frame is linear in
them: p = S_tw S_ww^-1 w, with S_tw = S_t M and S_ww = M' S_t M + (var b + var u) 1. Its covariance
with y is its own variance, so that its CCC is 2 var p / (var p + var y). That is the ceiling,
derived from the parameters alone; `oracle` is the same predictor on the very frames of a test.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support import small_gallery

AFFECT, FIELDS = 6, 18
SIDE, STEP_MM = 19, 6.0
REST = 0.5  # weights of a face at rest in a person's style: they stay positive
SCALE = 0.1  # of the weights' normal part
MEANS_SD, DEVIATIONS_SD, LABEL_SD = 0.2, 0.3, 0.1
STYLE_SD, CHANCE_SD, SIGNATURE_SD, FLICKER_SD = 0.3, 0.3, 1.0, 0.2
APEXES = 6
SHAPE_NOISE_MM = 0.02
AXES = "valence", "arousal"


def template():
    """The patch as a Template, all of it inner face."""
    return small_gallery.template(SIDE, STEP_MM)


@dataclass
class Planted:
    """What was planted.

    Attributes
    ----------
    mixing : (2, AFFECT) array
    frames : DataFrame
        frame_id, subject, valence, arousal (annotated) and the best prediction of both.
    """

    mixing: np.ndarray
    frames: pd.DataFrame

    @property
    def best(self):
        """The linear map (AFFECT, 2) of an unseen person's weights to affect."""
        truth = np.eye(2) * (MEANS_SD**2 + DEVIATIONS_SD**2)
        noise = np.eye(AFFECT) * (STYLE_SD**2 + CHANCE_SD**2)
        return np.linalg.solve(self.mixing.T @ truth @ self.mixing + noise, self.mixing.T @ truth)

    def ceiling(self):
        """CCC (2,) of the best predictor, from the parameters alone."""
        truth = np.eye(2) * (MEANS_SD**2 + DEVIATIONS_SD**2)
        explained = np.diag(self.best.T @ self.mixing.T @ truth)
        return 2 * explained / (explained + np.diag(truth) + LABEL_SD**2)


def plant(root, people, length, seed):
    """Write registered/*.zarr, gallery and affect space tables under `root`; returns the Planted.

    Parameters
    ----------
    root : path
    people, length : int
        Each has one spontaneous sequence of `length` frames and a posed one with apexes.
    seed : int
    """
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, AFFECT))
    mixing /= np.linalg.norm(mixing, axis=0)
    planted = Planted(mixing, pd.DataFrame())
    fields, tables, weights = _fields(rng), [], []
    for number in range(people):
        subject = f"s{number:04d}"
        shape, labels = _performance(mixing, length, rng)
        motion = (REST + SCALE * shape) @ fields
        motion += rng.normal(0, SHAPE_NOISE_MM, motion.shape)
        tables.append(_write(root, subject, "spontaneous", motion, labels))
        weights.append(shape[:, :AFFECT])
        posed = rng.uniform(0, 1, (APEXES, FIELDS)) @ fields
        _write(root, subject, "posed", posed, np.full((APEXES, 2), np.nan))
    frames = pd.concat(tables, ignore_index=True)
    best = np.concatenate(weights) @ planted.best
    planted.frames = frames.assign(**{f"best_{axis}": best[:, n] for n, axis in enumerate(AXES)})
    _write_tables(root, frames)
    return planted


def _fields(rng):
    """Fields (FIELDS, 3P), mm, that vanish away from their centres."""
    vertices, _ = small_gallery.patch(SIDE, STEP_MM)
    centres = vertices[rng.permutation(len(vertices))[:FIELDS]]
    distance = np.linalg.norm(vertices - centres[:, None], axis=2)
    profile = np.maximum(1 - (distance / 40) ** 2, 0) ** 2
    direction = rng.normal(size=(FIELDS, 1, 3))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    return (5 * profile[..., None] * direction).reshape(FIELDS, -1)


def _performance(mixing, length, rng):
    """The normal part (length, FIELDS) of a person's weights, and annotations (length, 2)."""
    truth = rng.normal(0, MEANS_SD, 2) + rng.normal(0, DEVIATIONS_SD, (length, 2))
    labels = truth + rng.normal(0, LABEL_SD, truth.shape)
    shown = truth @ mixing + rng.normal(0, STYLE_SD, AFFECT)
    shown += rng.normal(0, CHANCE_SD, shown.shape)
    signature = rng.normal(0, SIGNATURE_SD, FIELDS - AFFECT)
    flicker = rng.normal(0, FLICKER_SD, (length, FIELDS - AFFECT))
    return np.concatenate([shown, signature + flicker], axis=1), labels


def _write(root, subject, task, motion, labels):
    """Write a sequence, its first frame the neutral face; returns the rows of the others."""
    sequence, count = f"{subject}_{task}", len(motion) + 1
    neutral, _ = small_gallery.patch(SIDE, STEP_MM)
    vertices = np.concatenate([neutral[None], neutral + motion.reshape(len(motion), -1, 3)])
    ids = [f"{sequence}_{frame:05d}" for frame in range(count)]
    attributes = {
        "frame_ids": ids,
        "is_neutral": [frame == 0 for frame in range(count)],
        "is_apex": [frame > 0 and task == "posed" for frame in range(count)],
        "task": task,
    }
    small_gallery.write_sequence(root, sequence, vertices, attributes=attributes)
    return pd.DataFrame(
        {
            "frame_id": ids[1:],
            "sequence": sequence,
            "frame": range(1, count),
            "subject": subject,
            "valence": labels[:, 0],
            "arousal": labels[:, 1],
        }
    )


def _write_tables(root, frames):
    """The affect space's table; the few labels beyond the plane are left out of it (rule 1)."""
    inside = (frames[list(AXES)].abs() <= 1).all(axis=1)
    posed = frames.drop_duplicates("subject").assign(
        sequence=lambda rows: rows["subject"] + "_posed",
        frame_id=lambda rows: rows["subject"] + "_posed_00000",
        frame=0,
        valence=np.nan,
        arousal=np.nan,
    )
    table = pd.concat([frames.assign(status=np.where(inside, "used", "quarantined")), posed])
    (root / "affectspace").mkdir(parents=True, exist_ok=True)
    path = root / "affectspace/frames.parquet"
    table.fillna({"status": "unannotated"}).reset_index(drop=True).to_parquet(path, index=False)
    made_from = store.Provenance(root, "affectspace", "affectspace")
    store.record(root / "affectspace/affectspace.manifest.json", [path], made_from)
    made = [store.manifest_of(path) for path in sorted((root / "registered").glob("*.zarr"))]
    chunk = store.Provenance(root, "registration", "c0")
    store.record(root / "registered/chunks/c0.manifest.json", made, chunk)
