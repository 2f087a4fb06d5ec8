"""Several annotators' tracks as one: delays, scales, who is left out, agreement, the mean.

Who is still, or does not follow the others, on one axis is left out on that axis only.

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
Parts = Mapping[str, Mapping[str, Floats]]  # the same, on the sequence's frames, (T, 2)

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
    correlation : with the mean of the others, over all sequences and the axes in use
    left_out : by axis on which the annotator is left out, the rule
    excluded : the rule by which the annotator is left out on every axis; "" where not
    """

    delay: float = 0.0
    gain: Floats = field(default_factory=lambda: np.ones(len(AXES)))
    offset: Floats = field(default_factory=lambda: np.zeros(len(AXES)))
    correlation: float = float("nan")
    left_out: dict[str, str] = field(default_factory=dict)
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
    min_correlation : with the mean of the others, below which an annotator is left out on an axis

    Raises
    ------
    ValueError
        Fewer than two annotators remain on each axis.
    """
    names = sorted({name for said in tracks.values() for name in said})
    people = {name: Annotator() for name in names}
    for axis, label in enumerate(AXES):
        for name in _users(tracks, axis):
            spread = max(_spread(said[name].values[:, axis]) for said in tracks.values()
                         if name in said)  # fmt: skip
            if spread < MIN_SPREAD:
                people[name].left_out[label] = f"moved by less than {MIN_SPREAD}"
    while True:
        used = _in_use(tracks, people)
        users = [_users(used, axis) for axis in range(len(AXES))]
        most = max(map(len, users))
        if most < MIN_ANNOTATORS:
            raise ValueError(f"{most} of {len(names)} annotators remain: two are needed")
        chosen = {name: people[name] for name in names if any(name in axis for axis in users)}
        _estimate_delays(used, chosen, fps)
        found = {
            (name, axis): _correlation(used, chosen, (name, axis), fps=fps)
            for axis in range(len(AXES))
            for name in users[axis]
        }
        for name, person in chosen.items():
            person.correlation = float(np.mean([r for key, r in found.items() if key[0] == name]))
        worst, axis = min(found, key=lambda key: found[key])
        if found[worst, axis] >= min_correlation:
            break
        rule = f"correlates by less than {min_correlation} with the others"
        people[worst].left_out[AXES[axis]] = rule
    for name in set(people) - set(chosen):
        people[name].excluded = "; ".join(dict.fromkeys(people[name].left_out.values()))
    calibrated = [reactions[name] - chosen[name].delay for name in chosen if name in reactions]
    common = float(np.mean(calibrated)) if calibrated else 0.0
    for person in chosen.values():
        person.delay += common
    aligned = {name: _aligned(said, chosen, fps) for name, said in used.items()}
    _estimate_scales(aligned, chosen)
    corrected = {name: _corrected(part, chosen) for name, part in aligned.items()}
    rows = [_rows(name, part) for name, part in corrected.items()]
    return Merged(people, pd.concat(rows, ignore_index=True), _agreement(aligned, corrected))


def _users(tracks: Tracks, axis: int) -> list[str]:
    """Who annotates an axis in some sequence."""
    return sorted(
        {
            name
            for said in tracks.values()
            for name, track in said.items()
            if np.isfinite(track.values[:, axis]).any()
        }
    )


def _in_use(tracks: Tracks, people: Mapping[str, Annotator]) -> dict[str, dict[str, Track]]:
    """The tracks, NaN on the axes on which who said them is left out; none that is NaN only."""
    found: dict[str, dict[str, Track]] = {}
    for sequence, said in tracks.items():
        found[sequence] = {}
        for name, track in said.items():
            is_used = [axis not in people[name].left_out for axis in AXES]
            values = np.where(is_used, track.values, np.nan)
            if np.isfinite(values).any():
                found[sequence][name] = Track(track.time, values)
    return found


def _spread(values: Floats) -> float:
    """Standard deviation of those that are finite; 0 where none is."""
    finite = values[np.isfinite(values)]
    return float(finite.std()) if len(finite) else 0.0


def _aligned(
    said: Mapping[str, Track], people: Mapping[str, Annotator], fps: float
) -> dict[str, Floats]:
    """The tracks (T, 2) of a sequence's annotators without their delays, on its frames."""
    own = {name: track for name, track in said.items() if name in people}
    end = max((track.time[-1] for track in own.values()), default=0.0)
    time = np.arange(int(end * fps) + 2) / fps
    time = time[time <= end]  # not by the product alone, which is rounded
    return {name: track.at(time + people[name].delay) for name, track in own.items()}


