"""What a user's network reads of images: ONNX by OpenCV, TorchScript in PyTorch's environment."""

import os
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from affect4d.quarantine import BadInput

VARIABLE = "AFFECT4D_TRAIN"  # names PyTorch's interpreter
_DEFAULT = Path("build/train/bin/python")  # where `make train` puts it
_WORKER = Path(__file__).parent / "pytorch" / "torchscript.py"
_BATCH = 32  # images that an ONNX network is given at once
_MAX_REASON = 300  # characters of a library's message
CENTRE, SCALE = 128.0, 128.0  # grey levels: networks are given (x - 128) / 128


def read_images(model: Path, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What a network gives for images.

    Parameters
    ----------
    model : .onnx, or TorchScript (.pt, .ts); one input (N, 3, S, S), RGB, (x - 128) / 128; one
        output (N, K). Its pickled parts are TorchScript's own, which run no Python.
    images : (N, S, S, 3)

    Returns
    -------
    (N, K)

    Raises
    ------
    BadInput
        The model cannot be read or run, or gives something else.
    """
    inputs = (images.transpose(0, 3, 1, 2).astype(np.float32) - CENTRE) / SCALE
    read = _run_onnx if model.suffix.lower() == ".onnx" else _run_torchscript
    outputs = np.asarray(read(model, inputs), np.float64)
    if outputs.ndim != 2 or len(outputs) != len(images) or not np.isfinite(outputs).all():
        rule = f"gives {outputs.shape} for {len(images)} images, or values that are not finite"
        raise BadInput(model, rule, "give a network with one output (images, K)")
    return outputs


def _run_onnx(model: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    try:
        network = cv2.dnn.readNetFromONNX(str(model))
        outputs = []
        for start in range(0, len(inputs), _BATCH):
            network.setInput(inputs[start : start + _BATCH])
            outputs.append(network.forward())
    except cv2.error as error:
        rule = f"OpenCV cannot run it ({str(error)[:_MAX_REASON]})"
        raise BadInput(model, rule, "export it to ONNX with a free batch size") from None
    return np.concatenate(outputs)


def _run_torchscript(model: Path, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    interpreter = Path(os.environ.get(VARIABLE) or _DEFAULT)
    if not interpreter.is_file():
        remedy = f"`make train`, or name its interpreter in {VARIABLE}, or export the model to ONNX"
        raise BadInput(interpreter, "PyTorch is not installed, which TorchScript needs", remedy)
    with tempfile.TemporaryDirectory() as folder:
        given, read = Path(folder, "given.npy"), Path(folder, "read.npy")
        np.save(given, inputs)
        command = [str(interpreter), str(_WORKER), str(model), str(given), str(read)]
        environment = os.environ | {"PYTHONPATH": ""}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            rule = f"PyTorch cannot run it ({done.stderr.strip()[-_MAX_REASON:]})"
            raise BadInput(model, rule, "save it with torch.jit.save")
        outputs: NDArray[np.float32] = np.load(read, allow_pickle=False)
    return outputs
