"""The pictures of a few photographs, each with every deformation imposed on it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera
from affect4d.formats.paths import safe_name
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine
from affect4d.readers.expected import GROUPS, NEAR_CENTRE, quadrant, rises
from affect4d.readers.reading import read_faces
from affect4d.synthesis.editing.editor import Edit, Editor
from affect4d.synthesis.editing.flow import BATCH
from affect4d.synthesis.editing.lattice import STEP
from affect4d.synthesis.imposed import ClassSample, drawn, stack_targets
from affect4d.synthesis.neutralising import Neutraliser, read_neutraliser
from affect4d.synthesis.photographs import FittedPhotograph
from affect4d.synthesis.quality import measure, refusal
from affect4d.template.anatomy import Anatomy

FLOW_STEP = 8  # pixels between the stored places of the flow, the first at half of it
_EVERY = slice(FLOW_STEP // 2 // STEP, None, FLOW_STEP // STEP)  # of the lattice's nodes


@dataclass(frozen=True)
class Request:
    """What is imposed on a chunk's photographs.

    Attributes
    ----------
    database : its name
    anatomy : of the template
    settings : of the build
    only : the image_id of the one picture to synthesize; all if empty
    """

    database: str
    anatomy: Anatomy
    settings: Settings
    only: str = ""

    def image_id(self, photograph: FittedPhotograph, name: str = "") -> str:
        """The name of the image of a photograph on which the deformation `name` is imposed."""
        return f"{self.database}-{safe_name(photograph.image_id, photograph.path)}-{name}"


@dataclass
class PhotographPictures:
    """The accepted pictures of one photograph.

    Attributes
    ----------
    quarantine : receives the others, or the photograph itself
    photograph : what the store says of it; empty where it cannot be used
    neutral : (1, S, S, 3), its aligned square; (0, S, S, 3) where it cannot be used
    rows : of each accepted picture what the store holds beside the image
    images : (S, S, 3) each
    """

    quarantine: Quarantine
    photograph: dict[str, Any] = field(default_factory=dict)
    neutral: list[NDArray[np.uint8]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, name: str, target: ClassSample, edit: Edit, *, metrics: dict[str, float]) -> None:
        """Keep an edit that is not refused."""
        self.images.append(edit.image)
        self.rows.append(
            {
                "image_id": name,
                "class": target.index,
                "sample": target.sample,
                "landmarks": edit.landmarks,
                "flow": edit.motion.flow[_EVERY, _EVERY].copy(),
                "quality": list(metrics.values()),
            }
        )

    def leave_out_unread(self, editor: Editor, atlas: Atlas, least: float) -> None:
        """Leave out the pictures that are not read as their labels ask."""
        rows, images = self.rows, self.images
        rest = editor.mesh.xy[editor.mesh.landmarks]
        landmarks = [rest, *(row["landmarks"] for row in rows)]
        readings = read_faces([editor.scene.image, *images], landmarks)
        groups = [quadrant(*atlas.median[row["class"]]) for row in rows]
        gains = rises(readings[1:], readings[:1], groups)
        self.rows, self.images = [], []
        for row, image, group, gain in zip(rows, images, groups, gains.tolist(), strict=True):
            if group != NEAR_CENTRE and gain < least:
                name = row["image_id"]
                rule = f"{', '.join(GROUPS[group])} gain {gain:.3f} probability, below {least:g}"
                remedy = "lower synthesis.min_read, or raise synthesis.intensity"
                self.quarantine.leave_out(name, BadInput(name, rule, remedy))
            else:
                self.rows.append(row)
                self.images.append(image)


class _Edited:
    """A photograph that is being edited.

    Raises
    ------
    BadInput
        It cannot be used.
    """

    def __init__(
        self,
        request: Request,
        photograph: FittedPhotograph,
        context: RunContext,
        *,
        neutralise: Neutraliser | None,
    ) -> None:
        settings = request.settings
        self._request, self._photograph = request, photograph
        self.pictures = PhotographPictures(Quarantine(context.quarantine.stage))
        photo = photograph.read(context.root, settings)
        crop, scene = photograph.align(photo, request.anatomy, settings, neutralise=neutralise)
        self.editor = Editor(scene, settings)
        self.pictures.neutral.append(scene.image)
        self.pictures.photograph |= {
            "image_id": safe_name(photograph.image_id, photograph.path),
            "subject": photograph.subject,
            "path": photograph.path,
            "crop": asdict(crop),
            "camera": describe_camera(photograph.fit.camera),
        }

    def impose(
        self, targets: list[ClassSample], block: NDArray[np.float32], names: list[str]
    ) -> None:
        """Impose the deformations (V, 3, B) on the photograph."""
        for target, edit in zip(targets, self.editor.edits([block]), strict=True):
            name = self._request.image_id(self._photograph, target.name(names))
            metrics = measure(self.editor, edit)
            reason = refusal(metrics, self._request.settings)
            if reason is None:
                self.pictures.add(name, target, edit, metrics=metrics)
            else:
                self.pictures.quarantine.leave_out(name, BadInput(name, *reason))


def edit_photographs(
    request: Request, context: RunContext, photographs: list[FittedPhotograph]
) -> list[PhotographPictures]:
    """All pictures of some photographs: each deformation is drawn once for all of them.

    Parameters
    ----------
    request : what is imposed
    context : of the run; a strict quarantine refuses bad input at once
    photographs : few, since they are all in memory
    """
    root, settings = context.root, request.settings
    atlas = Atlas(ATLAS.path(root))
    neutralise = read_neutraliser(root, request.anatomy, settings)
    edited, made = [], []
    for photograph in photographs:
        try:
            edited.append(_Edited(request, photograph, context, neutralise=neutralise))
            made.append(edited[-1].pictures)
        except BadInput as problem:
            rejected = Quarantine(context.quarantine.stage, context.quarantine.strict)
            rejected.add(photograph.image_id, problem)
            made.append(PhotographPictures(rejected))

    def is_wanted(target: ClassSample) -> bool:
        names = (request.image_id(each, target.name(atlas.names)) for each in photographs)
        return not request.only or request.only in names

    samples, folder = settings.samples, root / "blendshapes"
    imposed = drawn(atlas, folder, samples=samples, seed=context.seed, is_wanted=is_wanted)
    blocks = stack_targets(imposed if edited else [], request.anatomy, settings.intensity)
    count = len(atlas.usable) + samples * len(atlas.own)
    for targets, block in context.progress(blocks, total=-(-count // BATCH), what="deformations"):
        for each in edited:
            each.impose(targets, block, atlas.names)
    if settings.min_read is not None:
        for each in edited:
            each.pictures.leave_out_unread(each.editor, atlas, settings.min_read)
    return made


def describe_camera(camera: Camera) -> dict[str, Any]:
    """A camera as it is stored: its fields, see `affect4d.fitting.Camera`."""
    names = (entry.name for entry in fields(camera))
    return {name: np.asarray(getattr(camera, name)).tolist() for name in names}
