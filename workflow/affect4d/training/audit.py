"""Was anybody on both sides of a fold? `python -m affect4d.training.audit RESULTS FOLDER`.

Every run wrote down the images that it learned from and those that it was tested on. Who is on them
is asked of the lineage, not of what was prepared: the real database is read again, each published
image is followed to the photograph that the build accepted. `make train` stops where this finds
something.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from affect4d.artifacts.dataset import DATASET
from affect4d.dataset.published import Published
from affect4d.formats.own_tables import read_csv
from affect4d.neutrals.candidates import normalise
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store import StoreError
from affect4d.training.face_set import TEXT, read_prepared
from affect4d.training.faces import find_frames, read_accepted
from affect4d.training.leaks import (
    REAL,
    People,
    find_leaks,
    list_frames,
    people_behind,
    withdrawn_names,
)

READER = "reader"  # the run that must learn from no synthesized image


def audit_training(results: Path, folder: Path) -> Iterator[str]:
    """What is wrong with the runs of a finished experiment, one line each; last, what was checked.

    Parameters
    ----------
    results : folder of the build
    folder : of the experiment

    Raises
    ------
    BadInput
        No experiment is prepared there, or no run is finished.
    """
    settings = read_prepared(folder)
    published = Published(results / DATASET.name()).rows
    photographs = list_frames(find_frames(folder, settings, Quarantine("training")))
    accepted = read_accepted(results, published["database"])
    people = people_behind(pd.concat([photographs, accepted]))
    added = read_csv(folder / "added.csv", text=TEXT)
    neutral = pd.concat([added, published]).set_index("image_id")["neutral_image_id"].to_dict()
    gone, images = withdrawn_names(results), 0
    runs = sorted(file.parent for file in folder.glob("runs/*/read.csv"))
    if not runs:
        raise BadInput(folder, "no run is finished in it", "run `make train` first")
    for run in runs:
        learned = read_csv(run / "learned.csv", text=TEXT)
        real = learned["set"] == REAL
        if run.name == READER and not real.all():
            yield f"{READER}: learned from {(~real).sum()} synthesized images"
        behind = [
            f"{REAL}-{image_id}" if is_real else neutral.get(image_id)
            for image_id, is_real in zip(learned["image_id"], real, strict=True)
        ]
        learned = learned.assign(run=run.name, neutral_image_id=behind)
        tested = _tested(read_csv(run / "read.csv", text=TEXT), people)
        yield from find_leaks(learned, people, tested={run.name: tested}, gone=gone)
        if tested & gone:
            yield f"{run.name}: is tested on somebody who withdrew"
        images += len(learned)
    yield (
        f"{len(runs)} runs, {images} images learned from, {len(people)} photographs: compared by "
        f"lineage with whom each run is tested on, and with {len(gone)} people who withdrew"
    )


def _tested(read: pd.DataFrame, people: People) -> set[str]:
    """The normalised names of those whom a run is tested on: on real frames, on real smiles."""
    frames = read.loc[read["set"] == REAL, "image_id"]
    smiling = read.loc[read["set"] == "london", "subject"]
    return set().union(*(people[f"{REAL}-{name}"] for name in frames), map(normalise, smiling))


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m affect4d.training.audit RESULTS FOLDER`; exit code 1: something was found."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=Path, help="results folder of the build")
    parser.add_argument("folder", type=Path, help="of a finished experiment")
    given = parser.parse_args(arguments)
    try:
        *found, checked = audit_training(given.results, given.folder)
    except (BadInput, StoreError) as problem:
        raise SystemExit(f"affect4d: {problem}") from None
    print("\n".join([*found[:MAX_LINES], f"{checked}: {len(found)} findings"]))
    raise SystemExit(bool(found))


MAX_LINES = 20  # findings that are printed; their number is


if __name__ == "__main__":
    main()
