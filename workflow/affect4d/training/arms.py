"""The arms of the experiment: what each half of a batch holds.

A step's first half is the same in every arm that has real frames: the same clips in the same order,
with the same initialisation. Arms differ in the second half alone, so a difference between them is
not one of more steps, or of more frames per step: `repeated` has as many of both as `augmented`.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from affect4d.config.training import Settings
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.training.face_set import FaceSet
from affect4d.training.sequences import Order, Walks, alter, filled, permute_labels, windows

Half = Literal["real", "altered", "synthetic", "shuffled"]
Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]
ARMS: dict[str, tuple[Half, ...]] = {
    "real": ("real",),
    "repeated": ("real", "real"),
    "classic": ("real", "altered"),
    "augmented": ("real", "synthetic"),
    "shuffled": ("real", "shuffled"),
    "synthetic": ("synthetic", "synthetic"),
}
MEANING = {
    "real": "real frames",
    "repeated": "real frames, twice as many per step",
    "classic": "real + classic augmentation",
    "augmented": "real + synthetic",
    "shuffled": "real + synthetic with shuffled labels (control)",
    "synthetic": "synthetic only",
}


@dataclass(frozen=True)
class Arm:
    """What a run learns from.

    Attributes
    ----------
    halves : of each batch, as `ARMS` names them
    real, synthetic : the faces of the fold's training part
    name : what the order derives from: the same for arms that are compared
    """

    halves: tuple[Half, ...]
    real: FaceSet
    synthetic: FaceSet
    name: str

    @property
    def learned(self) -> dict[str, FaceSet]:
        """The faces that the halves draw from: `real`, `synthetic`, or both."""
        kinds = {"real" if half in ("real", "altered") else "synthetic" for half in self.halves}
        return {kind: getattr(self, kind) for kind in sorted(kinds)}


def hold_out(arm: Arm, seed: int) -> tuple[Arm, FaceSet]:
    """Part an arm's people: an arm without a fifth of them, and their faces, to stop early by.

    The faces are of the kind of the first half. It is the same people in all arms of a fold.

    Raises
    ------
    BadInput
        Nobody would be left to learn from.
    """
    kinds = {"real": arm.real, "synthetic": arm.synthetic}
    held: set[str] = set()
    for faces in kinds.values():
        people = sorted(
            faces.table["subject"].unique(), key=lambda name: named_rng(seed, "held", name).random()
        )
        held.update(people[: math.ceil(HELD_OUT * len(people))])
    is_held = {kind: faces.table["subject"].isin(held).to_numpy() for kind, faces in kinds.items()}
    for kind, held_faces in is_held.items():
        if held_faces.all():
            rule = f"has nobody left in its {kind} faces where a fifth of the people is held out"
            raise BadInput(arm.name, rule, "set learning.patience: 0, or train on more people")
    real, synthetic = (faces.take(~is_held[kind]) for kind, faces in kinds.items())
    first = arm.halves[0]
    return replace(arm, real=real, synthetic=synthetic), kinds[first].take(is_held[first])


HELD_OUT = 0.2  # of the people


class Batches:
    """The batches of an arm, by the number of the step."""

    def __init__(self, arm: Arm, settings: Settings) -> None:
        learning = settings.learning
        self._arm, self._count, self._seed = arm, learning.batch, settings.seed
        if "real" in arm.learned:
            sequences = filled(windows(arm.real.table, learning.sequence))
            self._order = Order(sequences, self._seed, "order", arm.name)
            self._second = Order(sequences, self._seed, "second order", arm.name)
        if "synthetic" in arm.learned:
            self._walks = Walks(arm.synthetic.table, learning.sequence)
            self._shuffled = permute_labels(arm.synthetic.labels, self._seed)

    def __call__(self, step: int) -> Batch:
        """Frames (B, T, S, S, 3) and labels (B, T, 2) of a step."""
        halves = [self._half(kind, step, place) for place, kind in enumerate(self._arm.halves)]
        frames, labels = zip(*halves, strict=True)
        return np.concatenate(frames), np.concatenate(labels)

    def _half(self, kind: Half, step: int, place: int) -> Batch:
        if kind in ("real", "altered"):
            faces, order = self._arm.real, self._second if place else self._order
            rows = order.take(step * self._count, self._count)
            frames, labels = faces.images[rows], faces.labels[rows]
            rng = named_rng(self._seed, "altered", self._arm.name, step)
            return (alter(frames, rng) if kind == "altered" else frames), labels
        faces = self._arm.synthetic
        # control and augmented arm draw the same walks
        rng = named_rng(self._seed, "walks", self._arm.name, step, place)
        rows = self._walks.draw(self._count, rng)
        known = self._shuffled if kind == "shuffled" else faces.labels
        return faces.images[rows], known[rows]
