"""How many items each job of a build works on: frames, sequences, classes, photographs, images.

What a build has made already is counted; the rest follows from the configuration and the user's
table. Photographs of a database are at most `neutrals.max_images` and as many as are found, of
rendered people at most one each, and every class may get images. An image counts by its pixels too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affect4d.artifacts.affectspace import CLASSES
from affect4d.artifacts.neutrals import ACCEPTED_TABLE
from affect4d.artifacts.reading import open_file
from affect4d.artifacts.statuses import OK
from affect4d.config.gallery import EXPRESSIONS
from affect4d.config.gallery import Settings as GallerySettings
from affect4d.config.neutrals import Database
from affect4d.config.project import Project
from affect4d.gallery.jobs import chunks
from affect4d.gallery.user_table import scan_rows
from affect4d.neutrals.databases.search import find_candidates
from affect4d.operations.image_work import BY_IMAGES, ImageWork
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store import StoreError

FRAMES, SEQUENCES, PHOTOGRAPHS, IMAGES, CLASSES_MADE = (
    "frames", "sequences", "photographs", "images", "classes",
)  # fmt: skip
# What an image of synthesis takes of a disk beside its pixels, in pixels: .9 KB, and .5 bytes per
# pixel (the same builds).
PLAIN_STORED = 1_900
# Files of a chunk of images, and of a dataset, that do not grow, in images and in full shards.
PLAIN_FILES, PLAIN_SHARDS = 1_700, 4
# What the number of a rule's files grows with.
_FILES = {
    "gallery_scans": FRAMES,
    "registration": SEQUENCES,
    "validation_features": SEQUENCES,
    "gallery_portraits": PHOTOGRAPHS,
    "neutrals": PHOTOGRAPHS,
}
# Rules that do other work for another source of scans.
_BY_SOURCE = ("gallery_scans", "gallery_annotations")
# What the cost of a rule's jobs grows with; that of the others does not grow, or with no one thing.
MEASURE = {
    "gallery_table": FRAMES,
    "gallery_scans": FRAMES,
    "gallery_annotations": FRAMES,
    "gallery_frames": FRAMES,
    "registration": FRAMES,
    "affectspace": FRAMES,
    "blendshapes": FRAMES,
    "expressions": SEQUENCES,
    "registration_pictures": SEQUENCES,
    "fitting_model": SEQUENCES,
    "validation_bases": SEQUENCES,
    "validation_features": FRAMES,
    "validation": FRAMES,
    "atlas": CLASSES_MADE,
    "blendshapes_pictures": CLASSES_MADE,
    "gallery_portraits": PHOTOGRAPHS,
    "neutrals": PHOTOGRAPHS,
    "fitting": PHOTOGRAPHS,
    "synthesis": IMAGES,
    "dataset": IMAGES,
    "audit": IMAGES,
}


@dataclass(frozen=True)
class Sizes:
    """The items of a build.

    Attributes
    ----------
    frames, sequences : of each chunk of the gallery
    photographs : of each database
    fit_chunks : jobs among which a database's photographs are distributed
    classes : of the plane that get images
    groups : jobs of blendshapes, which share the frames
    samples : images of each photograph and class beside the mean's
    pixels : of an image
    shard_rows : images of a file of the dataset
    source : of the scans
    search_frames : of which the validation's search, its longest part, takes no more
    work : what synthesis takes per image; images alone count where it is not measured
    notes : what could not be counted, and why
    """

    frames: Mapping[str, int]
    sequences: Mapping[str, int]
    photographs: Mapping[str, int]
    fit_chunks: int
    classes: int
    groups: int
    samples: int
    pixels: int
    shard_rows: int
    source: str
    search_frames: int
    work: ImageWork = BY_IMAGES
    notes: tuple[str, ...] = ()

    def kind(self, rule: str) -> str:
        """The rule, with the source of the scans where it does other work for another."""
        return f"{rule} ({self.source})" if rule in _BY_SOURCE else rule

    def units(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What a job's time grows with; 1 where it does not grow."""
        if rule in ("dataset", "audit"):  # decode every pixel
            return self.stored(rule, wildcards)
        items = self._count(MEASURE.get(rule), wildcards)
        if rule == "synthesis":
            return self.work.of(
                photographs=self._count(PHOTOGRAPHS, wildcards),
                images=items,
                pixels=self.pixels,
                samples=self.classes * self.samples if items else 0,
            )
        if rule == "validation":
            return min(items, self.search_frames)
        if rule == "blendshapes":
            return items / self.groups
        return items

    def held(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What a job's memory grows with: pixels where it holds images, else its items."""
        images = self._count(IMAGES, wildcards)
        if rule == "synthesis":
            return images * self.pixels
        if rule == "dataset":
            return min(images, self.shard_rows) * self.pixels
        return self.units(rule, wildcards)

    def stored(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What the size of a job's artifacts grows with."""
        if MEASURE.get(rule) == IMAGES:
            return self._count(IMAGES, wildcards) * (self.pixels + PLAIN_STORED)
        if rule in ("blendshapes", "validation"):
            return self.files(rule, wildcards)
        return self.units(rule, wildcards)

    def files(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """What the number of a job's files grows with."""
        if rule == "synthesis":
            return self._count(IMAGES, wildcards) + PLAIN_FILES
        if rule == "dataset":
            return self._count(IMAGES, wildcards) / self.shard_rows + PLAIN_SHARDS
        if rule == "blendshapes":
            return self.classes / self.groups
        return self._count(_FILES.get(rule), wildcards)

    def _count(self, measure: str | None, wildcards: Mapping[str, str]) -> float:
        """How many of something a job works on; 1 for None."""
        chunk, database = wildcards.get("chunk", ""), wildcards.get("database")
        if measure in (FRAMES, SEQUENCES):
            counts = self.frames if measure == FRAMES else self.sequences
            return counts.get(chunk, sum(counts.values()))
        if measure == CLASSES_MADE:
            return self.classes
        if measure is None:
            return 1.0
        photographs: float = sum(self.photographs.values())
        if database is not None:
            photographs = self.photographs.get(database, 0) / (self.fit_chunks if chunk else 1)
        return photographs * (self.classes * (1 + self.samples) if measure == IMAGES else 1)


def count_sizes(project: Project, root: Path) -> Sizes:
    """The items of the build of a configuration in a results folder.

    Raises
    ------
    BadInput
        The user's table cannot be used.
    """
    frames, sequences = _gallery(project.gallery)
    affectspace = project.affectspace
    groups = -(-(affectspace.bins**2) // project.blendshapes.classes_per_job)
    photographs, notes = {}, list[str]()
    for name, database in project.neutrals.databases.items():
        accepted = _rows(ACCEPTED_TABLE.path(root, database=name))
        if accepted is None:
            found = _found(name, database, project, root=root, notes=notes)
            photographs[name] = min(project.neutrals.max_images, found)
        else:
            photographs[name] = len(accepted)
    classes = _rows(CLASSES.path(root))
    return Sizes(
        frames,
        sequences,
        photographs,
        fit_chunks=project.fitting.chunks,
        classes=affectspace.bins**2 if classes is None else int((classes["status"] == OK).sum()),
        groups=groups,
        samples=project.synthesis.samples,
        pixels=project.synthesis.size**2,
        shard_rows=project.dataset.shard_rows,
        source=project.gallery.source,
        search_frames=project.validation.search_frames,
        notes=tuple(notes),
    )


def _found(name: str, database: Database, project: Project, *, root: Path, notes: list[str]) -> int:
    """Images of a database of which none is accepted yet; where they cannot be found, a note."""
    if database.built_folder:
        return project.gallery.synthetic.portraits
    try:
        return len(find_candidates(name, database, results=root, quarantine=Quarantine("plan")))
    except BadInput as problem:
        notes.append(f"no photograph of {name} is counted: {problem}")
        return 0


def _gallery(settings: GallerySettings) -> tuple[dict[str, int], dict[str, int]]:
    """Frames and sequences of each chunk."""
    if settings.source == "manifest":
        rows = scan_rows(settings)
        sequences = {chunk: table["sequence"].unique() for chunk, table in rows.items()}
        return (
            {chunk: len(table) for chunk, table in rows.items()},
            {chunk: len(names) for chunk, names in sequences.items()},
        )
    recording, people = settings.recording, chunks(settings)
    posed = len(EXPRESSIONS)
    frames = recording.spontaneous * recording.spontaneous_frames + posed * recording.posed_frames
    per_person = recording.spontaneous + posed
    return (
        {chunk: frames * len(members) for chunk, members in people.items()},
        {chunk: per_person * len(members) for chunk, members in people.items()},
    )


def _rows(path: Path) -> pd.DataFrame | None:
    """A table that the build has made, or None."""
    try:
        read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
        return read(open_file(path))
    except (StoreError, OSError, ValueError):
        return None
