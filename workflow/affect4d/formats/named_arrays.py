"""Named arrays of a MATLAB or NumPy file, read in a process of its own with limits.

A damaged file makes scipy's compiled reader end the process, and a small one may expand to any
size, of which its header says what it likes. Only the arrays come back, without pickles.
"""

import io
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.formats.content import read_content
from affect4d.quarantine import BadInput

_ROOT = Path(__file__).parents[2]  # of the package, which need not be installed
_MAX_REASON = 160  # characters of another library's message
_AGAIN = "fetch it again"


def read_arrays(
    path: Path | str, names: Iterable[str], *, max_mb: int, max_seconds: int
) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that a .mat (up to version 7.2) or .npz file holds.

    Parameters
    ----------
    path : the file
    names : of the arrays
    max_mb : memory that reading may take, MB
    max_seconds : processor time that reading may take, s

    Raises
    ------
    BadInput
        The suffix is another; the file is missing, not a regular file, or malformed; it needs more
        memory or time; an array holds objects.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _READERS:
        raise BadInput(path, f"unknown model format {suffix!r}", "give an LSFM .mat or .npz")
    arguments = [str(max_mb), str(max_seconds), *names]
    command = [sys.executable, "-P", "-m", __name__, str(Path(path).absolute()), *arguments]
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": search, "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as answer:
        try:
            done = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.PIPE,
                check=False,
            )
        except ValueError as error:  # a null byte in the name
            raise BadInput(path, f"no file has such a name ({error})", "correct it") from None
        if done.returncode:
            raise _refusal(path, done, max_seconds)
        answer.seek(0)
        with np.load(answer, allow_pickle=False) as archive:
            return dict(archive)


def _refusal(
    path: Path | str, done: subprocess.CompletedProcess[bytes], max_seconds: int
) -> BadInput:
    if done.returncode == -signal.SIGXCPU:
        return BadInput(path, f"takes more than {max_seconds} s to read", _AGAIN)
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return BadInput(path, f"cannot be read as a model (its reader ends by {name})", _AGAIN)
    lines = done.stderr.decode(errors="replace").splitlines()
    rule, _, remedy = (lines[-1] if lines else "cannot be read").partition("\t")
    return BadInput(path, rule, remedy or _AGAIN)


# What runs in the other process.


def _answer(path: str, max_mb: int, max_seconds: int, *, names: list[str]) -> None:
    """Write the arrays to the standard output as .npz; exit with "RULE\tREMEDY" otherwise."""
    _limit(max_mb << 20, max_seconds)
    warnings.simplefilter("ignore")
    try:
        content = read_content(path, max_mb << 20, "model", remedy=_AGAIN)
        fields = _READERS[Path(path).suffix.lower()](content, names)
        arrays = {name: np.asarray(field) for name, field in fields.items()}
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise ValueError(f"{name} is no array of numbers")
        np.savez(sys.stdout.buffer, **arrays)  # type: ignore[arg-type]  # of names, not its flags
    except BadInput as problem:
        sys.exit(f"{problem.rule}\t{problem.remedy}")
    except MemoryError:
        rule = f"needs more than {max_mb} MB to read"
        sys.exit(f"{rule}\traise `fitting.lsfm_model_mb` if the file is what it should be")
    except BaseException as error:  # scipy and NumPy raise of everything
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        sys.exit(f"cannot be read as a model ({reason})")


def _limit(max_bytes: int, max_seconds: int) -> None:
    """Limit this process's data and its processor time; no core dump."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, max_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (max_seconds, max_seconds + 1))


def _read_mat(content: bytes, names: list[str]) -> dict[str, Any]:
    from scipy.io import loadmat  # takes longer to import than most models to read

    fields = loadmat(io.BytesIO(content), variable_names=names)
    return {name: fields[name] for name in names if name in fields}


def _read_npz(content: bytes, names: list[str]) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return {name: archive[name] for name in names if name in archive.files}


_READERS = {".mat": _read_mat, ".npz": _read_npz}

if __name__ == "__main__":
    _answer(sys.argv[1], *map(int, sys.argv[2:4]), names=sys.argv[4:])
