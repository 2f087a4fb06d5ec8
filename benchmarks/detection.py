"""Whether people are found in photographs of them, however turned, and nobody where there is none.

    python benchmarks/detection.py --faces ../shared/data/london
    python benchmarks/detection.py --others FOLDER     # pictures without people, such as of animals

The photographs under `--faces` (AFFECT4D_LONDON if absent) show one frontal face each; templates
(.tem) beside them say where. Each is searched as it is and turned by 45, 90 and -90 degrees. One
counts as found if a single face is, with its eyes' corners within .05 of their distance from those
marked, or, where there is no template, from those found in it upright. scikit-image's pictures
without people, a cat among them, and those under `--others` must hold nobody, upright or turned.
No bound in `affect4d.fitting.detection` was chosen on a picture of the London Set.
Thresholds: every face is found, nothing else is. Exit 1 where one is missed.
"""

import argparse
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from readers_people import FOLDER
from skimage import data
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d.fitting.detection import detect_faces
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import OUTER_EYE_CORNERS

TURNS = (0, 45, 90, -90)  # degrees, anticlockwise
MAX_DISTANCE = 0.05  # inter-ocular distances
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".ppm"}
SHIPPED = (
    "chelsea", "horse", "coffee", "rocket", "moon", "coins", "brick", "grass", "gravel", "cell",
    "clock", "colorwheel", "hubble_deep_field", "immunohistochemistry", "microaneurysms", "page",
    "text", "retina", "logo",
)  # fmt: skip


def turn(image, degrees):
    """The picture turned about its middle, without cutting it, and the matrix (2, 3) to it."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    size = np.ceil(np.abs(matrix[:, :2]) @ [width, height]).astype(int)
    matrix[:, 2] += (size - [width, height]) / 2
    return cv2.warpAffine(image, matrix, tuple(size.tolist())), matrix


def find(image):
    """Landmarks of every face found; none is an empty list."""
    try:
        return detect_faces(image)
    except BadInput:
        return []


def distance(found, marked):
    """Of the outer corners of the eyes, in their own distance, on average."""
    corners, wanted = found[OUTER_EYE_CORNERS], marked[OUTER_EYE_CORNERS]
    return np.linalg.norm(corners - wanted, axis=1).mean() / np.linalg.norm(wanted[0] - wanted[1])


def search_photograph(path):
    """For each turn: faces found, and the distance of the largest from where it is."""
    image = read_image(path)
    template = path.with_suffix(".tem")
    marked = read_landmarks(template) if template.is_file() else None
    rows = []
    for degrees in TURNS:
        turned, matrix = turn(image, degrees)
        faces = find(turned)
        if marked is None and faces:
            marked = faces[0]
        if not faces:
            rows.append((0, np.nan))
            continue
        there = marked[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        rows.append((len(faces), distance(faces[0], there)))
    return rows


def load_others(folder):
    """Name and picture (H, W, 3) of what has no people in it."""
    for name in SHIPPED:
        picture = np.asarray(getattr(data, name)())
        if picture.dtype == bool:
            picture = picture.astype(np.uint8) * 255
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        yield name, np.ascontiguousarray(picture[..., :3])
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.suffix.lower() in SUFFIXES:
            yield path.name, read_image(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--faces", type=Path, default=os.environ.get("AFFECT4D_LONDON", FOLDER))
    parser.add_argument("--others", type=Path)
    parser.add_argument("--count", type=int, help="photographs; all if absent")
    options = parser.parse_args()
    others = list(load_others(options.others))
    held = {name: len(find(picture)) for name, picture in tqdm(others, "others", disable=None)}
    wrong = [name for name, count in held.items() if count]
    print(f"{len(others)} pictures without people: {len(wrong)} with a face {wrong or ''}")
    rows = [Threshold("pictures without people in which a face is found", len(wrong), 0)]
    paths = sorted(path for path in options.faces.rglob("[!.]*") if path.suffix in SUFFIXES)
    paths = paths[: options.count]
    if paths:
        found = np.array([search_photograph(path) for path in tqdm(paths, "faces", disable=None)])
        for degrees, column in zip(TURNS, found.swapaxes(0, 1), strict=True):
            good = (column[:, 0] == 1) & (column[:, 1] <= MAX_DISTANCE)
            far = np.nanpercentile(column[:, 1], [50, 95])
            print(f"turned by {degrees}: {good.sum()} of {len(paths)}; eyes off by {far.round(4)}")
            for path, fine in zip(paths, good, strict=True):
                if not fine:
                    print(f"  {path}")
            rows.append(
                Threshold(f"people found, turned by {degrees}", good.mean(), 1, at_least=True)
            )
    sys.exit(check(rows))


if __name__ == "__main__":
    main()
