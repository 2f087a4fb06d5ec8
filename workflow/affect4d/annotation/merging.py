"""Several annotators' tracks as one: delays, scales, who is left out, agreement, the mean.

Delays of annotators against each other are found as `affectspace.delay` finds those of annotations
behind the face: the delay at which what the others say explains best what one says. What all share
shows in no comparison; a calibration, in which an annotator followed a known target, gives it. Else
the mean delay of all counts as none, and `affectspace.max_delay` finds what remains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.affectspace.delay import AnnotatedMotion, estimate_delays
from affect4d.annotation.agreement import cronbach_alpha, icc_2k, mean_ccc
from affect4d.annotation.tracks import AXES, Track
from affect4d.validation.metrics import pearson

Floats = NDArray[np.float64]
Tracks = Mapping[str, Mapping[str, Track]]  # sequence -> annotator -> track

MAX_DELAY_S = 2.0  # of a reaction to what is seen; most are below 1 s
ROUNDS = 3  # of delays against the mean of the others: two suffice where delays differ by 1 s
MIN_SPREAD = 0.02  # standard deviation, of [-1, 1]: an input device at rest shows less
MIN_ANNOTATORS = 2
MIN_FRAMES = 25  # that a sequence needs beyond the delays that are tried: a second


@dataclass
class Annotator:
    """What is found of one annotator.

    Attributes
    ----------
    delay : s, behind what was seen, or behind the others where nobody was calibrated
    gain, offset : (2,), of valence and arousal: corrected = gain * annotated + offset
    correlation : with the mean of the others, over all sequences and axes
    excluded : the rule by which the annotator is left out; "" where not
    """

    delay: float = 0.0
    gain: Floats = field(default_factory=lambda: np.ones(len(AXES)))
    offset: Floats = field(default_factory=lambda: np.zeros(len(AXES)))
    correlation: float = float("nan")
    excluded: str = ""


@dataclass(frozen=True)
class Merged:
    """Annotators by name, and three tables: see docs/annotation.md.

    Attributes
    ----------
    annotators : by name
    track : sequence, frame, valence, arousal, annotators (how many)
    agreement : sequence ("all": over all), axis, frames, annotators, icc_2k, ccc, alpha, noise
    """

    annotators: dict[str, Annotator]
    track: pd.DataFrame
    agreement: pd.DataFrame


def reaction_time(response: Track, target: Track, fps: float) -> float:
    """The delay, s, with which a track follows a target that was shown."""
    frames = np.arange(int(min(response.time[-1], target.time[-1]) * fps))
    said, shown = response.at(frames / fps), target.at(frames / fps)
    axes = ~np.isnan(said).all(0) & ~np.isnan(shown).all(0)
    rows = np.isfinite(said[:, axes]).all(1) & np.isfinite(shown[:, axes]).all(1)
    motion = AnnotatedMotion(
        frames[rows].astype(np.float64), shown[rows][:, axes], said[rows][:, axes]
    )
    return float(estimate_delays([motion], MAX_DELAY_S * fps)[0] / fps)


def merge_tracks(
    tracks: Tracks, reactions: Mapping[str, float], *, fps: float, min_correlation: float
) -> Merged:
    """Join annotators.

    Parameters
    ----------
    tracks : of every sequence by annotator
    reactions : reaction times, s, of annotators who were calibrated
    fps : frames per second of the merged track
    min_correlation : with the mean of the others, below which an annotator is left out

    Raises
    ------
    ValueError
        Fewer than two annotators remain.
    """
    names = sorted({name for said in tracks.values() for name in said})
    people = {name: Annotator() for name in names}
    for name, person in people.items():
        spread = max((_spread(said[name]) for said in tracks.values() if name in said), default=0)
        if spread < MIN_SPREAD:
            person.excluded = f"moved by less than {MIN_SPREAD}"
    while True:
        kept = [name for name in names if not people[name].excluded]
        if len(kept) < MIN_ANNOTATORS:
            raise ValueError(f"{len(kept)} of {len(names)} annotators remain: two are needed")
        _estimate_delays(tracks, {name: people[name] for name in kept}, fps)
        for name in kept:
            people[name].correlation = _correlation(tracks, people, name, fps=fps)
        worst = min(kept, key=lambda name: people[name].correlation)
        if people[worst].correlation >= min_correlation:
            break
        people[worst].excluded = f"correlates by less than {min_correlation} with the others"
    chosen = {name: people[name] for name in kept}
    calibrated = [reactions[name] - chosen[name].delay for name in kept if name in reactions]
    common = float(np.mean(calibrated)) if calibrated else 0.0
    for person in chosen.values():
        person.delay += common
    _estimate_scales(tracks, chosen, fps)
    parts = {name: _corrected(said, chosen, fps) for name, said in tracks.items()}
    rows = [_rows(name, part) for name, part in parts.items()]
    return Merged(people, pd.concat(rows, ignore_index=True), _agreement(parts))


def _spread(track: Track) -> float:
    """The larger standard deviation of the two axes."""
    with_values = track.values[:, ~np.isnan(track.values).all(0)]
    return float(np.nanstd(with_values, axis=0).max())


def _aligned(
    said: Mapping[str, Track], people: Mapping[str, Annotator], fps: float
) -> dict[str, Floats]:
    """The tracks (T, 2) of a sequence's annotators without their delays, on its frames."""
    own = {name: track for name, track in said.items() if name in people}
    end = max((track.time[-1] for track in own.values()), default=0.0)
    time = np.arange(int(end * fps) + 1) / fps
    return {name: track.at(time + people[name].delay) for name, track in own.items()}


