"""CSV tables that this package wrote."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pandas as pd


def read_csv(file: Path | BinaryIO, *, text: Iterable[str] | None = None) -> pd.DataFrame:
    """A table where only an empty cell is missing: a person may be called NA or null.

    Parameters
    ----------
    file : its path or content
    text : columns of text, where the table has them; None: all
    """
    types = str if text is None else dict.fromkeys(text, str)
    return pd.read_csv(file, dtype=types, keep_default_na=False, na_values=[""])
