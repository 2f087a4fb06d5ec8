"""Which neutral candidates serve: few a person, spread in time, as many people as possible."""

from collections import defaultdict

import numpy as np


def select(candidates, max_per_subject, max_images, check):
    """Choose neutral images.

    A person's neutral frames are cut into `max_per_subject` stretches of time; the frame nearest
    to a stretch's middle that passes `check` stands for it. People take turns until `max_images`.

    Parameters
    ----------
    candidates : list of Candidate
    max_per_subject, max_images : int
    check : function (Candidate) -> anything, or None where the candidate cannot be used

    Returns
    -------
    list of (Candidate, what `check` gave), sorted by image_id; the same whatever the order of
    `candidates`
    """
    stretches = {
        subject: [_from_the_middle(part) for part in np.array_split(frames, max_per_subject)]
        for subject, frames in sorted(_by_subject(candidates).items())
    }
    accepted: list[tuple] = []
    for turn in range(max_per_subject):
        for parts in stretches.values():
            if len(accepted) == max_images:
                break
            passed = ((candidate, check(candidate)) for candidate in parts[turn])
            first = next((pair for pair in passed if pair[1] is not None), None)
            if first is not None:
                accepted.append(first)
    return sorted(accepted, key=lambda pair: pair[0].image_id)


def _by_subject(candidates):
    """Neutral candidates of each subject, in the order of clips and frames, as object arrays."""
    subjects = defaultdict(list)
    for candidate in sorted(candidates, key=lambda c: (str(c.path.parent), c.frame, c.image_id)):
        if candidate.is_neutral:
            subjects[candidate.subject_id].append(candidate)
    arrays = {}
    for subject, several in subjects.items():
        arrays[subject] = np.empty(len(several), dtype=object)
        arrays[subject][:] = several
    return arrays


def _from_the_middle(frames):
    """The frames of a stretch, the middle one first, then outwards."""
    middle = (len(frames) - 1) / 2
    return [frames[i] for i in sorted(range(len(frames)), key=lambda i: (abs(i - middle), i))]
