"""Settings of the stage `neutrals`."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema

from affect4d.config.base import Section, field, suggest
from affect4d.config.paths import (
    SOURCE,
    NameOrPath,
    SourcePath,
    check_plain_path,
    reserved_database_names,
)
from affect4d.database_adapters import (
    adapter_names,
    explain_unknown,
    layout_file,
    layout_names,
    load_adapter,
)
from affect4d.formats.limits import SHRT_MAX, Limits

RESULTS = "{results}/"
_MAX_NAME = 64  # characters: it becomes part of the names of files, which have at most 255 bytes


def _is_free(name: str) -> str:
    reserved = reserved_database_names()
    if name in reserved:
        raise ValueError(
            f"a build has folders of the names {', '.join(sorted(reserved))}: name it otherwise"
        )
    return name


DatabaseName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=_MAX_NAME),
    AfterValidator(_is_free),
]


def _is_root(root: str) -> str:
    """A folder of the user's own, or one below the results folder."""
    built = root.removeprefix(RESULTS)
    check_plain_path(built)
    if built != root and ("//" in root or not set(built.split("/")).isdisjoint({"", ".", ".."})):
        raise ValueError(f"after {RESULTS} stands the name of a folder that the build makes")
    return root


class _OneOfTheAdapters:
    """Lists the adapters in the JSON schema."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(core) | {"enum": adapter_names()}


def _is_known(adapter: str) -> str:
    known = adapter_names()
    if adapter not in known:
        remedy = explain_unknown(adapter) or suggest(adapter, known)
        raise ValueError(f"no such adapter among {', '.join(known)}; {remedy}")
    return adapter


def explain_adapter(name: str) -> str:
    """Why there is no adapter of that name that reads a folder; "" where there is one."""
    if name.lower().endswith((".yaml", ".yml")):
        return ""
    try:
        return "" if load_adapter(_is_known(name)).needs_root else f"{name} has no folder"
    except ValueError as error:
        return str(error)


def _is_layout(layout: str) -> str:
    known = layout_names()
    if not layout.endswith(".yaml") and layout not in known:
        raise ValueError(f"no such layout; {suggest(layout, known)}, or give a .yaml")
    return layout


class Database(Section):
    """One database of photographs."""

    adapter: Annotated[str, AfterValidator(_is_known), _OneOfTheAdapters] = field(
        ..., "", "How its files are read: a module of affect4d/neutrals/databases."
    )
    root: Annotated[str, AfterValidator(_is_root), SOURCE] | None = field(
        None, "", "Its folder; `{results}/...` names a folder that the build itself makes."
    )
    layout: Annotated[NameOrPath, AfterValidator(_is_layout)] | None = field(
        None,
        "",
        "File names and codes: the name of a file in affect4d/neutrals/databases, without .yaml, "
        "or the path of your own .yaml; by default the adapter's.",
    )
    override: dict[str, Any] = field(
        {}, "", "Keys of the layout with other values, such as `wanted: {view: [00F, 30L, 30R]}`."
    )

    decisions: SourcePath | None = field(
        None,
        "",
        "The table of what people decided on its images, which `affect4d review` writes; by "
        "default nobody inspected them.",
    )

    @model_validator(mode="after")
    def _root_where_needed(self) -> "Database":
        needed = load_adapter(self.adapter).needs_root
        if needed != (self.root is not None):
            rule = "`root` is needed" if needed else "`root` is not used: leave it out"
            raise ValueError(f"{rule} (adapter {self.adapter!r})")
        return self

    @property
    def built_folder(self) -> str | None:
        """The root relative to the results folder, where the build itself makes it."""
        if self.root is not None and self.root.startswith(RESULTS):
            return self.root.removeprefix(RESULTS)
        return None

    @property
    def layout_file(self) -> Path:
        """The YAML file of its layout."""
        if self.layout is not None and self.layout.lower().endswith((".yaml", ".yml")):
            return Path(self.layout)
        return layout_file(self.layout or self.adapter)

    def folder(self, results: Path) -> Path | None:
        """The database's folder; None for package data."""
        if self.root is None:
            return None
        built = self.built_folder
        return Path(self.root) if built is None else results / built


