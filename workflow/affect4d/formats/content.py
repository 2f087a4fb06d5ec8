"""A file's bytes, if it is a regular file of a plausible size."""

import stat
from pathlib import Path

from affect4d.quarantine import BadInput


def read_content(path: Path | str, limit: int, what: str) -> bytes:
    """All bytes of a regular file.

    Parameters
    ----------
    path : the file
    limit : bytes; a larger file is not opened
    what : the expected content, for the message

    Raises
    ------
    BadInput
        The file does not exist, is not a regular file (a pipe would block), is larger than
        `limit`, or cannot be read.
    """
    path = Path(path)
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise BadInput(path, f"the {what} is no regular file", "give the file itself")
        if state.st_size > limit:
            raise BadInput(
                path,
                f"{state.st_size >> 20} MB are more than the {limit >> 20} MB of a {what}",
                "decimate it or split it",
            )
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(path, f"the {what} does not exist", "add it or drop the row") from None
    except OSError as error:
        raise BadInput(path, f"cannot be read ({error.strerror})", "check the file") from None
