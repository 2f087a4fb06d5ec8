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
from affect4d.config.training import Settings
from affect4d.formats.limits import DEFAULT
from affect4d.formats.own_tables import read_csv
from affect4d.neutrals.candidates import Candidate
from affect4d.neutrals.databases.search import find_candidates
from affect4d.neutrals.loading import read_candidate
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


def find_frames(folder: Path, settings: Settings, quarantine: Quarantine) -> list[Candidate]:
    """Every annotated frame of the real database, clip by clip in order of time.

    Parameters
    ----------
    folder : of the experiment: the rendered clips, where no database is named, are in it
    settings : of the experiment
    quarantine : receives what cannot be used

    Raises
    ------
    BadInput
        The database's folder is missing.
    """
    root = Path(settings.real) if settings.real else folder / RENDERED_FOLDER
    is_afew_va = settings.layout == "afew_va"
    database = Database(
        adapter="afew_va" if is_afew_va else "aff_wild",
        root=str(root),
        layout=settings.layout,
        # this adapter gives neutral frames alone; within 1 of neutral are all
        override={} if is_afew_va else {"tolerance": 1},
    )
    found = find_candidates(REAL, database, results=root, quarantine=quarantine)
    chosen = [frame for frame in found if frame.frame % settings.every == 0]
    return sorted(chosen, key=lambda frame: (clip_of(frame), frame.frame))


def clip_of(frame: Candidate) -> str:
    """The clip, or track, of a frame: unique in its database."""
    return Path(frame.clip).name


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
            loaded = read_candidate(candidate, DEFAULT)
            images.append(cut(loaded.image, loaded.landmarks, size))
        except (BadInput, OSError) as error:
            quarantine.add(candidate.image_id, as_bad_input(error, candidate.path))
            continue
        rows.append(
            {
                "image_id": candidate.image_id,
                "subject": candidate.subject_id,
                "clip": clip_of(candidate),
                "frame": candidate.frame,
                "valence": candidate.valence,
                "arousal": candidate.arousal,
            }
        )
    if not rows:
        raise BadInput("the real set", "holds no usable frame", "check `real` and `layout`")
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
