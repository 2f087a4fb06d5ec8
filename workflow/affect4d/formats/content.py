"""A file's bytes or JSON, if it is a regular file of a plausible size."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from affect4d.quarantine import BadInput

_MAX_REASON = 160  # characters of a parser's message
_AGAIN = "write it again"


def read_content(
    path: Path | str, limit: int, what: str, *, remedy: str = "decimate it or split it"
) -> bytes:
    """All bytes of a regular file.

    Parameters
    ----------
    path : the file
    limit : bytes; a larger file is not read
    what : the expected content, for the message
    remedy : for a file that is too large

    Raises
    ------
    BadInput
        The file does not exist, is not a regular file (a pipe would block, a device never ends),
        is larger than `limit`, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise BadInput(path, f"the {what} is no regular file", "give the file itself")
            if state.st_size > limit:
                raise _too_large(path, state.st_size, limit, what=what, remedy=remedy)
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(limit + 1)  # it may grow meanwhile
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(path, f"the {what} does not exist", "add it or drop the row") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read ({error.strerror})", "check the file") from None
    except BadInput:
        raise
    except ValueError as error:  # a name with a null byte, or one that cannot be encoded
        raise BadInput(path, f"no file has such a name ({error})", "correct the name") from None
    if len(content) > limit:
        raise _too_large(path, len(content), limit, what=what, remedy=remedy)
    return content


def read_json(path: Path | str, limit: int, what: str) -> Any:
    """The value of a JSON file (UTF-8, with or without a byte order mark).

    Raises
    ------
    BadInput
        As `read_content`, or the file is not JSON, is nested too deep, or holds an integer of
        thousands of digits.
    """
    content = read_content(path, limit, what)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadInput(path, f"cannot be read as JSON ({_reason(error)})", _AGAIN) from None


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:_MAX_REASON]


def _too_large(path: Path | str, size: int, limit: int, *, what: str, remedy: str) -> BadInput:
    rule = f"{size >> 20} MB are more than the {limit >> 20} MB of a {what}"
    return BadInput(path, rule, remedy)