def _embedded() -> dict[str, Database]:
    return {
        "photographs": Database(adapter="embedded"),
        "portraits": Database(adapter="afew_va", root=f"{RESULTS}gallery/portraits"),
    }


class FileLimits(Section):
    """What a file of a database may take: checked before it is read, or before it is decoded."""

    image_mb: int = field(256, "MB", "Maximum size of an image file.", ge=1)
    image_pixels: int = field(
        1 << 26,
        "pixels",
        "Maximum number of pixels; half of it for WebP and progressive JPEG. Reading takes some 10 "
        "bytes each, in addition to the file.",
        ge=1,
        le=1 << 27,  # beyond, Pillow refuses images on its own
    )
    image_side: int = field(
        SHRT_MAX, "pixels", "Maximum number of pixels along a side.", ge=1, le=SHRT_MAX
    )
    side_file_mb: int = field(
        8, "MB", "Maximum size of a file of landmarks, annotations or names.", ge=1
    )

    @property
    def of_files(self) -> Limits:
        """The limits as readers take them."""
        return Limits(
            image_bytes=self.image_mb << 20,
            pixels=self.image_pixels,
            side=self.image_side,
            side_file_bytes=self.side_file_mb << 20,
        )


class FaceRules(Section):
    """What a face that is used must be like; null: no rule. candidates.parquet has the measures."""

    min_eye_distance: float | None = field(
        None, "pixels", "Minimum distance of the outer eye corners.", gt=0
    )
    min_sharpness: float | None = field(
        None,
        "1",
        "Minimum energy of the Laplacian over that of the luminance, of a face reduced or enlarged "
        "to 64 pixels between the eye corners; blur lowers it.",
        gt=0,
    )
    max_landmark_error: float | None = field(
        None,
        "inter-ocular distance",
        "Maximum mean distance of the landmarks from those of the template in the same pose.",
        gt=0,
    )
    max_yaw: float | None = field(
        None, "degrees", "Maximum turn of the head to either side.", gt=0, le=90
    )
    max_covered: float | None = field(
        None,
        "1",
        "Maximum share of the skin whose colour is not the skin's: hair, glasses, a hand, shadow.",
        gt=0,
        le=1,
    )
    min_neutral: float | None = field(
        None,
        "1",
        "Minimum probability of a neutral expression by the expression reader, which has to be "
        "installed (`make face-readers`) and takes some seconds per face; 0: it is only recorded.",
        ge=0,
        le=1,
    )


class Settings(Section):
    """Which databases give neutral faces, and how many of each."""

    databases: dict[DatabaseName, Database] = field(
        _embedded,
        "",
        "The databases, as `NAME: {adapter: folder, root: /data/mine}`, as many as you like (the "
        "section below; own-data.md has an example of each, such as `fei`, and `subjects.csv`, "
        "which says who is on which photograph).",
    )
    max_per_subject: int = field(
        1,
        "images",
        "Maximum number of neutral images per person, spread over the available frames.",
        ge=1,
    )
    min_spacing: int = field(
        25,
        "frames",
        "Minimum distance of two images of one clip; by default a second of most videos.",
        ge=1,
    )
    min_difference: float = field(
        2.0,
        "grey levels",
        "Minimum mean difference of the faces in two images of one clip, at 32 x 32 pixels; noise "
        "alone makes less than 1.",
        ge=0,
    )
    faces: FaceRules = field(
        FaceRules, "", "What a face must be like; a clip's next frame is tried where one is not."
    )
    limits: FileLimits = field(FileLimits, "", "What a file of a database may take.")
    withdrawn: NameOrPath = field(
        "withdrawn.txt",
        "",
        "File of people who withdrew, a line `database/subject` each; there may be none. `affect4d "
        "dataset withdraw` writes it. No photograph of theirs is used.",
    )
    max_images: int = field(12, "images", "Maximum number of neutral images per database.", ge=1)
