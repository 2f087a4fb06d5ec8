"""Which neutral candidates are used: few per person, spread in time, as many people as possible."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from affect4d.neutrals.candidates import Candidate

T = TypeVar("T")


def select(
    candidates: Iterable[Candidate],
    check: Callable[[Candidate], T | None],
    *,
    max_per_subject: int,
    max_images: int,
) -> list[tuple[Candidate, T]]:
    """Choose neutral images.

    A person's neutral frames are cut into `max_per_subject` intervals of time; of each interval the
    frame nearest to its middle that passes `check` is chosen. People take turns until `max_images`.

    Parameters
    ----------
    candidates : in any order, which does not matter
    check : loads a candidate; None where it cannot be used
    max_per_subject : images per person
    max_images : images in total

    Returns
    -------
    Candidates with what `check` gave, sorted by image_id
    """
    intervals = {
        subject: _cut(frames, max_per_subject)
        for subject, frames in sorted(_by_subject(candidates).items())
    }
    accepted: list[tuple[Candidate, T]] = []
    for turn in range(max_per_subject):
        for parts in intervals.values():
            if len(accepted) == max_images:
                break
            for candidate in parts[turn]:
                loaded = check(candidate)
                if loaded is not None:
                    accepted.append((candidate, loaded))
                    break
    return sorted(accepted, key=lambda pair: pair[0].image_id)


def _by_subject(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Neutral candidates of each subject, in the order of clips and frames."""
    subjects = defaultdict(list)
    for candidate in sorted(candidates, key=lambda c: (str(c.path.parent), c.frame, c.image_id)):
        if candidate.is_neutral:
            subjects[candidate.subject_id].append(candidate)
    return subjects


def _cut(frames: list[Candidate], count: int) -> list[list[Candidate]]:
    """The frames of each of `count` intervals, the middle one first, then outwards."""
    parts = np.array_split(np.arange(len(frames)), count)
    return [_from_the_middle([frames[index] for index in part]) for part in parts]


def _from_the_middle(frames: list[Candidate]) -> list[Candidate]:
    middle = (len(frames) - 1) / 2
    return [frames[i] for i in sorted(range(len(frames)), key=lambda i: (abs(i - middle), i))]