def _others(aligned: Mapping[str, Floats], name: str) -> Floats:
    """The mean (T, 2) of the standardised tracks of all but one; NaN where one is missing."""
    others = [_standard(values) for key, values in aligned.items() if key != name]
    return np.asarray(np.mean(others, axis=0))


def _standard(values: Floats) -> Floats:
    """Mean 0 and standard deviation 1 along each axis that varies."""
    centred = values - np.array([np.nanmean(v) if np.isfinite(v).any() else 0 for v in values.T])
    spread = np.array([np.nanstd(v) if np.isfinite(v).any() else 0 for v in values.T])
    return np.asarray(centred / np.where(spread > 0, spread, 1))


def _estimate_delays(tracks: Tracks, people: Mapping[str, Annotator], fps: float) -> None:
    """Set the delays of annotators against each other; their mean is 0."""
    for person in people.values():
        person.delay = 0.0
    for _ in range(ROUNDS):
        found: dict[str, list[float]] = {name: [] for name in people}
        for said in tracks.values():
            aligned = _aligned(said, people, fps)
            for name in aligned if len(aligned) >= MIN_ANNOTATORS else ():
                found[name] += _delay_behind(said[name], _others(aligned, name), fps)
        middle = {name: float(np.median(delays)) for name, delays in found.items() if delays}
        mean = float(np.mean(list(middle.values()))) if middle else 0.0
        for name, delay in middle.items():
            people[name].delay = delay - mean


def _delay_behind(track: Track, reference: Floats, fps: float) -> list[float]:
    """The delay, s, of a track behind a reference (T, 2), positive or negative; none if too short.

    The annotation is given MAX_DELAY_S later than it is, so that all delays tried are positive.
    """
    shift = int(MAX_DELAY_S * fps)
    frames = np.arange(shift, len(reference))
    said = track.at((frames - shift) / fps)
    axes = np.isfinite(reference).any(0) & np.isfinite(said).any(0)
    rows = np.isfinite(reference[shift:][:, axes]).all(1) & np.isfinite(said[:, axes]).all(1)
    frames = frames[rows]
    if not axes.any() or len(frames) < MIN_FRAMES or np.ptp(frames) < 2 * shift + MIN_FRAMES:
        return []
    shown = reference[frames][:, axes]
    if not shown.std(0).any():
        return []
    motion = AnnotatedMotion(frames.astype(np.float64), shown, said[rows][:, axes])
    return [float(estimate_delays([motion], 2 * shift)[0] - shift) / fps]


