"""What `affect4d synth` and `play` ask of one photograph: read from a build, written to files."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.blendshapes.components import component_target
from affect4d.blendshapes.targets import Atlas, Expressions, Target
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.neutrals import FileLimits
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.fitting.detection import detect_faces, face_box
from affect4d.fitting.landmark_evidence import describe_mismatch
from affect4d.fitting.storage import read_model
from affect4d.formats.animations import SUFFIXES, write_animation
from affect4d.formats.content import read_content
from affect4d.formats.images import SUFFIXES as IMAGE_SUFFIXES
from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.limits import Limits
from affect4d.formats.paths import find_beside
from affect4d.plurals import plural
from affect4d.quarantine import BadInput
from affect4d.registration.common_template import read_template
from affect4d.synthesis.neutralising import read_neutraliser
from affect4d.synthesis.sheet import draw_sheet, points_of_plane, tiles_over_plane
from affect4d.synthesis.single import PhotographEditor
from affect4d.system_files import find_files
from affect4d.template.anatomy import anatomy_of
from affect4d.template.regions import regions_of

FRAME_MS = 80  # of an animation: 12.5 images per second
SAID_APART = 0.005  # from the place that was asked for: labels are printed with three decimals

Image = NDArray[np.uint8]
log = logging.getLogger(__name__)


def open_photograph(
    photo: Path,
    landmarks: Path | None,
    results: Path,
    *,
    crop: bool,
    options: Mapping[str, object] | None = None,
    face: int | None = None,
    say: Callable[[str], None] = log.warning,
) -> PhotographEditor:
    """A photograph, fitted and ready to be edited with what a build made.

    Parameters
    ----------
    photo : image file
    landmarks : file of its 68 landmarks; if absent, the .pts of the photograph's name, or else the
        detector's
    results : the build's results folder
    crop : give the square around the face instead of the full frame
    options : settings of the stage `synthesis` in place of the build's own
    face : which of the faces that the detector finds, the largest is 1; if absent the largest,
        where there are no landmarks
    say : is told, in one line, what faces there are if there are several

    Raises
    ------
    BadInput
        Photograph or landmarks cannot be used, or it has no such face.
    affect4d.store.StoreError
        What the build made is missing or damaged.
    ValueError
        The landmarks cannot be fitted, or an option is out of range.
    """
    limits = _limits_of(results)
    file = None if face else landmarks or find_beside(photo, [".pts"])
    if file is not None:
        points = read_landmarks(file, dimension=2, max_bytes=limits.side_file_bytes)
    image, build = read_image(photo, limits=limits), Build(results)
    if file is not None:
        mismatch = describe_mismatch(image, points)
        if mismatch:
            log.warning("%s: %s", file, mismatch)
    else:
        faces = detect_faces(image, photo)
        points = _choose_face(faces, face, photo)
        if len(faces) > 1:
            number = f"number {face}" if face else "the largest"
            say(f"{photo}: {describe_faces(faces)}; {number} is edited (--face N, --all-faces)")
    return build.open(image, points, crop=crop, options=options)


def open_all_faces(
    photo: Path, results: Path, *, options: Mapping[str, object] | None = None
) -> list[PhotographEditor]:
    """An editor for each of the faces that the detector finds, the largest first.

    Parameters and errors are those of `open_photograph`.
    """
    image, build = read_image(photo, limits=_limits_of(results)), Build(results)
    faces = detect_faces(image, photo)
    return [build.open(image, face, crop=False, options=options) for face in faces]


def describe_faces(faces: Sequence[NDArray[np.floating]]) -> str:
    """One line on faces (68, 2): number, size and upper left corner of each, in pixels."""
    boxes = enumerate(map(face_box, faces), start=1)
    each = (f"{n} of {width} x {height} at ({x}, {y})" for n, (x, y, width, height) in boxes)
    return f"{len(faces)} {plural(len(faces), 'face')}, pixels: {', '.join(each)}"


def _choose_face(
    faces: Sequence[NDArray[np.float64]], face: int | None, photo: Path
) -> NDArray[np.float64]:
    """One of the faces, counted from 1; the first if none is named."""
    if face is not None and face > len(faces):
        raise BadInput(photo, f"there is no face {face}", f"choose of {describe_faces(faces)}")
    return faces[(face or 1) - 1]


def impose_on_faces(
    editors: Sequence[PhotographEditor], target: Target
) -> tuple[Image, list[Mapping[str, Any]]]:
    """A photograph with a Target imposed on each of its faces, and the record of each.

    Where two faces change the same pixel, the smaller one's is shown.
    """
    images, records = zip(*(editor.impose(target) for editor in editors), strict=True)
    combined = images[0]
    for image, editor in zip(images[1:], editors[1:], strict=True):
        changed = (image != editor.photo).any(axis=-1)
        combined[changed] = image[changed]
    return combined, list(records)


class Build:
    """What a build made that the editing of photographs needs: model, anatomy, settings.

    Parameters
    ----------
    results : the build's results folder

    Attributes
    ----------
    anatomy : of the template

    Raises
    ------
    affect4d.store.StoreError
        It is missing or damaged.
    """

    def __init__(self, results: Path) -> None:
        self._root = results
        template = read_template(results)
        self._model, self.anatomy = read_model(results / "fits/model.zarr"), anatomy_of(template)
        self._synthesis = _settings_of(results / "synthesis", "synthesis")
        self._fitting = FittingSettings(**_settings_of(results / "fits", "fitting"))

    def settings(self, options: Mapping[str, object] | None = None) -> SynthesisSettings:
        """The settings of the build's synthesis, some of them replaced."""
        return SynthesisSettings(**(self._synthesis | dict(options or {})))

    def open(
        self,
        image: Image,
        landmarks: NDArray[np.floating],
        *,
        crop: bool,
        options: Mapping[str, object] | None = None,
    ) -> PhotographEditor:
        """A photograph (H, W, 3) with its landmarks (68, 2), as `open_photograph` gives it."""
        settings = self.settings(options)
        return PhotographEditor(
            image,
            landmarks,
            self._model,
            settings=settings,
            fitting_settings=self._fitting,
            anatomy=self.anatomy,
            crop=crop,
            neutralise=read_neutraliser(self._root, self.anatomy, settings),
        )


