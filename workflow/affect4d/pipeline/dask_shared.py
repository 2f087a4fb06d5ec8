"""What the tasks of a job share, which each of Dask's workers is sent once, not with every task.

It is no task that the others depend on: Dask would give few tasks to the worker that made it alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any
from uuid import uuid4

import cv2
from distributed import WorkerPlugin, get_worker

_TRIES = 5  # a worker that ends meanwhile fails one


class _Shared(WorkerPlugin):
    """A function that a worker keeps; one that starts later is sent it by the scheduler."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


@contextmanager
def sent_to_workers(client: Any, function: Callable[[Any], Any]) -> Iterator[Callable[[Any], Any]]:
    """A small function for tasks, which calls the one that the workers keep within the context."""
    name = f"shared-{uuid4().hex}"
    for left in reversed(range(_TRIES)):
        try:
            client.register_plugin(_Shared(function), name=name)
            break
        except OSError:
            if not left:
                raise
    try:
        yield partial(_call, name)
    finally:
        with suppress(OSError):
            client.unregister_worker_plugin(name)


def _call(name: str, item: Any) -> Any:
    """The kept function of an item; OpenCV would take all of the node's threads."""
    cv2.setNumThreads(1)
    shared: Any = get_worker().plugins[name]
    return shared.function(item)
