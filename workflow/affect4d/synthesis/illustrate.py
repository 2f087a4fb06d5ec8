"""A build's contact sheet: neutral photographs, and nine points of the plane by both blends."""

import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from affect4d import store
from affect4d.artifacts.synthesis import PICTURES, PICTURES_STATED, SHEET
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.formats.images import encode_jpeg
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput
from affect4d.synthesis.editing.editor import BLENDS, Editor
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.neutralising import read_neutraliser
from affect4d.synthesis.photographs import FittedPhotograph, read_photographs
from affect4d.synthesis.sheet import Tile, draw_sheet, points_of_plane, tiles_over_plane
from affect4d.template.anatomy import Anatomy

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
    plane. `pictures.json` states `photographs` (their image_ids), `doubted` and `empty` (how many
    tiles would be rejected, and have no data), all zero where no fit was accepted or no class has a
    model: there is no sheet then.

    Parameters
    ----------
    context : of the rule's run
    chunks : the fits to choose from, in the order of preference: one photograph per subject
    anatomy : of the template
    settings : of the build
    """
    atlas = Atlas(context.root / "blendshapes" / "atlas.zarr")
    names: list[str] = []
    rows: list[list[Tile]] = []
    if len(atlas.own):
        scenes = _select(context.root, chunks, anatomy=anatomy, settings=settings)
        for photograph, scene in scenes:
            log.info("drawing %s", photograph.image_id)
            names.append(photograph.image_id)
            for blend in BLENDS:
                editor = Editor(scene, settings.model_copy(update={"blend": blend}))
                edits = tiles_over_plane(editor, atlas, points_of_plane(POINTS).reshape(-1, 2))
                rows.append([Tile(scene.image, f"{photograph.image_id}, {blend}"), *edits])
    tiles = [tile for row in rows for tile in row]
    stated = {
        "photographs": names,
        "doubted": sum(tile.rejected for tile in tiles),
        "empty": sum(tile.image is None for tile in tiles),
    }
    with store.atomic_replace(context.root / PICTURES.name(), context.provenance()) as folder:
        folder.mkdir()
        if rows:
            sheet = encode_jpeg(draw_sheet(rows, TILE_PX), QUALITY)
            (folder / SHEET.path(folder).name).write_bytes(sheet)
        text = json.dumps(stated, indent=1, sort_keys=True)
        (folder / PICTURES_STATED.path(folder).name).write_bytes(text.encode())


def _select(
    root: Path, chunks: Iterable[Path], *, anatomy: Anatomy, settings: Settings
) -> Iterator[tuple[FittedPhotograph, Scene]]:
    """The first photographs that can be used, one per subject, and their Scenes."""
    neutralise = read_neutraliser(root, anatomy, settings)
    subjects: set[str] = set()
    for photograph in (photograph for chunk in chunks for photograph in read_photographs(chunk)):
        if photograph.subject in subjects or len(subjects) == MAX_PHOTOGRAPHS:
            continue
        try:
            photo = photograph.read(root, settings)
            _, scene = photograph.align(photo, anatomy, settings, neutralise=neutralise)
        except BadInput:  # its chunk's quarantine has it
            continue
        subjects.add(photograph.subject)
        yield photograph, scene
