"""Writers of the same artifacts, one of them slow, and a garbage collector, at the same time."""

import multiprocessing
import queue
import time
from contextlib import suppress
from dataclasses import dataclass, field

from affect4d import store
from support.fault_injection.kills import KINDS, visible_version, write_version


@dataclass
class Outcome:
    """What two writers did: versions committed, refusals, and anything incomplete."""

    committed: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    broken: list = field(default_factory=list)


def race(folder, rounds, writers=2):
    """Processes write a store and a folder, one of them slowly, while another collects garbage."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zarr", "affect4d.store", "support.fault_injection.writers"])
    done, outcomes = context.Event(), context.Queue()
    collector = context.Process(target=_collect, args=(folder, done))
    collector.start()
    slow = context.Process(target=_write_slowly, args=(folder, 1, done))
    slow.start()
    processes = [
        context.Process(target=_write, args=(folder, 1000 * (number + 1), rounds, outcomes))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    outcome = Outcome()
    for _ in range(writers * rounds * (len(KINDS) - 1)):
        what, value = _next(outcomes, processes)
        getattr(outcome, what).append(value)
    for process in processes:
        process.join()
    done.set()
    for process, what in ((collector, "collector"), (slow, "slow writer")):
        process.join()
        if process.exitcode:
            outcome.broken.append(f"the {what} failed")
    for kind in ("store", "folder"):
        if not visible_version(folder, kind):
            outcome.broken.append(kind)
    return outcome


def _next(outcomes, processes):
    """The next outcome; a writer that died reports nothing."""
    while True:
        at_work = any(process.is_alive() for process in processes)
        with suppress(queue.Empty):
            return outcomes.get(timeout=0.1)
        assert at_work, "a writer died"


def _write(folder, first, rounds, outcomes):
    for version in range(first, first + rounds):
        for kind in ("store", "folder"):
            try:
                write_version(folder, kind, version)
                outcomes.put(("committed", version))
            except store.StoreError as error:
                outcomes.put(("refused", str(error)))
            except Exception as error:
                outcomes.put(("broken", f"{type(error).__name__}: {error}"))


def _write_slowly(folder, version, done):
    while not done.wait(0.1):
        try:
            with store.atomic_replace(folder / "folder", None) as unfinished:
                (unfinished / "data").mkdir(parents=True)
                time.sleep(0.6)
                (unfinished / "data/0.txt").write_text(f"{version}\n")
        except store.StoreError:
            continue


def _collect(folder, done):
    while not done.wait(0.01):
        store.garbage_collect(folder)
