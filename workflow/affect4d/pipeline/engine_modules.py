"""The packages that an engine needs beyond the workflow's own, which `make engine` installs."""

from importlib.util import find_spec

from affect4d.quarantine import BadInput

_DASK = ("distributed", "cryptography")
_NEEDED = {"dask": _DASK, "dask-jobqueue": (*_DASK, "dask_jobqueue")}
REMEDY = "run `make engine` (jobs in conda environments need it there too), or engine: in-process"


def missing_modules(engine: str) -> list[str]:
    """What an engine needs and is not installed."""
    return [name for name in _NEEDED.get(engine, ()) if find_spec(name) is None]


def check_engine(engine: str) -> None:
    """See that an engine can be used here.

    Raises
    ------
    BadInput
        Its packages are missing.
    """
    missing = missing_modules(engine)
    if missing:
        raise BadInput(f"engine: {engine}", f"{', '.join(missing)} not installed", REMEDY)
