"""Table 1: agreement on unseen subjects for each number of components, beside the paper's."""

from typing import Any

import numpy as np
import pandas as pd

from affect4d.artifacts.validation import CEILING, DEPENDENT, MAIN, RIDGE, SHUFFLED
from affect4d.config.validation import Settings
from affect4d.validation.basis import keys
from affect4d.validation.frames import AXES

MEASURES = [f"{name}_{axis}" for name in ("ccc", "mse", "pearson") for axis in AXES]
PAPER_MEASURES = MEASURES[:4]
MODELS = MAIN, RIDGE, SHUFFLED, DEPENDENT, CEILING
# Components to PAPER_MEASURES on 4DFAB (paper, Table 1).
PAPER = {
    84: (0.63, 0.68, 0.107, 0.046),
    150: (0.65, 0.68, 0.099, 0.041),
    200: (0.66, 0.69, 0.097, 0.040),
    300: (0.35, 0.30, 0.127, 0.058),
    500: (0.31, 0.22, 0.129, 0.061),
}
ROW_NAMES = ["components", "basis", "basis_subjects", "model", "status"]


def tabulate(rows: list[dict[str, Any]], settings: Settings) -> pd.DataFrame:
    """Rows of a Study as Table 1.

    Parameters
    ----------
    rows : by column; columns that are missing are NaN
    settings : say which basis comes first

    Returns
    -------
    The rows of the paper's kind in the configured basis first, then those in the other bases, then
    the controls: components, basis, basis_subjects, model, status ("ok", or why there are no
    figures, or what they are), ccc_valence, ccc_arousal, mse_valence, mse_arousal, pearson_valence,
    pearson_arousal, each with _low and _high (95 % over test subjects), then the paper's under
    paper_*.
    """
    bounds = [f"{name}_{side}" for name in MEASURES for side in ("low", "high")]
    table = pd.DataFrame(rows).reindex(columns=[*ROW_NAMES, *MEASURES, *bounds])
    main = table["model"] == MAIN
    configured = (table["basis"] == settings.basis) & (
        table["basis_subjects"] == settings.basis_subjects
    )
    order = pd.DataFrame({"model": table["model"].map(MODELS.index), "other": main & ~configured})
    table = table.loc[order.sort_values(["model", "other"], kind="stable").index]
    table = table.reset_index(drop=True).astype({"components": "Int64"})
    no_figures = (np.nan,) * len(PAPER_MEASURES)
    paper = [
        PAPER.get(size, no_figures) if model == MAIN else no_figures
        for size, model in zip(table["components"].fillna(0), table["model"], strict=True)
    ]
    table[[f"paper_{name}" for name in PAPER_MEASURES]] = np.array(paper, dtype=float)
    return table


def tabulate_reason(settings: Settings, reason: str) -> pd.DataFrame:
    """The table where nothing could be measured: the rows of the paper's kind, with the reason."""
    rows = [
        {
            "components": key.size,
            "basis": key.kind,
            "basis_subjects": key.subjects,
            "model": MAIN,
            "status": reason,
        }
        for key in keys(settings.components)
    ]
    return tabulate([*rows, {"model": CEILING, "status": reason}], settings)
