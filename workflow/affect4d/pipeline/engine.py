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
        """The function of each item, in their order; a lost worker's tasks go to others."""
        futures = self._client.map(function, list(items), pure=False)
        while futures:
            yield futures.pop(0).result()  # without a reference the workers forget it

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
    """
    if name == "in-process":
        return InProcess(threads)
    clusters = import_module("affect4d.pipeline.dask_clusters")  # slow to load
    if name == "dask":
        return Distributed(partial(clusters.start_local_workers, threads, memory_mb))
    return Distributed(clusters.connect)
