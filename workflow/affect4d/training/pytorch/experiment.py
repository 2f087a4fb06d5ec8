"""All runs of the experiment: `python -m affect4d.training.pytorch.experiment`.

It reads what `prepare` wrote and writes below `runs`, one folder per run: `read.csv` (what the
network reads of each frame of the fold's test part, or of the images that it is a reader of),
`learned.csv` (the images that it learned from), `losses.csv`, TensorBoard's log, and
`network.safetensors` where the network is of use to others. A finished run is not repeated; one
that was killed goes on from its checkpoint and ends with the same numbers. Runs of other data or
settings are refused: `runs/inputs.json` says what they were trained on.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from affect4d.config.training import Settings
from affect4d.formats.own_tables import read_csv
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.training.arms import ARMS, Arm, Batches, hold_out
from affect4d.training.face_set import AXES, TEXT, FaceSet, read_face_set, read_prepared
from affect4d.training.pytorch.learning import Run, read_sequences, train
from affect4d.training.sequences import Rows, windows

log = logging.getLogger(__name__)
FEW_PEOPLE_ARMS = ("repeated", "augmented")  # compared where people are few: equal frames per step
READER, STUDENT = "reader", "student"  # trained on all real frames; on all published images


@dataclass(frozen=True)
class Plan:
    """A run: its folder's name, its arm, its fold (-1: no test part), how many people (0: all)."""

    name: str
    arm: str
    fold: int = -1
    people: int = 0


def plan_runs(settings: Settings) -> Iterator[Plan]:
    """Every run, the two without folds last."""
    for fold in range(settings.folds):
        for arm in ARMS:
            yield Plan(f"fold{fold}-{arm}", arm, fold)
        for people in settings.people:
            for arm in FEW_PEOPLE_ARMS:
                yield Plan(f"fold{fold}-{arm}-people{people}", arm, fold, people)
    yield Plan(READER, "repeated")
    yield Plan(STUDENT, "synthetic")


def run_experiment(folder: Path, workers: int) -> None:
    """Do every run that is not finished.

    Parameters
    ----------
    folder : that `prepare` wrote
    workers : processes

    Raises
    ------
    BadInput
        Earlier runs are of other data or settings, or people are too few for an arm.
    """
    settings = read_prepared(folder)
    _check_runs(folder, settings)
    plans = [
        p for p in plan_runs(settings) if not (folder / "runs" / p.name / "read.csv").is_file()
    ]
    context = multiprocessing.get_context("spawn")  # a fork would share PyTorch's threads
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        done = [pool.submit(do_run, folder, settings, plan) for plan in plans]
        for number, (plan, future) in enumerate(zip(plans, done, strict=True), 1):
            loss = future.result()
            log.info("%d of %d: %s, loss %.3f", number, len(plans), plan.name, loss)


def _check_runs(folder: Path, settings: Settings) -> None:
    """Note what the runs are trained on; raise where earlier ones are of something else."""
    files = sorted(
        file
        for name in _TRAINED_ON
        for file in folder.glob(f"{name}.*")
        if file.suffix in _SUFFIXES
    )
    inputs = {
        "settings": settings.model_dump(mode="json", include={"seed", "network", "learning"}),
        "files": {file.name: _digest(file) for file in files},
    }
    text, runs = json.dumps(inputs, indent=1, sort_keys=True) + "\n", folder / "runs"
    stated = runs / INPUTS
    if not any(runs.glob("*/*")):
        runs.mkdir(exist_ok=True)
        stated.write_text(text, encoding="utf-8")
    elif not stated.is_file() or stated.read_text(encoding="utf-8") != text:
        rule = "holds runs of other data or settings than those of its parent folder"
        raise BadInput(runs, rule, "delete it: every network is trained anew")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


INPUTS = "inputs.json"  # of `runs`
_TRAINED_ON = ("real", "published", "added", "london", "folds", "used")
_SUFFIXES = (".npy", ".csv")


