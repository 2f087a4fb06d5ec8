"""Settings of the stage `gallery`."""

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from affect4d.config.base import Section, field
from affect4d.config.paths import NameOrPath, SourcePath
from affect4d.formats.markup import DEFAULT_MARKUP

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


class Recording(Section):
    """What synthetic people are recorded doing, and the errors of the scanner."""

    spontaneous: int = field(3, "sequences", "Spontaneous sequences per person.", ge=1, le=9)
    spontaneous_frames: int = field(30, "frames", "Frames of a spontaneous sequence.", ge=8)
    posed_frames: int = field(6, "frames", "Frames of a posed sequence.", ge=6)
    frame_rate: float = field(3.0, "Hz", "Frames per second.", gt=0)
    noise: float = field(
        0.12, "mm", "Standard deviation of the scanner noise per coordinate.", ge=0
    )
    landmark_noise: float = field(
        1.0, "mm", "Standard deviation of the landmark noise per coordinate.", ge=0
    )
    gross_share: float = field(
        0.02, "1", "Share of frames whose landmarks are grossly wrong.", ge=0, lt=0.5
    )
    annotation_noise: float = field(
        0.12, "1", "Standard deviation of the annotators' slow valence-arousal error.", ge=0
    )
    subjects_per_job: int = field(4, "people", "People scanned and registered per job.", ge=1)


class Synthetic(Recording):
    """The embedded gallery: synthetic people, scanned synthetically."""

    subjects: int = field(24, "people", "Synthetic people.", ge=2, le=999)
    scan_vertices: int = field(
        16000, "vertices", "Approximate number of vertices of a raw scan.", ge=2000
    )
    portraits: int = field(
        13, "people", "People rendered as photographs in AFEW-VA's layout.", ge=1
    )


class IctFaceKit(Recording):
    """People and expressions of ICT-FaceKit, scanned synthetically on its own topology."""

    root: SourcePath | None = field(
        None, "", "A clone of ICT-FaceKit: the folder that holds FaceXModel."
    )
    subjects: int = field(12, "people", "Each a combination of its identities.", ge=2, le=999)
    subdivisions: int = field(
        1,
        "times",
        "How often each triangle is divided into four: 9,409, 37,280 or 148,402 vertices per scan.",
        ge=0,
        le=2,
    )


class Manifest(Section):
    """A database of scans on disk."""

    root: SourcePath | None = field(None, "", "Folder that holds every file the table names.")
    table: SourcePath | None = field(
        None, "", "CSV or Parquet, one row per scan (docs/own-data.md)."
    )
    markup: NameOrPath = field(
        DEFAULT_MARKUP,
        "",
        "Mark-up of the landmark files: a name (docs/own-data.md) or the path of a YAML file; the "
        "table's column markup overrides it row by row.",
        min_length=1,
    )
    sequences_per_job: int = field(8, "sequences", "Sequences registered per job.", ge=1)


class Settings(Section):
    """Where scans and their annotations come from."""

    source: Literal["synthetic", "ict_facekit", "manifest"] = field(
        "synthetic", "", "The embedded gallery, ICT-FaceKit's people, or a table of scans on disk."
    )
    synthetic: Synthetic = field(Synthetic, "", "The embedded gallery.")
    ict_facekit: IctFaceKit = field(IctFaceKit, "", "People of ICT-FaceKit.")
    manifest: Manifest = field(Manifest, "", "A database of scans on disk.")

    @model_validator(mode="after")
    def _paths_where_needed(self) -> "Settings":
        if self.source == "manifest" and not (self.manifest.root and self.manifest.table):
            raise ValueError("source 'manifest' needs manifest.root and manifest.table")
        if self.source == "ict_facekit" and not self.ict_facekit.root:
            raise ValueError("source 'ict_facekit' needs ict_facekit.root")
        return self

    @property
    def recording(self) -> Synthetic | IctFaceKit:
        """The section of the source that records synthetic people.

        Raises
        ------
        ValueError
            The source is a table of scans on disk.
        """
        if self.source == "manifest":
            raise ValueError("source 'manifest' has no recording settings")
        return self.ict_facekit if self.source == "ict_facekit" else self.synthetic


def subjects(settings: Settings) -> list[str]:
    """Names of the synthetic people."""
    initial = "i" if settings.source == "ict_facekit" else "s"
    return [f"{initial}{number:03d}" for number in range(1, settings.recording.subjects + 1)]


def files_root(settings: Settings, results: str | Path) -> Path:
    """The folder that the scans' paths are relative to, in every table of the build."""
    return Path(str(settings.manifest.root) if settings.source == "manifest" else results)
