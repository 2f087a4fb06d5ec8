"""Errors of the store: one line that names the file, what is wrong with it, and the remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from affect4d.store.regular import NO_REGULAR_FILE

_FREE_SPACE = "free space there, then run snakemake again"
_MOUNT_WITH_LOCKS = (
    "mount it with locks (NFS 4; Lustre with -o flock), or set `results` to another folder"
)
_CAUSES = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("the quota of disk space is used up", _FREE_SPACE),
    errno.EFBIG: ("the file is larger than this user's files may be", "raise `ulimit -f`"),
    errno.EROFS: (
        "the disk is mounted read-only",
        "mount it writable, or set `results` to another folder",
    ),
    errno.EACCES: ("access is denied", "let the user of this job read and write there"),
    errno.EPERM: ("access is denied", "let the user of this job read and write there"),
    errno.EIO: ("the disk cannot be read or written", "check the disk, then run snakemake again"),
    errno.ELOOP: ("a symbolic link is in its place", "put the file itself there"),
    errno.EISDIR: ("a folder is in its place", "move it away, then run again"),
    errno.ENXIO: (NO_REGULAR_FILE, "delete it, then run again"),
    errno.EMLINK: ("has another name elsewhere (a hard link)", "delete this name, then run again"),
    errno.ENOLCK: ("the file system has no locks", _MOUNT_WITH_LOCKS),
    errno.ENOSYS: ("the file system has no locks", _MOUNT_WITH_LOCKS),
    errno.EOPNOTSUPP: ("the file system has no locks", _MOUNT_WITH_LOCKS),
}


class StoreError(Exception):
    """What is wrong with a stored file, as one line: `FILE: WHAT; REMEDY`."""

    def __init__(self, path: Path | str, what: str, remedy: str):
        super().__init__(f"{path}: {what}; {remedy}")
        self.path, self.what, self.remedy = Path(path), what, remedy

    def __reduce__(self) -> tuple[type["StoreError"], tuple[Path, str, str]]:
        return StoreError, (self.path, self.what, self.remedy)


def translate_os_error(error: OSError, path: Path | str) -> StoreError | None:
    """A StoreError with a remedy for an error of the disk at `path`; None for any other error."""
    if error.errno not in _CAUSES:
        return None
    return StoreError(path, *_CAUSES[error.errno])


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Raise a StoreError about `path` for an operating system error of the disk."""
    try:
        yield
    except OSError as error:
        translated = translate_os_error(error, path)
        if translated is None:
            raise
        raise translated from error
