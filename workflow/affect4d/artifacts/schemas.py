"""What each table and each store of a build must hold, as the rooms that write them state it.

Where a room names its columns itself, they are taken from there: a column added to one and not to
the other is an error when this module is imported.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from fnmatch import fnmatch

from affect4d.artifacts.dataset import COLUMNS as DATASET_COLUMNS
from affect4d.artifacts.dataset import QUALITY, SPLITS
from affect4d.artifacts.gallery import FRAME_COLUMNS, SCAN_COLUMNS, TASKS
from affect4d.artifacts.neutrals import ACCEPTED
from affect4d.artifacts.statuses import (
    EMPTY,
    FLAGGED,
    INSUFFICIENT,
    OK,
    QUARANTINED,
    UNANNOTATED,
    UNREGISTERED,
    USED,
)
from affect4d.neutrals.candidates import COLUMNS as CANDIDATE_COLUMNS
from affect4d.quarantine import Row


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    type : string, int64, float64, float32, bool or image
    null : whether a value may be missing
    low, high : the least and the greatest value, where there are
    among : all values there may be; any where it is empty
    of : "TABLE:COLUMN" among whose values these must be
    listed : whether each value is a file under the results folder that a manifest lists
    """

    type: str
    null: bool = False
    low: float | None = None
    high: float | None = None
    among: tuple[str, ...] = ()
    of: str = ""
    listed: bool = False


@dataclass(frozen=True)
class Table:
    """A table, or several of one kind.

    Attributes
    ----------
    pattern : its path below the results folder
    columns : name -> Column
    key : the column whose values are there once each; "" where there is none
    others : Column of further columns by how their names start; "" for any name
    """

    pattern: str
    columns: dict[str, Column]
    key: str = ""
    others: dict[str, Column] = field(default_factory=dict)

    def column(self, name: str) -> Column | None:
        """What is known of a column of this name."""
        if name in self.columns:
            return self.columns[name]
        return next((c for start, c in self.others.items() if name.startswith(start)), None)


@dataclass(frozen=True)
class Group:
    """A store, or several of one kind.

    Attributes
    ----------
    pattern : its artifact's name
    arrays : name -> shape; a word stands for one length within the store
    lists : attribute -> its length, such a word
    indices : array whose values number what there is so many of: name -> such a word
    """

    pattern: str
    arrays: dict[str, tuple[str | int, ...]]
    lists: dict[str, str] = field(default_factory=dict)
    indices: dict[str, str] = field(default_factory=dict)


def _columns(names: Iterable[str], known: dict[str, Column]) -> dict[str, Column]:
    return {name: known[name] for name in names}


_AXES = ("valence", "arousal")
_TEXT, _OPTIONAL = Column("string"), Column("string", null=True)
_COUNT, _FLAG = Column("int64", low=0), Column("bool")
_NUMBER, _MEASURED = Column("float64"), Column("float64", null=True)
_LABEL = Column("float64", null=True, low=-1, high=1)
_SHARE = Column("float64", null=True, low=-1, high=1)
_ERROR = Column("float64", null=True, low=0)
_CLASS = Column("int64", low=-1)

# The room of validation states these too; to import it takes seconds.
_MEASURES = tuple(f"{measure}_{axis}" for measure in ("ccc", "mse", "pearson") for axis in _AXES)
_SETS = ("train", "test")

_FRAMES, _USED, _CLASSES = (
    "gallery/frames.parquet",
    "affectspace/frames.parquet",
    "affectspace/classes.parquet",
)
_GALLERY = {
    "frame_id": _TEXT,
    "subject": _TEXT,
    "session": _TEXT,
    "sequence": _TEXT,
    "task": Column("string", among=TASKS),
    "frame": _COUNT,
    "mesh": _TEXT,
    "texture": _OPTIONAL,
    "landmarks": _TEXT,
    "markup": _OPTIONAL,
    # annotations outside the plane are for the affect space to judge (rule 1)
    "valence": _MEASURED,
    "arousal": _MEASURED,
    "expression": _OPTIONAL,
    "is_apex": _FLAG,
    "is_neutral": _FLAG,
}
_IMAGE = {
    "image": Column("image"),
    "image_id": _TEXT,
    "class": _CLASS,
    "class_name": _TEXT,
    "valence": _LABEL,
    "arousal": _LABEL,
    "sample": Column("int64", low=-1),
    "interpolated": _FLAG,
    "kind": Column("string", among=("photograph", "rendered")),
    "database": _TEXT,
    "subject": _TEXT,
    "neutral_image_id": _TEXT,
    "split": Column("string", among=SPLITS),
}

