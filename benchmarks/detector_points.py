"""Where annotators put iBUG's 68 points on the detector's mesh, and how well it then finds them.

    AFFECT4D_LONDON=... python benchmarks/detector_points.py [--write]

On the neutral photographs of a folder laid out like the London Set. Each landmark becomes a
weighted mean of three points of the mesh: the corners of the triangle of the mean mesh in which
annotators put it in the mean, or, beyond its outline, the outline's nearest edge and the nose tip.
The table holds the mean difference from the annotators and its standard deviation (x and y), in
percent of the outer-eye distance, of people who were left out (8 folds), beside single points of
the mesh. No landmark is a mean over both sides of an opening, which then would not open: one of a
lid is such a mean of its own point and the corners of the eye, one of the inner lips a single
point. --write writes the package's file of points and deviations.
"""

import argparse

import cv2
import numpy as np
import pandas as pd
from readers_people import place
from scipy.spatial import ConvexHull, Delaunay

from affect4d.fitting.detection import MESH, ROUNDS
from affect4d.fitting.face_mesh import IRISES, Square, find_squares, fit_mesh
from affect4d.fitting.mesh_points import FILE, MeshPoints
from affect4d.fitting.native_messages import log_native_messages
from affect4d.formats.content import read_yaml
from affect4d.formats.images import read_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.template.ibug68 import INNER_LIPS, LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE

SIDE = 675  # pixels of a photograph
FOLDS = 8
MESH_NOSE_TIP = 4
BETWEEN_CORNERS = {  # landmarks of the lids, with the corners of their eye
    lid: (eye[0], eye[3]) for eye in (RIGHT_EYE, LEFT_EYE) for lid in eye[[1, 2, 4, 5]]
}
PARTS = {"jaw": slice(0, 17), "brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48),
         "mouth": slice(48, 68), "all": slice(0, 68)}  # fmt: skip
HEAD = """\
# iBUG's 68 points on MediaPipe's face mesh, written by benchmarks/detector_points.py --write: three
# points of the mesh, their weights, and the standard deviation of x and of y of a landmark found so
# from an annotated one, in outer-eye distances. Measured on {count} neutral photographs of the Face
# Research Lab London Set (DeBruine & Jones, 2017, doi:10.6084/m9.figshare.5047666, CC BY 4.0), each
# person left out of the places that the person's deviation is taken from.
points:
"""


def read_people(folder):
    """Meshes (N, 468, 2) and annotated landmarks (N, 68, 2) in outer-eye distances, eyes level."""
    meshes, marks = [], []
    for path in sorted(folder.glob("neutral_front/[0-9]*_03.jpg")):
        image = read_image(path)
        factor = SIDE / max(image.shape)
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        own = factor * read_landmarks(path.with_suffix(".tem"), dimension=2)
        x, y = np.subtract(*own[OUTER_EYE_CORNERS[::-1]])
        frame = np.array([[x, -y], [y, x]]) / (x * x + y * y)
        meshes.append((_mesh(image)[:-IRISES] - own.mean(0)) @ frame)
        marks.append((own - own.mean(0)) @ frame)
    return np.array(meshes), np.array(marks)


def _mesh(image):
    height, width = image.shape[:2]
    whole = Square(np.array([width - 1, height - 1]) / 2, float(max(image.shape)), 0)
    with log_native_messages():
        _, square = max(find_squares(image, whole), key=lambda one: one[0])
        for _ in range(ROUNDS):
            square = fit_mesh(image, square).square
        return fit_mesh(image, square).points


def place_points(meshes, marks):
    """Corners and weights (68, 3) of the landmarks on the mean mesh."""
    mesh, landmarks = meshes.mean(0), marks.mean(0)
    inside = Delaunay(mesh)
    edges = ConvexHull(mesh).simplices
    outside = np.column_stack([edges, np.full(len(edges), MESH_NOSE_TIP)])
    found = inside.find_simplex(landmarks)
    corners, weights = [], []
    for number, (landmark, simplex) in enumerate(zip(landmarks, found, strict=True)):
        tried = outside if simplex < 0 else inside.simplices[[simplex]]
        if number in BETWEEN_CORNERS:
            tried = np.array(MESH)[[[number, *BETWEEN_CORNERS[number]]]]
        solved = np.array([_barycentric(mesh[one], landmark) for one in tried])
        best = solved[:, :2].min(1).argmax()  # the edge in whose sector it lies
        corners.append(tried[best])
        weights.append(solved[best])
    corners, weights = np.array(corners), np.array(weights)
    corners[INNER_LIPS], weights[INNER_LIPS] = np.array(MESH)[INNER_LIPS, None], (1.0, 0.0, 0.0)
    return corners, weights


def _barycentric(corners, point):
    return np.linalg.solve(np.vstack([corners.T, np.ones(3)]), [*point, 1.0])


def away(meshes, marks):
    """Detected less annotated landmarks (N, 68, 2) of people who were left out."""
    fold, found = np.arange(len(marks)) % FOLDS, np.empty_like(marks)
    for number in range(FOLDS):
        kept = fold != number
        placed = MeshPoints(*place_points(meshes[kept], marks[kept]))
        found[~kept] = placed.of(meshes[~kept])
    return found - marks


def deviations(difference):
    """Standard deviation (68,) of x and y."""
    return np.sqrt(((difference - difference.mean(0)) ** 2).mean((0, 2)))


def written_deviations():
    """Those of the package's file, (68, 1), in outer-eye distances."""
    return np.array(read_yaml(FILE, "table of points")["points"])[:, 6:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="the package's file")
    arguments = parser.parse_args()
    if not place().is_dir():
        print(f"{place()} is absent: nothing is measured (set AFFECT4D_LONDON)")
        return
    cv2.setNumThreads(1)
    meshes, marks = read_people(place())
    measured = {"single points": meshes[:, list(MESH)] - marks, "means": away(meshes, marks)}
    rows = {}
    for how, difference in measured.items():
        bias = np.linalg.norm(difference.mean(0), axis=1)
        for what, values in (("bias", bias), ("deviation", deviations(difference))):
            rows[how, what] = {part: 100 * values[which].mean() for part, which in PARTS.items()}
    print(f"{len(marks)} people\n{pd.DataFrame(rows).T.to_string(float_format='%.2f')}")
    if arguments.write:
        corners, weights = place_points(meshes, marks)
        table = zip(corners, weights, deviations(measured["means"]), strict=True)
        lines = [
            f"- [{', '.join(map(str, three))}, {', '.join(f'{w:.4f}' for w in shares)}, {sd:.4f}]"
            for three, shares, sd in table
        ]
        FILE.write_text(HEAD.format(count=len(marks)) + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
