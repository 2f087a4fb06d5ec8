"""The delay of annotations behind the face, estimated per sequence.

Annotators react late (0.2 to 0.5 s and more: Mariooryad & Busso, IEEE Trans. Affective Computing
2015). Left alone, the delay puts frames between two expressions into the classes of both, and their
means lose strength. A linear map from the face's motion to valence and arousal, common to all
sequences, is fitted at every delay; the best is the common one. Then each sequence takes the delay
at which what it shows, by that map, agrees best with what was said of it. Annotations that vary
less are missed by less, whatever the delay: those between two frames, which interpolation smooths,
and those near a sequence's start, where faces are at rest. So they are brought to the same variance
at every delay.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.config.affectspace import Settings as AffectSpaceSettings
from affect4d.registration.registered_sequence import RegisteredSequence, open_registered

STEP = 0.25  # frames between the delays that are tried: annotations are interpolated between frames
COMPONENTS = 12  # of the motion: more than the muscles that affect moves independently
RIDGE = 1e-3  # of the components' variance: keeps the map stable where they are nearly dependent
MIN_FRAMES = 8  # of a sequence, beyond its longest delay, for a delay of its own
# Prior deviation of sequences' delays from the common one, as a share of the longest: half of the
# range lies within one deviation of its middle.
PRIOR_SHARE = 0.25

VERTICES = 200  # about so many of a face, evenly spread, show its motion
AXES = ["valence", "arousal"]

Floats = NDArray[np.float64]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AnnotatedMotion:
    """What one sequence shows, and what is said of it.

    Attributes
    ----------
    frame : (T,), numbers of the frames within the sequence, ascending
    motion : (T, D), mm, landmarks' displacements from the neutral face
    annotation : (T, 2), valence and arousal
    """

    frame: Floats
    motion: Floats | NDArray[np.float32]
    annotation: Floats

    def delayed(self, delay: float) -> Floats:
        """The annotations (T, 2) given `delay` frames later; NaN after the last one."""
        at = self.frame + delay
        columns = [np.interp(at, self.frame, values) for values in self.annotation.T]
        later = np.stack(columns, axis=1)
        later[at > self.frame[-1]] = np.nan
        return later


def estimate_delays(sequences: Sequence[AnnotatedMotion], max_delay: float) -> Floats:
    """The delay (S,) of each sequence's annotations, frames, multiples of STEP.

    Parameters
    ----------
    sequences : those that are too short for a delay of their own get the common one
    max_delay : frames, the longest that is tried
    """
    delays = np.arange(0.0, max_delay + STEP / 2, STEP)
    if not sequences or len(delays) == 1:
        return np.zeros(len(sequences))
    shown = _components(sequences)
    # only frames that have an annotation at every delay: all are compared on the same ones
    kept = [s.frame <= s.frame[-1] - max_delay for s in sequences]
    if sum(int(rows.sum()) for rows in kept) <= COMPONENTS:
        return np.zeros(len(sequences))
    said = np.stack(
        [
            np.concatenate([s.delayed(d)[rows] for s, rows in zip(sequences, kept, strict=True)])
            for d in delays
        ]
    )
    spread = said.std(axis=1, keepdims=True)
    said = (said - said.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    features = np.concatenate([z[rows] for z, rows in zip(shown, kept, strict=True)])
    features = np.column_stack([np.ones(len(features)), features])
    gram = features.T @ features
    gram[np.diag_indices(len(gram))] += RIDGE * len(features)
    errors = np.stack([_squared_errors(features, gram, values) for values in said])
    common = int(errors.sum(axis=1).argmin())
    maps = np.linalg.solve(gram, features.T @ said[common])
    own = ((features @ maps - said) ** 2).sum(axis=2)
    prior = (delays - delays[common]) ** 2 / (2 * (PRIOR_SHARE * max_delay) ** 2)
    chosen, start = [], 0
    for rows in kept:
        count = int(rows.sum())
        block, start = own[:, start : start + count], start + count
        if count < MIN_FRAMES:
            chosen.append(delays[common])
            continue
        # Gaussian errors of unknown variance, two annotations per frame
        evidence = count * np.log(np.maximum(block.mean(axis=1), np.finfo(float).tiny))
        chosen.append(delays[int((evidence + prior).argmin())])
    return np.array(chosen)


def _components(sequences: Sequence[AnnotatedMotion]) -> list[Floats]:
    """The motion's principal components of all sequences together, of unit variance."""
    # by the covariance, sequence after sequence: all frames at once may be more than memory holds
    count = sum(len(s.motion) for s in sequences)
    mean = np.sum([s.motion.sum(axis=0, dtype=np.float64) for s in sequences], axis=0) / count
    covariance = np.zeros((len(mean), len(mean)))
    for s in sequences:
        centred = s.motion - mean
        covariance += centred.T @ centred / count
    variances, axes = np.linalg.eigh(covariance)
    kept = variances > variances[-1] * len(variances) * np.finfo(float).eps
    kept[:-COMPONENTS] = False
    scaled = axes[:, kept] / np.sqrt(variances[kept])
    return [(s.motion - mean) @ scaled for s in sequences]


