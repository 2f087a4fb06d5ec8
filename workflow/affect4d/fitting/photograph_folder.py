"""Landmarks of a folder of photographs: a .pts file each, their scores, a sheet to look at."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from affect4d.fitting.detection import Candidate, find_people
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import write_pts
from affect4d.plotting.landmarks import draw_landmarks
from affect4d.plotting.montage import contact_sheet
from affect4d.quarantine import BadInput
from affect4d.system_files import is_hidden

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp"}
TABLE, SHEET = "detected.csv", "detected.jpg"
WRITTEN, KEPT, NONE = "written", "kept: there is a landmark file", "no landmarks"
_TILE = 200  # pixels of a picture's side on the sheet
_ROW = 6  # pictures
_MARGIN = 0.35  # around the landmarks, of their extent
_MAX_SHOWN = 300  # pictures on a sheet: one that a viewer opens


@dataclass(frozen=True)
class Detected:
    """What was found in one photograph: a row of the table.

    Attributes
    ----------
    image : path below the folder
    status : WRITTEN, KEPT or NONE
    faces : how many people's faces there are; the largest is taken
    confidence : sum of that of two networks, 0 to 2
    presence : least probability of a face in five repeated searches
    wandering : how far landmarks move between these, in lengths of the face
    note : why there are no landmarks
    """

    image: str
    status: str
    faces: int = 0
    confidence: float = np.nan
    presence: float = np.nan
    wandering: float = np.nan
    note: str = ""


def detect_folder(folder: Path) -> pd.DataFrame:
    """Write landmarks beside each photograph that has none, then `TABLE` and `SHEET`.

    Parameters
    ----------
    folder : with photographs, in it or below; a .pts file that is there is never changed

    Returns
    -------
    One row per photograph: the fields of `Detected`

    Raises
    ------
    BadInput
        There is no such folder, it has no photograph, or no detector is installed.
    """
    if not folder.is_dir():
        raise BadInput(folder, "there is no such folder", "name a folder of photographs")
    paths = [p for p in sorted(folder.rglob("*")) if _is_photograph(p, folder)]
    if not paths:
        raise BadInput(folder, "there is no photograph in it", f"add {', '.join(sorted(SUFFIXES))}")
    rows: list[Detected] = []
    tiles: list[NDArray[np.uint8]] = []
    for path in tqdm(paths, "photographs", disable=None):
        row, tile = _detect(path, folder)
        rows.append(row)
        if tile is not None and len(tiles) < _MAX_SHOWN:
            tiles.append(tile)
    table = pd.DataFrame(map(asdict, rows))
    table.to_csv(folder / TABLE, index=False, float_format="%.4f", lineterminator="\n")
    (folder / SHEET).write_bytes(contact_sheet(list(_rows(tiles))))
    return table


def _is_photograph(path: Path, folder: Path) -> bool:
    is_own = path == folder / SHEET
    return (
        path.suffix.lower() in SUFFIXES and not is_own and not is_hidden(path.relative_to(folder))
    )


def _detect(path: Path, folder: Path) -> tuple[Detected, NDArray[np.uint8] | None]:
    """A photograph's row, and its tile of the sheet where landmarks were written."""
    name, landmarks = path.relative_to(folder).as_posix(), path.with_suffix(".pts")
    if landmarks.exists():
        return Detected(name, KEPT), None
    try:
        image = read_image(path)
        people = find_people(image, path)
    except BadInput as problem:
        if "no detector is installed" in problem.rule:
            raise
        return Detected(name, NONE, note=f"{problem.rule}; {problem.remedy}"), None
    face = people[0]
    write_pts(landmarks, face.landmarks)
    row = Detected(
        name,
        WRITTEN,
        faces=len(people),
        confidence=face.confidence,
        presence=face.presence,
        wandering=face.wandering,
    )
    return row, _draw(image, face, name)


def _draw(image: NDArray[np.uint8], face: Candidate, name: str) -> NDArray[np.uint8]:
    """A tile (_TILE, _TILE, 3): the face, its landmarks, its name and confidence."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    side = float((high - low).max()) * (1 + 2 * _MARGIN)
    scale, corner = _TILE / side, (low + high - side) / 2
    matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
    tile = cv2.warpAffine(image, matrix, (_TILE, _TILE), flags=cv2.INTER_AREA)
    tile = draw_landmarks(np.asarray(tile, np.uint8), (face.landmarks - corner) * scale)
    caption = f"{Path(name).stem[-22:]} {face.confidence:.2f}"
    place, font = (3, _TILE - 5), cv2.FONT_HERSHEY_SIMPLEX
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):  # outlined: on any ground
        cv2.putText(tile, caption, place, font, 0.36, colour, width, cv2.LINE_AA)
    return tile


def _rows(tiles: list[NDArray[np.uint8]]) -> Iterator[list[NDArray[np.uint8]]]:
    blank = np.full((_TILE, _TILE, 3), 255, np.uint8)
    width = min(_ROW, len(tiles))
    for start in range(0, len(tiles), _ROW):
        row = tiles[start : start + _ROW]
        yield [*row, *[blank] * (width - len(row))]
