"""Learning and reading: a plain loop, shorter than a trainer, with all of its state in sight.

PyTorch Lightning would bring devices and logs; what is asked of this loop is that a run that was
killed ends with the same numbers, bit by bit, for which generator, schedule and optimiser have to
be restored anyway. Every batch derives from the run's name and the number of the step alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from affect4d.config.training import Settings
from affect4d.training.face_set import FaceSet
from affect4d.training.pytorch.networks import SequenceReader, make_network
from affect4d.training.sequences import Rows

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]
READ_BATCH = 16  # sequences that are read at once
WARM_UP = 0.1  # share of the steps in which the rate rises: GRUs diverge from a cold start at 1e-3


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes
    ----------
    seed : of initialisation and dropout
    batch : the batch of a step: frames (B, T, S, S, 3), labels (B, T, 2)
    checkpoint : file of its state; TensorBoard's log is written beside it
    held_out : faces that are not learned from and their sequences, on whose loss it stops early
    """

    seed: int
    batch: Callable[[int], Batch]
    checkpoint: Path
    held_out: tuple[FaceSet, Rows] | None = None


class Best:
    """The network of the smallest loss on held-out people, and whether a smaller one is awaited."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._found: dict[str, Any] = {"loss": math.inf, "network": {}, "since": 0}

    @property
    def is_final(self) -> bool:
        """Whether `patience` checkpoints brought no smaller loss."""
        return bool(0 < self._patience <= self._found["since"])

    def add(self, loss: float, network: torch.nn.Module) -> None:
        """Take in a checkpoint."""
        if loss < self._found["loss"]:
            state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            self._found = {"loss": loss, "network": state, "since": 0}
        else:
            self._found["since"] += 1

    def restore(self, network: torch.nn.Module) -> None:
        """Give a network the best one's weights; its own stay where no loss was defined."""
        if self._found["network"]:
            network.load_state_dict(self._found["network"])

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return self._found

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._found = state


def ccc_loss(predicted: Tensor, labels: Tensor) -> Tensor:
    """1 - mean CCC over valence and arousal, (..., 2), of all frames; population variances."""
    p, y = predicted.flatten(0, -2), labels.flatten(0, -2)
    p_mean, y_mean = p.mean(0), y.mean(0)
    covariance = ((p - p_mean) * (y - y_mean)).mean(0)
    scatter = p.var(0, unbiased=False) + y.var(0, unbiased=False) + (p_mean - y_mean) ** 2
    return 1 - (2 * covariance / scatter).mean()


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(run: Run, settings: Settings) -> tuple[SequenceReader, list[float]]:
    """Train a network, from the run's checkpoint if there is one.

    Returns
    -------
    the network, the best one where it stops early, and the loss of every step
    """
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    torch.manual_seed(run.seed)
    learning, place = settings.learning, device()
    network = make_network(settings.network).to(place)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning.rate, total_steps=learning.steps + 1, pct_start=WARM_UP
    )
    best = Best(learning.patience)
    parts = {"network": network, "optimiser": optimiser, "schedule": schedule, "best": best}
    losses = _restore(run.checkpoint, parts)
    # a run that goes on writes the steps after its checkpoint again: those of the log are dropped
    with SummaryWriter(str(run.checkpoint.parent), purge_step=len(losses)) as log:
        network.train()
        while len(losses) < learning.steps and not best.is_final:
            frames, labels = (torch.from_numpy(a).to(place) for a in run.batch(len(losses)))
            # half precision where it is faster; a CPU's results stay those of single precision.
            # bfloat16 has the range of single precision: small gradients need no scaling
            with torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cuda"):
                predicted = network(frames)
            loss = ccc_loss(predicted.float(), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            log.add_scalar("loss", loss.item(), len(losses))
            log.add_scalar("rate", schedule.get_last_lr()[0], len(losses))
            schedule.step()
            losses.append(loss.item())
            if len(losses) % learning.checkpoint_every == 0:
                if run.held_out is not None:
                    held_out = loss_on(network, *run.held_out)
                    log.add_scalar("held_out", held_out, len(losses) - 1)
                    best.add(held_out, network)
                _store(run.checkpoint, parts, losses)
    best.restore(network)
    return network, losses


def loss_on(network: SequenceReader, faces: FaceSet, sequences: Rows) -> float:
    """The loss on faces, read in sequences of rows, padded with -1; the network stays in training.

    NaN where what it reads is constant.
    """
    read = read_sequences(network, faces.images, sequences)
    network.train()
    return float(ccc_loss(torch.from_numpy(read), torch.from_numpy(faces.labels)))


def _store(file: Path, parts: dict[str, Any], losses: list[float]) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    unfinished = file.with_suffix(".unfinished")
    torch.save(state | {"losses": losses, "random": torch.get_rng_state()}, unfinished)
    unfinished.replace(file)  # a killed process leaves the former checkpoint


def _restore(file: Path, parts: dict[str, Any]) -> list[float]:
    """Load a checkpoint into the parts; the losses up to it, none if there is no checkpoint."""
    if not file.is_file():
        return []
    state = torch.load(file, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"].cpu())
    return list(state["losses"])


def read_sequences(
    network: SequenceReader, images: NDArray[np.uint8], sequences: NDArray[np.int_]
) -> NDArray[np.float64]:
    """What a network reads of images (N, S, S, 3), in sequences of rows, padded with -1.

    Returns
    -------
    (N, 2); NaN of images in no sequence
    """
    read = np.full((len(images), 2), np.nan)
    place = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        for part in np.array_split(sequences, -(-len(sequences) // READ_BATCH)):
            # what is padded stands at the end and changes nothing before it
            frames = torch.from_numpy(images[np.maximum(part, 0)]).to(place)
            values = network(frames).cpu().numpy()
            read[part[part >= 0]] = values[part >= 0]
    return read
