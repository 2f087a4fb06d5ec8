"""The readers' environment: a Python interpreter of its own, and one run of it."""

import os
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

VARIABLE = "AFFECT4D_FACE_READERS"  # names the interpreter
_DEFAULT = Path("build/face_readers/bin/python")  # where `make face-readers` puts it
_WORKER = Path(__file__).with_name("worker.py")
_MAX_REASON = 300  # characters of the worker's last words


def find_interpreter() -> Path | None:
    """The readers' interpreter, of the variable or where `make face-readers` puts it, or None."""
    path = Path(os.environ.get(VARIABLE) or _DEFAULT)
    return path if path.is_file() else None


def find_obstacle(*, detector: bool = True) -> BadInput | None:
    """What keeps pictures from being read here: readers or detector are not installed; or None.

    Parameters
    ----------
    detector : whether landmarks are to be detected
    """
    if find_interpreter() is None:
        return BadInput(
            os.environ.get(VARIABLE) or _DEFAULT,
            "the face readers are not installed",
            f"run `make face-readers` once, or name their interpreter in {VARIABLE}",
        )
    if detector and find_spec("mediapipe") is None:
        return BadInput("mediapipe", "the detector is not installed", "run `make detector` once")
    return None


def run_models(
    faces: NDArray[np.uint8], chips: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What the two networks give.

    Parameters
    ----------
    faces : (N, 64, 64) grey levels
    chips : (N, 150, 150, 3)

    Returns
    -------
    (N, 7) probabilities, (N, 128) descriptors

    Raises
    ------
    BadInput
        The readers fail.
    """
    interpreter = find_interpreter()
    assert interpreter is not None, "see find_obstacle"
    with tempfile.TemporaryDirectory() as folder:
        given, read = Path(folder, "given.npz"), Path(folder, "read.npz")
        np.savez(given, faces=faces, chips=chips)
        command = [str(interpreter), str(_WORKER), str(given), str(read)]
        environment = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            reason = done.stderr.strip()[-_MAX_REASON:]
            raise BadInput(interpreter, f"the readers failed ({reason})", "`make face-readers`")
        with np.load(read) as arrays:
            return arrays["probabilities"], arrays["descriptors"]
