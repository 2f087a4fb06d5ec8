"""Reading: the sha256 of every file of a build, on all cores, or that of a sample of them."""

import hashlib
import os
import sysconfig
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import NoReturn, TypeVar

from tqdm import tqdm

import affect4d
from affect4d.audit.journal import Journal, State
from affect4d.provenance.lineage import Build
from affect4d.store import Manifest, StoreError
from affect4d.store.build_root import is_root
from affect4d.store.checks import check_digest, check_size
from affect4d.store.manifest import SUFFIX, UNREADABLE, File
from affect4d.store.regular import read_file

T = TypeVar("T")
R = TypeVar("R")

_READ_BYTES = 2**20  # large enough that threads hash without the interpreter's lock
_READERS_PER_THREAD = 2  # those that wait for the disk leave the cores to those that compute
_TASKS_PER_READER = 16  # waiting, so that no reader is idle
_LARGE_BYTES = 64 * 2**20  # files of this size are read first
# Folders that move with a checkout or its environment: their files are inputs too.
_PACKAGES = (Path(affect4d.__file__).parent, Path(sysconfig.get_path("purelib")))


@dataclass(frozen=True)
class Sample:
    """A choice that depends on names and `seed` alone: `count` of whatever there is."""

    count: int
    seed: str

    def choose(self, names: Iterable[str]) -> set[str]:
        """`count` of the names, spread evenly over the stages (their first folders)."""
        ranks: dict[str, int] = {}
        order = []
        for name in sorted(names, key=self._rank):
            stage = name.split("/")[0]
            ranks[stage] = ranks.get(stage, 0) + 1
            order.append((ranks[stage], self._rank(name), name))
        return {name for _, _, name in sorted(order)[: self.count]}

    def number(self, name: str, below: int) -> int:
        """A number in [0, below) that belongs to the name."""
        return int.from_bytes(self._rank(name)[:8], "big") % below

    def _rank(self, name: str) -> bytes:
        return hashlib.sha256(f"{self.seed}/{name}".encode()).digest()


@dataclass
class Digested:
    """The results of reading.

    Attributes
    ----------
    problems : (manifest, file, what is wrong with it), sorted
    inputs : the sha256 of each input that no manifest lists, and of each manifest; "" where it is
        missing, None where it is there and no part of the sample
    read : the size of the sample, where there is one
    resumed, resumed_bytes : what an interrupted audit had read
    """

    problems: list[tuple[Manifest, File, str]] = field(default_factory=list)
    inputs: dict[str, str | None] = field(default_factory=dict)
    read: int = 0
    resumed: int = 0
    resumed_bytes: int = 0


def digest_all(build: Build, sample: Sample | None, threads: int) -> Digested:
    """Check every listed file against its manifest, and digest the inputs that no manifest lists.

    On `threads` cores. With a sample, of all other files only the size is checked, and of all other
    inputs that they are there.

    Raises
    ------
    OSError
        A file may not be read.
    """
    listed = [
        (manifest, file, path)
        for name, manifest in build.manifests.items()
        for file, path in zip(manifest.files, build.listed(name), strict=True)
    ]
    inputs = _inputs(build)
    digested = Digested()
    if sample:
        outside = [name for name in inputs if not name.endswith(SUFFIX)]
        chosen = sample.choose([*(path for _, _, path in listed), *outside])
        others = [task for task in listed if task[2] not in chosen]
        digested.problems = [
            (m, file, p.what) for m, file, _ in others if (p := check_size(m, file))
        ]
        listed = [task for task in listed if task[2] in chosen]
        unread = [name for name in outside if name not in chosen]
        digested.inputs = {n: None if _locate(build, n).is_file() else "" for n in unread}
        digested.read = len(chosen)
    total = sum(file.size for _, file, _ in listed)
    bar = tqdm(total=total, unit="B", unit_scale=True, desc="audit", mininterval=1)
    # no journal in a folder that is not known to be a build's
    resumable = not sample and is_root(build.root)
    with bar, Journal(build.root) if resumable else nullcontext() as journal:
        reader = _Reader(digested, bar, journal)
        for (manifest, file, _), what in _in_parallel(
            reader.check, sorted(listed, key=_order), threads
        ):
            if what:
                digested.problems.append((manifest, file, what))
        names = [name for name in inputs if name not in digested.inputs]
        find = lambda name: reader.find(_locate(build, name), Path(name).is_absolute())  # noqa: E731
        digested.inputs |= _in_parallel(find, names, threads)
        if journal:
            journal.finish()
    digested.problems.sort(key=lambda problem: (problem[0].artifact, problem[1].path))
    return digested