def _end_with_parent() -> None:
    """Let a worker end when its parent is killed, or it would write beside the next start's."""

    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def do_run(folder: Path, settings: Settings, plan: Plan) -> float:
    """Train, read, write; the mean loss of the last tenth of the steps."""
    torch.set_num_threads(1)
    out = folder / "runs" / plan.name
    out.mkdir(parents=True, exist_ok=True)
    real, published = (read_face_set(folder, name) for name in ("real", "published"))
    # networks without folds learn of people of neither
    added = published if plan.fold < 0 else read_face_set(folder, "added")
    tested, arm = _parts(folder, plan, settings, faces=(real, added))
    checkpoint = out / "checkpoint.pt"
    # one initialisation per fold: arms are paired
    seed = int(named_rng(settings.seed, "initialisation", plan.fold).integers(2**31))
    held_out = None
    if settings.learning.patience:
        arm, faces = hold_out(arm, settings.seed)
        held_out = faces, _sequences(faces, settings)
    network, losses = train(Run(seed, Batches(arm, settings), checkpoint, held_out), settings)
    pd.DataFrame({"loss": losses}).to_csv(out / "losses.csv", index_label="step")
    learned = {name: faces.table["image_id"] for name, faces in arm.learned.items()}
    pd.concat(learned, names=["set"]).reset_index("set").to_csv(out / "learned.csv", index=False)
    if plan.fold < 0:
        save_file(network.state_dict(), out / "network.safetensors")
        tested = _stills(folder, published)
    parts = [
        _table(name, faces, read_sequences(network, faces.images, _sequences(faces, settings)))
        for name, faces in tested.items()
    ]
    unfinished = out / "read.unfinished"
    pd.concat(parts).to_csv(unfinished, index=False)
    unfinished.replace(out / "read.csv")
    checkpoint.unlink(missing_ok=True)
    return float(np.mean(losses[-max(len(losses) // 10, 1) :]))


def _parts(
    folder: Path, plan: Plan, settings: Settings, *, faces: tuple[FaceSet, FaceSet]
) -> tuple[dict[str, FaceSet], Arm]:
    """What is read, by name, and what is learned from: nobody is in both."""
    real, added = faces
    if plan.fold < 0:
        return {}, Arm(ARMS[plan.arm], real, added, plan.name)
    folds, used = (read_csv(folder / f"{name}.csv", text=TEXT) for name in ("folds", "used"))
    outside = folds.loc[folds["fold"] != plan.fold, "subject"].to_numpy()
    order = named_rng(settings.seed, "people", plan.fold).permutation(len(outside))
    chosen = outside[order[: plan.people or None]]
    mine = real.table["subject"].isin(set(folds.loc[folds["fold"] == plan.fold, "subject"]))
    images = set(used.loc[used["fold"] == plan.fold, "image_id"])
    left_out = added.table["subject"].isin(set(outside) - set(chosen))
    arm = Arm(
        ARMS[plan.arm],
        real.take(real.table["subject"].isin(set(chosen)).to_numpy()),
        # whoever was not chosen is not behind the added images either
        added.take((added.table["image_id"].isin(images) & ~left_out).to_numpy()),
        f"fold {plan.fold}, {len(chosen)} people",
    )
    return {"real": real.take(mine.to_numpy())}, arm


def _stills(folder: Path, published: FaceSet) -> dict[str, FaceSet]:
    """The published images, and the London Set's photographs where they are."""
    stills = {"published": published}
    if (folder / "london.csv").is_file():
        stills["london"] = read_face_set(folder, "london")
    return stills


def _sequences(faces: FaceSet, settings: Settings) -> Rows:
    """In what sequences faces are read: a clip's windows, or each still by itself."""
    if "clip" in faces.table:
        return windows(faces.table, settings.learning.sequence)
    return np.arange(len(faces))[:, None]


def _table(name: str, faces: FaceSet, read: NDArray[np.float64]) -> pd.DataFrame:
    """set, image_id, subject, what is asked, and what is read, of each image."""
    table = faces.table[["image_id", "subject", *AXES]].copy()
    table.insert(0, "set", name)
    for axis, values in zip(AXES, read.T, strict=True):
        table[f"read_{axis}"] = values
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m affect4d.training.pytorch.experiment FOLDER [--workers N]`."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path, help="that affect4d.training.prepare wrote")
    at_once = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    parser.add_argument("--workers", type=int, default=at_once, help="processes")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        run_experiment(given.folder, given.workers)
    except BadInput as problem:
        raise SystemExit(f"affect4d: {problem}") from None


if __name__ == "__main__":
    main()
