"""What a review shows of a database: its neutral candidates, their pictures, their fits."""

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts import fitting as fits
from affect4d.artifacts.declaration import store_of
from affect4d.artifacts.neutrals import CANDIDATES, NEUTRALS
from affect4d.artifacts.reading import open_file
from affect4d.config.neutrals import Database, Settings
from affect4d.fitting.fitted import Fit
from affect4d.fitting.storage import read_fits, read_model
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.loading import Loaded, read_candidate
from affect4d.neutrals.scores import Scores
from affect4d.quarantine import BadInput, Quarantine
from affect4d.synthesis.crop import square_around
from affect4d.system_files import find_files

_MARGIN = 0.35  # of the landmarks' extent, around the face: chin, ears and part of the hair
_CACHED_CHUNKS = 2  # of fits: neighbours in the grid are mostly of one
_FITTED, _GIVEN = (60, 255, 120), (255, 60, 60)  # RGB
_DOT_SHARE = 1 / 160  # radius of a landmark, of the picture's side


class ReviewedDatabase:
    """The neutral candidates of one database of a build.

    Parameters
    ----------
    results : the results folder
    name : of the database

    Attributes
    ----------
    settings : of the database, as the build's manifest states them
    table : neutral rows of candidates.parquet, those that are used first, with a column for each
        measure of the fits; NaN where a face was not fitted
    measures : names of its columns that measure a face, by its selection or by its fit

    Raises
    ------
    BadInput
        The build has no such database, or its folder cannot be read.
    StoreError
        An artifact of the build is damaged.
    """

    def __init__(self, results: Path, name: str) -> None:
        manifest = NEUTRALS.manifest(results, database=name)
        if not manifest.is_file():
            rule = f"this build has no neutral faces of a database {name!r}"
            raise BadInput(results, rule, f"run snakemake {manifest}, or name another database")
        stage = Settings.model_validate(store.read_manifest(manifest).settings["neutrals"])
        self._limits = stage.limits.of_files
        self.settings: Database = stage.databases[name]
        found = find_candidates(
            name,
            self.settings,
            results=results,
            quarantine=Quarantine("review"),
            limits=self._limits,
        )
        self._candidates = {candidate.image_id: candidate for candidate in found}
        self._model = results / fits.MODEL.name()
        self._lock = threading.Lock()  # a detector's network serves one thread
        self._read_fits = lru_cache(_CACHED_CHUNKS)(read_fits)
        self._triangles = lru_cache(1)(lambda: read_model(self._model).triangles)
        self._fits, measures = _measures(results, name)
        table = pd.read_parquet(open_file(CANDIDATES.path(results, database=name)))
        scores = [name for name in Scores._fields if table[name].notna().any()]
        # both measure such as `yaw`: the selection with the template, the fit with its model
        table = table[table["is_neutral"]].join(
            measures.rename(columns=lambda name: f"fit_{name}"), on="image_id"
        )
        order = ["accepted", "subject_id", "image_id"]
        self.table = table.sort_values(order, ascending=[False, True, True], ignore_index=True)
        self.measures = [*scores, *(f"fit_{name}" for name in measures)]
        self._shown = set(self.table["image_id"])

    def describe(self) -> dict[str, Any]:
        """The table's columns as JSON values."""
        rows = self.table
        reasons = rows["reason"].where(~rows["accepted"], "used")
        numbers = rows[self.measures].astype(object).where(rows[self.measures].notna(), None)
        return {
            "image_ids": rows["image_id"].tolist(),
            "subjects": rows["subject_name"].tolist(),
            "reasons": reasons.tolist(),
            "evidence": rows["evidence"].tolist(),
            "measures": {name: numbers[name].tolist() for name in self.measures},
        }

    def draw(self, image_id: str, size: int, *, overlay: bool) -> NDArray[np.uint8]:
        """The square (size, size, 3) around a candidate's face.

        `overlay` draws the landmarks that are given (red), and of a face that was fitted the
        outline of what is seen of it, eyes and lips included (green).

        Raises
        ------
        BadInput
            There is no such candidate, or its image cannot be used.
        """
        loaded = self._load(image_id)
        crop = square_around(loaded.landmarks, _MARGIN, size)
        picture = crop.cut(loaded.image)
        if not overlay:
            return picture
        fit = self._fit(image_id)
        if fit is not None:
            points = fit.camera.project(fit.vertices)[:, :2] + fit.offset
            lines = np.rint(_outline(crop.apply(points), self._triangles())).astype(np.int32)
            cv2.polylines(picture, list(lines), isClosed=False, color=_FITTED)
        _draw_points(picture, crop.apply(loaded.landmarks), _GIVEN)
        return picture

    def _load(self, image_id: str) -> Loaded:
        if image_id not in self._shown:
            raise BadInput(image_id, "there is no such candidate", "reload the page")
        if image_id not in self._candidates:
            rule = "the database's folder no longer has it"
            raise BadInput(image_id, rule, "build its neutral faces again")
        with self._lock:
            return read_candidate(self._candidates[image_id], self._limits)

    def _fit(self, image_id: str) -> Fit | None:
        if image_id not in self._fits:
            return None
        chunk, index = self._fits[image_id]
        return self._read_fits(chunk)[index]


def _measures(results: Path, database: str) -> tuple[dict[str, tuple[Path, int]], pd.DataFrame]:
    """Chunk and number of every fit by image_id, and its measures without the gates."""
    places: dict[str, tuple[Path, int]] = {}
    tables = [pd.DataFrame(index=pd.Index([], dtype=str))]
    for manifest in find_files(results, str(fits.FITS.manifest("", database=database, chunk="*"))):
        path = store_of(manifest)
        chunk = store.open(path)
        ids, names = chunk.attributes["image_ids"], chunk.attributes["quality"]
        places |= {image_id: (path, number) for number, image_id in enumerate(ids)}
        table = pd.DataFrame(chunk["quality"][...], index=ids, columns=names)
        tables.append(table.loc[:, ~table.columns.str.startswith(("gate_", "accepted"))])
    return places, pd.concat(tables)


def _outline(points: NDArray[np.floating], triangles: NDArray[np.integer]) -> NDArray[np.floating]:
    """Edges (N, 2, 2) of a projected mesh (V, 2) where its part that faces the viewer ends."""
    corners = points[triangles]
    (ax, ay), (bx, by) = (np.moveaxis(corners[:, k] - corners[:, 0], -1, 0) for k in (1, 2))
    seen = triangles[ax * by < ay * bx]  # y points down
    edges = seen[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    # one number per edge: rows take ten times as long to sort
    numbers, count = np.unique(edges.min(1) * len(points) + edges.max(1), return_counts=True)
    return np.asarray(points[np.stack(np.divmod(numbers[count == 1], len(points)), axis=1)])


def _draw_points(
    picture: NDArray[np.uint8], points: NDArray[np.floating], colour: tuple[int, int, int]
) -> None:
    radius = max(round(len(picture) * _DOT_SHARE), 1)
    for x, y in np.rint(points).astype(int).tolist():
        cv2.circle(picture, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)
