"""Table 1: agreement on unseen subjects for each number of components, beside the paper's."""

import logging

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d.formats.quarantine import BadInput
from affect4d.validation.basis import fit_bases
from affect4d.validation.regression import AXES, evaluate
from affect4d.validation.split import TEST, TRAIN, split_subjects, stream

log = logging.getLogger(__name__)
MEASURES = [f"{name}_{axis}" for name in ("ccc", "mse") for axis in AXES]
PAPER = {
    84: (0.63, 0.68, 0.107, 0.046),
    150: (0.65, 0.68, 0.099, 0.041),
    200: (0.66, 0.69, 0.097, 0.040),
    300: (0.35, 0.30, 0.127, 0.058),
    500: (0.31, 0.22, 0.129, 0.061),
}


def prepare(reader, settings, seed):
    """The split, and the used frames' weights in a basis of each size.

    Parameters
    ----------
    reader : Reader
    settings : config.validation.Settings
    seed : int

    Returns
    -------
    split : DataFrame
        subject, set.
    frames : dict of size to Frames
    attained : dict of size to int
        Components the apex frames carry; the size, or fewer.

    Raises
    ------
    BadInput
        There is no apex frame, no used frame, or only one subject.
    """
    subjects = reader.used["subject"].unique()
    if len(subjects) < 2:
        raise BadInput(
            "affectspace/frames.parquet", "fewer than two subjects have used frames", "add subjects"
        )
    split = split_subjects(reader.used, settings.test_share, seed)
    D, of = reader.apexes()
    if settings.basis_subjects == "train_only":
        D = D[~np.isin(of, split.loc[split["set"] == TEST, "subject"])]
    if len(D) < 2:
        raise BadInput(
            "gallery/frames.parquet",
            f"{len(D)} apex frames of posed sequences span no basis",
            "mark apex frames (is_apex) in posed sequences",
        )
    log.info("%d apex frames on %d vertices", len(D), len(reader.patch.index))
    bases = fit_bases(D, reader.patch, settings.components, settings.basis, settings.sparsity)
    attained = {size: int(basis.n_components_) for size, basis in bases.items()}
    log.info("components attained: %s", attained)
    return split, reader.project(bases), attained


def tabulate(split, frames, attained, settings, seed):
    """One row a number of components.

    Parameters
    ----------
    split, frames, attained : as `prepare` returns them
    settings : config.validation.Settings
    seed : int

    Returns
    -------
    DataFrame
        components, status ("ok", or what the apex frames attain, and then no numbers), ccc_valence,
        ccc_arousal, mse_valence, mse_arousal, each with _low and _high (95 % over test subjects),
        then the paper's under paper_*.
    """
    held = set(split.loc[split["set"] == TEST, "subject"])
    rows = []
    for size in sorted(frames):
        row = {"components": size, "status": "ok"}
        if attained[size] < size:
            row["status"] = f"beyond the rank: {attained[size]} components attained"
        else:
            test = np.array([subject in held for subject in frames[size].subjects])
            rng = stream(seed, "validation", size)
            row |= evaluate(frames[size][~test], frames[size][test], settings, rng)
        rows.append(row)
        log.info("%d components: %s", size, _brief(row))
    return _beside_paper(rows)


def unmeasured(components, reason):
    """The table where nothing could be measured: a row a number of components, with the reason."""
    return _beside_paper([{"components": size, "status": reason} for size in sorted(components)])


def _beside_paper(rows):
    bounds = [f"{name}_{side}" for name in MEASURES for side in ("low", "high")]
    columns = ["components", "status", *MEASURES, *bounds]
    table = pd.DataFrame(rows).reindex(columns=columns)
    paper = [PAPER.get(size, [np.nan] * 4) for size in table["components"]]
    table[[f"paper_{name}" for name in MEASURES]] = np.array(paper, dtype=float)
    return table


def _brief(row):
    if row["status"] != "ok":
        return row["status"]
    return ", ".join(f"{name} {row[name]:.3f}" for name in MEASURES)


def describe_split(split, frames):
    """The split with the used frames of each subject."""
    counts = pd.Series(next(iter(frames.values())).subjects).value_counts()
    table = split.assign(frames=split["subject"].map(counts).fillna(0).astype(int))
    return table.sort_values(["set", "subject"], ascending=[False, True]).reset_index(drop=True)


def draw_table(path, table, split):
    """Draw CCC and MSE over the number of components, beside the paper's.

    Parameters
    ----------
    path : path of the PNG
    table : DataFrame, as `tabulate` returns it
    split : DataFrame, as `split_subjects` returns it
    """
    figure = Figure(figsize=(9, 3.8), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(1, 2)
    for axes, name in zip(panels, ("ccc", "mse"), strict=True):
        for axis, colour in zip(AXES, ("tab:blue", "tab:orange"), strict=True):
            key = f"{name}_{axis}"
            low, high = (table[f"{key}_{side}"].astype(float) for side in ("low", "high"))
            reach = [table[key] - low, high - table[key]]
            axes.errorbar(
                table["components"],
                table[key],
                np.maximum(reach, 0),
                marker="o",
                capsize=3,
                color=colour,
                label=axis,
            )
            paper = [row[MEASURES.index(key)] for row in PAPER.values()]
            axes.plot(list(PAPER), paper, "x--", color=colour, alpha=0.4, label=f"{axis}, paper")
        axes.set(xlabel="components", ylabel=name.upper(), xscale="log")
        ticks = sorted({*table["components"], *PAPER})
        axes.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=7)
        axes.minorticks_off()
        axes.axhline(0, color="0.7", linewidth=0.8)
    panels[0].legend(fontsize=8)
    parts = split["set"].value_counts().reindex([TEST, TRAIN], fill_value=0)
    figure.suptitle(
        f"{parts[TEST]} test subjects, {parts[TRAIN]} training subjects; "
        "bars: 95 % over test subjects; crosses: the paper, on 4DFAB",
        fontsize=9,
    )
    figure.savefig(path, metadata={"Software": None})
