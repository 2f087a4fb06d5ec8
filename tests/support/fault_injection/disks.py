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
    """Write version 2 over version 1 with ever more room left, until it fits.

    Returns
    -------
    list of what the refused writers said, one a try; an AssertionError at anything not whole
    """
    write_version(disk, kind, 1)
    filler, said = disk / "filler", []
    for room in itertools.count(0, step):
        _fill(disk, filler, room)
        try:
            write_version(disk, kind, 2)
        except store.StoreError as error:
            said.append(str(error))
        filler.unlink()
        if assert_left_whole(disk, kind, said) == 2:
            return said


def fail_each(monkeypatch, disk, kind, function, code, lasting=False):
    """Write version 2 over version 1 with the first, the second, ... call of `function` failing.

    Parameters
    ----------
    function : name in `os`; code : errno
    lasting : all calls after it fail too

    Returns
    -------
    list of what the refused writers said
    """
    write_version(disk, kind, 1)
    whole, said = getattr(os, function), []
    for which in itertools.count():
        calls = itertools.count()

        def fail(*arguments, calls=calls, which=which, **options):
            call = next(calls)
            if call == which or (lasting and call > which):
                raise OSError(code, os.strerror(code), *map(str, arguments[:1]))
            return whole(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            try:
                write_version(disk, kind, 2)
            except store.StoreError as error:
                said.append(str(error))
        if next(calls) <= which:
            return said
        assert_left_whole(disk, kind, said)
        write_version(disk, kind, 1)


def assert_left_whole(disk, kind, said):
    """Nothing unfinished is left, and the old version or the new one is whole; returns which."""
    left = [path for path in disk.rglob("*") if protocol.is_temporary(path)]
    assert not left, (left, said)
    version = visible_version(disk, kind)
    # a table loses its manifest before the job, as snakemake does it; a store never
    assert version in ((0, 1, 2) if kind == "table" else (1, 2)), said
    return version


def _fill(disk, filler, room):
    """Fill a disk but for `room` bytes."""
    state = os.statvfs(disk)
    with filler.open("wb") as file:
        file.write(b"\0" * max(state.f_bavail * state.f_frsize - room, 0))


def write_limited(folder, size):
    """Version 2 of each kind by a process whose files may not exceed `size` bytes.

    The fallback for a full disk where nothing may be mounted. Returns what the writers said.
    """
    context = multiprocessing.get_context("spawn")
    said = context.SimpleQueue()
    writer = context.Process(target=_write_limited, args=(folder, size, said))
    writer.start()
    answers = [said.get() for _ in KINDS]
    writer.join()
    return answers


def _write_limited(folder, size, said):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    for kind in KINDS:
        try:
            write_version(folder, kind, 2)
            said.put("")
        except store.StoreError as error:
            said.put(str(error))
