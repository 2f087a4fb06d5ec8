"""The audit of a user's network over a published dataset: reading, groups, one table."""

from pathlib import Path

import pandas as pd

from affect4d.artifacts.dataset import DATASET
from affect4d.neutrals.candidates import normalise
from affect4d.quarantine import BadInput
from affect4d.training.faces import read_published
from affect4d.training.model_audit import compare_groups, measure_people
from affect4d.training.model_reading import read_images


def audit_network(
    model: Path, groups: Path, *, results: Path, size: int, outputs: list[str]
) -> pd.DataFrame:
    """Differences between groups in what a network reads, as `compare_groups` gives them.

    Parameters
    ----------
    model : as `read_images` takes it
    groups : CSV with the column subject, and one per attribute
    results : folder of a build, whose published images are read
    size : pixels of the network's input
    outputs : names of the network's outputs; valence and arousal are compared with what is asked

    Raises
    ------
    BadInput
        A file cannot be used, or nobody of the dataset is in a group.
    """
    known = _read_groups(groups)
    faces = read_published(results / DATASET.name(), size)
    read = read_images(model, faces.images)
    if read.shape[1] != len(outputs):
        rule = f"gives {read.shape[1]} outputs, not {len(outputs)}"
        raise BadInput(model, rule, "name its outputs with --outputs")
    subjects = faces.table["subject"].map(normalise)
    people = measure_people(
        faces.table.assign(subject=subjects), pd.DataFrame(read, columns=outputs)
    )
    found = compare_groups(people, known, seed=0)
    if found.empty:
        rule = "no two groups have two people of the dataset each"
        raise BadInput(groups, rule, "name its subjects as the dataset's column `subject` does")
    return found


def _read_groups(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            file, dtype=str, encoding="utf-8-sig", keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError) as error:
        raise BadInput(
            file, f"is no CSV ({error})", "give columns subject and attributes"
        ) from None
    if "subject" not in table or len(table.columns) < 2:
        raise BadInput(file, "lacks `subject` or any attribute", "give one column per attribute")
    table["subject"] = table["subject"].map(normalise)
    if table["subject"].duplicated().any():
        raise BadInput(file, "has a subject in two rows", "give one row per person")
    return table.set_index("subject")
