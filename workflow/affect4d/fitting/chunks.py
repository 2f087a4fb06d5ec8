"""The jobs of this room: the model once, then a database's accepted images in chunks."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.fitting.fit import check, fit_many
from affect4d.fitting.learning import learn_model
from affect4d.fitting.storage import read_model, write_fits, write_model
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput

log = logging.getLogger(__name__)

BATCH, BATCH_BYTES = 32, 400_000_000  # photographs fitted at once, and what they may take


def build_model(chunks, template, settings, path, provenance):
    """Learn the morphable model from registered chunks and write it to `path`.

    Parameters
    ----------
    chunks : manifests of `registered/chunks`
    template : affect4d.formats.template.Template
    settings : affect4d.config.fitting.Settings
    path : Path of the store
    provenance : affect4d.store.Provenance
    """
    sequences = {
        manifest.locate(file).with_name(
            Path(file.path).name.removesuffix(".manifest.json") + ".zarr"
        )
        for manifest in map(store.read_manifest, chunks)
        for file in manifest.files
        if file.path.endswith(".manifest.json")
    }
    write_model(path, learn_model(sequences, template, settings), provenance)


def deal(accepted, chunk, chunks):
    """The rows of `accepted` that fall to `chunk`, one of the names `chunks`."""
    ordered = accepted.sort_values("image_id", ignore_index=True)
    return ordered[ordered.index % len(chunks) == chunks.index(chunk)].reset_index(drop=True)


def fit_images(images, model_path, settings, results, path, quarantine, provenance):
    """Fit the model to images and write `path`; what cannot be fitted goes into quarantine.

    Parameters
    ----------
    images : DataFrame: image_id, subject, path, landmarks (relative to the results folder)
    model_path : Path of the model's store
    settings : affect4d.config.fitting.Settings
    results : Path
    path : Path of the store to write
    quarantine : affect4d.formats.quarantine.Quarantine
    provenance : affect4d.store.Provenance
    """
    model = read_model(model_path)
    fits, rows = [], []
    for read in _batches(_read(images, results, quarantine)):
        made = fit_many([r.image for r in read], [r.landmarks for r in read], model, settings)
        for r, found in zip(read, made, strict=True):
            _report(r.name, found.quality)
            rows.append(r.row)
            # the photographs are many times as large as what is found
            fits.append(replace(found, image=None))
    write_fits(path, fits, images.loc[rows], model, provenance)


@dataclass(frozen=True)
class _Read:
    """One photograph with sound landmarks: its row of the table and its image_id."""

    row: int
    name: str
    image: np.ndarray
    landmarks: np.ndarray


def _read(images, results, quarantine):
    """The photographs of a table that can be fitted, in turn; the others go into quarantine."""
    for row in images.itertuples():
        try:
            read = _Read(row.Index, row.image_id, *_read_one(row, results))
        except BadInput as problem:
            quarantine.add(row.image_id, problem)
        else:
            yield read


def _batches(photographs):
    """Lists of photographs that are fitted at once: so many, or fewer that fill the memory."""
    batch: list[_Read] = []
    for photograph in photographs:
        batch.append(photograph)
        if len(batch) == BATCH or sum(r.image.nbytes for r in batch) > BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _read_one(row, results):
    path = inside(results, row.path)
    landmarks = read_landmarks(inside(results, row.landmarks), dimension=2)
    image = read_image(path)
    try:
        return image, check(image, landmarks)
    except ValueError as error:
        raise BadInput(path, str(error), "mark its 68 landmarks again") from None


def _report(name, figures):
    log.info(
        "%s: landmark error %.3f, corrected %.3f, yaw %.0f, %s",
        name,
        figures["error_model"],
        figures["error_corrected"],
        figures["yaw"],
        "accepted" if figures["accepted"] else "gated",
    )


def write_quarantine(quarantine, path, provenance):
    """Write a chunk's quarantine as CSV with a manifest beside it."""
    with store.atomic(path) as unfinished:
        quarantine.write(unfinished)
    store.record(path.with_suffix(".manifest.json"), [path], provenance)


def read_accepted(path):
    """The table accepted.csv of the neutrals room."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)
