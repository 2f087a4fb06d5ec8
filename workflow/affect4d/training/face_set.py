"""Images of one size with a table, as two files: what passes between the two environments."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.config.training import Settings
from affect4d.formats.own_tables import read_csv
from affect4d.quarantine import BadInput, as_bad_input

AXES = ["valence", "arousal"]
# columns of text, where a table has them
TEXT = ("subject", "clip", "image_id", "neutral_image_id")
EXPRESSIONS = "expressions.csv"  # what the build's classifier of expressions read, beside the sets


@dataclass(frozen=True, eq=False)
class FaceSet:
    """N images and what is known of each.

    Attributes
    ----------
    images : (N, S, S, 3) uint8
    table : N rows, with valence and arousal in [-1, 1]
    """

    images: NDArray[np.uint8]
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> NDArray[np.float32]:
        """Valence and arousal (N, 2)."""
        labels: NDArray[np.float32] = self.table[AXES].to_numpy(np.float32)
        return labels

    def take(self, rows: NDArray[np.int_] | NDArray[np.bool_]) -> "FaceSet":
        """Some of the images, by number or mask, in that order."""
        return FaceSet(self.images[rows], self.table.iloc[rows].reset_index(drop=True))

    def write(self, folder: Path, name: str) -> None:
        """Write `name.npy` and `name.csv`."""
        np.save(folder / f"{name}.npy", self.images)
        self.table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def read_prepared(folder: Path) -> Settings:
    """The settings that an experiment's folder was prepared with.

    Raises
    ------
    BadInput
        None was prepared there, or its settings are damaged or cannot be read.
    """
    path = folder / "settings.json"
    try:
        return Settings.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput(folder, "no experiment is prepared in it", "run `make train`") from None
    except OSError as error:
        raise as_bad_input(error, path) from None
    except ValueError:
        rule, remedy = "are no settings of an experiment", "delete the folder, run `make train`"
        raise BadInput(path, rule, remedy) from None


def read_face_set(folder: Path, name: str) -> FaceSet:
    """The FaceSet of that name; its images are mapped, not read."""
    images = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return FaceSet(images, read_csv(folder / f"{name}.csv", text=TEXT))
