"""The page of `affect4d annotate`: sequences to play, a target to follow, samples that it saves."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from affect4d.annotation.files import (
    CALIBRATION,
    COLUMNS,
    TARGETS,
    UNFINISHED,
    Samples,
    read_samples,
    write_samples,
)
from affect4d.annotation.merging import reaction_time
from affect4d.annotation.sequences import FrameCache, Sequence
from affect4d.annotation.tracks import (
    AXES,
    MAX_TIME_S,
    MIN_SAMPLES,
    Floats,
    Track,
    track_name,
)
from affect4d.local_page.server import Answer, json_answer
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng

RATE_HZ = 25.0  # samples at which a reaction is measured; the page records at every screen refresh
STEPS = 12  # jumps of the target that calibrates the reaction
STEP_S = (1.6, 2.8)  # between jumps: irregular, or they would be expected
REACH = 0.8  # of the plane, to which the target jumps
MAX_SAMPLES = 1 << 21  # of a sequence: 10 hours at 60 per second


class AnnotationPage:
    """Sequences, and the tracks of one annotator.

    Parameters
    ----------
    sequences : to annotate, of distinct names
    folder : receives SEQUENCE/ANNOTATOR.csv; ANNOTATOR.AXIS.csv where one axis is annotated
    annotator : safe as a file name
    axes : "both", "valence" or "arousal"

    Raises
    ------
    BadInput
        Two sequences have the same name, or one that is reserved; or the annotator's name would be
        read as that of an axis or of an unfinished track.
    """

    template = ("affect4d.annotation", "page.html.j2")

    def __init__(
        self, sequences: list[Sequence], folder: Path, *, annotator: str, axes: str
    ) -> None:
        names = [sequence.name for sequence in sequences]
        for name in names:
            if names.count(name) > 1 or name == CALIBRATION:
                raise BadInput(name, "another sequence has this name", "rename one of them")
        if track_name(Path(f"{annotator}.csv"))[0] != annotator or annotator.endswith(UNFINISHED):
            rule = "the name ends like that of an axis or of an unfinished track"
            raise BadInput(annotator, rule, "choose another --annotator")
        self.frames = FrameCache(sequences)
        self.annotator, self.axes, self._folder = annotator, axes, folder
        self._samples: dict[str, Samples] = {}
        rng = named_rng(0, "calibration")
        jumps = rng.uniform(*STEP_S, STEPS).cumsum().round(3).tolist()
        places = rng.uniform(-REACH, REACH, (STEPS, 2)).round(3).tolist()
        self._target = [[time, *place] for time, place in zip(jumps, places, strict=True)]

    def get(self, name: str, query: Mapping[str, str]) -> Answer | None:
        """`sequences`, or `frame` (`sequence` and `index`, numbers)."""
        if name == "sequences":
            return json_answer(self._describe())
        if name == "frame":
            place = int(query.get("sequence", "-1")), int(query.get("index", "-1"))
            return Answer("image/jpeg", self.frames.frame(*place))
        return None

    def post(self, name: str, content: Any) -> Answer | None:
        """`save` samples of a sequence, or those of the `calibration`."""
        if name not in ("save", "calibration") or not isinstance(content, dict):
            return None
        rows = content.get("samples")
        width = len(COLUMNS) + (len(TARGETS) if name == "calibration" else 0)
        if not isinstance(rows, list) or not all(_is_sample(row, width) for row in rows):
            raise ValueError("samples are rows of time, valence and arousal")
        return self._calibrate(rows) if name == "calibration" else self._save(content, rows)

    def _describe(self) -> dict[str, Any]:
        sequences = []
        for sequence in self.frames.sequences:
            samples = self._stored(sequence.name)
            last = samples[-1][0] if samples else 0
            done = self._path(sequence.name).exists()
            sequences.append(
                {"name": sequence.name, "times": sequence.times}
                | {"count": len(samples), "resume": last, "done": done}
            )
        return {
            "annotator": self.annotator,
            "axes": list(AXES) if self.axes == "both" else [self.axes],
            "target": self._target,
            "sequences": sequences,
        }

    def _save(self, content: dict[str, Any], rows: Samples) -> Answer:
        """Add samples behind the first `start`; a finished track gets its final name.

        What is stored behind these is lost only where the page asks to `replace` it.
        """
        name, start = content.get("sequence"), content.get("start")
        if name not in [sequence.name for sequence in self.frames.sequences]:
            raise ValueError("there is no such sequence")
        stored = self._stored(name)
        if not isinstance(start, int) or not 0 <= start <= len(stored):
            raise ValueError("samples are missing before these")
        if start < len(stored) and not content.get("replace"):
            raise ValueError("more is saved already, perhaps by another page: reload this one")
        if start + len(rows) > MAX_SAMPLES:
            raise ValueError("the sequence is too long: cut it")
        samples = [*stored[:start], *rows]
        times = np.array([row[0] for row in samples[max(start - 1, 0) :]], dtype=np.float64)
        if (np.diff(times) < 0).any():
            raise ValueError("samples go back in time")
        self._samples[name] = samples
        unfinished = self._path(name, UNFINISHED)
        write_samples(unfinished, COLUMNS, samples)
        if content.get("finished"):
            unfinished.replace(self._path(name))
            self._samples.pop(name)
        return json_answer({"count": len(samples)})

    def _calibrate(self, rows: Samples) -> Answer:
        """Keep the calibration; say the reaction time, s."""
        table = [[math.nan if v is None else v for v in row] for row in rows]
        response, target = (Track(*_columns(table, first)) for first in (1, len(COLUMNS)))
        reaction = reaction_time(response, target, RATE_HZ)
        path = self._folder / CALIBRATION / f"{self.annotator}.csv"
        write_samples(path, (*COLUMNS, *TARGETS), rows)
        return json_answer({"reaction": round(reaction, 3)})

    def _stored(self, name: str) -> Samples:
        """The samples of an unfinished track."""
        if name not in self._samples:
            self._samples[name] = read_samples(self._path(name, UNFINISHED))
        return self._samples[name]

    def _path(self, sequence: str, state: str = "") -> Path:
        axis = "" if self.axes == "both" else f".{self.axes}"
        return self._folder / sequence / f"{self.annotator}{axis}{state}.csv"


def _is_sample(row: Any, width: int) -> bool:
    if not isinstance(row, list) or len(row) != width or not isinstance(row[0], int | float):
        return False
    values = [v for v in row[1:] if v is not None]
    is_number = all(isinstance(v, int | float) and -1 <= v <= 1 for v in values)
    return is_number and 0 <= row[0] <= MAX_TIME_S


def _columns(table: list[list[float]], first: int) -> tuple[Floats, Floats]:
    """Times (T,) and the two columns (T, 2) from `first` on."""
    values = np.array(table, dtype=np.float64).reshape(len(table), -1)
    if len(values) < MIN_SAMPLES:
        raise ValueError("a calibration has more samples")
    return values[:, 0], values[:, first : first + len(AXES)]
