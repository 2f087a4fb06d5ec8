"""Table 1 and its controls for reading: words for headers, the paper's columns beside ours."""

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

METRICS = {
    "ccc_valence": "CCC valence",
    "ccc_arousal": "CCC arousal",
    "mse_valence": "MSE valence",
    "mse_arousal": "MSE arousal",
    "pearson_valence": "correlation, valence",
    "pearson_arousal": "correlation, arousal",
}
_SUBJECTS = {"all": "all people", "train_only": "training people"}


def main_table(table: pd.DataFrame) -> Markup:
    """The paper's Table 1: each of its figures, with an interval, beside the paper's."""
    shown = _keys(table)
    for name, words in METRICS.items():
        if f"paper_{name}" in table:
            shown[words] = _cells(table, name)
            shown[f"paper: {words}"] = _cells(table, f"paper_{name}")
    return _html(shown.assign(status=table["status"].map(escape)))


def controls_table(table: pd.DataFrame) -> Markup:
    """What Table 1 is compared with: every figure that was measured, by what predicts."""
    shown = _keys(table).assign(model=table["model"].map(escape))
    for name, words in METRICS.items():
        if name in table:
            shown[words] = _cells(table, name)
    return _html(shown.assign(status=table["status"].map(escape)))


def _keys(table: pd.DataFrame) -> pd.DataFrame:
    components = ["" if pd.isna(size) else f"{size:.0f}" for size in table["components"]]
    spanned = table["basis_subjects"].map(_SUBJECTS).fillna("")
    about = {"components": components, "basis": table["basis"].fillna("").map(escape)}
    return pd.DataFrame({**about, "spanned by": spanned}, index=table.index)


def _cells(table: pd.DataFrame, name: str) -> list[str]:
    """A figure, and its interval in small print below it."""
    none = pd.Series(np.nan, table.index)
    bounds = (table.get(f"{name}_{end}", none) for end in ("low", "high"))
    return [_cell(*figures) for figures in zip(table[name], *bounds, strict=True)]


def _cell(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return ""
    interval = "" if pd.isna(low) else f"<br><small>{low:.2f} to {high:.2f}</small>"
    return f"{value:.3f}{interval}"


def _html(table: pd.DataFrame) -> Markup:
    """Of cells that are escaped already."""
    return Markup(table.to_html(index=False, border=0, escape=False))
