"""Pictures of Table 1: agreement by size, sequences in time, errors over the plane, shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.validation import CEILING, DEPENDENT, MAIN, RIDGE, SHUFFLED
from affect4d.config.validation import Settings
from affect4d.geometry.shading import render
from affect4d.plotting.faces import motion_colours
from affect4d.validation.basis import PRINCIPAL, Key, from_arrays
from affect4d.validation.frames import AXES
from affect4d.validation.table import PAPER, PAPER_MEASURES

COLOURS = dict(zip(AXES, ("tab:blue", "tab:orange"), strict=True))
CONTROLS = {RIDGE: "s", SHUFFLED: "v", DEPENDENT: "^"}
BINS = 10  # classes along an axis, as in the affect space
MIN_ARROW_FRAMES = 5  # test frames of a class below which its mean error says little
MIN_SEQUENCE_SHARE = 0.5  # of the longest sequence's frames, from which one is shown
DEVIATIONS = 2.0  # standard deviations of a canonical variate, either way
FACE_PIXELS = (330, 300)  # height, width
FACE_HALF_HEIGHT = 0.53  # of the picture, in heights of the face: a margin of 3 % on either side
FULL_MM = 4.0  # motion that has the strongest colour


def draw_table(path: Path, table: pd.DataFrame, settings: Settings) -> None:
    """Draw CCC and MSE over the number of components, with the controls, beside the paper's.

    Parameters
    ----------
    path : of the PNG
    table : as `tabulate` returns it
    settings : say which basis's rows are drawn
    """
    figure = Figure(figsize=(11, 4.4), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(1, 2)
    shown = table[
        (table["basis"] == settings.basis) & (table["basis_subjects"] == settings.basis_subjects)
    ]
    sizes = sorted({*shown["components"].dropna().astype(int), *PAPER})
    for axes, name in zip(panels, ("ccc", "mse"), strict=True):
        for axis, colour in COLOURS.items():
            _draw_rows(axes, shown, f"{name}_{axis}", colour=colour, label=axis)
            paper = [row[PAPER_MEASURES.index(f"{name}_{axis}")] for row in PAPER.values()]
            axes.plot(list(PAPER), paper, "x--", color=colour, alpha=0.35, label=f"{axis}, paper")
            ceiling = table.loc[table["model"] == CEILING, f"{name}_{axis}"].iloc[0]
            if np.isfinite(ceiling):
                axes.axhline(ceiling, color=colour, linewidth=0.8, linestyle="-.")
        axes.set(xlabel="components", ylabel=name.upper(), xscale="log")
        axes.set_xticks(sizes, [str(size) for size in sizes], fontsize=7)
        axes.minorticks_off()
        axes.axhline(0, color="0.7", linewidth=0.8)
    panels[1].legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.suptitle(
        "bars: 95 % over test subjects; crosses: the paper, on 4DFAB; dash-dotted: what the "
        "annotators' error leaves",
        fontsize=9,
    )
    figure.savefig(path, metadata={"Software": None})


def _draw_rows(axes: Any, shown: pd.DataFrame, column: str, *, colour: str, label: str) -> None:
    """The paper's kind with its intervals, and the controls as markers."""
    main = shown[shown["model"] == MAIN]
    low, high = (main[f"{column}_{side}"].astype(float) for side in ("low", "high"))
    axes.errorbar(
        main["components"].astype(float),
        main[column],
        np.maximum([main[column] - low, high - main[column]], 0),
        marker="o",
        capsize=3,
        color=colour,
        label=label,
    )
    for model, marker in CONTROLS.items():
        control = shown[shown["model"] == model]
        axes.plot(
            control["components"].astype(float),
            control[column],
            marker,
            color=colour,
            fillstyle="none",
            markersize=5,
            label=f"{label}, {model}",
        )


