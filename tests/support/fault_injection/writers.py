"""Writers of the same artifacts, a slow one among them, and a sweeper, all at once."""

import multiprocessing
import time
from dataclasses import dataclass, field

from affect4d import store
from support.fault_injection.kills import KINDS, visible_version, write_version


@dataclass
class Outcome:
    """What two writers did: versions committed, refusals, and anything that was not whole."""

    committed: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    broken: list = field(default_factory=list)


def race(folder, rounds, writers=2):
    """Let processes write a store and a folder, one the folder slowly, while another sweeps."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zarr", "affect4d.store", "support.fault_injection.writers"])
    done, said = context.Event(), context.Queue()
    sweeper = context.Process(target=_sweep, args=(folder, done))
    sweeper.start()
    slow = context.Process(target=_write_slowly, args=(folder, 1, done))
    slow.start()
    people = [
        context.Process(target=_write, args=(folder, 1000 * (number + 1), rounds, said))
        for number in range(writers)
    ]
    for process in people:
        process.start()
    outcome = Outcome()
    for _ in range(writers * rounds * (len(KINDS) - 1)):
        what, value = said.get(timeout=120)  # a writer that died says nothing
        getattr(outcome, what).append(value)
    for process in people:
        process.join()
    done.set()
    for process, what in ((sweeper, "sweeper"), (slow, "slow writer")):
        process.join()
        if process.exitcode:
            outcome.broken.append(f"the {what} failed")
    for kind in ("store", "folder"):
        if not visible_version(folder, kind):
            outcome.broken.append(kind)
    return outcome


def _write(folder, first, rounds, said):
    for version in range(first, first + rounds):
        for kind in ("store", "folder"):
            try:
                write_version(folder, kind, version)
                said.put(("committed", version))
            except store.StoreError as error:
                said.put(("refused", str(error)))
            except Exception as error:
                said.put(("broken", f"{type(error).__name__}: {error}"))


def _write_slowly(folder, version, done):
    while not done.wait(0.1):
        try:
            with store.atomic_replace(folder / "folder", None) as unfinished:
                (unfinished / "data").mkdir(parents=True)
                time.sleep(0.6)
                (unfinished / "data/0.txt").write_text(f"{version}\n")
        except store.StoreError:
            continue


def _sweep(folder, done):
    while not done.wait(0.01):
        store.garbage_collect(folder)
