"""How the registration went, one row per sequence: what its quality measures and flags say.

Of a sequence's store only measures, flags and names are read and one row is kept, so that a build
of thousands of sequences is summed up in seconds and the page does not grow with its frames.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d.artifacts.registration import ANY_FLAG, FLAG_TABLE, SEQUENCE_TABLE
from affect4d.config.registration import Settings
from affect4d.plotting.faces import png
from affect4d.registration.quality import REMEDIES, reasons
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.system_files import find_files

SEQUENCES_SHOWN = 20  # rows of the table of the worst sequences
_MAX_NAMED = 40  # more columns than this are numbered instead of named: the names overlap
_MEANS = ("landmark_residual", "similarity_residual", "seen", "jitter")
# Size of the heat maps, inches: of a cell, of what is around the cells, and the bounds.
_DPI = 110
_CELL_WIDTH, _MARGIN_WIDTH, _MAX_WIDTH = 0.24, 1.4, 5.5
_CELL_HEIGHT, _MIN_CELL_HEIGHT, _MARGIN_HEIGHT, _MAX_HEIGHT = 0.16, 0.09, 1.5, 18.0
_TALL_ROWS = 40  # up to so many rows have the full cell height
_LABEL_HEIGHT = 0.14  # subjects' names closer than this overlap
_BAR_HEIGHT = 4.0  # of the colour bars, at most
_NO_SEQUENCE = "#d9dfe5"  # colour of a cell without data


def read_quality(folder: Path) -> pd.DataFrame:
    """One row per registered sequence.

    Parameters
    ----------
    folder : `registered/`

    Returns
    -------
    sorted by sequence: sequence, subject, frames, flagged (frames with a flag), quarantined
    (frames); means over its frames of landmark_residual and similarity_residual (mm), seen (share),
    jitter (mm); flags (frames per flag); posed (it has an apex frame); its worst frame as
    worst_index, worst_id, worst_flags (tuple of names) and worst_residual (mm)

    Raises
    ------
    store.StoreError
        A sequence is damaged.
    """
    return pd.DataFrame([_summary(path) for path in find_files(folder, "*.zarr")])


def _summary(path: Path) -> dict[str, Any]:
    opened = RegisteredSequence(path)
    attributes, flags, measures = opened.attributes, opened.flags, opened.quality
    raised = [tuple(opened.flag_names(row)) for row in range(len(flags))]
    residual = measures["landmark_residual"].to_numpy(float)
    worst = np.lexsort((-np.nan_to_num(residual, nan=np.inf), flags == 0))[0]
    return {
        "sequence": path.stem,
        "subject": attributes["subject"],
        "frames": len(flags),
        "flagged": int((flags != 0).sum()),
        "quarantined": len(attributes["quarantined"]),
        **measures[list(_MEANS)].mean().to_dict(),
        "flags": dict(Counter(name for names in raised for name in names)),
        "posed": any(attributes["is_apex"]),
        "worst_index": int(worst),
        "worst_id": attributes["frame_ids"][worst],
        "worst_flags": raised[worst],
        "worst_residual": float(residual[worst]),
    }


def heat_map_tables(quality: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Three tables with a row per subject and a column per sequence, NaN where there is none.

    Returns
    -------
    by title: mean landmark residual (mm), share of the face seen, share of frames flagged
    """
    columns = _columns(quality)
    values = {
        "landmark residual, mm": quality["landmark_residual"],
        "share of the face seen": quality["seen"],
        "share of frames flagged": quality["flagged"] / quality["frames"],
    }
    return {
        title: value.groupby([quality["subject"], columns]).mean().unstack()
        for title, value in values.items()
    }


def draw_heat_maps(tables: dict[str, pd.DataFrame]) -> bytes:
    """Tables of subjects by sequences side by side, dark where worst; PNG bytes.

    The picture's size is bounded, whatever the tables' is.

    Parameters
    ----------
    tables : by title, all of the same shape; where the title names what is seen, little is worst
    """
    rows, columns = next(iter(tables.values())).shape
    width = min(_MARGIN_WIDTH + _CELL_WIDTH * columns, _MAX_WIDTH)
    cells = max(_CELL_HEIGHT * min(rows, _TALL_ROWS), _MIN_CELL_HEIGHT * rows)
    height = min(_MARGIN_HEIGHT + cells, _MAX_HEIGHT)
    figure = Figure((width * len(tables) + 0.6, height), dpi=_DPI, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        colours = "YlOrRd_r" if "seen" in title else "YlOrRd"
        picture = axes.imshow(table.to_numpy(float), aspect="auto", cmap=colours)
        axes.set_facecolor(_NO_SEQUENCE)
        axes.set_title(title, fontsize=9)
        axes.set_xticks(range(columns), table.columns, rotation=90, fontsize=7)
        every = -(-rows // max(int(height / _LABEL_HEIGHT), 1))
        axes.set_yticks(range(0, rows, every), table.index[::every], fontsize=7)
        bar = figure.colorbar(picture, ax=axes, shrink=min(1.0, _BAR_HEIGHT / height), pad=0.02)
        bar.ax.tick_params(labelsize=7)
    return png(figure)


def _columns(quality: pd.DataFrame) -> "pd.Series[Any]":
    """What a subject's sequences are called without the subject; their number where all differ."""
    named = pd.Series(
        [
            sequence.removeprefix(subject).strip("_-. ") or sequence
            for sequence, subject in zip(quality["sequence"], quality["subject"], strict=True)
        ],
        quality.index,
    )
    numbered = quality.groupby("subject").cumcount() + 1
    return named if named.nunique() <= _MAX_NAMED else numbered


def flag_table(quality: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Every flag with what raises it, and how many frames and sequences have it.

    Parameters
    ----------
    quality : what `read_quality` gave
    settings : of the registration
    """
    total = quality["frames"].sum()
    counts = {
        name: quality["flags"].map(lambda by_flag, name=name: by_flag.get(name, 0))
        for name in reasons(settings)
    }
    rows = [
        (name, reason, frames.sum(), frames.sum() / total, (frames > 0).sum(), REMEDIES[name])
        for (name, reason), frames in zip(reasons(settings).items(), counts.values(), strict=True)
    ]
    flagged = quality["flagged"]
    rows.append((ANY_FLAG, "", flagged.sum(), flagged.sum() / total, (flagged > 0).sum(), ""))
    return pd.DataFrame(rows, columns=FLAG_TABLE.names)


def worst_sequences(quality: pd.DataFrame) -> pd.DataFrame:
    """The sequences with the greatest share of flagged frames, then the greatest residual."""
    ordered = quality.assign(share=quality["flagged"] / quality["frames"]).sort_values(
        ["share", "landmark_residual"], ascending=False, kind="stable"
    )
    ordered["flags"] = [
        ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        for counts in ordered["flags"]
    ]
    columns = ["subject", "sequence", "frames", "quarantined", "share", "flags", *_MEANS]
    titles = dict(zip(columns, SEQUENCE_TABLE.names, strict=True))
    return ordered.head(SEQUENCES_SHOWN)[list(titles)].rename(columns=titles)


def worst_frames(quality: pd.DataFrame, count: int) -> pd.DataFrame:
    """Rows of the sequences that hold the worst frames: flagged first, then the greatest residual.

    One frame per sequence, so that one bad sequence does not hide the others.
    """
    ordered = quality.assign(fine=quality["worst_flags"].map(len) == 0).sort_values(
        ["fine", "worst_residual"], ascending=[True, False], kind="stable", na_position="first"
    )
    return ordered.head(count)
