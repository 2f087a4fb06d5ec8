"""Is a fitted identity nearer to the face than the mean face is? By source of landmarks and prior.

    python benchmarks/fitting_identity.py [--results results] [--shots 60] [--first 100]

Faces of known camera (`fitting_faces.py`; AFFECT4D_ICT names a clone of ICT-FaceKit), whose people
no model has seen: `people` is learnt from others of the same kind, `build` (with --results) from
the gallery's. With --another-mean the people's mean is not the template but ICT-FaceKit's neutral
face. The method was chosen with people 0 to 99: those from 100 on, the default, are others. The
error is the mean distance (mm) of the neutral face's inner vertices from the true face's surface,
after the best similarity; beside it stands that of the model's mean face.
Landmarks are annotated (noise of 1 % of the inter-ocular distance), or detected: with the deviation
of each point from annotators' that `detector_points.py` measured. The prior is the weight of the
identity's, of which the fit has 1: what is best here, on people who are not the model's, is the
cross-validated choice. The interval is that of fitted less mean face over people (95 %, bootstrap).
Angles are medians in degrees: "rotation" is the camera's error in the axes of ICT-FaceKit's meshes,
with its standard error (bootstrap); "aligned" that in the frame of a model, whose people lie on its
mean by a similarity of all vertices (`learning.identity_modes`), as the true face does here; "face
turned" is how the fitted inner face lies before the camera against the true one, in no frame.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import ict_truth
import igl
import numpy as np
import pandas as pd
from detector_points import written_deviations
from fitting import fit_shots, rotation_errors
from fitting_faces import NOISE, SEED, make_model, of_another_mean, take_shots
from scipy.spatial.transform import Rotation

from affect4d.fitting.storage import read_model
from affect4d.geometry.similarity import fit_similarity
from affect4d.random_streams import named_rng

PRIORS = (0.3, 1.0, 3.0)
RESAMPLES = 2000
STEP = 8  # one in so many vertices of the inner face is measured


def surface_error(face, shot, template):
    """Mean distance (mm) of a face's inner vertices from the true one's surface."""
    inner = np.flatnonzero(template.inner)
    moved = fit_similarity(face[inner], shot.face[inner]).apply(face[inner[::STEP]])
    near = template.triangles[template.inner[template.triangles].any(1)].astype(np.int64)
    square, _, _ = igl.point_mesh_squared_distance(
        np.ascontiguousarray(moved, dtype=float), shot.face.astype(float), near
    )
    return np.sqrt(square).mean()


def fit_identities(model, shots, prior):
    """Neutral faces (V, 3) of Shots, with another weight of the identity's prior, and the fits."""
    # modes that are longer by a factor have coefficients that cost less by its square
    weighted = replace(model, identity=model.identity / np.float32(np.sqrt(prior)))
    found = fit_shots(weighted, shots)
    shown = (np.tensordot(one.expression, model.expression, axes=1) for one in found)
    return [one.vertices - change for one, change in zip(found, shown, strict=True)], found


def compare(model, shots, template, prior):
    """Fitted and mean error (mm), interval of their difference, angles (degrees)."""
    faces, found = fit_identities(model, shots, prior)
    pairs = list(zip(faces, shots, strict=True))
    fitted = np.array([surface_error(*pair, template) for pair in pairs])
    mean = np.array([surface_error(model.mean, shot, template) for shot in shots])
    drawn = named_rng(SEED, "bootstrap").integers(len(shots), size=(RESAMPLES, len(shots)))
    low, high = np.quantile((fitted - mean)[drawn].mean(1), [0.025, 0.975])
    less = 100 * (fitted.mean() / mean.mean() - 1)
    interval = f"{low:+.2f} to {high:+.2f}"
    rotation = rotation_errors(found, shots)
    deviation = np.median(rotation[drawn], axis=1).std()
    aligned = np.median(rotation_errors(found, [in_frame(shot, model.mean) for shot in shots]))
    turned = np.median([turn(*one, template) for one in zip(faces, found, shots, strict=True)])
    angles = np.median(rotation), deviation, aligned, turned
    return fitted.mean(), mean.mean(), less, interval, *angles


def in_frame(shot, mean):
    """The Shot whose camera is given in the frame in which its face lies on a mean face."""
    upright = fit_similarity(shot.face.astype(float), mean.astype(float)).rotation
    return replace(shot, camera=replace(shot.camera, rotation=shot.camera.rotation @ upright.T))


def turn(face, found, shot, template):
    """Degrees by which a neutral face before its camera is turned against the true one.

    Whatever frame a model calls upright, it is the rotation that best brings one inner face onto
    the other.
    """
    inner = np.flatnonzero(template.inner)[::STEP]
    one, other = face[inner] @ found.camera.rotation.T, shot.face[inner] @ shot.camera.rotation.T
    return np.degrees(Rotation.from_matrix(fit_similarity(one, other).rotation).magnitude())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="a build whose model is tried too")
    parser.add_argument("--shots", type=int, default=60, help="people (default 60)")
    parser.add_argument("--first", type=int, default=100, help="number of the first (default 100)")
    parser.add_argument("--another-mean", action="store_true", help="people of another mean")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    try:
        truth = ict_truth.load(scan_vertices=5000, topologies=1)
    except FileNotFoundError as error:
        sys.exit(str(error))
    models = {"people": make_model(truth)}
    if arguments.results:
        models["build"] = read_model(arguments.results / "fits/model.zarr")
    noises = {"annotated": NOISE, "detected": written_deviations()}
    shown = of_another_mean(truth) if arguments.another_mean else truth
    sources = {
        source: take_shots(shown, arguments.shots, noise, arguments.first)
        for source, noise in noises.items()
    }
    columns = ["fitted mm", "mean face mm", "%", "95 %", "rotation", "+-", "aligned", "face turned"]
    for name, model in models.items():
        rows = {
            (source, prior): compare(model, shots, truth.template, prior)
            for source, shots in sources.items()
            for prior in PRIORS
        }
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        table.index = pd.MultiIndex.from_tuples(rows, names=["landmarks", "prior"])
        print(f"\nModel: {name}\n{table.to_string(float_format='%.2f')}", flush=True)


if __name__ == "__main__":
    main()