def _correlation(
    tracks: Tracks, people: Mapping[str, Annotator], name: str, *, fps: float
) -> float:
    """Mean correlation of an annotator with the others, over sequences and axes."""
    kept = {key: person for key, person in people.items() if not person.excluded}
    found = []
    for said in tracks.values():
        aligned = _aligned(said, kept, fps)
        if name not in aligned or len(aligned) < MIN_ANNOTATORS:
            continue
        for own, others in zip(aligned[name].T, _others(aligned, name).T, strict=True):
            rows = np.isfinite(own) & np.isfinite(others)
            if rows.any() and np.ptp(others[rows]) > 0:
                still = np.ptp(own[rows]) == 0
                found.append(0.0 if still else pearson(own[rows], others[rows]))
    return float(np.mean(found)) if found else 0.0


def _estimate_scales(tracks: Tracks, people: Mapping[str, Annotator], fps: float) -> None:
    """Bring every annotator's mean and spread, over the frames that all annotated, to the means'.

    Sequences keep their differences: one gain and one offset per annotator and axis.
    """
    parts = [_aligned(said, people, fps) for said in tracks.values()]
    for axis in range(len(AXES)):
        columns = [
            np.stack([part[name][:, axis] for name in people], axis=1)
            for part in parts
            if set(part) == set(people)
        ]
        joined = np.concatenate(columns) if columns else np.empty((0, len(people)))
        joined = joined[np.isfinite(joined).all(1)]
        if not len(joined):
            continue
        mean, spread = joined.mean(0), joined.std(0)
        for k, person in enumerate(people.values()):
            if spread[k] > 0:
                person.gain[axis] = spread.mean() / spread[k]
                person.offset[axis] = mean.mean() - person.gain[axis] * mean[k]


def _corrected(
    said: Mapping[str, Track], people: Mapping[str, Annotator], fps: float
) -> dict[str, Floats]:
    return {
        name: np.clip(people[name].gain * values + people[name].offset, -1, 1)
        for name, values in _aligned(said, people, fps).items()
    }


def _rows(sequence: str, part: Mapping[str, Floats]) -> pd.DataFrame:
    """The mean of those who annotated a frame; no row where fewer than half did."""
    values = np.stack(list(part.values())) if part else np.empty((0, 0, len(AXES)))
    present = np.isfinite(values).any(2).sum(0)
    kept = np.flatnonzero(present >= max(MIN_ANNOTATORS, len(values) / 2))
    table = pd.DataFrame(np.round(_mean(values[:, kept]), 4), columns=AXES)
    table.insert(0, "frame", kept)
    table.insert(0, "sequence", sequence)
    return table.assign(annotators=present[kept])


def _mean(values: Floats) -> Floats:
    """Mean (T, 2) of (K, T, 2) over those that are finite; NaN where none is."""
    count = np.isfinite(values).sum(0)
    return np.asarray(np.where(count, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan))


def _agreement(parts: Mapping[str, Mapping[str, Floats]]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for axis, label in enumerate(AXES):
        every: dict[int, list[Floats]] = {}
        for name, part in parts.items():
            values = np.stack([v[:, axis] for v in part.values()], 1) if part else np.empty((0, 0))
            values = values[np.isfinite(values).all(1)]
            if len(values) > 1 and values.shape[1] >= MIN_ANNOTATORS and np.ptp(values) > 0:
                rows.append({"sequence": name, "axis": label} | _measures(values))
                every.setdefault(values.shape[1], []).append(values)
        if every:  # over the sequences that most annotators share
            joined = np.concatenate(every[max(every)])
            rows.append({"sequence": "all", "axis": label} | _measures(joined))
    return pd.DataFrame(rows)


def _measures(ratings: Floats) -> dict[str, object]:
    error = np.sqrt(ratings.var(axis=1, ddof=1).mean() / ratings.shape[1])
    return {
        "frames": len(ratings),
        "annotators": ratings.shape[1],
        "icc_2k": icc_2k(ratings),
        "ccc": mean_ccc(ratings),
        "alpha": cronbach_alpha(ratings),
        "noise": float(error),
    }


def annotator_table(people: Mapping[str, Annotator]) -> pd.DataFrame:
    """One row per annotator."""
    rows: Sequence[dict[str, object]] = [
        {"annotator": name, "delay_s": person.delay, "correlation": person.correlation}
        | {f"gain_{axis}": person.gain[k] for k, axis in enumerate(AXES)}
        | {f"offset_{axis}": person.offset[k] for k, axis in enumerate(AXES)}
        | {"excluded": person.excluded}
        for name, person in people.items()
    ]
    return pd.DataFrame(rows)
