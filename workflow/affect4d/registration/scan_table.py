"""The rows of a job's table of scans: how they are read, and the files that they name."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.artifacts.reading import open_file
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.markup import DEFAULT_MARKUP, MARKUP_FILES
from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput

_TEXT = ("frame_id", "subject", "sequence", "task", "mesh", "texture", "landmarks", "markup")
_DIGITS = 16  # 64 bits tell the rows of one build apart


def read_scans(path: Path) -> pd.DataFrame:
    """The rows of a job's table of scans (CSV)."""
    return pd.read_csv(
        open_file(path),
        dtype=dict.fromkeys(_TEXT, "string"),
        keep_default_na=False,
        na_values=[""],
    )


def read_row_landmarks(row: pd.Series, root: Path) -> tuple[Path, NDArray[np.float64]]:
    """The file of a row's landmarks below `root`, and the landmarks (68, 3).

    Raises
    ------
    BadInput
        The file cannot be used.
    """
    landmarks = inside(root, row.landmarks)
    markup = DEFAULT_MARKUP if pd.isna(row.markup) else row.markup
    return landmarks, read_landmarks(landmarks, dimension=3, markup=markup)


def files_of(rows: pd.DataFrame, root: Path) -> list[Path]:
    """Every existing file that rows name, below `root`: the inputs of what is made of them."""
    return sorted(path for path in set(_named(rows, root)) if path.is_file())


def _named(rows: pd.DataFrame, root: Path) -> Iterator[Path]:
    # a user's own mark-up; the gallery has checked where it lies
    yield from (
        Path(name) for name in rows["markup"].dropna() if name.lower().endswith(MARKUP_FILES)
    )
    for name in pd.concat([rows[column] for column in ("mesh", "texture", "landmarks")]).dropna():
        try:
            yield inside(root, name)
        except BadInput:
            continue


def digest_of(rows: pd.DataFrame) -> str:
    """Digest of rows, which enter what is made of them as well: neutral frames, names."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()[:_DIGITS]
