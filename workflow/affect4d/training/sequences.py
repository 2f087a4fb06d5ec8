"""Sequences: windows of real clips, walks over a person's synthesized images, and their order.

Whatever is random derives from names and the number of a step, so that arms share their order and a
run that was killed goes on as if it had not been.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d.random_streams import named_rng

Rows = NDArray[np.int_]


def windows(table: pd.DataFrame, length: int) -> Rows:
    """Consecutive frames, not overlapping, of one clip each: (B, length) rows, padded with -1."""
    found = []
    for _, rows in (
        table.reset_index(drop=True).groupby(["subject", "clip"], sort=True).groups.items()
    ):
        ordered = table.iloc[rows]["frame"].argsort(kind="stable")
        numbers = np.asarray(rows)[ordered]
        numbers = np.pad(numbers, (0, -len(numbers) % length), constant_values=-1)
        found.append(numbers.reshape(-1, length))
    return np.concatenate(found)


def filled(sequences: Rows) -> Rows:
    """Sequences whose padding is replaced by their last frame, for training."""
    last = np.maximum.accumulate(np.where(sequences >= 0, np.arange(sequences.shape[1]), 0), axis=1)
    return np.take_along_axis(sequences, last, axis=1)


class Walks:
    """Sequences of a person's synthesized images that move from class to neighbouring class.

    Parameters
    ----------
    table : subject, valence, arousal of the images
    length : of a sequence
    """

    def __init__(self, table: pd.DataFrame, length: int) -> None:
        self._length = length
        self._people = []
        for _, rows in table.reset_index(drop=True).groupby("subject", sort=True).groups.items():
            numbers = np.asarray(rows)
            points = table.iloc[numbers][["valence", "arousal"]].to_numpy()
            distance = np.linalg.norm(points[:, None] - points[None], axis=2)
            nearest = distance.argsort(axis=1, kind="stable")[:, 1 : 1 + NEIGHBOURS]
            self._people.append((numbers, nearest))

    def draw(self, count: int, rng: np.random.Generator) -> Rows:
        """`count` walks, of people drawn at random: (count, length) rows."""
        return np.array([self._walk(rng) for _ in range(count)])

    def _walk(self, rng: np.random.Generator) -> list[int]:
        numbers, nearest = self._people[rng.integers(len(self._people))]
        place, walk = rng.integers(len(numbers)), []
        for _ in range(self._length):
            walk.append(int(numbers[place]))
            if nearest.shape[1]:
                place = nearest[place, rng.integers(nearest.shape[1])]
        return walk


NEIGHBOURS = 8  # of a class in the plane's grid


class Order:
    """A stream of sequences, each pass over all of them in another order.

    Parameters
    ----------
    sequences : (B, T) rows
    seed, names : of the order
    """

    def __init__(self, sequences: Rows, seed: int, *names: object) -> None:
        self._sequences, self._seed, self._names = sequences, seed, names

    def take(self, start: int, count: int) -> Rows:
        """The sequences `start` to `start + count` of the stream: (count, T) rows."""
        return np.array(list(self._stream(start, count)))

    def _stream(self, start: int, count: int) -> Iterator[Rows]:
        total = len(self._sequences)
        for number in range(start, start + count):
            turn, place = divmod(number, total)
            order = named_rng(self._seed, *self._names, turn).permutation(total)
            yield self._sequences[order[place]]


def permute_labels(labels: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The labels (N, 2) of the control: each image has that of another, drawn at random."""
    return labels[named_rng(seed, "shuffled labels").permutation(len(labels))]


def alter(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Classic augmentation of sequences (B, T, S, S, 3): mirror, crop, gain of each channel.

    Each sequence is altered as a whole.
    """
    altered = np.empty_like(frames)
    size = frames.shape[2]
    for index, sequence in enumerate(frames):
        side = round(size * rng.uniform(MIN_CROP, 1))
        top, left = rng.integers(0, size - side + 1, 2)
        columns = left + (np.arange(size) * side) // size
        if rng.random() < 0.5:
            columns = columns[::-1]
        part = sequence[:, top + (np.arange(size) * side) // size][:, :, columns]
        gain = np.exp(rng.normal(0, BRIGHTNESS_SD) + rng.normal(0, COLOUR_SD, 3))
        altered[index] = np.clip(np.rint(part * gain), 0, 255)
    return altered


MIN_CROP = 0.85  # smallest side of the part that is kept, in sides of the image
BRIGHTNESS_SD, COLOUR_SD = 0.15, 0.05  # of the logarithms of the gain, and of each channel's
