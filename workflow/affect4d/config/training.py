"""Settings of the experiment `make train`, a YAML file of their own: no build depends on them."""

from typing import Literal

from pydantic import model_validator

from affect4d.config.base import Section, field


class Network(Section):
    """The network; published: vgg, width 1, 96 pixels."""

    backbone: Literal["vgg", "convnext"] = field(
        "convnext",
        "",
        "vgg: VGG-Face's convolutions, as published; convnext: ConvNeXt's, as of 2022.",
    )
    width: float = field(0.25, "1", "Share of the published number of channels.", gt=0, le=1)
    size: int = field(32, "pixels", "Side of the square images.", ge=32, le=256)
    weights: str | None = field(
        None, "", "Pretrained weights (.safetensors, or .pt of tensors only); by default none."
    )


class Learning(Section):
    """How it learns; published: sequences of 80 frames, Adam with a rate of about 1e-4."""

    sequence: int = field(6, "frames", "Length of a sequence, which never crosses clips.", ge=1)
    batch: int = field(8, "sequences", "Sequences per half of a batch.", ge=1)
    steps: int = field(300, "steps", "Steps of the optimiser, the same for every arm.", ge=1)
    rate: float = field(1e-3, "1", "Largest learning rate (Adam; it falls as a cosine).", gt=0)
    checkpoint_every: int = field(50, "steps", "Steps between checkpoints.", ge=1)
    patience: int = field(
        0,
        "checkpoints",
        "Early stop: after this many checkpoints without a smaller loss on held-out people of the "
        "training part; the best network is kept. 0: every arm takes all steps.",
        ge=0,
    )


class Wild(Section):
    """The rendered stand-in for an in-the-wild database, where none is named."""

    people: int = field(40, "people", "People, none of them in the gallery or the dataset.", ge=5)
    clips: int = field(1, "clips", "Clips per person.", ge=1, le=9)
    frames: int = field(12, "frames", "Frames per clip.", ge=8)


class Settings(Section):
    """The whole experiment."""

    seed: int = field(0, "", "Seed of folds, initialisation, order and rendering.", ge=0)
    real: str | None = field(
        None, "", "Folder of the real database; by default a rendered set takes its place."
    )
    layout: Literal["afew_va", "aff_wild", "aff_wild2"] = field(
        "afew_va", "", "How `real` lies on disk, and the rendered set, which is never `aff_wild2`."
    )
    every: int = field(1, "frames", "Every n-th frame of a clip is used.", ge=1)
    london: str | None = field(
        None,
        "",
        "Folder of the Face Research Lab London Set, for the test of smiles (needs the "
        "detector: `make detector`).",
    )
    folds: int = field(5, "folds", "Folds, by person.", ge=2)
    people: list[int] = field(
        lambda: [8, 16], "people", "Numbers of real people to train on, beside all of them."
    )
    network: Network = field(Network, "", "The network.")
    learning: Learning = field(Learning, "", "How it learns.")
    wild: Wild = field(Wild, "", "The rendered stand-in.")

    @model_validator(mode="after")
    def _layout_is_rendered(self) -> "Settings":
        if self.real is None and self.layout == "aff_wild2":
            raise ValueError("layout: aff_wild2 is not rendered: name a folder `real`")
        return self