def draw_trajectories(path: Path, predicted: pd.DataFrame) -> None:
    """Draw truth and prediction over the frames of three complete test sequences.

    They are the best, the median and the worst by squared error, of those with at least half the
    frames of the longest: nothing is picked by eye.

    Parameters
    ----------
    path : of the PNG
    predicted : as `study.tabulate_predictions` returns it
    """
    chosen = chosen_sequences(predicted)
    figure = Figure(figsize=(11, 2.4 * len(chosen)), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(len(chosen), 2, squeeze=False)
    for row, (what, name) in zip(panels, chosen.items(), strict=True):
        frames = predicted[predicted["sequence"] == name]
        for axes, axis in zip(row, AXES, strict=True):
            labels, values = frames[axis], frames[f"predicted_{axis}"]
            axes.plot(labels.to_numpy(), color="0.35", label="annotated")
            axes.plot(values.to_numpy(), color=COLOURS[axis], label="predicted")
            error = np.sqrt(((labels - values) ** 2).mean())
            axes.set(ylim=(-1, 1), ylabel=axis, title=f"{what}: {name}, RMSE {error:.2f}")
            axes.title.set_fontsize(9)
            axes.axhline(0, color="0.8", linewidth=0.8)
    for axes in panels[-1]:
        axes.set_xlabel("used frame of the sequence")
    for axes in panels[0]:
        axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Software": None})


def chosen_sequences(predicted: pd.DataFrame) -> dict[str, str]:
    """{"best" | "median" | "worst": name} of the sequences that are shown; fewer if there are."""
    squares = sum((predicted[axis] - predicted[f"predicted_{axis}"]) ** 2 for axis in AXES)
    grouped = squares.groupby(predicted["sequence"])
    error, count = grouped.mean(), grouped.size()
    order = error[count >= MIN_SEQUENCE_SHARE * count.max()].sort_values(kind="stable").index
    ranks = {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}
    chosen: dict[str, str] = {}
    for what, rank in ranks.items():
        if order[rank] not in chosen.values():
            chosen[what] = order[rank]
    return chosen


def draw_errors(path: Path, predicted: pd.DataFrame) -> None:
    """Draw the error over the plane: root mean squared distance per class of the truth, and bias.

    Arrows lead from the mean annotation of a class to its mean prediction.

    Parameters
    ----------
    path : of the PNG
    predicted : as `study.tabulate_predictions` returns it
    """
    grid = Grid(BINS)
    figure = Figure(figsize=(6.6, 5.6), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    errors = errors_by_class(predicted, grid)
    image = np.full(len(grid), np.nan)
    image[errors.index] = errors["rmse"]
    shown = axes.pcolormesh(
        grid.edges,
        grid.edges,
        np.ma.masked_invalid(image.reshape(grid.n, grid.n).T),
        cmap="YlOrRd",
        vmin=0,
        edgecolors="white",
        linewidth=0.6,
    )
    columns = [*AXES, *(f"bias_{axis}" for axis in AXES)]
    axes.quiver(
        *errors.loc[errors["count_"] >= MIN_ARROW_FRAMES, columns].to_numpy().T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        color="tab:blue",
    )
    axes.set(xlabel="valence", ylabel="arousal", aspect="equal", xlim=(-1, 1), ylim=(-1, 1))
    axes.set(xticks=grid.edges, yticks=grid.edges)
    axes.set_title(
        f"{len(predicted):,} test frames; arrows: from mean annotation to mean prediction\n"
        f"of classes with at least {MIN_ARROW_FRAMES}",
        fontsize=9,
    )
    figure.colorbar(shown, ax=axes, label="RMSE in the plane")
    figure.savefig(path, metadata={"Software": None})


def errors_by_class(predicted: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Index: classes with test frames; count_, rmse, mean label and mean error of each."""
    bias = {f"bias_{axis}": predicted[f"predicted_{axis}"] - predicted[axis] for axis in AXES}
    table = predicted[list(AXES)].assign(
        cell=grid.assign(*(predicted[axis].to_numpy() for axis in AXES)),
        square=sum(error**2 for error in bias.values()),
        **bias,
    )
    grouped = table.groupby("cell")
    means = grouped.mean()
    means["rmse"] = np.sqrt(means.pop("square"))
    return means.assign(count_=grouped.size())


def draw_canonical(
    path: Path, basis: Path, *, models: dict[str, NDArray[np.float64]], key: Key
) -> None:
    """Draw the face along each canonical direction: two deviations either way.

    Parameters
    ----------
    path : of the PNG
    basis : basis.zarr
    models : as a Study has them
    key : the basis that is drawn
    """
    stored = store.open(basis)
    vertices, triangles = stored["vertices"][...], stored["triangles"][...]
    faces, titles = canonical_faces(stored, models, key)
    middle = vertices + faces[0, 1]
    frame = ((middle.min(0) + middle.max(0)) / 2, FACE_HALF_HEIGHT * np.ptp(middle[:, 1]))
    figure = Figure(figsize=(8.6, 3.3 * len(faces)), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(len(faces), 3, squeeze=False)
    steps = (f"-{DEVIATIONS:g} sd", "mean", f"+{DEVIATIONS:g} sd")
    for row, shapes, title in zip(panels, faces, titles, strict=True):
        for axes, shape, step in zip(row, shapes, steps, strict=True):
            motion = np.linalg.norm(shape - shapes[1], axis=1)
            colours = motion_colours(motion, FULL_MM)
            axes.imshow(
                render(vertices + shape, triangles, shape=FACE_PIXELS, colours=colours, frame=frame)
            )
            axes.set_axis_off()
            axes.set_title(step if step != "mean" else title, fontsize=8)
    figure.suptitle(
        f"{key.size} {key.kind} components; colour: motion from the mean face, "
        f"dark red from {FULL_MM:g} mm",
        fontsize=9,
    )
    figure.savefig(path, metadata={"Software": None})


def canonical_faces(
    stored: store.Store, models: dict[str, NDArray[np.float64]], key: Key
) -> tuple[NDArray[np.float64], list[str]]:
    """Deformations (C, 3, P, 3), mm, at -2, 0 and +2 deviations, and a title for each variate.

    Parameters
    ----------
    stored : basis.zarr
    models : as a Study has them
    key : the basis that is described
    """
    sizes = stored.attributes["components"]
    wanted = [key] if key.kind != PRINCIPAL else [key._replace(size=max(sizes)), key]
    basis = from_arrays(stored, wanted)[key]
    variates = {
        name: models[f"{key}_canonical_{name}"]
        for name in ("mean", "loadings", "affect", "correlations")
    }
    mean = basis.mean + variates["mean"] @ basis.components
    direction = variates["loadings"].T @ basis.components
    steps = np.array([-DEVIATIONS, 0, DEVIATIONS])[:, None]
    faces = mean + steps * direction[:, None]
    titles = [
        f"variate {number}: r = {correlation:.2f}; "
        + ", ".join(f"{axis} {slope:+z.2f}" for axis, slope in zip(AXES, slopes, strict=True))
        for number, (correlation, slopes) in enumerate(
            zip(variates["correlations"], variates["affect"].T, strict=True), 1
        )
    ]
    return faces.reshape(len(faces), 3, -1, 3), titles