# The first that fits a path holds.
TABLES = (
    Table("*quarantine.csv", {row.name: _TEXT for row in fields(Row)} | {"file": _OPTIONAL}),
    Table("*/quarantine/*.csv", {row.name: _TEXT for row in fields(Row)} | {"file": _OPTIONAL}),
    Table("gallery/table.parquet", {"frame_id": _TEXT}, others={"": Column("any", null=True)}),
    Table("gallery/scans/*.csv", _columns(SCAN_COLUMNS, _GALLERY), key="frame_id"),
    Table(
        "gallery/annotations.csv",
        {"frame_id": _TEXT, "valence": _MEASURED, "arousal": _MEASURED},
        key="frame_id",
    ),
    Table(_FRAMES, _columns(FRAME_COLUMNS, _GALLERY), key="frame_id"),
    Table(
        _USED,
        {
            "frame_id": Column("string", of=f"{_FRAMES}:frame_id"),
            "sequence": _TEXT,
            "frame": _COUNT,
            "subject": _TEXT,
            "valence": _MEASURED,
            "arousal": _MEASURED,
            "class": Column("int64", low=-1),
            "status": Column(
                "string", among=(USED, UNANNOTATED, QUARANTINED, FLAGGED, UNREGISTERED)
            ),
        },
        key="frame_id",
    ),
    Table(
        _CLASSES,
        {
            "class": Column("int64", low=0),
            "name": _TEXT,
            "centre_valence": Column("float64", low=-1, high=1),
            "centre_arousal": Column("float64", low=-1, high=1),
            "count": _COUNT,
            "subjects": _COUNT,
            "median_valence": _LABEL,
            "median_arousal": _LABEL,
            "status": Column("string", among=(OK, INSUFFICIENT, EMPTY)),
        },
        key="class",
    ),
    Table(
        "validation/table1.csv",
        {
            "components": Column("float64", null=True, low=1),
            "basis": Column("string", null=True, among=("sparse", "pca")),
            "basis_subjects": Column("string", null=True, among=("all", "train_only")),
            "model": _TEXT,
            "status": _TEXT,
        }
        | {
            name + side: _ERROR if name.startswith("mse") else _SHARE
            for side in ("", "_low", "_high")
            for name in _MEASURES
        },
        others={"paper_": _MEASURED},
    ),
    Table(
        "validation/predictions.parquet",
        {
            "sequence": _TEXT,
            "frame_id": Column("string", of=f"{_USED}:frame_id"),
            "subject": Column("string", of=f"{_FRAMES}:subject"),
        }
        | {f"{start}{axis}": _NUMBER for start in ("", "predicted_") for axis in _AXES},
        key="frame_id",
    ),
    Table(
        "validation/split.csv",
        {
            "subject": Column("string", of=f"{_FRAMES}:subject"),
            "set": Column("string", among=_SETS),
            "frames": _COUNT,
        },
        key="subject",
    ),
    Table(
        "neutrals/*/candidates.parquet",
        _columns(
            [*CANDIDATE_COLUMNS, "accepted"],
            dict.fromkeys(("database", "subject_id", "image_id", "path", "evidence"), _TEXT)
            | dict.fromkeys(("landmarks_path", "expression"), _OPTIONAL)
            | dict.fromkeys(("is_neutral", "accepted"), _FLAG)
            | {"frame": _COUNT, "valence": _LABEL, "arousal": _LABEL},
        ),
        key="image_id",
    ),
    Table(
        "neutrals/*/accepted.csv",
        _columns(
            ACCEPTED,
            dict.fromkeys(("image_id", "subject", "evidence", "source"), _TEXT)
            | dict.fromkeys(("path", "landmarks"), Column("string", listed=True)),
        ),
        key="image_id",
    ),
    Table(
        "dataset/splits.csv",
        {
            "database": _TEXT,
            "subject": _TEXT,
            "split": Column("string", among=SPLITS),
            "images": Column("int64", low=1),
        },
    ),
    Table(
        "dataset/data/*.parquet",
        _columns((column.name for column in DATASET_COLUMNS), _IMAGE),
        others={QUALITY: Column("float32", null=True)},
    ),
)

_ATLAS: dict[str, tuple[str | int, ...]] = {
    "mean": ("classes", "vertices", 3),
    "median": ("classes", 2),
    "count": ("classes",),
    "status": ("classes",),
    "shares": ("classes", "classes"),
}

GROUPS = (
    Group(
        "registered/*",
        {
            "vertices": ("frames", "vertices", 3),
            "vertices_neutral": ("vertices", 3),
            "seen": ("frames", "vertices"),
            "quality": ("frames", "measures"),
            "flags": ("frames",),
        },
        {"frame_ids": "frames", "measures": "measures"},
    ),
    Group("blendshapes/atlas", _ATLAS, {"names": "classes"}),
    Group("blendshapes/expressions", _ATLAS, {"names": "classes"}),
    Group(
        "blendshapes/*",
        {
            "mean": ("vertices", 3),
            "components": ("components", "vertices", 3),
            "weights": ("fitted", "components"),
            "quantiles": ("levels", "components"),
            "correlation": ("components", "components"),
        },
        {"frame_ids": "frames", "sequences": "frames", "fitted_frame_ids": "fitted"},
    ),
    Group(
        "fits/*/*",
        {"camera": ("images", "camera"), "quality": ("images", "measures")},
        {"image_ids": "images", "subjects": "images", "images": "images"},
    ),
    Group(
        "synthesis/*/*",
        {
            "images": ("images", "size", "size", 3),
            "neutral": ("photographs", "size", "size", 3),
            "class": ("images",),
            "photograph": ("images",),
            "sample": ("images",),
            "interpolated": ("images",),
            "valence": ("images",),
            "arousal": ("images",),
            "quality": ("images", "measures"),
        },
        {
            "image_ids": "images",
            "subjects": "images",
            "photographs": "photographs",
            "classes": "classes",
            "quality": "measures",
        },
        {"class": "classes", "photograph": "photographs"},
    ),
)


def table_of(path: str) -> Table | None:
    """The schema of the table at a path below the results folder; None where there is none."""
    return next((table for table in TABLES if fnmatch(path, table.pattern)), None)


def group_of(artifact: str) -> Group | None:
    """The schema of a store; None where there is none."""
    return next((group for group in GROUPS if fnmatch(artifact, group.pattern)), None)