def _limits_of(results: Path) -> Limits:
    """What a build takes of one photograph."""
    return FileLimits(**_settings_of(results / "neutrals", "neutrals").get("limits", {})).of_files


def _settings_of(folder: Path, section: str) -> dict[str, Any]:
    """The settings that the build's chunks were made with; none, so the defaults, before any."""
    manifests = list(find_files(folder, "*/*.manifest.json"))
    if not manifests:
        return {}
    settings: dict[str, Any] = store.read_manifest(manifests[0]).settings.get(section, {})
    return settings


def find_targets(
    results: Path,
    *,
    point: tuple[float, float] | None = None,
    class_mean: bool = False,
    path: Sequence[tuple[float, float]] = (),
    expression: str | None = None,
    component: tuple[str, str] | None = None,
    say: Callable[[str], None] = log.warning,
) -> list[Target]:
    """The deformations that are asked for: several for a path, one otherwise.

    Parameters
    ----------
    results : the build's results folder
    point : valence and arousal; where there are no data, the nearest place with data counts
    class_mean : the mean of the class that holds the point, labelled with the class's median, as
        the paper does, in place of the mixture of the classes around it
    path : points (valence, arousal), one image each
    expression : name of a basic expression
    component : class, and region or number of one of its components
    say : is told, in one line, where a label differs from the point that was asked for

    Raises
    ------
    BadInput
        There is no such expression or component, or no class around a point has data.
    """
    folder = results / "blendshapes"
    if expression is not None:
        return [Expressions(folder / "expressions.zarr").target(expression)]
    if component is not None:
        template = read_template(results)
        regions = regions_of(template.vertices, template.landmarks)
        return [component_target(folder, *component, regions=regions)]
    atlas = Atlas(folder / "atlas.zarr")
    if point is not None:
        target = atlas.target(*point) if class_mean else atlas.nearest(*point)
        label = target.valence, target.arousal
        if math.dist(label, point) > SAID_APART:
            why = "the class's median is" if class_mean else "the nearest place with data is"
            say(f"asked for {_name_place(*point)}; {why} {_name_place(*label)}")
        return [target]
    return [atlas.between(*at) for at in path]


