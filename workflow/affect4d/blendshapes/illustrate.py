"""All pictures of a build's blendshapes, and the figures stated beneath them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK, decode_statuses
from affect4d.blendshapes import pictures
from affect4d.blendshapes.animation import animate, circle
from affect4d.blendshapes.model import read_class
from affect4d.blendshapes.path import Interpolant, Trajectory, trace
from affect4d.pipeline.context import RunContext
from affect4d.template.template import Template

log = logging.getLogger(__name__)

MEANS, COMPONENTS = "mean_faces.png", "components.png"
CONVERGENCE, SUPPORT = "convergence.png", "support.png"
PATH, STATED = "path.webp", "pictures.json"
# valence and arousal of the quadrants' middles, counter-clockwise
MIDDLES = np.array([(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)])
PATH_FRAMES = 97  # the last one is the first again


def write_pictures(context: RunContext, template: Template, counts: NDArray[np.int64]) -> None:
    """Write the pictures, as the folder `blendshapes/pictures` with its manifest.

    `pictures.json` states what the captions need: `classes` (names of those shown one by one),
    `models` and `components` (how many there are), `support` (median, largest share of vertices
    that a component moves) and `path` (frames, how many of them are interpolated and extrapolated,
    largest_step_mm and that of the inner face). Both are null where no class has a model: the mean
    faces are the only picture then. `support` is null too where no model has a component: there is
    no picture of components then.

    Parameters
    ----------
    context : of the run
    template : on which deformations are shown
    counts : (C,), frames of each class of the plane
    """
    folder = context.root / "blendshapes"
    atlas = store.open(folder / "atlas.zarr")
    classes = _with_model(atlas)
    names = [atlas.attributes["names"][index] for index in classes]
    log.info("drawing the mean faces")
    drawn = {MEANS: pictures.draw_mean_faces(template, atlas, counts)}
    stated: dict[str, Any] = {
        "classes": [],
        "models": len(names),
        "components": 0,
        "support": None,
        "path": None,
    }
    if names:
        shown = _one_per_quadrant(names, atlas["median"][...][classes])
        stated["classes"] = shown
        objectives, support = _measure(folder, names)
        shares = support.shares
        drawn[CONVERGENCE] = pictures.draw_convergence(objectives, shown)
        stated["components"] = len(shares)
        if len(shares):
            models = {name: read_class(folder / f"{name}.zarr") for name in shown}
            log.info("drawing components of %s", ", ".join(shown))
            drawn[COMPONENTS] = pictures.draw_components(template, models)
            drawn[SUPPORT] = pictures.draw_support(template, support)
            stated["support"] = {"median": float(np.median(shares)), "most": float(shares.max())}
        interpolant = Interpolant.read(folder / "atlas.zarr")
        trajectory = trace(interpolant, circle(), PATH_FRAMES)
        log.info("drawing %d frames of a path", PATH_FRAMES)
        drawn[PATH] = animate(template, trajectory, interpolant.medians)
        stated["path"] = _steps(trajectory, template.inner)
    drawn[STATED] = json.dumps(stated, indent=1, sort_keys=True).encode()
    with store.atomic_replace(folder / "pictures", context.provenance()) as unfinished:
        unfinished.mkdir()
        for name, content in drawn.items():
            (unfinished / name).write_bytes(content)


def _with_model(atlas: store.Store) -> NDArray[np.int64]:
    """The classes that have a model of their own frames."""
    status = decode_statuses(atlas["status"][...], atlas.attributes["statuses"])
    return np.flatnonzero(status == OK)


def _one_per_quadrant(names: list[str], medians: NDArray[np.float64]) -> list[str]:
    """The classes with medians (C, 2) nearest to the middles of the quadrants."""
    distance = np.linalg.norm(medians[None] - MIDDLES[:, None], axis=2)
    return list(dict.fromkeys(names[index] for index in distance.argmin(1)))


def _steps(trajectory: Trajectory, inner: NDArray[np.bool_]) -> dict[str, float]:
    """How many frames a trajectory has, and how far vertices move between neighbouring ones."""
    steps = np.linalg.norm(np.diff(trajectory.deformations, axis=0), axis=2)
    return {
        "frames": len(trajectory.points),
        INTERPOLATED: int((trajectory.support_status == INTERPOLATED).sum()),
        EXTRAPOLATED: int((trajectory.support_status == EXTRAPOLATED).sum()),
        "largest_step_mm": float(steps.max()),
        "largest_inner_step_mm": float(steps[:, inner].max()),
    }


def _measure(
    folder: Path, names: list[str]
) -> tuple[dict[str, NDArray[np.float64]], pictures.Support]:
    """Objectives (iterations,) by class, and the support of every component."""
    objectives, shares, vertices, lengths = {}, [], [], []
    for name in names:
        stored = store.open(folder / f"{name}.zarr")
        objectives[name] = stored["objective"][...]
        length = np.linalg.norm(stored["components"][...], axis=2)
        shares.append((length > 0).mean(1))
        vertices.append(length.argmax(1))
        lengths.append(length.max(1))
    return objectives, pictures.Support(*map(np.concatenate, (shares, vertices, lengths)))
