"""Faces as networks are given them: small aligned squares, and a table of what is known of each.

Real frames and published images are cut alike: the square around the landmarks of the dataset's own
convention (`synthesis.crop`), reduced by area.
"""

import io
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from affect4d.artifacts.dataset import NEUTRAL_CLASS, SHARD
from affect4d.artifacts.neutrals import ACCEPTED_TABLE
from affect4d.artifacts.reading import check_content, open_file
from affect4d.config.neutrals import Database
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.formats.images import read_photograph
from affect4d.formats.own_tables import read_csv
from affect4d.neutrals.candidates import Candidate
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import BadInput, Quarantine, as_bad_input
from affect4d.synthesis.crop import square_around
from affect4d.system_files import find_files
from affect4d.training.face_set import FaceSet
from affect4d.training.leaks import REAL

# Of a published square's side that a network sees: the landmarks' extent and 4 % on each side, as
# faces are cut for AFEW-VA's networks; the rest is hair and background.
SHARE = 0.66
RENDERED_FOLDER = "wild"  # of the experiment: clips that stand in for a real database
_READ = (
    "image", "image_id", "class", "valence", "arousal", "kind", "database", "subject",
    "neutral_image_id",
)  # fmt: skip


def find_frames(root: Path, quarantine: Quarantine) -> list[Candidate]:
    """Every annotated frame of a folder in AFEW-VA's layout, clip by clip in order of time.

    Raises
    ------
    BadInput
        The folder is missing.
    """
    database = Database(adapter="afew_va", root=str(root))
    found = find_candidates(REAL, database, results=root, quarantine=quarantine)
    return sorted(found, key=lambda c: (Path(c.source).parent.as_posix(), c.frame))


def read_frames(frames: list[Candidate], size: int, quarantine: Quarantine) -> FaceSet:
    """The faces of frames, in their order.

    The table's columns: image_id, subject (normalised), clip, frame, valence, arousal ([-1, 1]).

    Parameters
    ----------
    frames : of the database
    size : pixels of the squares
    quarantine : receives what cannot be used

    Raises
    ------
    BadInput
        There is no usable frame.
    """
    rows, images = [], []
    for candidate in frames:
        try:
            photograph, _ = read_photograph(candidate.path)
            images.append(cut(photograph, candidate.read_landmarks(), size))
        except (BadInput, OSError) as error:
            quarantine.add(candidate.image_id, as_bad_input(error, candidate.path))
            continue
        rows.append(
            {
                "image_id": candidate.image_id,
                "subject": candidate.subject_id,
                "clip": Path(candidate.source).parent.as_posix(),
                "frame": candidate.frame,
                "valence": candidate.valence,
                "arousal": candidate.arousal,
            }
        )
    if not rows:
        raise BadInput("the real set", "holds no usable frame", "give a folder in AFEW-VA's layout")
    return FaceSet(np.array(images), pd.DataFrame(rows))


def cut(
    photograph: NDArray[np.uint8], landmarks: NDArray[np.floating], size: int
) -> NDArray[np.uint8]:
    """The square (size, size, 3) around landmarks (68, 2) in a photograph (H, W, 3)."""
    published = SynthesisSettings()
    square = square_around(landmarks, published.margin, published.size).cut(photograph)
    return reduce(square, size)


def reduce(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The middle of a published square, at another size; a pixel is the mean of what it covers."""
    edge = round(len(image) * (1 - SHARE) / 2)
    middle = image[edge : len(image) - edge, edge : len(image) - edge]
    small = cv2.resize(middle, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def read_published(dataset: Path, size: int) -> FaceSet:
    """The synthesized images of a published dataset, without the neutral ones.

    The table's columns are the dataset's, `class` among them.

    Raises
    ------
    BadInput
        There is no shard, or one cannot be read.
    """
    shards = list(find_files(dataset / "data", "*.parquet"))
    if not shards:
        raise BadInput(dataset, "holds no shard of a dataset", "run `make dataset`")
    tables, images = [], []
    for shard in shards:
        try:
            content = shard.read_bytes()
            check_content(shard, content)
            rows = pq.read_table(io.BytesIO(content), columns=list(_READ)).to_pandas()
            rows = rows[rows["class"] != NEUTRAL_CLASS]
            images += [_decode(picture["bytes"], size) for picture in rows["image"]]
        except (OSError, ValueError, KeyError) as error:
            rule = f"is no shard of {SHARD.pattern} ({error})"
            raise BadInput(shard, rule, "publish the dataset again") from None
        tables.append(rows.drop(columns="image"))
    table = pd.concat(tables, ignore_index=True)
    order = table.sort_values("image_id", kind="stable").index
    return FaceSet(np.array(images), table).take(order.to_numpy())


def _decode(content: bytes, size: int) -> NDArray[np.uint8]:
    return reduce(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), size)


def read_accepted(results: Path, databases: Iterable[str]) -> pd.DataFrame:
    """The neutral photographs that a build accepted, with the people in them, of some databases.

    Returns
    -------
    DataFrame
        `neutrals/{database}/accepted.csv`, joined, and the column database.
    """
    tables = [
        read_csv(open_file(ACCEPTED_TABLE.path(results, database=name))).assign(database=name)
        for name in sorted(set(databases))
    ]
    return pd.concat(tables, ignore_index=True)
