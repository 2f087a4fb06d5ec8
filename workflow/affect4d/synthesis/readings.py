"""What independent networks read of a sample of a build: the folder `readers`."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.readers import PROBABILITY, READ, READINGS, STATED, SUMMARY
from affect4d.blendshapes.targets import Expressions, Target
from affect4d.config.gallery import EXPRESSIONS as BASIC_EXPRESSIONS
from affect4d.config.readers import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.formats.paths import safe_name
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.readers.environment import find_obstacle
from affect4d.readers.expected import GROUPS, PHOTOGRAPH, quadrant, rises
from affect4d.readers.motion import agreement
from affect4d.readers.reading import EXPRESSIONS, read_faces
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.neutralising import read_neutraliser
from affect4d.synthesis.photographs import FittedPhotograph, read_photographs
from affect4d.template.anatomy import Anatomy

log = logging.getLogger(__name__)

_NEGATIVE = ("anger", "disgust", "fear", "sadness")
_NAMES = ("neutral_image_id", "database", "subject")  # columns that say who is on a picture
_COMPARED = ("rise", "identity", "motion", "amplitude")  # columns that need a second picture
_UNLABELLED = (float("nan"), float("nan"))
_ARROW = {"string": pa.string(), "float64": pa.float64()}


@dataclass(frozen=True)
class Picture:
    """One picture of a photograph.

    Attributes
    ----------
    image : (S, S, 3)
    image_id : its name
    asked : class or basic expression, or PHOTOGRAPH
    group : one of GROUPS
    label : valence and arousal, NaN where it has none
    landmarks : (68, 2), pixels, moved as asked
    """

    image: NDArray[np.uint8]
    image_id: str
    asked: str
    group: str
    label: tuple[float, float]
    landmarks: NDArray[np.floating]


@dataclass(frozen=True)
class _Sitter:
    """A photograph of the sample: its chunk of images, its number there, and its names."""

    chunk: Path
    number: int
    database: str
    image_id: str
    subject: str

    @property
    def neutral_image_id(self) -> str:
        """The name of the neutral image in the dataset."""
        return f"{self.database}-{self.image_id}"


def read_sample(
    context: RunContext,
    chunks: Sequence[Path],
    *,
    anatomy: Anatomy,
    settings: Settings,
    synthesis: SynthesisSettings,
) -> None:
    """Write the folder `readers` with its manifest; its tables are empty without readers.

    Parameters
    ----------
    context : of the rule's run
    chunks : stores `synthesis/{database}/{chunk}.zarr`
    anatomy : of the template
    settings : size of the sample
    synthesis : of the build
    """
    obstacle = find_obstacle() if settings.photographs else None
    tables, correlations = [], []
    if obstacle is None:
        sample = _Sample(context, anatomy, images=settings.images, synthesis=synthesis)
        sitters = _draw(chunks, settings.photographs, context.seed)
        for sitter in context.progress(sitters, total=len(sitters), what="photographs read"):
            table = _read(list(sample.pictures(sitter)))
            names = {name: getattr(sitter, name) for name in _NAMES}
            tables.append(table.assign(**names))
            correlations.append(_valence_correlation(table))
    else:
        log.warning("%s", obstacle)
    readings = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    stated = {
        "installed": obstacle is None,
        "obstacle": "" if obstacle is None else str(obstacle),
        "photographs": len(tables),
        "images": len(readings),
        "valence_correlation": _median(correlations),
    }
    write_readings(context, readings.reindex(columns=READINGS.names), stated)


def _draw(chunks: Sequence[Path], count: int, seed: int) -> list[_Sitter]:
    """Photographs that have images, of different people, drawn by their names."""
    found = []
    for path in chunks:
        chunk = store.open(path)
        attributes = chunk.attributes
        for number in np.unique(chunk["photograph"][...]).tolist():
            photograph = attributes["photographs"][number]
            names = (photograph["image_id"], photograph["subject"])
            found.append(_Sitter(path, number, attributes["database"], *names))
    found.sort(key=lambda sitter: sitter.neutral_image_id)
    order = named_rng(seed, "readers").permutation(len(found)).tolist()
    people = {(found[n].database, found[n].subject): found[n] for n in reversed(order)}
    return list(people.values())[::-1][:count]


class _Sample:
    """Makes the pictures of photographs that are read."""

    def __init__(
        self,
        context: RunContext,
        anatomy: Anatomy,
        *,
        images: int,
        synthesis: SynthesisSettings,
    ) -> None:
        self._root, self._seed, self._anatomy = context.root, context.seed, anatomy
        self._images, self._synthesis = images, synthesis
        self._neutralise = read_neutraliser(context.root, anatomy, synthesis)
        self._models = Expressions(context.root / "blendshapes" / "expressions.zarr")

    def pictures(self, sitter: _Sitter) -> Iterator[Picture]:
        """The photograph, some of its images, and the basic expressions that have a model."""
        photograph = self._find(sitter)
        photo = photograph.read(self._root, self._synthesis)
        _, scene = photograph.align(
            photo, self._anatomy, self._synthesis, neutralise=self._neutralise
        )
        editor = Editor(scene, self._synthesis)
        rest = editor.mesh.xy[editor.mesh.landmarks]
        name = sitter.neutral_image_id
        yield Picture(scene.image, name, PHOTOGRAPH, PHOTOGRAPH, _UNLABELLED, rest)
        yield from self._stored(sitter)
        targets = list(self._expressions())
        smooth = [self._anatomy.smooth_and_taper(target.deformation) for target in targets]
        edits = editor.edits(stack_deformations(smooth, self._synthesis.intensity))
        for target, edit in zip(targets, edits if smooth else (), strict=True):
            made = f"{name}-{target.name}"
            yield Picture(edit.image, made, target.name, target.name, _UNLABELLED, edit.landmarks)

    def _find(self, sitter: _Sitter) -> FittedPhotograph:
        chunk = sitter.chunk.relative_to(self._root / "synthesis")
        return next(
            photograph
            for photograph in read_photographs(self._root / "fits" / chunk)
            if safe_name(photograph.image_id, photograph.path) == sitter.image_id
        )

    def _stored(self, sitter: _Sitter) -> Iterator[Picture]:
        chunk = store.open(sitter.chunk)
        rows = np.flatnonzero(chunk["photograph"][...] == sitter.number)
        rng = named_rng(self._seed, "readers", sitter.neutral_image_id)
        rows = np.sort(rng.permutation(rows)[: self._images])
        images, landmarks = chunk["images"][rows.tolist()], chunk["landmarks"][...]
        valence, arousal = chunk["valence"][...], chunk["arousal"][...]
        attributes, classes = chunk.attributes, chunk["class"][...]
        for image, row in zip(images, rows.tolist(), strict=True):
            label = float(valence[row]), float(arousal[row])
            yield Picture(
                image,
                attributes["image_ids"][row],
                attributes["classes"][classes[row]],
                quadrant(*label),
                label,
                landmarks[row],
            )

    def _expressions(self) -> Iterator[Target]:
        for name in BASIC_EXPRESSIONS:
            try:
                yield self._models.target(name)
            except BadInput:  # no sequence shows it
                continue


def _read(pictures: Sequence[Picture]) -> pd.DataFrame:
    """The readings of one photograph's pictures, itself the first, without the sitter's names."""
    readings = read_faces(picture.image for picture in pictures)
    first = readings[:1]
    groups = [picture.group for picture in pictures]
    asked = np.array([picture.landmarks for picture in pictures], dtype=float)
    motion, amplitude = agreement(readings.landmarks - first.landmarks, asked - asked[0])
    labels = np.array([picture.label for picture in pictures])
    table = pd.DataFrame(
        {
            "image_id": [picture.image_id for picture in pictures],
            "asked": [picture.asked for picture in pictures],
            "group": groups,
            "valence": labels[:, 0],
            "arousal": labels[:, 1],
            "read": [read or None for read in readings.expression],
            "rise": rises(readings, first, groups),
            "identity": readings.distance(first),
            "motion": motion,
            "amplitude": amplitude,
        }
    )
    table.loc[0, list(_COMPARED)] = np.nan  # the photograph against itself
    columns = [PROBABILITY + name for name in EXPRESSIONS]
    return table.join(pd.DataFrame(readings.probabilities, columns=columns))


def _valence_correlation(table: pd.DataFrame) -> float:
    """Correlation of a photograph's happy minus negative score with the labels' valence."""
    labelled = table.dropna(subset=["valence", "read"])
    negative = labelled[[PROBABILITY + name for name in _NEGATIVE]].sum(axis=1)
    score = labelled[f"{PROBABILITY}happiness"] - negative
    return float(score.corr(labelled["valence"]))


def _summarise(readings: pd.DataFrame) -> pd.DataFrame:
    """One row per group that has images."""
    found = readings.dropna(subset=["read"])
    rows = []
    for group, part in found.groupby("group", sort=False):
        expected = GROUPS[str(group)]
        compared = part["rise"].dropna()
        rows.append(
            {
                "group": group,
                "expected": ", ".join(expected),
                "images": len(part),
                "read_as_asked": part["read"].isin(expected).mean(),
                "rises": (compared > 0).mean() if len(compared) else np.nan,
                **{name: part[name].median() for name in ("identity", "motion", "amplitude")},
            }
        )
    table = pd.DataFrame(rows, columns=SUMMARY.names)
    order = {name: number for number, name in enumerate(GROUPS)}
    return table.sort_values("group", key=lambda names: names.map(order), ignore_index=True)


def write_readings(context: RunContext, readings: pd.DataFrame, stated: dict[str, Any]) -> None:
    """Write the folder `readers` with its manifest.

    Parameters
    ----------
    context : of the rule's run
    readings : the columns of READINGS
    stated : what `stated.json` states; `installed` among it
    """
    folder = context.root / "readers"
    folder.mkdir(exist_ok=True)
    paths = [file.path(context.root) for file in (READINGS, SUMMARY, STATED)]
    schema = pa.schema([(column.name, _ARROW[column.type]) for column in READINGS.columns])
    with store.atomic(paths[0]) as unfinished:
        pq.write_table(pa.Table.from_pandas(readings, schema, preserve_index=False), unfinished)
    with store.atomic(paths[1]) as unfinished:
        _summarise(readings).to_csv(unfinished, index=False, lineterminator="\n")
    with store.atomic(paths[2]) as unfinished:
        text = json.dumps(stated, indent=1, sort_keys=True)
        unfinished.write_text(text + "\n", encoding="utf-8")
    state = {"face_readers": stated["installed"]}
    store.record(READ.manifest(context.root), paths, context.provenance(settings=state))


def _median(values: Sequence[float]) -> float | None:
    """The median of what is a number, None (JSON has no NaN) where nothing is."""
    finite = [value for value in values if np.isfinite(value)]
    return round(float(np.median(finite)), 4) if finite else None
