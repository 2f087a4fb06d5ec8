"""Settings of the neutrals room."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints, model_validator

from affect4d.config.base import Section, field

RESULTS = "{results}/"
TAKEN = "pictures"  # in synthesis/, beside the databases
_LAYOUTS = Path(__file__).parents[1] / "neutrals" / "databases"

DatabaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]*$")]


class Database(Section):
    """One database of photographs."""

    adapter: Literal["embedded", "folder", "afew_va"] = field(
        ..., "1", "How its files are read: package data, a folder of photographs, AFEW-VA's layout."
    )
    root: str | None = field(
        None, "1", "Its folder; `{results}/...` names a folder that the build itself makes."
    )
    layout: str | None = field(
        None,
        "1",
        "File names and codes: the name of a file in affect4d/neutrals/databases, without .yaml, "
        "or the path of your own .yaml; by default the adapter's.",
    )

    @model_validator(mode="after")
    def _root_where_needed(self) -> "Database":
        if (self.adapter == "embedded") == (self.root is not None):
            raise ValueError("`root` is needed, except by the adapter `embedded`, which has none")
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
        if self.layout is not None and self.layout.endswith(".yaml"):
            return Path(self.layout)
        return _LAYOUTS / f"{self.layout or self.adapter}.yaml"

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


class Settings(Section):
    """Which databases give neutral faces, and how many of each."""

    databases: dict[DatabaseName, Database] = field(_embedded, "1", "The databases, by name.")
    max_per_subject: int = field(
        1, "images", "Neutral images a person, spread over the frames at hand.", ge=1
    )
    max_images: int = field(12, "images", "Neutral images a database.", ge=1)

    @model_validator(mode="after")
    def _names_are_free(self):
        if TAKEN in self.databases:
            raise ValueError(f"a database cannot be named {TAKEN!r}: the build's own folder is")
        return self
