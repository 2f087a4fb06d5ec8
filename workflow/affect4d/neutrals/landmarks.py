"""Whose landmarks an image has: the database's, the user's, or those that a detector finds."""

from pathlib import Path
from typing import Any, Literal

from affect4d.neutrals.databases.listing import Listing
from affect4d.quarantine import BadInput

DATABASE, USER, DETECTOR = "database", "user", "detector"


def can_detect() -> bool:
    """Whether a detector is installed."""
    from affect4d.fitting.detector import has_detector  # without the libraries of the stage

    return has_detector()


def find_landmarks(
    listing: Listing, path: str, suffixes: list[str], *, by: Literal["database", "user"]
) -> dict[str, Any]:
    """The fields of a Candidate that say where its landmarks are.

    Parameters
    ----------
    listing : the database's files
    path : the image, below the root
    suffixes : of landmark files beside it, in order of preference
    by : who made such files

    Raises
    ------
    BadInput
        There are none, and no detector is installed.
    """
    found = listing.beside(path, suffixes)
    file = None if found is None else listing.root / found
    check_landmarks_or_detector(file, listing.root / path, suffixes)
    if file is None:
        return {"landmarks_path": None, "landmarks_by": DETECTOR}
    return {"landmarks_path": file, "landmarks_source": found, "landmarks_by": by}


def check_landmarks_or_detector(file: Path | None, image: Path, suffixes: list[str]) -> None:
    """BadInput where an image has no landmark file, and no detector is installed."""
    if file is None and not can_detect():
        raise BadInput(
            image,
            f"no landmark file ({', '.join(suffixes)}) of the same name beside it",
            "annotate its 68 landmarks, or install the detector (`make detector`)",
        )