def _others(aligned: Mapping[str, Floats], name: str) -> Floats:
    """The mean (T, 2) of the standardised tracks of all but one.

    Per axis, of those who annotate it in this sequence; NaN where one of them is missing.
    """
    others = np.stack([_standard(values) for key, values in aligned.items() if key != name])
    is_used = np.isfinite(others).any(axis=1, keepdims=True)
    count = is_used.sum(0)
    return np.asarray(
        np.where(count, np.where(is_used, others, 0).sum(0) / np.maximum(count, 1), np.nan)
    )


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
    tracks: Tracks, people: Mapping[str, Annotator], key: tuple[str, int], *, fps: float
) -> float:
    """Mean over sequences of an annotator's correlation with the others on an axis, by `key`."""
    name, axis = key
    found = []
    for said in tracks.values():
        aligned = _aligned(said, people, fps)
        if name not in aligned or len(aligned) < MIN_ANNOTATORS:
            continue
        own, others = aligned[name][:, axis], _others(aligned, name)[:, axis]
        rows = np.isfinite(own) & np.isfinite(others)
        if rows.any() and np.ptp(others[rows]) > 0:
            still = np.ptp(own[rows]) == 0
            found.append(0.0 if still else pearson(own[rows], others[rows]))
    return float(np.mean(found)) if found else 0.0


def _estimate_scales(aligned: Parts, people: Mapping[str, Annotator]) -> None:
    """Bring every annotator's mean and spread, over the frames that all annotated, to the means'.

    Sequences keep their differences: one gain and one offset per annotator and axis. Who hardly
    moves in these frames keeps gain 1: noise would be amplified.
    """
    for axis in range(len(AXES)):
        parts = [_on_axis(part, axis) for part in aligned.values()]
        users = sorted({name for part in parts for name in part})
        columns = [
            np.stack([part[name] for name in users], axis=1)
            for part in parts
            if users and set(part) == set(users)
        ]
        joined = np.concatenate(columns) if columns else np.empty((0, len(users)))
        joined = joined[np.isfinite(joined).all(1)]
        if not len(joined):
            continue
        mean, spread = joined.mean(0), joined.std(0)
        moves = spread >= MIN_SPREAD
        for k in np.flatnonzero(moves):
            person = people[users[k]]
            person.gain[axis] = spread[moves].mean() / spread[k]
            person.offset[axis] = mean[moves].mean() - person.gain[axis] * mean[k]


def _on_axis(part: Mapping[str, Floats], axis: int) -> dict[str, Floats]:
    """One axis (T,) of the tracks that annotate it, by name in order."""
    columns = {name: part[name][:, axis] for name in sorted(part)}
    return {name: values for name, values in columns.items() if np.isfinite(values).any()}


def _corrected(part: Mapping[str, Floats], people: Mapping[str, Annotator]) -> dict[str, Floats]:
    return {
        name: np.clip(people[name].gain * values + people[name].offset, -1, 1)
        for name, values in part.items()
    }


def _rows(sequence: str, part: Mapping[str, Floats]) -> pd.DataFrame:
    """The mean of those who annotated a frame, per axis NaN where fewer than half did."""
    values = np.stack(list(part.values())) if part else np.empty((0, 0, len(AXES)))
    finite = np.isfinite(values)
    enough = finite.sum(0) >= np.maximum(MIN_ANNOTATORS, finite.any(1).sum(0) / 2)
    kept = np.flatnonzero(enough.any(1))
    means = np.where(enough, _mean(values), np.nan)
    table = pd.DataFrame(np.round(means[kept], 4), columns=AXES)
    table.insert(0, "frame", kept)
    table.insert(0, "sequence", sequence)
    return table.assign(annotators=finite.any(2).sum(0)[kept])


def _mean(values: Floats) -> Floats:
    """Mean (T, 2) of (K, T, 2) over those that are finite; NaN where none is."""
    count = np.isfinite(values).sum(0)
    return np.asarray(np.where(count, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan))


def _agreement(aligned: Parts, corrected: Parts) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for axis, label in enumerate(AXES):
        groups: dict[tuple[str, ...], list[tuple[Floats, Floats]]] = {}
        for sequence, part in aligned.items():
            said, scaled = _on_axis(part, axis), _on_axis(corrected[sequence], axis)
            if len(said) < MIN_ANNOTATORS:
                continue
            ratings = np.stack(list(said.values()), 1)
            present = np.isfinite(ratings).all(1)
            if present.sum() > 1:
                pair = ratings[present], np.stack(list(scaled.values()), 1)[present]
                rows.append({"sequence": sequence, "axis": label} | _measures(*pair))
                groups.setdefault(tuple(said), []).append(pair)
        if groups:  # over the sequences that most annotators, the same ones, share
            most = max(
                groups, key=lambda names: (len(names), sum(len(p[0]) for p in groups[names]))
            )
            said_all, scaled_all = zip(*groups[most], strict=True)
            joined = np.concatenate(said_all), np.concatenate(scaled_all)
            rows.append({"sequence": "all", "axis": label} | _measures(*joined))
    columns = ["sequence", "axis", "frames", "annotators", "icc_2k", "ccc", "alpha", "noise"]
    return pd.DataFrame(rows, columns=columns)


def _measures(ratings: Floats, scaled: Floats) -> dict[str, object]:
    """Agreement of what was said (n, k), as scales are fitted to agree; noise of what is scaled."""
    error = np.sqrt(scaled.var(axis=1, ddof=1).mean() / scaled.shape[1])
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
        | {f"left_out_{axis}": person.left_out.get(axis, "") for axis in AXES}
        for name, person in people.items()
    ]
    return pd.DataFrame(rows)
