"""One candidate per image: what an adapter says of it."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.artifacts.neutrals import CANDIDATES
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.limits import DEFAULT, Limits
from affect4d.quarantine import BadInput, Quarantine

# characters of an image_id: file names, suffix included, stay well below 255 bytes
_MAX_ID = 100
_DIGEST = 16  # hexadecimal digits: 64 bits, of which some 5 thousand million names share one


@dataclass(frozen=True, eq=False)
class Candidate:
    """An image of a database.

    Attributes
    ----------
    database, subject_id, image_id : safe as file names; image_id starts with the database's name
    path : the image
    source, landmarks_source : the files' names within the database; the latter "" where
        `landmarks` holds them
    frame : frame number within its clip, 0 for a single photograph
    is_neutral : whether the database calls it neutral
    evidence : why it counts as neutral, or not
    landmarks_path : its landmark file, None where `landmarks` holds them, or a detector finds them
    valence, arousal : in [-1, 1], NaN where the database has none
    expression : the database's own code, "" where it has none
    subject_name : the person as the database writes it, in any script; "": as the id
    landmarks : (68, 2) pixels counted from 0, None where `landmarks_path` holds them
    landmarks_by : who made the landmarks: "database", "user" or "detector"
    unwanted : why it is not wanted though it may be neutral (its view, its light); "": it is
    clip : the clip that a frame is of, "" for a single photograph
    name : what the layout's pattern matched
    frames : how many frames its clip should have, 0 where that is unknown
    preferred : whether a reviewer accepted it
    face : which of several faces it is about, "left" or "right" in the image; "": the largest
    image_from : "file", or of a scan "texture" or "rendered" (see `affect4d.neutrals.scans`)
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
    subject_name: str = ""
    landmarks: NDArray[np.float64] | None = None
    landmarks_by: str = "database"
    unwanted: str = ""
    clip: str = ""
    name: str = ""
    frames: int = 0
    face: str = ""
    preferred: bool = False
    image_from: str = "file"

    def read_landmarks(self, limits: Limits = DEFAULT) -> NDArray[np.float64]:
        """The landmarks (68, 2) in pixels counted from 0, from a file within the limits.

        Not those of a detector, which needs the image.

        Raises
        ------
        BadInput
            The landmark file cannot be used.
        """
        if self.landmarks is not None:
            return self.landmarks
        assert self.landmarks_path is not None
        return read_landmarks(self.landmarks_path, dimension=2, max_bytes=limits.side_file_bytes)


_FIELDS = {field.name for field in fields(Candidate)}
COLUMNS = [name for name in CANDIDATES.names if name in _FIELDS]  # that candidates give


def normalise(name: str) -> str:
    """A name in lower case, without accents, words joined by `_`: "José  Núñez" -> "jose_nunez".

    Where letters or digits of other scripts are lost, a digest of the name is appended, so that
    two such names differ: "Анна" -> "id_80e29e9a7810e745". "" where the name has neither
    letter nor digit.
    """
    text = unicodedata.normalize("NFKD", str(name)).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", text.encode("ascii", "ignore").decode()).strip("_")
    if any(c.isalnum() and not c.isascii() for c in text):
        words = re.sub(r"[\s_-]+", "_", text).strip("_")
        return f"{plain or 'id'}_{short_digest(words)}"
    return plain


def short_digest(name: str) -> str:
    """Sixteen hexadecimal digits of a name, in whichever way its accents are encoded."""
    content = unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:_DIGEST]


def distinct(names: Iterable[str], make: Callable[[str], str]) -> dict[str, str]:
    """The id that `make` gives each name; with the name's digest where two names have the same.

    No two names share an id: one that would equal another's with its digest gets its own as well.
    """
    ids = {name: make(name) for name in names}
    longest = _MAX_ID - _DIGEST - 1
    with_digest = {name: f"{made[:longest]}-{short_digest(name)}" for name, made in ids.items()}
    count = Counter([*ids.values(), *with_digest.values()])
    return {name: made if count[made] == 1 else with_digest[name] for name, made in ids.items()}


def make_image_id(database: str, *parts: str) -> str:
    """An image_id that is safe as a file name: database and parts joined by `_`."""
    joined = "_".join([database, *parts])
    return re.sub(r"[^A-Za-z0-9.+_-]+", "-", joined)[:_MAX_ID]


def drop_duplicates(candidates: Iterable[Candidate], quarantine: Quarantine) -> list[Candidate]:
    """The candidates, with the second and later of an image_id put into quarantine.

    An image that is given to two people is refused as a whole: splits would leak.
    """
    first: dict[str, Candidate] = {}
    refused: set[str] = set()
    for candidate in candidates:
        known = first.setdefault(candidate.image_id, candidate)
        if known is candidate:
            continue
        if known.path != candidate.path:
            rule = f"has the same image_id {candidate.image_id} as {known.path}"
            remedy = "rename one of the two files"
        elif known.subject_id != candidate.subject_id:
            rule = f"is given to two people, {known.subject_id} and {candidate.subject_id}"
            remedy = "correct or remove one of the two entries"
            refused.add(candidate.image_id)
        else:
            rule, remedy = "two entries name it; the first counts", "remove one of them"
        quarantine.add(candidate.image_id, BadInput(candidate.path, rule, remedy))
    return [candidate for name, candidate in first.items() if name not in refused]
