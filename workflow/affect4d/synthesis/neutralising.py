"""The expression that a photograph shows, removed from it before another is imposed.

How much of each basic expression the face shows is estimated (`fitting.amplitudes`), and the
photograph moved by its opposite; lips that are still open are brought together. The result is a
photograph with its fit, like any other. It keeps its light: relit, it got chins and folds that the
person does not have. Folds alone fade, by what the expression would have drawn and no more than the
skin there is darker than around.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.artifacts.blendshapes import EXPRESSIONS
from affect4d.artifacts.fitting import MODEL
from affect4d.blendshapes.targets import Expressions
from affect4d.config.synthesis import Settings
from affect4d.fitting import Fit, MorphableModel
from affect4d.fitting.amplitudes import estimate_amplitudes
from affect4d.fitting.storage import read_model
from affect4d.quarantine import BadInput
from affect4d.synthesis.crop import window_around
from affect4d.synthesis.editing.closed_lips import are_open, closing, paint_seam
from affect4d.synthesis.editing.editor import WINDOW_MARGIN
from affect4d.synthesis.editing.faded_folds import without_folds
from affect4d.synthesis.editing.flow import ForwardFlow
from affect4d.synthesis.editing.inverse_flow import InverseFlow
from affect4d.synthesis.editing.lattice import Lattice
from affect4d.synthesis.editing.scene import Scene, make_scene
from affect4d.synthesis.editing.visible_mesh import visible_submesh
from affect4d.synthesis.editing.warp import Warp
from affect4d.synthesis.quality import NEUTRALISED, exceeded
from affect4d.template.anatomy import Anatomy
from affect4d.template.ibug68 import OUTER_LIPS

# From the outer lips, between which the removal ends. Brows, lids and chins of 40 smiles of the
# Face Research Lab London Set came no nearer to the people's neutral faces where they were moved.
REACH_MM = (10.0, 40.0)


@dataclass(frozen=True)
class Neutralised:
    """A photograph without its expression.

    Attributes
    ----------
    photo : (H, W, 3)
    fit : of the face in it; its quality states `neutralised_mm`
    failure : why it must not be used, (rule, remedy); None where it may
    """

    photo: NDArray[np.uint8]
    fit: Fit
    failure: tuple[str, str] | None


class Neutraliser:
    """Removes the expressions of photographs.

    Parameters
    ----------
    model : that is fitted to them
    expressions : (K, V, 3) mm, what may be removed
    anatomy : of the template
    settings : of synthesis
    """

    def __init__(
        self,
        model: MorphableModel,
        expressions: NDArray[np.float32],
        *,
        anatomy: Anatomy,
        settings: Settings,
    ) -> None:
        self._model, self._expressions = model, expressions
        self._anatomy, self._settings = anatomy, settings
        self._near_mouth = _near_mouth(model.mean, model.landmark_vertices)

    def __call__(self, photo: NDArray[np.uint8], fit: Fit) -> Neutralised:
        """A photograph (H, W, 3) with its fit, without its expression."""
        amplitudes = estimate_amplitudes(fit, self._model, self._expressions)
        shown = np.tensordot(amplitudes.astype(np.float32), self._expressions, 1)
        shown = self._near_mouth * self._anatomy.smooth_and_taper(shown)
        window = window_around(fit.landmarks, WINDOW_MARGIN, photo.shape)
        scene = make_scene(fit, window.cut(photo), self._anatomy, crop=window)
        part, moved, failure = self._move(scene, shown)
        result = photo.copy()
        window.view(result)[...] = part
        flat = scene.xy + moved.pixels
        vertices = fit.vertices + moved.deformation
        origin = np.array([window.left, window.top], np.float32)
        offset = flat + origin - fit.camera.project(vertices)[:, :2]
        landmarks = fit.landmarks + moved.pixels[self._anatomy.landmark_vertices]
        removed = _rms(moved.deformation[self._anatomy.triangles[self._anatomy.mouth]])
        neutral = replace(
            fit,
            vertices=vertices,
            offset=offset.astype(np.float32),
            landmarks=landmarks,
            quality=fit.quality | {NEUTRALISED: removed},
            image=None if fit.image is None else result,
        )
        return Neutralised(result, neutral, failure or self._too_much(removed))

    def _move(
        self, scene: Scene, shown: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], "_Moved", tuple[str, str] | None]:
        """The picture without what is shown (V, 3) mm, how it moved, and why it failed."""
        removal, opened = -shown, are_open(scene)
        if opened:
            removal = removal + closing(scene, removal)
        mesh = visible_submesh(scene)
        lattice = Lattice(scene, mesh)
        flows = ForwardFlow(scene, mesh, lattice, roll_mm=0)(removal[..., None])
        motion = InverseFlow(scene, lattice)(flows.edits[0])
        picture = Warp(without_folds(scene, shown, mesh=mesh, lattice=lattice), lattice)(motion)
        if opened:
            paint_seam(picture, scene, motion)
        pixels = scene.nearness[:, None] * (removal @ scene.motion[:2].T)
        pixels[mesh.vertices] = motion.change[:, :2]
        return picture, _Moved(removal, pixels), exceeded(vars(motion), self._settings)

    def _too_much(self, removed: float) -> tuple[str, str] | None:
        limit = self._settings.max_neutralised
        if removed <= limit:
            return None
        rule = f"an expression of {removed:.1f} mm would be removed, more than {limit:g} mm"
        return rule, "choose a photograph with less expression"


@dataclass(frozen=True)
class _Moved:
    """How far vertices moved: (V, 3) mm and (V, 2) pixels."""

    deformation: NDArray[np.float32]
    pixels: NDArray[np.float32]


def read_neutraliser(root: Path, anatomy: Anatomy, settings: Settings) -> Neutraliser | None:
    """The Neutraliser of a build in the results folder `root`; None where settings have it off.

    Raises
    ------
    BadInput
        The build has no basic expression.
    """
    if not settings.neutralise:
        return None
    path = EXPRESSIONS.path(root)
    stored = Expressions(path)
    usable = stored.usable
    if not usable:
        remedy = "add posed sequences, or set synthesis.neutralise to false"
        raise BadInput(path, "no basic expression has a deformation", remedy)
    expressions = np.stack([stored.target(name).deformation for name in usable])
    model = read_model(MODEL.path(root))
    return Neutraliser(model, expressions, anatomy=anatomy, settings=settings)


def _near_mouth(
    vertices: NDArray[np.float32], landmark_vertices: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(V, 1): 1 at the lips and beside them, falling to 0 at the chin's edge and below the eyes."""
    lips = vertices[landmark_vertices[OUTER_LIPS]]
    near, far = REACH_MM
    fade = np.clip((far - cKDTree(lips).query(vertices)[0]) / (far - near), 0, 1)
    return np.asarray(fade * fade * (3 - 2 * fade), np.float32)[:, None]


def _rms(moved: NDArray[np.float32]) -> float:
    """Root mean square of displacements (..., 3)."""
    return float(np.sqrt((moved.astype(np.float64) ** 2).sum(-1).mean()))
