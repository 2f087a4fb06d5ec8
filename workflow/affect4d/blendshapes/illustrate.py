"""All pictures of a build's blendshapes, and the figures stated beneath them."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts import blendshapes as artifacts
from affect4d.artifacts.declaration import File
from affect4d.artifacts.statuses import EXTRAPOLATED, INTERPOLATED, OK, decode_statuses
from affect4d.blendshapes import pictures
from affect4d.blendshapes.animation import animate, circle
from affect4d.blendshapes.model import read_class
from affect4d.blendshapes.path import Interpolant, Trajectory, trace
from affect4d.pipeline.context import RunContext
from affect4d.template.template import Template

log = logging.getLogger(__name__)

# valence and arousal of the quadrants' middles, counter-clockwise
MIDDLES = np.array([(0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5)])
PATH_FRAMES = 97  # the last one is the first again

_Part = tuple[dict[File, bytes], dict[str, Any]]  # pictures, and what is stated of them


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
    atlas = store.open(artifacts.ATLAS.path(context.root))
    log.info("drawing the mean faces")
    drawn: dict[File, bytes] = {
        artifacts.MEAN_FACES: pictures.draw_mean_faces(template, atlas, counts)
    }
    stated: dict[str, Any] = dict.fromkeys(("support", "path"))
    stated |= {"classes": [], "models": 0, "components": 0}
    classes = _with_model(atlas)
    if len(classes):
        names = [atlas.attributes["names"][index] for index in classes]
        shown = _one_per_quadrant(names, atlas["median"][...][classes])
        for part_drawn, part_stated in (
            _draw_models(context.root, template, names, shown=shown),
            _draw_path(context.root, template),
        ):
            drawn |= part_drawn
            stated |= part_stated
    drawn[artifacts.PICTURES_STATED] = json.dumps(stated, indent=1, sort_keys=True).encode()
    folder = context.root / artifacts.PICTURES.name()
    with store.atomic_replace(folder, context.provenance()) as unfinished:
        unfinished.mkdir()
        for file, content in drawn.items():
            (unfinished / Path(file.name()).name).write_bytes(content)


def _draw_models(root: Path, template: Template, names: list[str], *, shown: list[str]) -> _Part:
    """Convergence and components of the named models, of which some are shown one by one."""
    objectives, support = _measure(root, names)
    shares = support.shares
    drawn: dict[File, bytes] = {artifacts.CONVERGENCE: pictures.draw_convergence(objectives, shown)}
    stated: dict[str, Any] = {"classes": shown, "models": len(names), "components": len(shares)}
    if len(shares):
        models = {name: read_class(artifacts.MODEL.path(root, model=name)) for name in shown}
        log.info("drawing components of %s", ", ".join(shown))
        drawn[artifacts.COMPONENTS] = pictures.draw_components(template, models)
        drawn[artifacts.SUPPORT] = pictures.draw_support(template, support)
        stated["support"] = {"median": float(np.median(shares)), "most": float(shares.max())}
    return drawn, stated


def _draw_path(root: Path, template: Template) -> _Part:
    """The animation of a path around the plane."""
    interpolant = Interpolant.read(artifacts.ATLAS.path(root))
    trajectory = trace(interpolant, circle(), PATH_FRAMES)
    log.info("drawing %d frames of a path", PATH_FRAMES)
    animation = animate(template, trajectory, interpolant.medians)
    return {artifacts.PATH: animation}, {"path": _steps(trajectory, template.inner)}


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
    root: Path, names: list[str]
) -> tuple[dict[str, NDArray[np.float64]], pictures.Support]:
    """Objectives (iterations,) by class, and the support of every component."""
    objectives, shares, vertices, lengths = {}, [], [], []
    for name in names:
        stored = store.open(artifacts.MODEL.path(root, model=name))
        objectives[name] = stored["objective"][...]
        length = np.linalg.norm(stored["components"][...], axis=2)
        shares.append((length > 0).mean(1))
        vertices.append(length.argmax(1))
        lengths.append(length.max(1))
    return objectives, pictures.Support(*map(np.concatenate, (shares, vertices, lengths)))
