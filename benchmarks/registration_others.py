"""`registration.py --people native --others N`: other methods beside ours on the same scans.

The methods: ours on the template as given and on one adapted to other people of the model; NICP of
menpo3d (see `nicp.py`) where that package is installed, and MeshMonk where AFFECT4D_MESHMONK names
the Python of an environment with the package `meshmonk` 0.3.0. Both work on the template decimated
to as many vertices as MeshMonk's own has, or they would take minutes a scan; both start from the
similarity of the landmarks. The error is that of `native_people`, over the inner face: each method
is compared with its own consensus over clean scans. Neutral faces only; one thread, CPU time.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from errors import mean_p95, rigid
from native_people import SEED, STILL, Correspondence, load_people, scan, sitter
from nicp import repair, run_nicp
from registration_native import adapted
from tqdm import tqdm

from affect4d.config.registration import Settings
from affect4d.gallery.synthetic.topology import scan_topology
from affect4d.geometry.similarity import fit_similarity
from affect4d.random_streams import named_rng
from affect4d.registration import Registrar, prepare
from affect4d.template.template import load_template, make_template

TEMPLATE_VERTICES = 7160  # of MeshMonk's own template
ADAPT_PEOPLE = 16
OURS = "ours, template adapted"  # which the others are compared with


@dataclass(frozen=True)
class Method:
    """A method: a scan to the template's vertices (P, 3) on it, in its frame, and CPU seconds; and
    which of the vertices are the inner face's (P,)."""

    run: Callable
    inner: np.ndarray


def ours(registrar, made):
    start = time.process_time()
    found = registrar.register(made.vertices, made.triangles, made.landmarks)
    spent = time.process_time() - start
    corners = made.vertices[made.triangles[found.triangle[found.seen]]]
    at = (found.weights[found.seen, :, None] * corners).sum(1)
    motion = fit_similarity(found.vertices[found.seen], at, scale=False)
    return motion.apply(found.vertices), spent


def meshmonk(python, template, made):
    alignment = fit_similarity(made.landmarks, template.landmarks)
    with tempfile.TemporaryDirectory() as scratch:
        given, result = Path(scratch) / "given.npz", Path(scratch) / "result.npz"
        np.savez(
            given,
            template_vertices=template.vertices,
            template_triangles=template.triangles,
            scan_vertices=alignment.apply(made.vertices),
            scan_triangles=made.triangles,
        )
        worker = Path(__file__).with_name("meshmonk_worker.py")
        subprocess.run([python, worker, given, result], check=True, stderr=subprocess.DEVNULL)
        with np.load(result) as found:
            points, spent = found["vertices"].astype(float), float(found["seconds"])
    back = (points - alignment.translation) @ alignment.rotation / alignment.scale
    return back, spent


def methods(model):
    """The methods by name."""
    template = load_template()
    given = prepare(template)
    made, _ = adapted(given, model, ADAPT_PEOPLE)
    names = {OURS: made, "ours, template as given": given}
    found = {
        name: Method(partial(ours, Registrar(reference, Settings())), template.inner)
        for name, reference in names.items()
    }
    topology = scan_topology(template, "others", vertices=TEMPLATE_VERTICES, seed=SEED)
    small = make_template(topology.place(template.vertices), topology.triangles, template.landmarks)
    python = os.environ.get("AFFECT4D_MESHMONK")
    if python:
        found["MeshMonk"] = Method(partial(meshmonk, python, small), small.inner)
    if find_spec("menpo3d"):
        found["NICP"] = Method(partial(run_nicp, repair()[0], small), small.inner)
    return found


def compare(name, people):
    """Print the errors and times of all methods on so many people of a model of `MODELS`: each
    method's mean error per person minus that of ours on the adapted template, with its standard
    error."""
    model, rows, means = load_people(name), [], {}
    for called, method in methods(model).items():
        landed, errors, seconds = [], [], []
        for number in tqdm(range(people), called):
            shown = sitter(model, f"consensus{number:03d}")
            clean = replace(shown, noise=0.0, landmark_noise=0.0)
            made = scan(model, clean, named_rng(SEED, "consensus"), STILL)
            landed.append((method.run(made)[0], made.truth))
        places = Correspondence(model, landed)
        for number in range(people):
            rng = named_rng(SEED, "others", str(number))
            made = scan(model, sitter(model, f"p{number:03d}"), rng)
            points, spent = method.run(made)
            errors.append(rigid(points, places.on(made.truth), method.inner))
            seconds.append(spent)
        means[called] = np.array([each.mean() for each in errors])
        more = means[called] - means[OURS]
        error = more.std(ddof=1) / np.sqrt(people) if people > 1 else np.nan
        rows.append((called, people, *mean_p95(errors), more.mean(), error, np.median(seconds)))
    columns = ["method", "scans", "mean mm", "p95 mm", "minus ours", "+-", "CPU s a scan"]
    print(f"\n{name}: neutral scans of {people} people, as many others in the consensus")
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.2f"))