def _squared_errors(features: Floats, gram: Floats, values: Floats) -> Floats:
    """(N,) squared errors of the ridge regression of values (N, 2) on features (N, K)."""
    errors: Floats = ((features @ np.linalg.solve(gram, features.T @ values) - values) ** 2).sum(1)
    return errors


def sequence_delays(
    root: Path, frames: pd.DataFrame, flags: Mapping[str, int], *, settings: AffectSpaceSettings
) -> dict[str, float]:
    """The delay, frames, of every annotated and registered sequence.

    Parameters
    ----------
    root : the results folder
    frames : the gallery's table: frame_id, sequence, frame, valence, arousal
    flags : the registration flags of every registered frame, by its frame_id
    settings : the longest delay
    """
    if not settings.max_delay:
        return {}
    annotated = frames[_in_plane(frames) & frames["frame_id"].isin(flags)]
    annotated = annotated.sort_values(["sequence", "frame"])
    rows = dict(list(annotated.groupby("sequence", sort=True)))
    shown = list(open_registered(root, [str(name) for name in rows]))
    names = [sequence.path.stem for sequence in shown]
    delays = estimate_delays(
        _read_motions(shown, [rows[name] for name in names]), settings.max_delay
    )
    if len(delays):
        log.info(
            "annotations of %d sequences come %.2f frames late (%.2f to %.2f)",
            len(delays), np.median(delays), delays.min(), delays.max(),
        )  # fmt: skip
        if np.median(delays) > settings.max_delay - STEP:
            log.warning("most delays are the longest tried: raise affectspace.max_delay")
    return dict(zip(names, delays.tolist(), strict=True))


def _in_plane(frames: pd.DataFrame) -> "pd.Series[bool]":
    """Rows whose valence and arousal are given and within [-1, 1]."""
    inside: pd.Series[bool] = frames[AXES].abs().le(1.0).all(axis=1)
    return inside


def _read_motions(
    sequences: Sequence[RegisteredSequence], tables: Sequence[pd.DataFrame]
) -> list[AnnotatedMotion]:
    """Displacements from each sequence's first frame, which no delay depends on, in scratch space.

    `tables` hold the annotated rows of each sequence.
    """
    if not sequences:
        return []
    every = slice(None, None, max(sequences[0].vertex_count // VERTICES, 1))
    size = 3 * len(range(sequences[0].vertex_count)[every])
    motion, end = store.scratch((sum(map(len, tables)), size)), 0
    motions = []
    for sequence, rows in zip(sequences, tables, strict=True):
        numbers = sequence.rows(rows["frame_id"])
        start, end = end, end + len(rows)
        part = sequence.differences(numbers, numbers[:1], every)
        motion[start:end] = part.reshape(len(rows), -1)
        annotation = rows[AXES].to_numpy(np.float64)
        motions.append(
            AnnotatedMotion(rows["frame"].to_numpy(np.float64), motion[start:end], annotation)
        )
    return motions


def compensate(frames: pd.DataFrame, delays: Mapping[str, float]) -> pd.DataFrame:
    """The gallery's table with annotations as they refer to each frame.

    A frame's valence and arousal are those noted `delay` frames later, interpolated between
    frames; missing after the sequence's last one and beside one that is missing. Annotations
    outside the plane stay where they are, and no other frame gets them.

    Returns
    -------
    As `frames`, with `delay` (frames) and `is_late` (True where the annotation would come after the
    sequence's end, or one that it depends on is missing)
    """
    table = frames.assign(delay=frames["sequence"].map(delays).fillna(0.0), is_late=False)
    for _, rows in table[table["delay"] > 0].groupby("sequence"):
        ordered = rows.sort_values("frame")
        given = ordered[_in_plane(ordered)]
        if given.empty:
            continue
        outside = (ordered[AXES].notna().any(axis=1) & ~_in_plane(ordered)).to_numpy()
        at = (ordered["frame"] + ordered["delay"]).to_numpy(np.float64)
        numbers = given["frame"].to_numpy(np.float64)
        before = numbers[np.searchsorted(numbers, at, "right").clip(1) - 1]
        after = numbers[np.searchsorted(numbers, at).clip(max=len(numbers) - 1)]
        step = ordered["frame"].diff().median()
        # after the last annotation, or within a gap that a missing one leaves
        late = ((at > numbers[-1]) | (after - before > step)) & ~outside
        for axis in AXES:
            later = np.interp(at, given["frame"], given[axis])
            later = np.where(late, np.nan, later)
            table.loc[ordered.index, axis] = np.where(outside, ordered[axis], later)
        table.loc[ordered.index, "is_late"] = late & ordered[AXES].notna().any(axis=1).to_numpy()
    return table
