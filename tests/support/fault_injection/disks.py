"""Disks that fill up or refuse to be written, and what a writer leaves on them."""

import itertools
import multiprocessing
import os
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

from affect4d import store
from affect4d.store import protocol
from support.fault_injection.kills import KINDS, visible_version, write_version

PAGE = 4096


@contextmanager
def small_disk(folder, size):
    """A disk of `size` bytes at `folder` (tmpfs); yields None where this user may not mount."""
    Path(folder).mkdir(parents=True)
    if not _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder):
        yield None
        return
    try:
        yield Path(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def read_only(folder):
    """`folder` mounted read-only onto itself, or without the right to write; says which."""
    if os.geteuid():
        mode = folder.stat().st_mode
        folder.chmod(0o555)
        try:
            yield "access is denied"
        finally:
            folder.chmod(mode)
        return
    if not (_mount("--bind", folder, folder) and _mount("-o", "remount,bind,ro", folder)):
        yield None
        return
    try:
        yield "the disk is mounted read-only"
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments):
    done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    return done.returncode == 0


def fill_up(disk, kind, step=PAGE):
    """Write version 2 over version 1 with more and more free space, until it fits.

    Returns
    -------
    list of the errors of the refused writers, one per try; AssertionError at anything incomplete
    """
    write_version(disk, kind, 1)
    filler, errors = disk / "filler", []
    for free in itertools.count(0, step):
        _fill(disk, filler, free)
        try:
            write_version(disk, kind, 2)
        except store.StoreError as error:
            errors.append(str(error))
        filler.unlink()
        if assert_left_intact(disk, kind, errors) == 2:
            return errors


def fail_each(monkeypatch, disk, kind, function, code, lasting=False):
    """Write version 2 over version 1 with the first, the second, ... call of `function` failing.

    Parameters
    ----------
    function : name in `os`; code : errno
    lasting : all calls after it fail too

    Returns
    -------
    list of the errors of the refused writers
    """
    write_version(disk, kind, 1)
    original, errors = getattr(os, function), []
    for which in itertools.count():
        calls = itertools.count()

        def fail(*arguments, calls=calls, which=which, **options):
            call = next(calls)
            if call == which or (lasting and call > which):
                raise OSError(code, os.strerror(code), *map(str, arguments[:1]))
            return original(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            try:
                write_version(disk, kind, 2)
            except store.StoreError as error:
                errors.append(str(error))
        if next(calls) <= which:
            return errors
        assert_left_intact(disk, kind, errors)
        write_version(disk, kind, 1)


def assert_left_intact(disk, kind, errors):
    """Nothing unfinished is left, and the old version or the new one is intact; returns which."""
    # the list of a folder's files is part of it
    names = (path for path in disk.rglob("*") if path.name != protocol.LIST)
    left = [path for path in names if protocol.is_temporary(path)]
    assert not left, (left, errors)
    version = visible_version(disk, kind)
    # a table loses its manifest before the job, as snakemake does it; a store never
    assert version in ((0, 1, 2) if kind == "table" else (1, 2)), errors
    return version


def _fill(disk, filler, free):
    """Fill a disk except `free` bytes."""
    state = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"\0" * max(state.f_bavail * state.f_frsize - free, 0))


def write_limited(folder, size):
    """Version 2 of each kind by a process whose files may not exceed `size` bytes.

    The fallback for a full disk where nothing may be mounted. Returns the errors of the writers.
    """
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    writer = context.Process(target=_write_limited, args=(folder, size, queue))
    writer.start()
    answers = [queue.get() for _ in KINDS]
    writer.join()
    return answers


def _write_limited(folder, size, answers):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    for kind in KINDS:
        try:
            write_version(folder, kind, 2)
            answers.put("")
        except store.StoreError as error:
            answers.put(str(error))
