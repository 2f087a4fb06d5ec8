"""A build's contact sheet: neutral photographs, and nine places of the plane by both blends."""

import json
import logging
from pathlib import Path

from affect4d import store
from affect4d.blendshapes.targets import Atlas
from affect4d.fitting.storage import read_fits
from affect4d.formats.images import encode_jpeg, read_image
from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput
from affect4d.synthesis.crop import square_around
from affect4d.synthesis.editing.editor import BLENDS, Editor
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.sheet import Tile, places_of, sheet, tiles_over_plane

log = logging.getLogger(__name__)

SHEET, STATED = "sheet.jpg", "pictures.json"
PHOTOGRAPHS = 8  # at most
TILE = 192  # pixels
QUALITY = 88


def write_pictures(root, chunks, anatomy, settings, provenance):
    """Write the folder `root`/synthesis/pictures with its manifest.

    `sheet.jpg` has two rows a photograph, one a blend: the photograph, then 3 x 3 places of the
    plane. `pictures.json` states `photographs` (their image_ids), `doubted` and `empty` (how many
    tiles would be refused, and have no data), all zero where no fit was accepted or no class has a
    model: there is no sheet then.

    Parameters
    ----------
    root : path
        The results folder.
    chunks : list of path
        The fits to choose from, in the order of preference: one photograph a subject.
    anatomy : Anatomy
    settings : affect4d.config.synthesis.Settings
    provenance : Provenance
    """
    root = Path(root)
    atlas = Atlas(root / "blendshapes" / "atlas.zarr")
    stated: dict = {"photographs": [], "doubted": 0, "empty": 0}
    rows = []
    if len(atlas.own):
        for image_id, fit, photo in _chosen(root, chunks):
            log.info("drawing %s", image_id)
            rows += _rows_of(image_id, fit, photo, atlas, anatomy, settings)
            stated["photographs"].append(image_id)
    tiles = [tile for row in rows for tile in row]
    stated["doubted"] = sum(tile.doubted for tile in tiles)
    stated["empty"] = sum(tile.image is None for tile in tiles)
    with store.atomic_replace(root / "synthesis" / "pictures", provenance) as unfinished:
        unfinished.mkdir()
        if rows:
            (unfinished / SHEET).write_bytes(encode_jpeg(sheet(rows, TILE), QUALITY))
        (unfinished / STATED).write_bytes(json.dumps(stated, indent=1, sort_keys=True).encode())


def _chosen(root, chunks):
    """(image_id, Fit, photograph) of the first accepted photographs, one a subject."""
    subjects: set[str] = set()
    for chunk in chunks:
        attributes = store.open(chunk).attributes
        rows = zip(
            attributes["image_ids"],
            attributes["subjects"],
            attributes["images"],
            read_fits(chunk),
            strict=True,
        )
        for image_id, subject, path, fit in rows:
            if not fit.quality["accepted"] or subject in subjects or len(subjects) == PHOTOGRAPHS:
                continue
            try:
                photo = read_image(inside(root, path))
            except BadInput:  # the chunk's own job has put it on record
                continue
            subjects.add(subject)
            yield image_id, fit, photo


def _rows_of(image_id, fit, photo, atlas, anatomy, settings):
    """One row of tiles a blend."""
    crop = square_around(fit.landmarks, settings.margin, settings.size)
    scene = make_scene(fit, crop.cut(photo), anatomy, crop=crop)
    places = places_of(3).reshape(-1, 2)
    return [
        [
            Tile(scene.image, f"{image_id}, {blend}"),
            *tiles_over_plane(
                Editor(scene, settings.model_copy(update={"blend": blend})), atlas, places
            ),
        ]
        for blend in BLENDS
    ]
