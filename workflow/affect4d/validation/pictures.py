"""What Table 1 is made of, to be looked at: figures by size, courses in time, errors, shapes."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.geometry.shading import render
from affect4d.plotting.faces import motion_colours
from affect4d.validation.basis import PRINCIPAL, restore
from affect4d.validation.regression import AXES
from affect4d.validation.study import CEILING, DEPENDENT, MAIN, RIDGE, SHUFFLED
from affect4d.validation.table import PAPER, PAPER_MEASURES

COLOURS = dict(zip(AXES, ("tab:blue", "tab:orange"), strict=True))
CONTROLS = {RIDGE: "s", SHUFFLED: "v", DEPENDENT: "^"}
BINS = 10
ARROW_FRAMES = 5
DEVIATIONS = 2.0  # of a canonical variate, either way
FACE_PIXELS = (330, 300)
FULL_MM = 4.0  # motion that has the strongest colour


def draw_table(path, table, settings):
    """Draw CCC and MSE over the number of components, with the controls, beside the paper's.

    Parameters
    ----------
    path : path of the PNG
    table : DataFrame, as `tabulate` returns it
    settings : config.validation.Settings
        Say which bases' rows are drawn.
    """
    figure = Figure(figsize=(11, 4.4), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(1, 2)
    shown = table[
        (table["basis"] == settings.basis) & (table["basis_subjects"] == settings.basis_subjects)
    ]
    sizes = sorted({*shown["components"].dropna().astype(int), *PAPER})
    for axes, name in zip(panels, ("ccc", "mse"), strict=True):
        for axis, colour in COLOURS.items():
            _draw_rows(axes, shown, f"{name}_{axis}", colour, axis)
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


def _draw_rows(axes, shown, key, colour, axis):
    """The paper's kind with its intervals, and the controls as markers."""
    main = shown[shown["model"] == MAIN]
    low, high = (main[f"{key}_{side}"].astype(float) for side in ("low", "high"))
    axes.errorbar(
        main["components"].astype(float),
        main[key],
        np.maximum([main[key] - low, high - main[key]], 0),
        marker="o",
        capsize=3,
        color=colour,
        label=axis,
    )
    for model, marker in CONTROLS.items():
        own = shown[shown["model"] == model]
        axes.plot(
            own["components"].astype(float),
            own[key],
            marker,
            color=colour,
            fillstyle="none",
            markersize=5,
            label=f"{axis}, {model}",
        )


def draw_courses(path, predicted):
    """Draw truth and prediction over the frames of three whole test sequences.

    They are the best, the median and the worst by squared error, of those with half the frames of
    the longest at least: nothing is picked by eye.

    Parameters
    ----------
    path : path of the PNG
    predicted : DataFrame, as `study.predictions` returns it
    """
    chosen = chosen_sequences(predicted)
    figure = Figure(figsize=(11, 2.4 * len(chosen)), dpi=120, layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(len(chosen), 2, squeeze=False)
    for row, (what, name) in zip(panels, chosen.items(), strict=True):
        own = predicted[predicted["sequence"] == name]
        for axes, axis in zip(row, AXES, strict=True):
            axes.plot(own[axis].to_numpy(), color="0.35", label="annotated")
            axes.plot(own[f"predicted_{axis}"].to_numpy(), color=COLOURS[axis], label="predicted")
            error = np.sqrt(((own[axis] - own[f"predicted_{axis}"]) ** 2).mean())
            axes.set(ylim=(-1, 1), ylabel=axis, title=f"{what}: {name}, RMSE {error:.2f}")
            axes.title.set_fontsize(9)
            axes.axhline(0, color="0.8", linewidth=0.8)
    for axes in panels[-1]:
        axes.set_xlabel("used frame of the sequence")
    for axes in panels[0]:
        axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Software": None})


def chosen_sequences(predicted):
    """{"best" | "median" | "worst": name} of the sequences that are shown; fewer if there are."""
    squares = sum((predicted[axis] - predicted[f"predicted_{axis}"]) ** 2 for axis in AXES)
    grouped = squares.groupby(predicted["sequence"])
    error, count = grouped.mean(), grouped.size()
    order = error[count >= count.max() / 2].sort_values(kind="stable").index
    places = {"best": 0, "median": len(order) // 2, "worst": len(order) - 1}
    chosen: dict = {}
    for what, place in places.items():
        if order[place] not in chosen.values():
            chosen[what] = order[place]
    return chosen


def draw_errors(path, predicted):
    """Draw the error over the plane: root mean squared distance a class of the truth, and bias.

    Arrows lead from the mean annotation of a class to its mean prediction.

    Parameters
    ----------
    path : path of the PNG
    predicted : DataFrame, as `study.predictions` returns it
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
        *errors.loc[errors["count_"] >= ARROW_FRAMES, columns].to_numpy().T,
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
        f"of classes with at least {ARROW_FRAMES}",
        fontsize=9,
    )
    figure.colorbar(shown, ax=axes, label="RMSE in the plane")
    figure.savefig(path, metadata={"Software": None})


def errors_by_class(predicted, grid):
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


def draw_canonical(path, basis, study):
    """Draw what a face does along each canonical direction: two deviations either way.

    Parameters
    ----------
    path : path of the PNG
    basis : path of basis.zarr
    study : Study
        Of which the chosen size is drawn.
    """
    stored, key = store.open(basis), study.chosen
    vertices, triangles = stored["vertices"][...], stored["triangles"][...]
    faces, titles = canonical_faces(stored, study)
    middle = vertices + faces[0, 1]
    frame = ((middle.min(0) + middle.max(0)) / 2, 0.53 * np.ptp(middle[:, 1]))
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


def canonical_faces(stored, study):
    """Deformations (C, 3, P, 3), mm, at -2, 0 and +2 deviations, and what to say of each variate.

    Parameters
    ----------
    stored : Store of basis.zarr
    study : Study
    """
    key = study.chosen
    sizes = stored.attributes["components"]
    wanted = [key] if key.kind != PRINCIPAL else [key._replace(size=max(sizes)), key]
    basis = restore(stored, wanted)[key]
    own = {
        name: study.models[f"{key}_canonical_{name}"]
        for name in ("mean", "loadings", "affect", "correlations")
    }
    mean = basis.mean + own["mean"] @ basis.components
    away = own["loadings"].T @ basis.components
    steps = np.array([-DEVIATIONS, 0, DEVIATIONS])[:, None]
    faces = mean + steps * away[:, None]
    titles = [
        f"variate {number}: r = {correlation:.2f}; "
        + ", ".join(f"{axis} {slope:+.2f}" for axis, slope in zip(AXES, slopes, strict=True))
        for number, (correlation, slopes) in enumerate(
            zip(own["correlations"], own["affect"].T, strict=True), 1
        )
    ]
    return faces.reshape(len(faces), 3, -1, 3), titles