def describe(record: Mapping[str, Any]) -> str:
    """One line on an image: its label, and why it was rejected if it was."""
    label = _name_place(record["valence"], record["arousal"])
    if math.isnan(record["valence"]):
        label = "not annotated with valence and arousal"
    interpolated = ", interpolated" * record["interpolated"]
    rejection = "" if record["accepted"] else f"; rejected: {record['reason']}"
    return f"class {record['class']}: {label}{interpolated}{rejection}"


def _name_place(valence: float, arousal: float) -> str:
    return f"valence {valence:+z.3f}, arousal {arousal:+z.3f}"


def check_photograph(photo: Path, results: Path) -> None:
    """Refuse a file that is not there, or is too large, before anything of a build is read.

    Raises
    ------
    BadInput
        It is no regular file, or beyond the build's limits.
    """
    read_content(photo, _limits_of(results).image_bytes, "image", first=1)


def check_output(out: Path, *, several: bool) -> None:
    """Refuse a place that one image, or several, cannot be written to.

    Raises
    ------
    BadInput
        Its folder does not exist, or its suffix is none of those that can be written.
    """
    suffix = out.suffix.lower()
    if several and suffix and suffix not in SUFFIXES:
        raise BadInput(out, "no animation", f"write {', '.join(SUFFIXES)} or a folder")
    if not several and (suffix not in IMAGE_SUFFIXES or out.is_dir()):
        raise BadInput(out, "no image file", f"write {', '.join(IMAGE_SUFFIXES)}")
    if several and not suffix and out.exists() and not out.is_dir():
        raise BadInput(out, "it is a file, not a folder", "name another folder")
    if not out.absolute().parent.is_dir():
        raise BadInput(out, "there is no such folder to write into", "make it first")


def write_images(images: Sequence[Image], out: Path, *, several: bool) -> None:
    """Write one image, or several as an animation or into a folder, by the suffix of `out`.

    Raises
    ------
    BadInput
        It cannot be written there: see `check_output`.
    """
    check_output(out, several=several)
    if not several:
        write_image(out, images[0])
    elif out.suffix.lower() in SUFFIXES:
        write_animation(out, images, FRAME_MS)
    else:
        out.mkdir(exist_ok=True)
        for number, image in enumerate(images):
            write_image(out / f"{number:04d}.png", image)


def write_grid(editor: PhotographEditor, folder: Path, side: int, *, out: Path) -> str:
    """Write a contact sheet of `side` by `side` points over the plane; gives one line on it.

    Parameters
    ----------
    editor : of a photograph, with `crop`
    folder : `blendshapes` of the results folder
    side : points along each axis
    out : image to write
    """
    points = points_of_plane(side).reshape(-1, 2)
    atlas = Atlas(folder / "atlas.zarr")
    tiles = tiles_over_plane(editor.editor, atlas, points, fit_refusal=editor.fit_refusal)
    rows = [tiles[row * side : (row + 1) * side] for row in range(side)]
    write_image(out, draw_sheet(rows, editor.settings.size))
    empty = sum(tile.image is None for tile in tiles)
    rejection = f"; rejected: {editor.fit_refusal}" if editor.fit_refusal else ""
    return f"{len(tiles) - empty} points, {empty} without data: {out}{rejection}"
