"""From a build and a database to what is trained on: `python -m affect4d.training.prepare`.

It runs in the pipeline's environment and writes below its folder: `real`, `published`, `added`
(the synthesized images that arms add to the real frames) and `london`, each as .npy and .csv,
`folds.csv`, `used.csv` (which fold trains on which of `added`), `quarantine.csv`, `settings.json`.
"""

import argparse
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from affect4d.artifacts.dataset import DATASET
from affect4d.artifacts.gallery import MODEL
from affect4d.artifacts.readers import SUMMARY
from affect4d.artifacts.reading import read_file
from affect4d.config.training import Settings
from affect4d.fitting.detection import detect_landmarks
from affect4d.formats.content import read_yaml
from affect4d.formats.images import read_photograph
from affect4d.gallery.synthetic.model import read_model
from affect4d.gallery.synthetic.wild import film_clips
from affect4d.neutrals.candidates import normalise
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store import StoreError
from affect4d.system_files import find_files
from affect4d.training.augmentation import augment
from affect4d.training.face_set import EXPRESSIONS, FaceSet
from affect4d.training.faces import (
    RENDERED_FOLDER,
    cut,
    find_frames,
    read_accepted,
    read_frames,
    read_published,
)
from affect4d.training.folds import allowed, make_folds
from affect4d.training.leaks import (
    check_leaks,
    list_frames,
    names_of,
    people_behind,
    withdrawn_names,
)
from affect4d.training.wild_layouts import WRITERS

log = logging.getLogger(__name__)
LONDON = ("neutral_front/*_03.jpg", "smiling_front/*_08.jpg")  # as published
RENDERED = "rendered.json"  # beside the rendered clips: what they were rendered from; written last


def read_settings(file: Path | None) -> Settings:
    """The Settings of a YAML file; the defaults without one.

    Raises
    ------
    BadInput
        The file cannot be read, or breaks a rule.
    """
    if file is None:
        return Settings()
    try:
        return Settings.model_validate(read_yaml(file, "settings of the training") or {})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BadInput(file, f"{key}: {first['msg']}", "see docs/training.md") from None


def prepare_training(results: Path, folder: Path, settings: Settings) -> None:
    """Write all that the experiment needs into a folder.

    Parameters
    ----------
    results : folder of a finished build
    folder : receives it; what is there already is replaced, rendered clips excepted
    settings : of the experiment

    Raises
    ------
    BadInput
        An input cannot be used, or a person would be on both sides of a fold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    quarantine, size = Quarantine("training"), settings.network.size
    for former in ("london.npy", "london.csv", EXPRESSIONS):  # which are not always written
        (folder / former).unlink(missing_ok=True)
    if not settings.real:
        _render(results, folder, settings)
    gone, found = withdrawn_names(results), find_frames(folder, settings, quarantine)
    frames = [frame for frame in found if gone.isdisjoint(names_of(frame))]
    real = read_frames(frames, size, quarantine)
    published = _without(read_published(results / DATASET.name(), size), gone)
    folds = make_folds(real.table, settings.folds, settings.seed)
    if settings.real:  # its people are behind the published images
        added, photographs = published, read_accepted(results, published.table["database"])
    else:
        added = augment(frames, results, size, quarantine=quarantine)
        photographs = list_frames(frames)
    used = _used(added.table, folds)
    check_leaks(used, people_behind(photographs), folds, gone=gone)
    for name, faces in {"real": real, "published": published, "added": added}.items():
        faces.write(folder, name)
    for name, table in {"folds": folds, "used": used}.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    if settings.london:
        london = _london(Path(settings.london), size, quarantine)
        _without(london, gone).write(folder, "london")
    pd.DataFrame([vars(row) for row in quarantine.rows]).to_csv(
        folder / "quarantine.csv", index=False
    )
    if SUMMARY.path(results).is_file():
        (folder / EXPRESSIONS).write_bytes(read_file(SUMMARY.path(results)))
    text = settings.model_dump_json(indent=1)
    (folder / "settings.json").write_text(text + "\n", encoding="utf-8")
    log.info("%d real frames, %d images to add to them", len(real), len(added))


def _without(faces: FaceSet, gone: set[str]) -> FaceSet:
    """The faces of everybody else."""
    return faces.take(~faces.table["subject"].map(normalise).isin(gone).to_numpy())


def _render(results: Path, folder: Path, settings: Settings) -> None:
    """Render the clips that stand in for a database, unless they are there with these settings."""
    wild, root = settings.wild, folder / RENDERED_FOLDER
    text = f"{settings.seed} {settings.layout} {wild.model_dump_json()}"
    mark = folder / RENDERED
    if not mark.is_file() or mark.read_text(encoding="utf-8") != text:
        mark.unlink(missing_ok=True)
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        model, sizes = read_model(MODEL.path(results)), (wild.people, wild.clips, wild.frames)
        write = WRITERS[settings.layout]
        for clip in film_clips(model, sizes=sizes, seed=settings.seed):
            write(root, clip)
        mark.write_text(text, encoding="utf-8")


def _used(published: pd.DataFrame, folds: pd.DataFrame) -> pd.DataFrame:
    """The synthesized images that each fold trains on: fold, image_id, neutral_image_id."""
    columns = ["image_id", "neutral_image_id"]
    return pd.concat(
        [
            published.loc[allowed(published, folds, fold), columns].assign(fold=fold)
            for fold in sorted(folds["fold"].unique())
        ],
        ignore_index=True,
    )


def _london(root: Path, size: int, quarantine: Quarantine) -> FaceSet:
    """The London Set's people, neutral and smiling, all cut by the detector's landmarks.

    The published points are of the neutral photographs alone: one source for both, so that the cut
    does not tell them apart.
    """
    rows, images = [], []
    for path in sorted(path for pattern in LONDON for path in find_files(root, pattern)):
        try:
            photograph, _ = read_photograph(path)
            images.append(cut(photograph, detect_landmarks(photograph), size))
        except BadInput as problem:
            quarantine.add(path.name, problem)
            continue
        name = {"image_id": path.stem, "subject": path.stem.split("_")[0]}
        rows.append(name | {"smiles": path.stem.endswith("_08"), "valence": None, "arousal": None})
    if not rows:
        raise BadInput(root, "no face was found", "`make detector`, or leave `london` out")
    faces = FaceSet(np.array(images), pd.DataFrame(rows))
    pairs = faces.table.groupby("subject")["smiles"].transform("nunique") == 2
    return faces.take(pairs.to_numpy())


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m affect4d.training.prepare RESULTS FOLDER [SETTINGS.yaml]`."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=Path, help="results folder of a build")
    parser.add_argument("folder", type=Path, help="receives what the experiment trains on")
    parser.add_argument("settings", type=Path, nargs="?", help="YAML; see docs/training.md")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        prepare_training(given.results, given.folder, read_settings(given.settings))
    except (BadInput, StoreError) as problem:
        raise SystemExit(f"affect4d: {problem}") from None


if __name__ == "__main__":
    main()
