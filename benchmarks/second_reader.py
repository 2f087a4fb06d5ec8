"""A second reader of expressions and landmarks: networks of the npm package face-api (MIT).

Node.js runs them. `make second-reader` installs the package; AFFECT4D_SECOND_READER names the
folder of another installation.
Of all units, prototypes and settings only fear's units 2, 4, 20 and 26 were chosen with a look at
it.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
PACKAGE = "@vladmandic/face-api"
SIDE = 112  # pixels, the network's input
PADDING = 0.2  # by which face-api enlarges the box of the landmarks, of either side (`align`)
ORDER = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")


def folder():
    """Where the packages of envs/second_reader are installed."""
    return Path(os.environ.get("AFFECT4D_SECOND_READER", ROOT / "build/second_reader"))


def is_installed():
    """Whether Node.js and the package are there."""
    return shutil.which("node") is not None and (folder() / "node_modules" / PACKAGE).is_dir()


def cut(image, landmarks):
    """The face (112, 112, 3) of a picture, the box of its landmarks (68, 2) padded to a square;
    None where landmarks are not finite, or all lie outside the picture."""
    if not np.isfinite(landmarks).all():
        return None
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    margin = PADDING / 2 * (high - low)
    low, high = np.floor(low - margin), np.ceil(high + margin)
    left, top = np.maximum(low, 0).astype(int)
    right, bottom = np.minimum(high, image.shape[1::-1]).astype(int)
    if top >= bottom or left >= right:
        return None
    part = image[top:bottom, left:right]
    factor = SIDE / max(part.shape)
    size = [max(round(side * factor), 1) for side in part.shape[1::-1]]
    part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    face = np.zeros((SIDE, SIDE, 3), np.uint8)
    top, left = ((SIDE - side) // 2 for side in part.shape[:2])
    face[top : top + size[1], left : left + size[0]] = part
    return face


def read_expressions(faces):
    """What is read of N faces that `cut` made: one of EXPRESSIONS, "" where there is none."""
    found = [face for face in faces if face is not None]
    best = iter(_run("faceExpressionNet", found, (len(ORDER),)).argmax(axis=1))
    return np.array(["" if face is None else ORDER[next(best)] for face in faces])


def find_landmarks(faces):
    """Landmarks (N, 68, 2) of N faces that `cut` made, in their pixels; NaN where there is none.

    Frames differ by a similarity transform, which `readers_landmarks.displacements` removes.
    """
    there = np.array([face is not None for face in faces], bool)
    found = np.full((len(faces), 68, 2), np.nan)
    given = [face for face in faces if face is not None]
    found[there] = SIDE * _run("faceLandmark68Net", given, (68, 2))
    return found


def agreement(first, second, asked):
    """How often one reader, both or neither read what was asked, of N readings of either."""
    one, other = np.array(first) == asked, np.array(second) == asked
    return {
        "first alone": np.mean(one & ~other),
        "both": np.mean(one & other),
        "second alone": np.mean(other & ~one),
        "neither": np.mean(~one & ~other),
    }


def _run(network, faces, shape):
    """(N, *shape), what a network of the package says of faces (N, 112, 112, 3)."""
    with tempfile.TemporaryDirectory() as scratch:
        given, found = Path(scratch) / "faces", Path(scratch) / "found.json"
        np.array(faces, np.uint8).tofile(given)
        worker = Path(__file__).with_suffix(".mjs")
        subprocess.run(["node", worker, folder(), network, given, found], check=True)
        return np.array(json.loads(found.read_text())).reshape(-1, *shape)
