"""Tasks of a job on workers of Dask: the same results, whatever becomes of a worker."""

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

import dask.array as da
import pytest
from support.contexts import context

from affect4d.pipeline.engine import InProcess, open_engine
from affect4d.quarantine import BadInput

ITEMS = [3, 1, 2, 0]


@pytest.fixture(scope="module")
def workers():
    """The engine of a job of two threads, whose workers find this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield open_engine("dask", threads=2, memory_mb=2000)


def divide(folder, context, item):
    """Six by an item; the first worker to be given 2 is killed, and no quotient of 0 exists."""
    if item == 2:
        with suppress(FileExistsError):
            (folder / "killed").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    if item == 0:
        context.quarantine.add(item, BadInput("0", "is zero", "give another"))
        return None
    context.quarantine.leave_out(item, BadInput(item, "is noted", "read on"))
    return 6 // item


def run(folder, engine, *, strict=False):
    """The results, and the items of the quarantine."""
    here = context(folder, engine=engine, strict=strict)
    made = list(here.map(partial(divide, folder), ITEMS))
    return made, [row.item for row in here.quarantine.rows]


def test_a_killed_worker_changes_nothing_and_order_is_that_of_the_items(tmp_path, workers):
    (tmp_path / "killed").touch()
    expected = run(tmp_path, InProcess())
    assert expected == ([2, 6, 3, None], ["3", "1", "2", "0"])
    (tmp_path / "killed").unlink()
    assert run(tmp_path, workers) == expected
    assert (tmp_path / "killed").exists()


def test_bad_input_in_a_worker_ends_a_strict_job_with_its_line(tmp_path, workers):
    (tmp_path / "killed").touch()
    with pytest.raises(BadInput, match="0: is zero; give another"):
        run(tmp_path, workers, strict=True)


def test_collections_are_computed_by_the_workers(workers):
    with workers.collections():
        numbers = da.arange(10, chunks=2).map_blocks(lambda block: block * 0 + os.getpid())
        assert os.getpid() not in set(numbers.compute().tolist())
