"""A contact sheet of the images that are used, for those who may run no server."""

import base64
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.formats.images import encode_jpeg
from affect4d.quarantine import BadInput
from affect4d.review.candidates import ReviewedDatabase
from affect4d.synthesis.sheet import Tile, draw_sheet

SUFFIXES = (".html", ".jpg", ".jpeg")
SIZE = 200  # pixels of a picture: expressions can be seen
ACROSS = 6  # pictures per row, every second one with the fit
MAX_SIDE = 65_535  # pixels, of JPEG
QUALITY = 85  # of JPEG


class _Face(NamedTuple):
    image_id: str
    subject: str
    said: str
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]


def write_sheet(
    out: Path, database: ReviewedDatabase, verdicts: Mapping[str, Mapping[str, str]]
) -> None:
    """Write the images that are used, each with its fit beside it, and what reviewers said.

    Raises
    ------
    BadInput
        The sheet has another suffix, or more faces than a JPEG file can show.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(out, f"a sheet is one of {', '.join(SUFFIXES)}", "name it otherwise")
    if suffix == ".html":
        text = files("affect4d.review").joinpath("sheet.html.j2").read_text(encoding="utf-8")
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        environment.filters["data"] = _data
        content = environment.from_string(text).render(faces=_faces(database, verdicts)).encode()
    else:
        content = encode_jpeg(_draw(out, list(_faces(database, verdicts))), QUALITY)
    with store.atomic(out) as path:
        path.write_bytes(content)


def _faces(
    database: ReviewedDatabase, verdicts: Mapping[str, Mapping[str, str]]
) -> Iterator[_Face]:
    used = database.table[database.table["accepted"]]
    for image_id, subject in zip(used["image_id"], used["subject_name"], strict=True):
        said = verdicts.get(image_id, {})
        text = ", ".join(f"{who}: {what}" for who, what in sorted(said.items()))
        plain, fitted = (database.draw(image_id, SIZE, overlay=each) for each in (False, True))
        yield _Face(image_id, subject, text, (plain, fitted))


def _draw(out: Path, faces: list[_Face]) -> NDArray[np.uint8]:
    tiles = [
        Tile(picture, text, rejected="reject" in face.said)
        for face in faces
        for picture, text in zip(face.pictures, (face.image_id, face.said), strict=True)
    ]
    tiles += [Tile(None, "")] * (-len(tiles) % ACROSS)
    sheet = draw_sheet([tiles[k : k + ACROSS] for k in range(0, len(tiles), ACROSS)], SIZE)
    if len(sheet) > MAX_SIDE:
        raise BadInput(out, f"{len(faces)} faces are too many for JPEG", "write a sheet in .html")
    return sheet


def _data(picture: NDArray[np.uint8]) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(picture, QUALITY)).decode()
