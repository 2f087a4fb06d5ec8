"""One chunk of a database: each fitted photograph in each class that has a deformation."""

import logging
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.blendshapes import ATLAS
from affect4d.artifacts.synthesis import CHUNK, QUARANTINE
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.pipeline.context import RunContext
from affect4d.synthesis.imposed import target_names
from affect4d.synthesis.photographs import read_photographs
from affect4d.synthesis.pictures import (
    FLOW_STEP,
    PhotographPictures,
    Request,
    edit_photographs,
)
from affect4d.synthesis.quality import metric_names
from affect4d.template.anatomy import Anatomy
from affect4d.template.ibug68 import COUNT

log = logging.getLogger(__name__)
MAX_PHOTOGRAPHS = 32  # that are edited at once


def synthesize_chunk(
    context: RunContext,
    database: str,
    chunk: str,
    *,
    anatomy: Anatomy,
    settings: Settings,
    only: str = "",
) -> None:
    """Synthesize one chunk of a database and write its store and its quarantine.

    The store holds, for N accepted pictures of P photographs at S = `settings.size`: images
    (N, S, S, 3) uint8; class (N,), photograph (N,), sample (N,) int64; valence, arousal (N,)
    float64, the class's medians; interpolated (N,) bool, whether the class's mean is that of the
    classes around it, and its label its centre; landmarks (N, 68, 2) float32, pixels, moved with
    the face; flow (N, S / 8, S / 8, 2) float16, pixels: where every eighth pixel of the neutral
    picture, from (4, 4) on, goes; quality (N, Q) float32; neutral (P, S, S, 3) uint8, the
    photographs' crops, to which `photograph` points. What names and explains them (image_ids,
    subjects, photographs with their cameras and crops, classes, ...) are attributes.

    Parameters
    ----------
    context : of the rule's run; photographs' paths are relative to its results folder
    database, chunk : their names
    anatomy : of the template
    settings : of the build
    only : the image_id of the one picture to synthesize; all if empty
    """
    root, quarantine = context.root, context.quarantine
    request = Request(database, anatomy, settings, only)
    photographs = list(read_photographs(root / "fits" / database / f"{chunk}.zarr"))
    atlas = Atlas(ATLAS.path(root))
    if only:  # by its complete name: another photograph's may begin alike
        names = target_names(atlas, settings.samples)
        photographs = [
            each for each in photographs if only in {request.image_id(each, name) for name in names}
        ]
    size = min(MAX_PHOTOGRAPHS, -(-len(photographs) // context.engine.workers)) or 1
    groups = [photographs[start : start + size] for start in range(0, len(photographs), size)]
    made = chain.from_iterable(context.map(partial(edit_photographs, request), groups))
    pictures = ChunkPictures(database, atlas, settings)
    for each in made:
        pictures.add(each)
        quarantine.rows += each.quarantine.rows
    log.info(
        "%d pictures of %d photographs; %d refused",
        len(pictures.rows),
        len(pictures.photographs),
        len(quarantine.rows),
    )
    provenance = context.provenance()
    out = CHUNK.path(root, database=database, chunk=chunk)
    store.write(out, pictures.arrays(), pictures.attributes(), provenance=provenance)
    listing = QUARANTINE.path(root, database=database, chunk=chunk)
    listing.parent.mkdir(parents=True, exist_ok=True)
    with store.atomic(listing) as unfinished:
        quarantine.write(unfinished)
    store.record(listing.with_suffix(".manifest.json"), [listing], provenance)


class ChunkPictures:
    """The chunk's accepted pictures, and the photographs that they show."""

    def __init__(self, database: str, atlas: Atlas, settings: Settings) -> None:
        self.database, self.atlas, self.settings = database, atlas, settings
        self._neutral: list[NDArray[np.uint8]] = []
        self._images: list[NDArray[np.uint8]] = []
        self.photographs: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, made: PhotographPictures) -> None:
        """The pictures of one photograph, if it could be used."""
        if made.photograph:
            self.rows += [row | {"photograph": len(self.photographs)} for row in made.rows]
            self.photographs.append(made.photograph)
            self._neutral += made.neutral
            self._images += made.images

    def arrays(self) -> dict[str, Any]:
        """The store's arrays; their shapes hold for an empty chunk as well."""
        count, size, atlas = len(self.rows), self.settings.size, self.atlas
        square, grid = (size, size, 3), len(range(FLOW_STEP // 2, size, FLOW_STEP))
        classes = self._column("class", np.int64)
        labels = atlas.median[classes].reshape(count, 2)
        images = np.array(self._images, np.uint8).reshape(count, *square)
        neutral = np.array(self._neutral, np.uint8).reshape(len(self._neutral), *square)
        landmarks, flow = (self._column(name, np.float32) for name in ("landmarks", "flow"))
        return {
            "class": classes,
            "photograph": self._column("photograph", np.int64),
            "sample": self._column("sample", np.int64),
            "images": store.Images(images, "neutral", "photograph"),
            "neutral": store.Images(neutral),
            "interpolated": np.isin(classes, np.setdiff1d(atlas.usable, atlas.own)),
            "valence": labels[:, 0].copy(),
            "arousal": labels[:, 1].copy(),
            "landmarks": landmarks.reshape(count, COUNT, 2),
            "flow": flow.astype(np.float16).reshape(count, grid, grid, 2),
            "quality": self._column("quality", np.float32).reshape(
                count, len(metric_names(self.settings))
            ),
        }

    def _column(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.array([row[name] for row in self.rows], dtype=dtype)

    def attributes(self) -> dict[str, Any]:
        """What names and explains the store's arrays."""
        return {
            "database": self.database,
            "image_ids": [row["image_id"] for row in self.rows],
            "subjects": [self.photographs[row["photograph"]]["subject"] for row in self.rows],
            "classes": list(self.atlas.names),
            "photographs": self.photographs,
            "quality": metric_names(self.settings),
            "settings": self.settings.model_dump(mode="json"),
            "units": {"landmarks": "px", "flow": "px"},
        }
