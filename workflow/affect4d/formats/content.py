"""A file's bytes, where there is a file and it is no larger than such a file can be."""

import stat
from pathlib import Path

from affect4d.quarantine import BadInput


def read_content(path, limit, what):
    """All bytes of a regular file.

    Parameters
    ----------
    path : path
    limit : int, bytes; what is larger is not opened
    what : str, what the file should hold, for the message

    Raises
    ------
    BadInput
        The file does not exist, is no regular file (a pipe would wait for ever), is larger than
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
