"""Faces of a build for other programs: what `affect4d export` writes."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.gallery import GALLERY
from affect4d.artifacts.registration import REGISTERED
from affect4d.blendshapes.components import names_of, read_model_of
from affect4d.blendshapes.model import sample
from affect4d.blendshapes.targets import Atlas, Expressions
from affect4d.fitting.fitted import Fit
from affect4d.fitting.storage import read_fits
from affect4d.formats.faces import Face
from affect4d.formats.images import read_image
from affect4d.interop.frame_texture import Skin, draw_skin
from affect4d.quarantine import BadInput
from affect4d.registration.common_template import read_template
from affect4d.registration.posed_scan import scan_rows
from affect4d.registration.reference import Reference
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.registration.registrar import Registrar
from affect4d.system_files import find_files
from affect4d.template.regions import regions_of
from affect4d.template.template import Template

log = logging.getLogger("affect4d")
MEAN = "mean"  # the morph target of a class's mean


def export_face(results: Path, name: str, *, seed: int | None = None) -> Face:
    """A face of a build by its name.

    Parameters
    ----------
    results : the build's results folder
    name : of a class or basic expression: the template with its mean deformation, or with `seed` a
        face drawn from its model; of a registered frame, with its scan's texture; or of a
        photograph: the fitted face, with the photograph as texture
    seed : of the draw

    Raises
    ------
    BadInput
        Nothing in the build has this name, or it has no face.
    affect4d.store.StoreError
        What the build made is missing or damaged.
    """
    template = _template(results)
    readers: tuple[Callable[[Path, str, Template], Face | None], ...] = (_frame, _photograph)
    if seed is not None:
        model = read_model_of(results / "blendshapes", name)
        return Face(template.vertices + sample(model, seed), template.triangles)
    for read in (_group, *readers):
        face = read(results, name, template)
        if face is not None:
            return face
    raise BadInput(
        name,
        "no class, expression, registered frame or fitted photograph has this name",
        "`affect4d explain` says what a name stands for",
    )


def export_blendshapes(results: Path, name: str) -> Face:
    """The components of a class or basic expression as morph targets of the template.

    The target `mean` is the class's mean deformation, weight 1 at first. A component's weight
    counts from its mean in the class.

    Raises
    ------
    BadInput
        There is no such model.
    """
    template = _template(results)
    model = read_model_of(results / "blendshapes", name)
    regions = regions_of(template.vertices, template.landmarks)
    names = names_of(model, regions)
    targets = {MEAN: model.mean, **dict(zip(names, model.components, strict=True))}
    weights = [1.0, *[0.0] * len(names)]
    return Face(template.vertices, template.triangles, targets=targets, weights=weights)


def _template(results: Path) -> Template:
    return read_template(results)


def _reference(results: Path) -> Reference:
    return Reference.restore(store.open(results / "registration/template.zarr"))


def _group(results: Path, name: str, template: Template) -> Face | None:
    """The template with the mean of a class or expression."""
    for means in (
        Atlas(results / "blendshapes/atlas.zarr"),
        Expressions(results / "blendshapes/expressions.zarr"),
    ):
        if name in means.names:
            index = means.names.index(name)
            if not means.mean(index).any():
                raise BadInput(name, f"it is {means.status[index]}: it has no mean", "name another")
            return Face(template.vertices + means.mean(index), template.triangles)
    return None


def _frame(results: Path, name: str, template: Template) -> Face | None:
    """A registered frame, with its scan's texture where the scan has one and is there."""
    sequence = name.rpartition("/")[0]
    path = REGISTERED.path(results, sequence=sequence) if sequence else None
    known = [p.name for p in find_files(results / "registered", "*.zarr")]
    if path is None or path.name not in known:
        return None
    stored = RegisteredSequence(path)
    if name not in stored.frame_ids:
        raise BadInput(name, "this frame was not registered", f"{sequence} has others")
    row = int(stored.rows([name])[0])
    skin = _skin(results, name, registered=stored.vertices(row), seen=stored.seen(row))
    return Face(stored.vertices(row), template.triangles, *(skin or ()))


def _skin(
    results: Path, name: str, *, registered: NDArray[np.float32], seen: NDArray[np.bool_]
) -> Skin | None:
    """The texture of a registered frame; None where its scan has none or cannot be read."""
    rows = scan_rows(results, {name})
    if name not in rows.index or pd.isna(rows.loc[name, "texture"]):
        return None
    settings = store.read_manifest(GALLERY.manifest(results)).settings
    scans = results / str(settings.get("files_root", ""))
    registrar = Registrar(_reference(results))
    try:
        return draw_skin(rows.loc[name], scans, registrar, registered=registered, seen=seen)
    except (BadInput, store.StoreError) as problem:
        log.warning("%s is written without its texture: %s", name, problem)
        return None


def _photograph(results: Path, name: str, template: Template) -> Face | None:
    """The face that was fitted to a photograph, with the photograph projected onto it."""
    for path in find_files(results / "fits", "*/*.zarr"):
        database = path.parent.name
        ids = store.open(path).attributes["image_ids"]
        for row, image_id in enumerate(ids):
            if name in (image_id, f"{database}-{image_id}"):
                image = read_image(results / store.open(path).attributes["images"][row])
                fit = read_fits(path)[row]
                return Face(fit.vertices, template.triangles, _projected(fit, image), image)
    return None


def _projected(fit: Fit, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Texture coordinates (V, 2) of a fitted face in its photograph, v upwards."""
    xy = fit.camera.project(fit.vertices)[:, :2] + fit.offset + 0.5
    height, width = image.shape[:2]
    return np.stack([xy[:, 0] / width, 1 - xy[:, 1] / height], axis=1).astype(np.float32)
