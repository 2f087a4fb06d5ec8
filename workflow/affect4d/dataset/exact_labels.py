"""Exact labels of images: what the geometry that made them says, and no annotation could.

Everything follows from the fit of the photograph and the deformation that was imposed on it. An
image's pixels follow the same motion, but for lids and lips that are kept closed, and thinned, and
for eyeballs, which stay behind lids that move.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.blendshapes import ATLAS
from affect4d.artifacts.dataset import LABELS
from affect4d.artifacts.fitting import FITS
from affect4d.artifacts.synthesis import CHUNK
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.dataset.unit_weights import UnitBasis
from affect4d.fitting import Fit
from affect4d.fitting.storage import read_fits
from affect4d.gallery.synthetic.texture import texture_uv
from affect4d.geometry.raster import Raster, interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.quarantine import BadInput
from affect4d.registration.common_template import read_template
from affect4d.synthesis.crop import Crop
from affect4d.synthesis.editing.scene import facing
from affect4d.synthesis.imposed import Imposed, deformations
from affect4d.template.anatomy import Anatomy, anatomy_of
from affect4d.template.template import Template

_BESIDE_THE_FIT = "neutralise", "blink", "gaze_yaw", "gaze_pitch"  # settings that change pixels
Y_UP = np.diag([1.0, -1.0, 1.0])  # a picture's y points down, the viewer's up


@dataclass(frozen=True)
class _View:
    """A photograph's fitted face as its square shows it."""

    fit: Fit
    crop: Crop

    @cached_property
    def projection(self) -> NDArray[np.float64]:
        """(3, 4): millimetres (x, y, z, 1) to pixels of the square, homogeneous."""
        camera, turn = self.fit.camera, self.crop.zoom * self.crop.turn
        scaled = camera.scale * Y_UP @ camera.rotation
        depth = camera.inverse_distance * camera.rotation[2]
        flat = scaled[:2] - np.outer(camera.centre, depth)
        to_photograph = np.block([[flat, np.reshape(camera.translation, (2, 1))], [-depth, 1.0]])
        shift = (self.crop.size - 1) / 2 - turn @ self.crop.centre
        to_square = np.block([[turn, shift[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])
        return np.asarray(to_square @ to_photograph)

    @cached_property
    def rotation(self) -> NDArray[np.float64]:
        """(3, 3): the template's axes to the viewer's of the square: right, up, towards him."""
        in_plane = np.eye(3)
        in_plane[:2, :2] = self.crop.turn
        return np.asarray(Y_UP @ in_plane @ Y_UP @ self.fit.camera.rotation)

    @cached_property
    def offset(self) -> NDArray[np.float32]:
        """(V, 2) pixels of the square to add to what is projected."""
        return np.asarray(self.crop.zoom * self.fit.offset @ self.crop.turn.T, np.float32)

    def project(self, vertices: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pixels (V, 2) of the square of vertices (V, 3)."""
        points = np.column_stack([vertices, np.ones(len(vertices))]) @ self.projection.T
        return np.asarray(points[:, :2] / points[:, 2:] + self.offset, np.float32)


@dataclass(frozen=True)
class _Sample:
    """One image: its photograph's view, and the face that it shows.

    Attributes
    ----------
    view : of the photograph
    vertices : (V, 3), mm
    landmarks_2d : (68, 2), pixels, as they moved with the picture
    flow : (G, G, 2), pixels, as the chunk keeps it
    units : (A + 1,), as `UnitBasis.weights` gives them; None where they are not asked for
    anatomy, texture : of the template
    """

    view: _View
    vertices: NDArray[np.float32]
    landmarks_2d: NDArray[np.float32]
    flow: NDArray[np.float32]
    units: NDArray[np.float32] | None
    anatomy: Anatomy
    texture: NDArray[np.float32]

    @property
    def projection(self) -> NDArray[np.float64]:
        """Of the view."""
        return self.view.projection

    @property
    def rotation(self) -> NDArray[np.float64]:
        """Of the view."""
        return self.view.rotation

    @property
    def offset(self) -> NDArray[np.float32]:
        """Of the view."""
        return self.view.offset

    @property
    def action_units(self) -> NDArray[np.float32]:
        """(A,), of the deformation."""
        assert self.units is not None
        return self.units[:-1]

    @property
    def unexplained(self) -> NDArray[np.float32]:
        """(1,), share of the motion."""
        assert self.units is not None
        return self.units[-1:]

    @property
    def landmarks_3d(self) -> NDArray[np.float32]:
        """(68, 3), mm."""
        return np.asarray(self.vertices[self.anatomy.landmark_vertices])

    @property
    def depth(self) -> NDArray[np.float32]:
        """(S, S), mm towards the viewer; NaN where there is no face."""
        towards = self.vertices @ self.rotation[2]
        return np.where(self._covered, self._carried(towards)[..., 0], np.float32(np.nan))

    @property
    def normals(self) -> NDArray[np.float32]:
        """(S, S, 3), of length 1, in the viewer's axes; zero where there is no face."""
        each = vertex_normals(self.vertices, self.anatomy.triangles) @ self.rotation.T
        carried = self._carried(each)
        length = np.linalg.norm(carried, axis=2, keepdims=True)
        return np.asarray(carried / np.maximum(length, np.float32(1e-6)))  # 0 beside the face

    @property
    def uv(self) -> NDArray[np.float32]:
        """(S, S, 2), the template's texture coordinates; zero where there is no face."""
        return self._carried(self.texture)

    @property
    def parts(self) -> NDArray[np.uint8]:
        """(S, S), one of `PARTS` each."""
        of_triangle = np.select([self.anatomy.eyes, self.anatomy.mouth], [3, 2], 1)
        values = np.where(self._covered, of_triangle[self._raster.triangle_id], 0)
        return np.asarray(values, np.uint8)

    @cached_property
    def _raster(self) -> Raster:
        """The face without its neck, from the front."""
        xy, triangles = self.view.project(self.vertices), self.anatomy.triangles
        depth = self.view.fit.camera.project(self.vertices)[:, 2].astype(np.float32)
        keep = ~self.anatomy.neck & (facing(xy, triangles) > 0)
        side = self.view.crop.size
        return rasterise(xy, depth, triangles, shape=(side, side), keep=keep)

    @property
    def _covered(self) -> NDArray[np.bool_]:
        return self._raster.triangle_id >= 0

    def _carried(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        return interpolate(values, self.anatomy.triangles, self._raster)


class ExactLabels:
    """Gives the labels of images.

    Parameters
    ----------
    root : the results folder
    template : whose vertices the fits have
    imposed : all deformations of the build
    intensity : by which they were imposed
    """

    def __init__(
        self, root: Path, template: Template, imposed: list[Imposed], *, intensity: float
    ) -> None:
        self._root, self._template, self._anatomy = root, template, anatomy_of(template)
        self._texture = texture_uv(template)
        self._moves = {(i.index, i.sample): intensity * i.deformation for i in imposed}
        self._views = lru_cache(maxsize=1)(self._read_views)
        self._units = cache(self._find_units)

    def __call__(
        self, rows: pd.DataFrame, stores: Mapping[str, store.Store], names: Sequence[str]
    ) -> dict[str, NDArray[Any]]:
        """The columns of the labels `names` of the rows, an array (N, ...) each.

        Raises
        ------
        BadInput
            The photographs were neutralised, or lids and eyes moved: the fits are not those of
            the images.
        """
        with_units = "action_units" in names
        samples = [
            self._sample(row, stores[row["store"]], with_units) for row in rows.to_dict("records")
        ]
        columns = [column for name in names for column, _, _ in LABELS[name]]
        return {name: np.stack([getattr(each, name) for each in samples]) for name in columns}

    def _sample(self, row: dict[Hashable, Any], chunk: store.Store, with_units: bool) -> _Sample:
        for name in filter(chunk.attributes["settings"].get, _BESIDE_THE_FIT):
            rule = f"was made with `synthesis.{name}`, of which fit and deformation say nothing"
            raise BadInput(chunk.path, rule, f"leave `dataset.labels` or `{name}` out")
        number, key = row["index"], (row["class"], row["sample"])
        shared = (self._units(key) if with_units else None), self._anatomy, self._texture
        if row["array"] == "neutral":
            view = self._views(chunk.path)[number]
            vertices, flow = view.fit.vertices, np.zeros(chunk["flow"].shape[1:], np.float32)
            landmarks = view.project(vertices)[self._anatomy.landmark_vertices]
            return _Sample(view, vertices, landmarks, flow, *shared)
        view = self._views(chunk.path)[int(chunk["photograph"][number])]
        vertices = view.fit.vertices + self._moves[key]
        flow = np.asarray(chunk["flow"][number], np.float32)
        return _Sample(view, vertices, chunk["landmarks"][number], flow, *shared)

    @cached_property
    def _basis(self) -> UnitBasis:
        return UnitBasis(self._template)

    def _find_units(self, key: tuple[int, int]) -> NDArray[np.float32]:
        """Weights of the units of one deformation; of the neutral image's, which is none, 0."""
        nothing = np.zeros_like(self._template.vertices)
        return self._basis.weights(self._moves.get(key, nothing))

    def _read_views(self, chunk: Path) -> list[_View]:
        """The view of each photograph of a chunk."""
        fields = CHUNK.match(chunk.relative_to(self._root).as_posix()) or {}
        path = FITS.path(self._root, **fields)
        names = store.open(path).attributes["image_ids"]
        fits = dict(zip(names, read_fits(path), strict=True))
        photographs = store.open(chunk).attributes["photographs"]
        return [_View(fits[each["image_id"]], Crop(**each["crop"])) for each in photographs]


def make_exact_labels(root: Path, synthesis: Settings, *, seed: int) -> ExactLabels:
    """The labels of a build's images.

    Parameters
    ----------
    root : the results folder
    synthesis : settings of the build
    seed : of the build, which samples depend on
    """
    template = read_template(root)
    imposed = deformations(
        Atlas(ATLAS.path(root)),
        root / "blendshapes",
        anatomy_of(template),
        samples=synthesis.samples,
        seed=seed,
    )
    return ExactLabels(root, template, imposed, intensity=synthesis.intensity)
