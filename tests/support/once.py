"""What is made once, however many processes run tests."""

import fcntl
import os


def made_once(tmp_path_factory, name, make):
    """The path `name`: the first process to come makes it by `make(path)`, others wait for it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        path = tmp_path_factory.mktemp("once") / name
        make(path)
        return path
    path = tmp_path_factory.getbasetemp().parent / name
    done = path.with_name(f"{name}.done")
    with path.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(path)
            done.touch()
    return path
