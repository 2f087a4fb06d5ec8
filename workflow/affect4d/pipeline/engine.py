"""Where the parts of a job are computed: in the job itself, or by workers of Dask on many nodes.

A job hands over pure tasks: functions of what is stored, that write artifacts of their own or
return what they made. The bytes of a build are therefore the same on every engine.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cache, cached_property, partial
from importlib import import_module
from typing import Any, Protocol, TypeVar

import dask.config

from affect4d.pipeline.engine_modules import check_engine

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Computes tasks.

    Attributes
    ----------
    workers : how many tasks it computes at a time, at least 1
    """

    @property
    def workers(self) -> int: ...  # noqa: D102

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The function of each item, in their order."""

    def collections(self) -> AbstractContextManager[Any]:
        """Dask's arrays and delayed tasks are computed here within the context."""


class InProcess:
    """One task after the other in this process; Dask's collections on its threads."""

    workers = 1

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The function of each item, in their order."""
        return map(function, items)

    def collections(self) -> AbstractContextManager[Any]:
        """Dask's collections use this job's threads within the context."""
        return dask.config.set(scheduler="threads", num_workers=self._threads)


class Distributed:
    """Workers of Dask, which are there once something is asked of them.

    Parameters
    ----------
    connect : returns a `distributed.Client`. What it sends is pickled by distributed on its own
        encrypted connections; no file of a user is read in that way.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def __reduce__(self) -> tuple[type[InProcess], tuple[()]]:
        # what a worker is given it computes itself
        return InProcess, ()

    @property
    def workers(self) -> int:
        """How many workers there are; those that still wait in the queue do not count."""
        return max(1, len(self._client.nthreads()))

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """The function of each item, in their order; a lost worker's tasks go to others.

        Where one fails the others are dropped, and those that run are waited for: none writes
        once the job has ended.
        """
        shared = import_module("affect4d.pipeline.dask_shared")  # slow to load
        with shared.sent_to_workers(self._client, function) as call:
            futures = self._client.map(call, list(items), pure=False)
            try:
                while futures:
                    yield futures.pop(0).result()  # without a reference the workers forget it
            finally:
                self._drop(futures)

    def _drop(self, futures: list[Any]) -> None:
        """Cancel what does not run, and wait for what does."""
        if not futures:
            return
        at_work = {key for keys in self._client.processing().values() for key in keys}
        self._client.cancel([future for future in futures if future.key not in at_work])
        import_module("distributed").wait([f for f in futures if f.key in at_work])

    def collections(self) -> AbstractContextManager[Any]:
        """Dask's collections are computed by the workers within the context."""
        return dask.config.set(scheduler=self._client)


@cache
def open_engine(name: str, *, threads: int, memory_mb: int) -> Engine:
    """The engine of this process.

    Parameters
    ----------
    name : as the configuration states it
    threads, memory_mb : what the job may use: a Dask cluster in it has as much

    Raises
    ------
    BadInput
        The engine is not installed.
    """
    if name == "in-process":
        return InProcess(threads)
    check_engine(name)
    clusters = import_module("affect4d.pipeline.dask_clusters")  # slow to load
    if name == "dask":
        return Distributed(partial(clusters.start_local_workers, threads, memory_mb))
    return Distributed(clusters.connect)
