"""All pictures of a build's blendshapes, and the figures stated beneath them."""

import json
import logging
from pathlib import Path

import numpy as np

from affect4d import store
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK
from affect4d.blendshapes import pictures
from affect4d.blendshapes.animation import animate, circle
from affect4d.blendshapes.model import read_class
from affect4d.blendshapes.path import Interpolant, trace

log = logging.getLogger(__name__)

MEANS, COMPONENTS = "mean_faces.png", "components.png"
CONVERGENCE, SUPPORT = "convergence.png", "support.png"
PATH, STATED = "path.webp", "pictures.json"
MIDDLES = np.array([(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)])
PATH_FRAMES = 97  # the last one is the first again


def write_pictures(root, template, counts, provenance):
    """Write the pictures, as the folder `root`/blendshapes/pictures with its manifest.

    `pictures.json` states what the captions need: `classes` (names of those shown one by one),
    `models` and `components` (how many there are), `support` (median, greatest share of vertices a
    component moves) and `path` (frames, how many of them are interpolated and extrapolated,
    largest_step_mm and that of the inner face). Both are null where no class has a model: the mean
    faces are the only picture then. `support` is null too where no model has a component: there is
    no picture of components then.

    Parameters
    ----------
    root : path
        The results folder.
    template : Template
    counts : (C,) int, frames of each class of the plane
    provenance : Provenance
    """
    folder = Path(root) / "blendshapes"
    atlas = store.open(folder / "atlas.zarr")
    names = _with_model(atlas)
    log.info("drawing the mean faces")
    drawn = {MEANS: pictures.mean_faces(template, atlas, counts)}
    stated = {"classes": [], "models": len(names), "components": 0, "support": None, "path": None}
    if names:
        shown = _one_a_quadrant(atlas)
        stated["classes"] = shown
        objectives, shares, centres, lengths = _measure(folder, names)
        drawn[CONVERGENCE] = pictures.convergence(objectives, shown)
        stated["components"] = len(shares)
        if len(shares):
            models = {name: read_class(folder / f"{name}.zarr") for name in shown}
            log.info("drawing components of %s", ", ".join(shown))
            drawn[COMPONENTS] = pictures.component_maps(template, models)
            drawn[SUPPORT] = pictures.support(template, shares, centres, lengths)
            stated["support"] = {"median": float(np.median(shares)), "most": float(shares.max())}
        interpolant = Interpolant.read(folder / "atlas.zarr")
        trajectory = trace(interpolant, circle(), PATH_FRAMES)
        log.info("drawing %d frames of a path", PATH_FRAMES)
        drawn[PATH] = animate(template, trajectory, interpolant.medians)
        stated["path"] = _steps(trajectory, template.inner)
    drawn[STATED] = json.dumps(stated, indent=1, sort_keys=True).encode()
    with store.atomic_replace(folder / "pictures", provenance) as unfinished:
        unfinished.mkdir()
        for name, content in drawn.items():
            (unfinished / name).write_bytes(content)


def _with_model(atlas):
    code = atlas.attributes["statuses"].index(OK)
    return [atlas.attributes["names"][i] for i in np.flatnonzero(atlas["status"][...] == code)]


def _one_a_quadrant(atlas):
    """The classes with a model nearest to the middles of the quadrants, counter-clockwise."""
    names = _with_model(atlas)
    median = atlas["median"][...][[atlas.attributes["names"].index(name) for name in names]]
    distance = np.linalg.norm(median[None] - MIDDLES[:, None], axis=2)
    return list(dict.fromkeys(names[index] for index in distance.argmin(1)))


def _steps(trajectory, inner):
    """How many frames a trajectory has, and how far vertices move between neighbouring ones."""
    steps = np.linalg.norm(np.diff(trajectory.deformations, axis=0), axis=2)
    return {
        "frames": len(trajectory.points),
        INTERPOLATED: int((trajectory.support_status == INTERPOLATED).sum()),
        EXTRAPOLATED: int((trajectory.support_status == EXTRAPOLATED).sum()),
        "largest_step_mm": float(steps.max()),
        "largest_inner_step_mm": float(steps[:, inner].max()),
    }


def _measure(folder, names):
    """Objectives by class; of every component its support, most moved vertex and motion there."""
    objectives, shares, centres, lengths = {}, [], [], []
    for name in names:
        stored = store.open(folder / f"{name}.zarr")
        objectives[name] = stored["objective"][...]
        length = np.linalg.norm(stored["components"][...], axis=2)
        shares.append((length > 0).mean(1))
        centres.append(length.argmax(1))
        lengths.append(length.max(1))
    return objectives, *map(np.concatenate, (shares, centres, lengths))
