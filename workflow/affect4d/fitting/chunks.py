"""The jobs: the model once, then a database's accepted images in chunks."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.reading import open_file
from affect4d.config.fitting import Settings, chunk_names
from affect4d.fitting.fits import check_landmarks, fit_many
from affect4d.fitting.fitted import Fit
from affect4d.fitting.learning import learn_model
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.scan_fits import fit_scan
from affect4d.fitting.storage import read_model, write_fits, write_model
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.limits import COPIES
from affect4d.formats.meshes import Mesh, read_mesh
from affect4d.formats.paths import inside
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine
from affect4d.template.template import Template

log = logging.getLogger(__name__)

MODEL = "fits/model.zarr"
MAX_BATCH = 32  # photographs fitted at once: more are no faster
MAX_BATCH_BYTES = 400_000_000  # of the photographs fitted at once


def build_model(
    context: RunContext, chunks: Iterable[Path | str], template: Template, *, settings: Settings
) -> None:
    """Learn the morphable model from registered chunks and write fits/model.zarr.

    Parameters
    ----------
    context : of the run
    chunks : manifests of `registered/chunks`
    template : of the registered sequences
    settings : of the fitting
    """
    sequences = {
        manifest.locate(file).with_name(
            Path(file.path).name.removesuffix(".manifest.json") + ".zarr"
        )
        for manifest in (store.read_manifest(Path(chunk)) for chunk in chunks)
        for file in manifest.files
        if file.path.endswith(".manifest.json")
    }
    model = learn_model(sequences, template, settings)
    write_model(context.root / MODEL, model, context.provenance(item="model"))


def assign_chunk(accepted: pd.DataFrame, chunk: str, chunks: list[str]) -> pd.DataFrame:
    """The rows of `accepted` that belong to `chunk`, one of the names `chunks`."""
    ordered = accepted.sort_values("image_id", ignore_index=True)
    return ordered[ordered.index % len(chunks) == chunks.index(chunk)].reset_index(drop=True)


def fit_chunk(context: RunContext, database: str, chunk: str, *, settings: Settings) -> None:
    """Fit the model to one chunk of a database's accepted images.

    Writes fits/{database}/{chunk}.zarr and quarantine/{chunk}.csv beside it, which lists the images
    that cannot be fitted.

    Parameters
    ----------
    context : of the run
    database : name of the database
    chunk : one of `chunk_names`
    settings : of the fitting
    """
    folder = context.root / "fits" / database
    accepted = read_table(context.root / "neutrals" / database / "accepted.csv")
    images = assign_chunk(accepted, chunk, chunk_names(settings))
    fit_images(context, images, folder / f"{chunk}.zarr", settings=settings)
    rejected = folder / "quarantine" / f"{chunk}.csv"
    with store.atomic(rejected) as unfinished:
        context.quarantine.write(unfinished)
    store.record(rejected.with_suffix(".manifest.json"), [rejected], context.provenance())


def fit_images(
    context: RunContext, images: pd.DataFrame, path: Path, *, settings: Settings
) -> None:
    """Fit the model to images and write `path`; what cannot be fitted goes into quarantine.

    Parameters
    ----------
    context : of the run
    images : image_id, subject, path, landmarks (relative to the results folder)
    path : of the store
    settings : of the fitting
    """
    model = read_model(context.root / MODEL)
    fits, rows = [], []
    for batch in _batches(_read_all(images, context.root, context.quarantine)):
        for photograph, result in zip(batch, _fit(batch, model, settings), strict=True):
            _report(photograph.name, result.quality)
            rows.append(photograph.row)
            # the photographs are many times as large as the results
            fits.append(replace(result, image=None))
    write_fits(path, fits, images.loc[rows], model=model, provenance=context.provenance())


@dataclass(frozen=True)
class _Photograph:
    """One photograph (H, W, 3) with valid landmarks (68, 2): its table row and its image_id.

    Of a view of a scan `scan` is the registered scan.
    """

    row: int
    name: str
    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    scan: Mesh | None


def _fit(batch: list[_Photograph], model: MorphableModel, settings: Settings) -> list[Fit]:
    """A fit for each: of scans by the scan, of the others to their landmarks."""
    flat = [p for p in batch if p.scan is None]
    fitted = iter(
        fit_many([p.image for p in flat], [p.landmarks for p in flat], model, settings=settings)
    )
    return [
        next(fitted) if p.scan is None else fit_scan(p.image, p.scan, model, settings=settings)
        for p in batch
    ]


def _read_all(images: pd.DataFrame, results: Path, quarantine: Quarantine) -> Iterator[_Photograph]:
    """The photographs of a table that can be fitted, in turn; the others go into quarantine."""
    for row in images.itertuples():
        try:
            photograph = _Photograph(row.Index, row.image_id, *_read(row, results))
        except BadInput as problem:
            quarantine.add(row.image_id, problem)
        else:
            yield photograph


def _batches(photographs: Iterable[_Photograph]) -> Iterator[list[_Photograph]]:
    """Lists of photographs that are fitted at once, limited in number and bytes."""
    batch: list[_Photograph] = []
    for photograph in photographs:
        batch.append(photograph)
        if len(batch) == MAX_BATCH or sum(p.image.nbytes for p in batch) > MAX_BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(row: Any, results: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64], Mesh | None]:
    path = inside(results, row.path)
    landmarks = read_landmarks(inside(results, row.landmarks), dimension=2)
    image = read_image(path, limits=COPIES)
    scan = getattr(row, "scan", "")
    mesh = read_mesh(inside(results, scan)) if scan else None
    try:
        return image, check_landmarks(image, landmarks), mesh
    except ValueError as error:
        raise BadInput(path, str(error), "mark its 68 landmarks again") from None


def _report(name: str, quality: dict[str, float]) -> None:
    log.info(
        "%s: landmark error %.3f, corrected %.3f, yaw %.0f, %s",
        name,
        quality["error_model"],
        quality["error_corrected"],
        quality["yaw"],
        "accepted" if quality["accepted"] else "gated",
    )


def read_table(path: Path) -> pd.DataFrame:
    """A CSV table of strings, such as accepted.csv of the neutral images."""
    return pd.read_csv(open_file(path), dtype=str, keep_default_na=False)
