"""A build's contact sheets: photographs over the plane by both blends, expressions, fits."""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.blendshapes import EXPRESSIONS
from affect4d.artifacts.synthesis import (
    EXPRESSION_SHEET,
    FIT_SHEET,
    PICTURES,
    PICTURES_STATED,
    SHEET,
)
from affect4d.blendshapes.targets import Atlas, Expressions
from affect4d.config.synthesis import Settings
from affect4d.formats.images import encode_jpeg
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.synthesis.editing.editor import BLENDS, Editor
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.fit_overlay import overlay_tiles
from affect4d.synthesis.neutralising import read_neutraliser
from affect4d.synthesis.photographs import FittedPhotograph, read_photographs
from affect4d.synthesis.sheet import (
    Tile,
    draw_sheet,
    points_of_plane,
    tiles_of_targets,
    tiles_over_plane,
)
from affect4d.template.anatomy import Anatomy

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_PHOTOGRAPHS = 8  # sixteen rows of tiles: what a page of the report shows
TILE_PX = 192  # side of a tile's image
POINTS = 3  # along each axis of the plane
QUALITY = 88  # of JPEG


def write_pictures(
    context: RunContext, chunks: Iterable[Path], *, anatomy: Anatomy, settings: Settings
) -> None:
    """Write the folder `synthesis/pictures` with its manifest.

    `sheet.jpg` has two rows per photograph, one per blend: the photograph, then 3 x 3 points of the
    plane. `expressions.jpg` shows each photograph with every basic expression that has a model,
    `fits.jpg` the landmarks (top) and the fitted mesh (bottom) over the photographs.
    `pictures.json` states `photographs` (their image_ids), `doubted` and `empty` (how many tiles of
    the sheet would be rejected, and have no data) and `expressions_doubted`, all zero where no fit
    was accepted or no class has a model: there are no pictures then.

    Parameters
    ----------
    context : of the rule's run
    chunks : the fits to choose from, database by database: databases take turns
    anatomy : of the template
    settings : of the build
    """
    atlas = Atlas(context.root / "blendshapes" / "atlas.zarr")
    found = _select(context.root, chunks, anatomy, settings=settings) if len(atlas.own) else []
    rows = [row for shown in found for row in _over_plane(shown, atlas, settings)]
    sheets = {SHEET: rows, EXPRESSION_SHEET: []}
    if found:
        fits = (overlay_tiles(x.photograph, x.photo, anatomy, size=TILE_PX) for x in found)
        sheets[FIT_SHEET] = list(map(list, zip(*fits, strict=True)))
        expressions = Expressions(EXPRESSIONS.path(context.root))
        sheets[EXPRESSION_SHEET] = _with_expressions(found, expressions, settings)
    stated = {
        "photographs": [shown.photograph.image_id for shown in found],
        "doubted": sum(tile.rejected for tile in chain.from_iterable(rows)),
        "empty": sum(tile.image is None for tile in chain.from_iterable(rows)),
        "expressions_doubted": sum(
            tile.rejected for tile in chain.from_iterable(sheets[EXPRESSION_SHEET])
        ),
    }
    with store.atomic_replace(context.root / PICTURES.name(), context.provenance()) as folder:
        folder.mkdir()
        for file, content in sheets.items():
            if content:
                sheet = encode_jpeg(draw_sheet(content, TILE_PX), QUALITY)
                (folder / file.path(folder).name).write_bytes(sheet)
        text = json.dumps(stated, indent=1, sort_keys=True)
        (folder / PICTURES_STATED.path(folder).name).write_bytes(text.encode())


@dataclass(frozen=True)
class _Shown:
    """A photograph (H, W, 3), its names and fit, and the Scene around its face."""

    photograph: FittedPhotograph
    photo: NDArray[np.uint8]
    scene: Scene


def _over_plane(shown: _Shown, atlas: Atlas, settings: Settings) -> Iterator[list[Tile]]:
    """A row of tiles per blend."""
    image_id, scene = shown.photograph.image_id, shown.scene
    log.info("drawing %s", image_id)
    for blend in BLENDS:
        editor = Editor(scene, settings.model_copy(update={"blend": blend}))
        edits = tiles_over_plane(editor, atlas, points_of_plane(POINTS).reshape(-1, 2))
        yield [Tile(scene.image, f"{image_id}, {blend}"), *edits]


def _with_expressions(
    found: list[_Shown], expressions: Expressions, settings: Settings
) -> list[list[Tile]]:
    """A row per photograph: itself, then each basic expression that has a model; none without."""
    names = expressions.usable
    targets = [expressions.target(name) for name in names]
    return [
        [
            Tile(shown.scene.image, shown.photograph.image_id),
            *tiles_of_targets(Editor(shown.scene, settings), targets, names),
        ]
        for shown in found
        if names
    ]


def _select(
    root: Path, chunks: Iterable[Path], anatomy: Anatomy, *, settings: Settings
) -> list[_Shown]:
    """Some photographs of every database: the first that can be used, one per person."""
    neutralise = read_neutraliser(root, anatomy, settings)

    def usable(database: list[Path]) -> Iterator[_Shown]:
        subjects: set[str] = set()
        for photograph in (one for chunk in database for one in read_photographs(chunk)):
            if photograph.subject in subjects:
                continue
            try:
                photo = photograph.read(root, settings)
                _, scene = photograph.align(photo, anatomy, settings, neutralise=neutralise)
            except BadInput:  # its chunk's quarantine has it
                continue
            subjects.add(photograph.subject)
            yield _Shown(photograph, photo, scene)

    databases = [list(part) for _, part in groupby(chunks, key=lambda chunk: chunk.parent)]
    return take_turns([usable(database) for database in databases], MAX_PHOTOGRAPHS)


def take_turns(queues: list[Iterator[T]], most: int) -> list[T]:
    """At most so many items, as evenly of each queue as it has them; those of one together."""
    taken: list[list[T]] = [[] for _ in queues]
    waiting = list(zip(queues, taken, strict=True))
    while waiting and sum(map(len, taken)) < most:
        queue, mine = waiting.pop(0)
        for item in islice(queue, 1):
            mine.append(item)
            waiting.append((queue, mine))
    return list(chain.from_iterable(taken))
