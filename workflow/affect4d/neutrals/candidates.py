"""One row an image: what an adapter says of it."""

import re
import unicodedata
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.formats.landmarks import read_landmarks
from affect4d.quarantine import BadInput


@dataclass(frozen=True, eq=False)
class Candidate:
    """An image of a database.

    Attributes
    ----------
    database, subject_id, image_id : file-name safe; image_id starts with the database's name
    path : Path of the image
    source, landmarks_source : the files' names within the database; the latter "" where
        `landmarks` holds them
    frame : int, frame number within its clip, 0 for a single photograph
    is_neutral : bool
    evidence : why it counts as neutral, or not
    landmarks_path : Path of its landmark file, or None
    valence, arousal : floats in [-1, 1], NaN where the database has none
    expression : the database's own code, "" where it has none
    landmarks : (68, 2) float64, pixels counted from 0, or None
    """

    database: str
    subject_id: str
    image_id: str
    path: Path
    source: str
    frame: int
    is_neutral: bool
    evidence: str
    landmarks_path: Path | None
    landmarks_source: str = ""
    valence: float = float("nan")
    arousal: float = float("nan")
    expression: str = ""
    landmarks: np.ndarray | None = None

    def read_landmarks(self):
        """The landmarks (68, 2) in pixels counted from 0.

        Raises
        ------
        BadInput
            The landmark file cannot be used.
        """
        if self.landmarks is not None:
            return self.landmarks
        return read_landmarks(self.landmarks_path, dimension=2)


COLUMNS = [
    field.name
    for field in fields(Candidate)
    if field.name not in ("landmarks", "source", "landmarks_source")
]


def tabulate(candidates, root):
    """The candidates as a table of COLUMNS, sorted by image_id.

    Paths are the names within the database after `root` (text, may be empty), so that the table
    does not depend on where packages and results lie on this machine.
    """
    rows = []
    for candidate in candidates:
        row = {name: getattr(candidate, name) for name in COLUMNS}
        row["path"] = _join(root, candidate.source)
        row["landmarks_path"] = _join(root, candidate.landmarks_source)
        rows.append(row)
    kinds = {"frame": "int64", "is_neutral": bool, "valence": float, "arousal": float}
    text = {name: str for name in COLUMNS if name not in kinds}
    table = pd.DataFrame(rows, columns=COLUMNS).astype(kinds | text)
    return table.sort_values("image_id", ignore_index=True)


def _join(root, source):
    return f"{root}/{source}" if root and source else source


def normalise(name):
    """A name in lower case, without accents, words joined by `_`: "José  Núñez" -> "jose_nunez"."""
    plain = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def identify(database, *parts):
    """A file-name safe image_id: database and parts joined by `_`."""
    joined = "_".join([database, *map(str, parts)])
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", joined)[:100]


def drop_duplicates(candidates, quarantine):
    """The candidates with the second and later of an image_id put into quarantine."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        if candidate.image_id in first:
            problem = BadInput(
                candidate.path,
                f"has the same image_id {candidate.image_id} as {first[candidate.image_id].path}",
                "rename one of the two files",
            )
            quarantine.add(candidate.image_id, problem)
        else:
            first[candidate.image_id] = candidate
    return list(first.values())
