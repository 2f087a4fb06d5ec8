"""A text file's last line without its end: whole, or cut off?

A file that was truncated looks like that, but so does one whose writer leaves out the last line
feed. It is read, with a warning, where its counts and what was parsed prove that nothing is
missing.
"""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

TRUNCATED = "truncated: the last line does not end"
_CONTINUED = re.compile(rb"\\\r*\n")
_MAX_LINE = 1 << 16  # bytes of a last line: some thousand numbers

log = logging.getLogger("affect4d")


def unended_line(content: bytes) -> list[bytes]:
    """The words of a last line that has no end; none where it has one, or is blank."""
    if content.endswith((b"\n", b"\r")):
        return []
    line = re.split(rb"[\r\n]", _CONTINUED.sub(b" ", content[-_MAX_LINE:]))[-1]
    return line.split()


def is_whole_index(word: bytes, largest: int) -> bool:
    """Whether no digit can have followed an index: one more puts it beyond the largest."""
    return word == b"0" or abs(int(word)) * 10 > largest


def is_whole_decimal(word: str, others: Iterable[str]) -> bool:
    """Whether a number has a decimal point and no fewer digits behind it than some other has."""
    digits = word.partition(".")[2]
    fractions = (other.partition(".")[2] for other in others)
    least = min((len(fraction) for fraction in fractions if fraction.isdecimal()), default=0)
    return digits.isdecimal() and len(digits) >= least


def warn_of_last_line(path: Path) -> None:
    """Log that a file was read though its last line has no end."""
    log.warning(
        "%s: the last line does not end, but nothing is missing; "
        "compare its size with the original's",
        path,
    )
