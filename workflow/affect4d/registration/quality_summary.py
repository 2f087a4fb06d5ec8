"""How the registration went, summed up a sequence: what its quality rows and flags say.

Of a sequence's store only the measures, flags and names are read, and one row is kept, so that a
build of thousands of sequences is read in seconds and the page does not grow with its frames.
"""

import io
from collections import Counter

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d import store
from affect4d.registration.quality import REMEDIES, reasons

SEQUENCES_SHOWN = 20
# More columns than this are numbered instead of named.
_MOST_NAMED = 40
_MEANS = ("landmark_residual", "similarity_residual", "seen", "jitter")


def read_quality(folder):
    """One row a registered sequence.

    Parameters
    ----------
    folder : Path of `registered/`

    Returns
    -------
    DataFrame, sorted by sequence: sequence, subject, frames, flagged (frames with a flag),
    quarantined (frames); means over its frames of landmark_residual and similarity_residual (mm),
    seen (share), jitter (mm); flags (dict: frames a flag); posed (it has an apex frame); its worst
    frame as worst_index, worst_id, worst_flags (tuple of names) and worst_residual (mm)

    Raises
    ------
    store.StoreError
        A sequence is damaged.
    """
    return pd.DataFrame([_summary(path) for path in sorted(folder.glob("*.zarr"))])


def _summary(path):
    opened = store.open(path)
    attributes = opened.attributes
    flags = opened["flags"][...]
    measures = pd.DataFrame(opened["quality"][...], columns=list(attributes["measures"]))
    raised = [
        tuple(name for bit, name in enumerate(attributes["flag_names"]) if int(mask) >> bit & 1)
        for mask in flags
    ]
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


def cells(quality):
    """Three tables, subjects down and sequences across, for the heat maps.

    Returns
    -------
    dict: mean landmark residual (mm), share of the face seen, share of frames flagged; each a
    DataFrame with a row a subject, NaN where a subject has no such sequence
    """
    columns = _columns(quality)
    share = quality["flagged"] / quality["frames"]
    values = {
        "landmark residual, mm": quality["landmark_residual"],
        "share of the face seen": quality["seen"],
        "share of frames flagged": share,
    }
    return {
        title: value.groupby([quality["subject"], columns]).mean().unstack()
        for title, value in values.items()
    }


def draw_cells(tables):
    """Tables of subjects by sequences side by side, dark where worst; PNG bytes.

    The picture's size is bounded, whatever the tables' is.

    Parameters
    ----------
    tables : dict of title: DataFrame of the same shape, NaN where there is no such sequence;
        in a table whose title names what is seen, little is worst
    """
    rows, columns = next(iter(tables.values())).shape
    width = min(1.4 + 0.24 * columns, 5.5)
    height = min(1.5 + max(0.16 * min(rows, 40), 0.09 * rows), 18.0)
    figure = Figure(figsize=(width * len(tables) + 0.6, height), dpi=110, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for place, (title, table) in zip(axes, tables.items(), strict=True):
        colours = "YlOrRd_r" if "seen" in title else "YlOrRd"
        picture = place.imshow(table.to_numpy(float), aspect="auto", cmap=colours)
        place.set_facecolor("#d9dfe5")
        place.set_title(title, fontsize=9)
        place.set_xticks(range(columns), table.columns, rotation=90, fontsize=7)
        every = -(-rows // max(int(height / 0.14), 1))
        place.set_yticks(range(0, rows, every), table.index[::every], fontsize=7)
        bar = figure.colorbar(picture, ax=place, shrink=min(1.0, 4.0 / height), pad=0.02)
        bar.ax.tick_params(labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _columns(quality):
    """What a subject's sequences are called without the subject; their number where all differ."""
    named = pd.Series(
        [
            sequence.removeprefix(subject).strip("_-. ") or sequence
            for sequence, subject in zip(quality["sequence"], quality["subject"], strict=True)
        ],
        quality.index,
    )
    numbered = quality.groupby("subject").cumcount() + 1
    return named if named.nunique() <= _MOST_NAMED else numbered


def flag_table(quality, settings):
    """Every flag with what raises it, and how many frames and sequences have it.

    Parameters
    ----------
    quality : what `read_quality` gave
    settings : the registration's Settings
    """
    total = quality["frames"].sum()
    rows = []
    for name, reason in reasons(settings).items():
        frames = quality["flags"].map(lambda counts, name=name: counts.get(name, 0))
        share = frames.sum() / total
        rows.append((name, reason, frames.sum(), share, (frames > 0).sum(), REMEDIES[name]))
    rows.append(("any", "", quality["flagged"].sum(), quality["flagged"].sum() / total,
                 (quality["flagged"] > 0).sum(), ""))  # fmt: skip
    columns = ["flag", "raised by", "frames", "share", "sequences", "what to do"]
    return pd.DataFrame(rows, columns=columns)


def worst_sequences(quality):
    """The sequences with the greatest share of flagged frames, then the greatest residual."""
    ordered = quality.assign(share=quality["flagged"] / quality["frames"]).sort_values(
        ["share", "landmark_residual"], ascending=False, kind="stable"
    )
    ordered["flags"] = [
        ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        for counts in ordered["flags"]
    ]
    names = {
        "subject": "subject",
        "sequence": "sequence",
        "frames": "frames",
        "quarantined": "in quarantine",
        "share": "share flagged",
        "flags": "flags (frames)",
        "landmark_residual": "landmark residual, mm",
        "similarity_residual": "similarity residual, mm",
        "seen": "share seen",
        "jitter": "jitter, mm",
    }
    return ordered.head(SEQUENCES_SHOWN)[list(names)].rename(columns=names)


def worst_frames(quality, count):
    """Rows of the sequences that hold the worst frames: flagged first, then the greatest residual.

    One frame a sequence, so that one bad sequence does not hide the others.
    """
    ordered = quality.assign(fine=quality["worst_flags"].map(len) == 0).sort_values(
        ["fine", "worst_residual"], ascending=[True, False], kind="stable", na_position="first"
    )
    return ordered.head(count)
