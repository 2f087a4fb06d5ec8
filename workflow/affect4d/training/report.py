"""Tables 2 and 3 and what else the runs say: `python -m affect4d.training.report`.

It writes `table2.csv`, `table3.csv`, `differences.csv`, `people.csv`, `curves.csv` and
`readings.csv`, and prints them as `report.md`, with the data that they were measured on.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.config.training import Settings
from affect4d.formats.own_tables import read_csv
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.training.arms import ARMS, MEANING
from affect4d.training.comparison import (
    AFEW_VA_UNITS,
    BASELINE,
    RESAMPLES,
    ccc_of_classes,
    compare_arms,
    measure_arms,
    order_within_people,
)
from affect4d.training.face_set import AXES, EXPRESSIONS, TEXT, read_prepared
from affect4d.validation.metrics import bootstrap, ccc

Values = tuple[float, float, float, float]
PAPER = "paper (2018)"
# The paper's Tables 2 (Pearson's correlation, MSE on [-10, 10]) and 3 (CCC, MSE on [-1, 1]).
TABLE_2 = {
    "best of Kossaifi et al.": (0.407, 0.45, 6.96, 4.97),
    "VGG-Face-GRU, augmented": (0.542, 0.589, 4.75, 2.74),
}
TABLE_3 = {
    "FATAUVA-Net": (0.396, 0.282, 0.123, 0.095),
    "VGG-Face-GRU": (0.570, 0.430, 0.080, 0.060),
    "VGG-Face-GRU, augmented": (0.591, 0.442, 0.074, 0.051),
}


def write_report(folder: Path) -> str:
    """Write the tables of a finished experiment into its folder; returns `report.md`'s text.

    Raises
    ------
    BadInput
        No experiment is prepared there, or a run is not finished.
    """
    settings = read_prepared(folder)
    arms = {arm: _read_arm(folder, settings, arm) for arm in ARMS}
    data = describe_data(settings, arms[BASELINE])
    measures = measure_arms(arms, settings.seed)
    tables = {
        "table2": _table(measures, "pearson", data, paper=("AFEW-VA", TABLE_2)),
        "table3": _table(measures, "ccc", data, paper=("Aff-Wild", TABLE_3)),
        "differences": compare_arms(arms, BASELINE, settings.seed),
        "people": pd.concat(list(_by_people(folder, settings)), ignore_index=True),
        "curves": _curves(folder, settings),
        "readings": pd.DataFrame(list(_readings(folder, settings))),
    }
    for name, table in tables.items():
        table.round(6).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    if (folder / EXPRESSIONS).is_file():
        expressions = pd.read_csv(folder / EXPRESSIONS)
        # empty where the build had no readers
        tables |= {"expressions": expressions} if len(expressions) else {}
    text = "\n\n".join(f"{TITLES[name]}\n\n{_markdown(table)}" for name, table in tables.items())
    text = f"# Training: {data}\n\n{text}\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    return text


INTERVALS = f"low, high: 95 %, bootstrap over people, {RESAMPLES} draws"
TITLES = {
    "table2": f"## Table 2: Pearson's correlation, MSE on [-10, 10] ({INTERVALS})",
    "table3": f"## Table 3: CCC, MSE on [-1, 1] ({INTERVALS})",
    "differences": f"## CCC minus that of the arm `{BASELINE}` (equal steps and frames per step; "
    f"95 % intervals: bootstrap over people, {RESAMPLES} draws; Student's t over folds)",
    "people": f"## Gain of `augmented` over `{BASELINE}` by number of real people trained on",
    "curves": "## Learning curves: mean loss (1 - CCC) over folds, of the steps up to each",
    "readings": "## What networks without folds read of the published images and of real smiles",
    "expressions": "## Beside it: what the build's classifier of expressions reads of the images",
}


def describe_data(settings: Settings, read: pd.DataFrame) -> str:
    """The data that the figures were measured on, in one line."""
    source = settings.real or "rendered clips (no real person)"
    network = settings.network
    return (
        f"{source} in the layout {settings.layout}: {read['subject'].nunique()} people, "
        f"{len(read)} frames, "
        f"{settings.folds} folds; {network.backbone} of width {network.width:g}, "
        f"{network.size} px, {settings.learning.steps} steps"
    )


def _read_arm(folder: Path, settings: Settings, arm: str, *, people: str = "") -> pd.DataFrame:
    """What an arm's networks read of every frame, fold by fold."""
    parts = [
        _read_run(folder, f"fold{fold}-{arm}{people}").assign(fold=fold)
        for fold in range(settings.folds)
    ]
    return pd.concat(parts, ignore_index=True)


def _read_run(folder: Path, name: str) -> pd.DataFrame:
    """What the network of a run read of every image that it was tested on."""
    file = folder / "runs" / name / "read.csv"
    if not file.is_file():
        raise BadInput(folder, f"its run {name} is not finished", "run `make train`")
    return read_csv(file, text=TEXT)


