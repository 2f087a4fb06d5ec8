"""Opening files of a build: regular files only, and links are not followed.

Whoever may write into a results folder could otherwise make a job or an audit change or wait for
anything on the machine: a link leads out of the folder, a pipe blocks, a device has no end.
"""

import errno
import os
import stat
from io import FileIO
from pathlib import Path

# Without O_NONBLOCK, opening a pipe waits for somebody at its other end.
_FLAGS = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WRITING = os.O_WRONLY | os.O_RDWR
NO_REGULAR_FILE = "is no regular file"


def open_regular(path: Path | str, flags: int = os.O_RDONLY, *, follow: bool = False) -> int:
    """A descriptor of a regular file; for writing, one that has no other name anywhere.

    Parameters
    ----------
    path : the file
    flags : as for `os.open`
    follow : whether `path` may be a symbolic link: an input outside the results folder

    Raises
    ------
    OSError
        As `os.open`; ELOOP for a link, EISDIR for a folder, ENXIO for a pipe, device or socket,
        EMLINK for a file that is to be written and has another name (a hard link).
    """
    descriptor = os.open(path, flags | _FLAGS | (0 if follow else os.O_NOFOLLOW), 0o644)
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.ENXIO, NO_REGULAR_FILE, str(path))
        if flags & _WRITING and state.st_nlink > 1:
            raise OSError(errno.EMLINK, "has another name elsewhere (a hard link)", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_file(path: Path | str, *, follow: bool = False) -> FileIO:
    """A regular file, opened for reading without a buffer; parameters and errors as above."""
    return FileIO(str(path), opener=lambda name, flags: open_regular(name, flags, follow=follow))


def read_regular(path: Path | str) -> bytes:
    """All bytes of a regular file of a build; errors as above."""
    with read_file(path) as file:
        return file.readall()
