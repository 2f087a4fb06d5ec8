"""People photographed neutral and smiling, and what a build makes of their neutral photographs."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from affect4d.blendshapes.targets import Atlas, Expressions, Target
from affect4d.config.gallery import EXPRESSIONS
from affect4d.formats.images import read_image
from affect4d.quarantine import BadInput
from affect4d.readers.environment import find_obstacle
from affect4d.readers.reading import Readings, read_faces
from affect4d.synthesis.request import Build

FOLDER = Path(__file__).parents[2] / "shared/data/london"
BLENDS = ("warp", "poisson")
NULL = "null edit"
PLACES = ((0.7, 0.5), (0.9, 0.1), (-0.7, 0.7), (-0.7, -0.4))
RING_RADIUS, RING_POINTS = 0.8, 16  # of the plane
INTENSITIES = np.linspace(0, 1.5, 7)


@dataclass
class People:
    """Their photographs and what the readers read of them.

    Attributes
    ----------
    names : of the N people
    neutral, smiling : Readings of N photographs
    """

    folder: Path
    names: list
    side: int
    neutral: Readings
    smiling: Readings

    def photograph(self, number, smiling=False):
        """The photograph (side, side, 3) of a person."""
        return _photograph(self.folder, self.names[number], smiling, self.side)


def open_people(count, side, cache):
    """`load_people` of the place where they are; without people or readers the program ends."""
    if not place().is_dir():
        print(f"{place()} is absent: nothing is measured (set AFFECT4D_LONDON)")
        sys.exit(0)
    if obstacle := find_obstacle():
        sys.exit(str(obstacle))
    return load_people(place(), count, side, cache)


def load_people(folder, count, side, cache):
    """The first `count` people of a folder laid out like the London Set (None: all of them).

    Readings of their photographs are kept in the folder `cache`.
    """
    photographs = sorted((folder / "neutral_front").glob("[0-9]*_03.jpg"))
    names = [path.name.split("_")[0] for path in photographs][:count]
    found = [_read_photographs(folder, names, smiling, side, cache) for smiling in (False, True)]
    return People(folder, names, side, *found)


def place():
    """The folder of people: of AFFECT4D_LONDON, or the London Set's beside the repository."""
    return Path(os.environ.get("AFFECT4D_LONDON", FOLDER))


def _photograph(folder, name, smiling, side):
    part = f"smiling_front/{name}_08.jpg" if smiling else f"neutral_front/{name}_03.jpg"
    image = read_image(folder / part)
    factor = side / max(image.shape)
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def _read_photographs(folder, names, smiling, side, cache):
    kind = "smiling" if smiling else "neutral"
    file = cache / f"{folder.name}_{kind}_{side}_{names[0]}_{len(names)}.npz"
    if not file.exists():
        readings = read_faces(_photograph(folder, name, smiling, side) for name in names)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, **vars(readings))
    return Readings(**np.load(file))


def print_identity_scale(people):
    rows = np.triu_indices(len(people.names), 1)
    others = np.linalg.norm(
        people.neutral.identity[rows[0]] - people.neutral.identity[rows[1]], axis=1
    )
    smiles = people.smiling.distance(people.neutral)
    for name, values in (("real smile", smiles), ("different people", others)):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95])
        print(f"identity distance, {name}: {middle:.3f} (5 and 95 %: {low:.3f}, {high:.3f})")


def place_name(point):
    """A point of the plane as text."""
    return f"({point[0]:+.1f}, {point[1]:+.1f})"


def main_targets(results):
    """{name: Target} of the null edit, the expressions and the places of the plane."""
    folder = results / "blendshapes"
    stored, atlas = Expressions(folder / "expressions.zarr"), Atlas(folder / "atlas.zarr")
    targets = {name: stored.target(name) for name in EXPRESSIONS}
    shape = next(iter(targets.values())).deformation.shape
    targets[NULL] = Target(np.zeros(shape, np.float32), 0.0, 0.0, NULL)
    return targets | {place_name(point): atlas.between(*point) for point in PLACES}


def ring_targets(results):
    """{name: Target} of classes around the plane, near radius .8, that have data."""
    atlas = Atlas(results / "blendshapes/atlas.zarr")
    targets = {}
    for angle in 2 * np.pi * np.arange(RING_POINTS) / RING_POINTS:
        try:
            target = atlas.target(RING_RADIUS * np.cos(angle), RING_RADIUS * np.sin(angle))
        except BadInput:
            continue
        if np.hypot(target.valence, target.arousal) >= 0.7:
            targets[target.name] = target
    return targets


def scaled(targets):
    """{(expression, intensity): Target} of the basic expressions, by INTENSITIES."""
    return {
        (name, intensity): replace(targets[name], deformation=intensity * targets[name].deformation)
        for name in EXPRESSIONS
        for intensity in INTENSITIES.astype(np.float32)
    }


@dataclass
class Made:
    """What a build makes of one person with one blend.

    Attributes
    ----------
    images : {target: (H, W, 3)}
    records : {target: record of `PhotographEditor.impose`}
    moved : {target: (68, 2)} pixels by which the landmarks were asked to move
    """

    images: dict
    records: dict
    moved: dict


class Studio:
    """Makes pictures of people with a build, as `affect4d synth` does."""

    def __init__(self, results, people):
        self._build, self._people = Build(results), people

    def make(self, number, blend, targets, *, motion=False, smiling=False, options=None):
        """What is Made of a person's neutral photograph: the Targets of a dict.

        `options` replace settings of the build's synthesis.
        `moved` is left empty without `motion`. With `smiling` it is the smiling photograph, from
        which the expression is removed.
        """
        readings = self._people.smiling if smiling else self._people.neutral
        photograph = self._people.photograph(number, smiling)
        options = {"blend": blend} | (options or {}) | ({"neutralise": True} if smiling else {})
        landmarks = readings.landmarks[number]
        editor = self._build.open(photograph, landmarks, crop=False, options=options)
        made = Made({}, {}, {})
        mesh = editor.editor.mesh
        for name, target in targets.items():
            made.images[name], made.records[name] = editor.impose(target)
            if not motion:
                continue
            smooth = editor.editor.scene.anatomy.smooth_and_taper(target.deformation)
            edit = editor.editor.edit(smooth)
            made.moved[name] = edit.landmarks - mesh.xy[mesh.landmarks]
        return made