def _table(
    measures: pd.DataFrame,
    measure: str,
    data: str,
    *,
    paper: tuple[str, dict[str, Values]],
) -> pd.DataFrame:
    """The paper's rows, then ours, with the data of each."""
    columns = [f"{name}_{axis}" for name in (measure, "mse") for axis in AXES]
    rows = [
        {"group": f"{name}, {PAPER}", **dict(zip(columns, values, strict=True)), "data": paper[0]}
        for name, values in paper[1].items()
    ]
    scale = AFEW_VA_UNITS**2 if measure == "pearson" else 1.0
    for arm, part in measures.groupby("arm", sort=False):
        by_axis = part.set_index("axis")
        values = [by_axis.loc[axis, measure] for axis in AXES]
        values += [scale * by_axis.loc[axis, "mse"] for axis in AXES]
        row = {"group": MEANING[str(arm)], **dict(zip(columns, values, strict=True)), "data": data}
        for axis in AXES:
            row |= {f"{measure}_{axis}_{e}": by_axis.loc[axis, f"{measure}_{e}"] for e in ENDS}
        rows.append(row)
    return pd.DataFrame(rows)


ENDS = ("low", "high")  # of an interval over people; the paper states none


def _by_people(folder: Path, settings: Settings) -> Iterator[pd.DataFrame]:
    """The gain with few people, and with all of a fold's."""
    for people in [*settings.people, 0]:
        suffix = f"-people{people}" if people else ""
        arms = {
            arm: _read_arm(folder, settings, arm, people=suffix) for arm in (BASELINE, "augmented")
        }
        base = measure_arms(arms, settings.seed).query("arm == @BASELINE")["ccc"].to_numpy()
        gains = compare_arms(arms, BASELINE, settings.seed).drop(columns="arm")
        gains.insert(0, "people", str(people or "all"))
        gains.insert(2, f"ccc_{BASELINE}", base)
        yield gains


def _curves(folder: Path, settings: Settings) -> pd.DataFrame:
    """The loss of each arm, in `CURVE_POINTS` parts of its steps."""
    steps = settings.learning.steps
    ends = [steps * part // CURVE_POINTS for part in range(1, CURVE_POINTS + 1)]
    rows = []
    for arm in ARMS:
        files = [folder / "runs" / f"fold{f}-{arm}" / "losses.csv" for f in range(settings.folds)]
        # a run that stopped early has fewer steps than others
        losses = pd.concat([pd.read_csv(file)["loss"] for file in files], axis=1).mean(axis=1)
        losses = losses.reindex(range(steps)).to_numpy()
        parts = np.split(losses, ends[:-1])
        values = [np.nanmean(part) if np.isfinite(part).any() else np.nan for part in parts]
        rows.append({"arm": MEANING[arm], **dict(zip(map(str, ends), values, strict=True))})
    return pd.DataFrame(rows)


CURVE_POINTS = 6  # of a learning curve in the report; `losses.csv` has every step


def _readings(folder: Path, settings: Settings) -> Iterator[dict[str, object]]:
    """The reader on the published images; reader and student on the London Set's smiles."""
    images = read_csv(folder / "published.csv", text=TEXT).set_index("image_id")[["kind", "class"]]
    trained = {
        "reader": "trained on real frames only",
        "student": "trained on synthesized images only",
    }
    reads = {name: _read_run(folder, name) for name in trained}
    published = reads["reader"].query("set == 'published'").join(images, on="image_id")
    for kind, part in published.groupby("kind"):
        for axis in AXES:
            asked, read = part[axis], part[f"read_{axis}"]
            rng = named_rng(settings.seed, "reader", kind, axis)
            low, high = bootstrap(asked, read, part["subject"], resamples=RESAMPLES, rng=rng)["ccc"]
            shown = f"{axis} asked and read, {kind} images, {part['subject'].nunique()} people"
            values = ccc(asked, read), low, high
            yield _reading(trained["reader"], f"CCC of {shown}", values)
            values = ccc_of_classes(part, axis, settings.seed)
            yield _reading(trained["reader"], f"CCC over class means of {shown}", values)
    if not (folder / "london.csv").is_file():
        return
    smiles = read_csv(folder / "london.csv", text=TEXT).set_index("image_id")["smiles"]
    for name, who in trained.items():
        london = reads[name].query("set == 'london'")
        pairs = london.assign(smiles=london["image_id"].map(smiles)).pivot(
            index="subject", columns="smiles", values="read_valence"
        )
        orders = order_within_people(
            pairs[False].to_numpy(float), pairs[True].to_numpy(float), settings.seed
        )
        for kind, values in orders.items():
            what = f"AUC of valence, smile over neutral, {len(pairs)} real people, {kind}"
            yield _reading(who, what, values)


def _reading(network: str, what: str, values: tuple[float, float, float]) -> dict[str, object]:
    return dict(
        zip(("network", "measure", "value", "low", "high"), (network, what, *values), strict=True)
    )


def _markdown(table: pd.DataFrame) -> str:
    rows = [list(table.columns), ["---"] * table.shape[1]]
    rows += [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(value: object) -> str:
    if not isinstance(value, float | np.floating):
        return str(value)
    return f"{value:.3f}" if np.isfinite(value) else ""


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m affect4d.training.report FOLDER`."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="of a finished experiment")
    try:
        print(write_report(parser.parse_args(arguments).folder))
    except BadInput as problem:
        raise SystemExit(f"affect4d: {problem}") from None


if __name__ == "__main__":
    main()