def _inputs(build: Build) -> list[str]:
    """The inputs to be read: a listed file is checked against its manifest anyway."""
    names = {name for manifest in build.manifests.values() for name in manifest.inputs}
    return sorted(name for name in names if name.endswith(SUFFIX) or name not in build.owners)


def _locate(build: Build, name: str) -> Path:
    """Where an input lies: that of a package where the package lies now, if it is not there."""
    path = build.root / name
    # `Path.exists` would raise where a former home is closed to this user
    if not Path(name).is_absolute() or os.path.exists(path):  # noqa: PTH110
        return path
    for folder in _PACKAGES:
        if folder.name in path.parts:
            last = len(path.parts) - path.parts[::-1].index(folder.name)
            moved = folder.joinpath(*path.parts[last:])
            if moved.is_file():
                return moved
    return path


def _order(task: tuple[Manifest, File, str]) -> tuple[int, str]:
    """Large files first, so that no thread is left alone with one; then as folders hold them."""
    _, file, path = task
    return (-file.size if file.size >= _LARGE_BYTES else 0, path)


def _in_parallel(
    function: Callable[[T], R], tasks: Iterable[T], threads: int
) -> Iterator[tuple[T, R]]:
    """Each task with its result, in order; only as many wait as keep the threads busy."""
    readers = _READERS_PER_THREAD * threads
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(readers) as pool:
        try:
            for task in tasks:
                waiting.append((task, pool.submit(function, task)))
                if len(waiting) == readers * _TASKS_PER_READER:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Reader:
    """Digests files in large reads; what an interrupted audit has read is not read again."""

    def __init__(self, digested: Digested, bar: "tqdm[NoReturn]", journal: Journal | None):
        self._digested, self._bar, self._journal, self._lock = digested, bar, journal, Lock()

    def check(self, task: tuple[Manifest, File, str]) -> str:
        """What is wrong with a listed file, or nothing."""
        manifest, file, _ = task
        problem = check_digest(manifest, file, lambda path: self._digest(path, file.size))
        return problem.what if problem else ""

    def find(self, path: Path, follow: bool) -> str:
        """The sha256 of an input, empty where it is missing or no file."""
        try:
            return self._digest(path, follow=follow)
        except StoreError:
            return ""
        except OSError as error:
            if error.errno not in UNREADABLE:
                raise
            return ""

    def _digest(self, path: Path, listed: int = 0, *, follow: bool = False) -> str:
        """The sha256 of a file; `listed` of its bytes are on the bar."""
        try:
            with read_file(path, follow=follow) as file:
                before = os.fstat(file.fileno())
                known = self._journal.digest(path, before) if self._journal else None
                if known:
                    self._resume(listed)
                    return known
                sha256 = self._read(file, listed > 0)
                after = os.fstat(file.fileno())
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise StoreError(path, "no such file", "build it first") from error
        if self._journal and State.of(before) == State.of(after):
            with self._lock:
                self._journal.keep(path, after, sha256)
        return sha256

    def _read(self, file: FileIO, listed: bool) -> str:
        sha256, buffer = hashlib.sha256(), bytearray(_READ_BYTES)
        view = memoryview(buffer)
        while size := file.readinto(buffer):
            sha256.update(view[:size])
            if listed:
                with self._lock:
                    self._bar.update(size)
        return sha256.hexdigest()

    def _resume(self, size: int) -> None:
        with self._lock:
            self._digested.resumed += 1
            self._digested.resumed_bytes += size
            self._bar.update(size)
