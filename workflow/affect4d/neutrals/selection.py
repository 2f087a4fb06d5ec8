"""Which neutral candidates are used: few per person, spread in time, as many people as possible."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from affect4d.neutrals.candidates import Candidate

T = TypeVar("T")
UNUSABLE = "it cannot be used: see quarantine.csv"


@dataclass(frozen=True)
class Quota(Generic[T]):
    """How many images are used, and how different those of one clip must be.

    Attributes
    ----------
    per_subject, total : images per person, and of a database
    min_spacing : frames between two images of one clip
    are_alike : whether two loaded images of one clip show too much the same
    find_fault : why a loaded image is not good enough, "" where it is
    """

    per_subject: int
    total: int
    min_spacing: int = 1
    are_alike: Callable[[T, T], bool] = lambda one, other: False
    find_fault: Callable[[T], str] = lambda loaded: ""


@dataclass(frozen=True)
class Selection(Generic[T]):
    """What is used, and why the rest is not.

    Attributes
    ----------
    accepted : candidates with what was loaded, sorted by image_id
    reasons : why each of the others is not used, by image_id
    """

    accepted: list[tuple[Candidate, T]]
    reasons: dict[str, str]


def select(
    candidates: Iterable[Candidate], load: Callable[[Candidate], T | None], quota: Quota[T]
) -> Selection[T]:
    """Choose neutral images.

    A person's neutral frames are cut into `quota.per_subject` intervals of time; of each interval
    the frame nearest to its middle that can be loaded, and repeats none of the same clip, is
    chosen. People take turns until `quota.total`. What reviewers accepted goes first.

    Parameters
    ----------
    candidates : in any order, which does not matter
    load : loads a candidate; None where it cannot be used
    quota : how many, and how different
    """
    known = list(candidates)
    intervals = {
        subject: _cut(frames, quota.per_subject)
        for subject, frames in sorted(_by_subject(known).items(), key=_accepted_first)
    }
    accepted: dict[str, list[tuple[Candidate, T]]] = defaultdict(list)
    reasons: dict[str, str] = {}
    count = 0
    for turn in range(quota.per_subject):
        for subject, parts in intervals.items():
            if count == quota.total:
                break
            for candidate in parts[turn]:
                loaded = None
                reason = _too_near(candidate, accepted[subject], quota.min_spacing)
                if not reason:
                    loaded = load(candidate)
                    reason = UNUSABLE if loaded is None else ""
                if loaded is not None:
                    reason = quota.find_fault(loaded) or _alike(
                        candidate, loaded, accepted[subject], quota=quota
                    )
                if reason or loaded is None:
                    reasons[candidate.image_id] = reason
                    continue
                accepted[subject].append((candidate, loaded))
                count += 1
                break
    chosen = [pair for pairs in accepted.values() for pair in pairs]
    used = {candidate.image_id for candidate, _ in chosen}
    for candidate in known:
        if candidate.image_id not in used and candidate.image_id not in reasons:
            full = len(accepted[candidate.subject_id]) == quota.per_subject
            reasons[candidate.image_id] = _why_not_considered(candidate, full)
    return Selection(sorted(chosen, key=lambda pair: pair[0].image_id), reasons)


def _too_near(candidate: Candidate, accepted: list[tuple[Candidate, T]], min_spacing: int) -> str:
    for other, _ in accepted:
        distance = abs(candidate.frame - other.frame)
        if candidate.clip and candidate.clip == other.clip and distance < min_spacing:
            return f"{distance} frames from {other.image_id}, which is used"
    return ""


def _alike(
    candidate: Candidate, loaded: T, accepted: list[tuple[Candidate, T]], *, quota: Quota[T]
) -> str:
    for other, image in accepted:
        if candidate.clip and candidate.clip == other.clip and quota.are_alike(loaded, image):
            return f"it shows the same as {other.image_id}, which is used"
    return ""


def _why_not_considered(candidate: Candidate, is_person_done: bool) -> str:
    if not candidate.is_neutral:
        return f"not neutral: {candidate.evidence}"
    if candidate.unwanted:
        return candidate.unwanted
    if is_person_done:
        return "the person has enough images"
    return "another frame of that time is used, or the database has enough images"


def _by_subject(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """Usable candidates of each subject, in the order of clips and frames."""
    subjects = defaultdict(list)
    for candidate in sorted(candidates, key=lambda c: (str(c.path.parent), c.frame, c.image_id)):
        if candidate.is_neutral and not candidate.unwanted:
            subjects[candidate.subject_id].append(candidate)
    return subjects


def _accepted_first(person: tuple[str, list[Candidate]]) -> tuple[bool, str]:
    """Sorts people: those first of whom a reviewer accepted an image."""
    subject, frames = person
    return not any(candidate.preferred for candidate in frames), subject


def _cut(frames: list[Candidate], count: int) -> list[list[Candidate]]:
    """The frames of each of `count` intervals: accepted ones, then from the middle outwards."""
    parts = np.array_split(np.arange(len(frames)), count)
    return [_from_the_middle([frames[index] for index in part]) for part in parts]


def _from_the_middle(frames: list[Candidate]) -> list[Candidate]:
    middle = (len(frames) - 1) / 2
    order = sorted(range(len(frames)), key=lambda i: (not frames[i].preferred, abs(i - middle), i))
    return [frames[i] for i in order]
