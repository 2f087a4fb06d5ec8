"""The report's section on validation: Table 1 for reading, and the pictures their room drew."""

from pathlib import Path

import numpy as np
import pandas as pd

_PICTURES = {
    "table1": "table1.png",
    "courses": "courses.png",
    "errors": "errors.png",
    "canonical": "canonical.png",
}
_MAIN = "cca + svr"
_WHAT = ["components", "basis", "basis_subjects", "model"]


def section(root):
    """Everything that the section shows.

    Parameters
    ----------
    root : Path, the results folder

    Returns
    -------
    dict of `pictures` (name: PNG bytes; none where nothing could be measured), `main` and
    `controls` (DataFrames of str: the rows of the paper's kind, and what they are held against)
    """
    folder = Path(root) / "validation"
    table = pd.read_csv(folder / "table1.csv")
    measured = (folder / "predictions.parquet").exists()
    files = {name: folder / file for name, file in _PICTURES.items()}
    main = table["model"] == _MAIN
    paper = [name for name in table if name.startswith("paper_")]
    return {
        "pictures": {name: path.read_bytes() for name, path in files.items()} if measured else {},
        "main": _text(table[main]),
        "controls": _text(table[~main].drop(columns=paper)),
    }


def _text(table):
    """Table 1 for reading: a figure and its interval in one cell, without what is empty."""
    shown = table[_WHAT].copy()
    shown["components"] = [f"{size:.0f}" if size == size else "" for size in shown["components"]]
    for column in [c for c in table if f"{c}_low" in table]:
        cells = zip(*(table[f"{column}{end}"] for end in ("", "_low", "_high")), strict=True)
        shown[column] = [_cell(*cell) for cell in cells]
    for column in [c for c in table if c.startswith("paper_")]:
        shown[column] = [_cell(value, np.nan, np.nan) for value in table[column]]
    shown["status"] = table["status"]
    return shown.fillna("")


def _cell(value, low, high):
    if pd.isna(value):
        return ""
    return f"{value:.3f}" + ("" if pd.isna(low) else f" [{low:.2f}, {high:.2f}]")
