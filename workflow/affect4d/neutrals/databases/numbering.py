"""Files that are numbered like the frames of a video: which number is the first frame's?"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from affect4d.quarantine import BadInput

Numbered: TypeAlias = Mapping[int, str]  # path of a file by the number in its name
Base: TypeAlias = Literal["detect", 0, 1]


def find_base(
    tracks: Mapping[str, Numbered], labels: Mapping[str, int], stated: Base
) -> int | None:
    """The number of the first frame's file, over all tracks of a database; None: it is not known.

    A file numbered 0 shows that numbers count from 0. Without one, a file numbered like the count
    of labels shows that they count from 1, as that frame would not exist otherwise.

    Parameters
    ----------
    tracks : numbered files of each track
    labels : how many labels each track has
    stated : 0 or 1 where the layout says it
    """
    if stated != "detect":
        return stated
    if any(0 in numbers for numbers in tracks.values()):
        return 0
    counted = (labels[name] in numbers for name, numbers in tracks.items() if name in labels)
    return 1 if any(counted) else None


def check_base(file: object, numbers: Numbered, count: int, *, base: int | None, key: str) -> int:
    """The base, where the files of one track do not contradict it.

    Parameters
    ----------
    file : for messages
    numbers : the track's files
    count : the track's labels
    base : as `find_base` gives it
    key : of the layout, which states it

    Raises
    ------
    BadInput
        It is not known, or a file beyond the last label counts as if numbers began with 1.
    """
    remedy = f"state `{key}: 0` or `{key}: 1` in `override`"
    if base is None:
        rule = "the numbers of its files may count from 0 or from 1: neither a first nor a last one"
        raise BadInput(file, rule, remedy)
    if base == 0 and 0 not in numbers and max(numbers, default=0) == count:
        rule = f"files are numbered up to {count}, as if from 1, and from 0 in other folders"
        raise BadInput(file, rule, remedy)
    return base
