"""One chunk of a database: each fitted photograph in each class that has a deformation."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.synthesis import CHUNK, MEAN, QUARANTINE
from affect4d.blendshapes import read_class, sample
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera
from affect4d.formats.paths import safe_name
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine
from affect4d.readers.expected import GROUPS, NEAR_CENTRE, quadrant, rises
from affect4d.readers.reading import read_faces
from affect4d.synthesis.crop import Crop
from affect4d.synthesis.editing.editor import Edit, Editor
from affect4d.synthesis.editing.flow import BATCH, stack_deformations
from affect4d.synthesis.editing.lattice import STEP
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.neutralising import read_neutraliser
from affect4d.synthesis.photographs import FittedPhotograph, read_photographs
from affect4d.synthesis.quality import measure, metric_names, refusal
from affect4d.template.anatomy import Anatomy
from affect4d.template.ibug68 import COUNT

log = logging.getLogger(__name__)

FLOW_STEP = 8  # pixels between the stored places of the flow, the first at half of it
_EVERY = slice(FLOW_STEP // 2 // STEP, None, FLOW_STEP // STEP)  # of the lattice's nodes


@dataclass(frozen=True)
class ClassSample:
    """What photographs receive, by name.

    Attributes
    ----------
    index : of its class
    sample : its number among the class's samples, or MEAN
    """

    index: int
    sample: int

    def name(self, classes: Sequence[str]) -> str:
        """The class's name, followed by the sample's number where it is one."""
        suffix = "" if self.sample == MEAN else f"-s{self.sample}"
        return f"{classes[self.index]}{suffix}"


@dataclass(frozen=True)
class Imposed(ClassSample):
    """What photographs receive: `deformation` is (V, 3), mm."""

    deformation: NDArray[np.float32]


def deformations(
    atlas: Atlas, folder: Path, anatomy: Anatomy, *, samples: int, seed: int
) -> list[Imposed]:
    """The deformations of `drawn`, smoothed and tapered."""
    return [
        replace(each, deformation=anatomy.smooth_and_taper(each.deformation))
        for each in drawn(atlas, folder, samples=samples, seed=seed)
    ]


def drawn(atlas: Atlas, folder: Path, *, samples: int, seed: int) -> Iterator[Imposed]:
    """All deformations that a photograph receives, class by class: the mean, then samples.

    Of a class that is interpolated there is the mean alone.

    Parameters
    ----------
    atlas : of the build
    folder : where the classes' models lie
    samples : per class
    seed : a sample also depends on the class and its own number, and on nothing else
    """
    for index, mean in zip(atlas.usable.tolist(), atlas.means(), strict=True):
        yield Imposed(index, MEAN, mean)
        if samples and not atlas.is_interpolated(index):
            model = read_class(folder / f"{atlas.names[index]}.zarr")
            for number in range(samples):
                face = sample(model, np.random.default_rng([seed, index, number]))
                yield Imposed(index, number, face)


def synthesize_chunk(
    context: RunContext,
    database: str,
    chunk: str,
    *,
    atlas: Atlas,
    anatomy: Anatomy,
    settings: Settings,
    only: str = "",
) -> None:
    """Synthesize one chunk of a database and write its store and its quarantine.

    The store holds, for N accepted pictures of P photographs at S = `settings.size`: images
    (N, S, S, 3) uint8; class (N,), photograph (N,), sample (N,) int64; valence, arousal (N,)
    float64, the class's medians; interpolated (N,) bool, whether the class's mean is that of the
    classes around it, and its label its centre; landmarks (N, 68, 2) float32, pixels, moved with
    the face; flow (N, S / 8, S / 8, 2) float16, pixels: where every eighth pixel of the neutral
    picture, from (4, 4) on, goes; quality (N, Q) float32; neutral (P, S, S, 3) uint8, the
    photographs' crops, to which `photograph` points. What names and explains them (image_ids,
    subjects, photographs with their cameras and crops, classes, ...) are attributes.

    Parameters
    ----------
    context : of the rule's run; photographs' paths are relative to its results folder
    database, chunk : their names
    atlas : of the build
    anatomy : of the template
    settings : of the build
    only : the image_id of the one picture to synthesize; all if empty
    """
    root, quarantine = context.root, context.quarantine
    folder = root / "blendshapes"
    imposed: Iterable[Imposed] = drawn(atlas, folder, samples=settings.samples, seed=context.seed)
    photographs = list(read_photographs(root / "fits" / database / f"{chunk}.zarr"))
    if only:
        imposed = list(imposed)
        wanted = [
            (photograph, target)
            for photograph in photographs
            for target in imposed
            if only == _image_id(database, photograph, target.name(atlas.names))
        ]
        photographs, imposed = [each for each, _ in wanted], [each for _, each in wanted]
    if not photographs:
        imposed = []  # a database of fewer photographs than chunks
    neutralise = read_neutraliser(root, anatomy, settings)
    targets, blocks = stack_targets(imposed, anatomy, settings.intensity)
    pictures = _Pictures(
        database, atlas, targets, blocks=blocks, settings=settings, quarantine=quarantine
    )
    for photograph in context.progress(photographs, total=len(photographs), what="photographs"):
        try:
            photo = photograph.read(root, settings)
            crop, scene = photograph.align(photo, anatomy, settings, neutralise=neutralise)
        except BadInput as problem:
            quarantine.add(photograph.image_id, problem)
            continue
        pictures.add(photograph, crop, scene)
    log.info(
        "%d pictures of %d photographs; %d refused",
        len(pictures.rows),
        len(pictures.photographs),
        len(quarantine.rows),
    )
    provenance = context.provenance()
    out = CHUNK.path(root, database=database, chunk=chunk)
    store.write(out, pictures.arrays(), pictures.attributes(), provenance=provenance)
    listing = QUARANTINE.path(root, database=database, chunk=chunk)
    listing.parent.mkdir(parents=True, exist_ok=True)
    with store.atomic(listing) as unfinished:
        quarantine.write(unfinished)
    store.record(listing.with_suffix(".manifest.json"), [listing], provenance)


def stack_targets(
    imposed: Iterable[Imposed], anatomy: Anatomy, intensity: float
) -> tuple[list[ClassSample], list[NDArray[np.float32]]]:
    """What is imposed by name, and in blocks (V, 3, B), mm, smoothed and tapered.

    One block at a time is held twice, and smoothed together.

    Parameters
    ----------
    imposed : as drawn
    anatomy : of the template
    intensity : scales them
    """
    targets: list[ClassSample] = []
    blocks: list[NDArray[np.float32]] = []
    left = iter(imposed)
    while batch := list(islice(left, BATCH)):
        targets += [ClassSample(each.index, each.sample) for each in batch]
        (block,) = stack_deformations([each.deformation for each in batch])
        blocks.append(np.float32(intensity) * anatomy.smooth_and_taper(block))
    return targets, blocks


def _image_id(database: str, photograph: FittedPhotograph, name: str) -> str:
    """The name of the image of a photograph on which the deformation `name` is imposed."""
    return f"{database}-{safe_name(photograph.image_id, photograph.path)}-{name}"


def describe_camera(camera: Camera) -> dict[str, Any]:
    """A camera as it is stored: its fields, see `affect4d.fitting.Camera`."""
    names = (entry.name for entry in fields(camera))
    return {name: np.asarray(getattr(camera, name)).tolist() for name in names}


@dataclass
class _Pictures:
    """The chunk's accepted pictures, and the photographs that they show."""

    database: str
    atlas: Atlas
    targets: list[ClassSample]
    blocks: list[NDArray[np.float32]] = field(kw_only=True)
    settings: Settings = field(kw_only=True)
    quarantine: Quarantine = field(kw_only=True)

    def __post_init__(self) -> None:
        self._neutral: list[NDArray[np.uint8]] = []
        self._images: list[NDArray[np.uint8]] = []
        self.photographs: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []

    def add(self, photograph: FittedPhotograph, crop: Crop, scene: Scene) -> None:
        """All pictures of one photograph."""
        image_id = safe_name(photograph.image_id, photograph.path)
        self.photographs.append(
            {
                "image_id": image_id,
                "subject": photograph.subject,
                "path": photograph.path,
                "crop": asdict(crop),
                "camera": describe_camera(photograph.fit.camera),
            }
        )
        self._neutral.append(scene.image)
        first = len(self.rows)
        editor = Editor(scene, self.settings)
        for target, edit in zip(self.targets, editor.edits(self.blocks), strict=True):
            name = _image_id(self.database, photograph, target.name(self.atlas.names))
            self._add_edit(name, target, edit, metrics=measure(editor, edit))
        if self.settings.min_read is not None:
            self._leave_out_unread(first, editor, self.settings.min_read)

    def _leave_out_unread(self, first: int, editor: Editor, least: float) -> None:
        """Leave out the pictures from number `first` on that are not read as their labels ask."""
        rows, images = self.rows[first:], self._images[first:]
        rest = editor.mesh.xy[editor.mesh.landmarks]
        landmarks = [rest, *(row["landmarks"] for row in rows)]
        readings = read_faces([editor.scene.image, *images], landmarks)
        groups = [quadrant(*self.atlas.median[row["class"]]) for row in rows]
        gains = rises(readings[1:], readings[:1], groups)
        del self.rows[first:], self._images[first:]
        for row, image, group, gain in zip(rows, images, groups, gains.tolist(), strict=True):
            if group != NEAR_CENTRE and gain < least:
                name = row["image_id"]
                rule = f"{', '.join(GROUPS[group])} gain {gain:.3f} probability, below {least:g}"
                remedy = "lower synthesis.min_read, or raise synthesis.intensity"
                self.quarantine.leave_out(name, BadInput(name, rule, remedy))
            else:
                self.rows.append(row)
                self._images.append(image)

    def _add_edit(
        self, name: str, target: ClassSample, edit: Edit, *, metrics: dict[str, float]
    ) -> None:
        reason = refusal(metrics, self.settings)
        if reason is not None:
            self.quarantine.leave_out(name, BadInput(name, *reason))
            return
        self._images.append(edit.image)
        self.rows.append(
            {
                "image_id": name,
                "class": target.index,
                "photograph": len(self.photographs) - 1,
                "sample": target.sample,
                "landmarks": edit.landmarks,
                "flow": edit.motion.flow[_EVERY, _EVERY].copy(),
                "quality": list(metrics.values()),
            }
        )

    def arrays(self) -> dict[str, Any]:
        """The store's arrays; their shapes hold for an empty chunk as well."""
        count, size, atlas = len(self.rows), self.settings.size, self.atlas
        square, grid = (size, size, 3), len(range(FLOW_STEP // 2, size, FLOW_STEP))
        classes = self._column("class", np.int64)
        labels = atlas.median[classes].reshape(count, 2)
        images = np.array(self._images, np.uint8).reshape(count, *square)
        neutral = np.array(self._neutral, np.uint8).reshape(len(self._neutral), *square)
        landmarks, flow = (self._column(name, np.float32) for name in ("landmarks", "flow"))
        return {
            "class": classes,
            "photograph": self._column("photograph", np.int64),
            "sample": self._column("sample", np.int64),
            "images": store.Images(images, "neutral", "photograph"),
            "neutral": store.Images(neutral),
            "interpolated": np.isin(classes, np.setdiff1d(atlas.usable, atlas.own)),
            "valence": labels[:, 0].copy(),
            "arousal": labels[:, 1].copy(),
            "landmarks": landmarks.reshape(count, COUNT, 2),
            "flow": flow.astype(np.float16).reshape(count, grid, grid, 2),
            "quality": self._column("quality", np.float32).reshape(
                count, len(metric_names(self.settings))
            ),
        }

    def _column(self, name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.array([row[name] for row in self.rows], dtype=dtype)

    def attributes(self) -> dict[str, Any]:
        """What names and explains the store's arrays."""
        return {
            "database": self.database,
            "image_ids": [row["image_id"] for row in self.rows],
            "subjects": [self.photographs[row["photograph"]]["subject"] for row in self.rows],
            "classes": list(self.atlas.names),
            "photographs": self.photographs,
            "quality": metric_names(self.settings),
            "settings": self.settings.model_dump(mode="json"),
            "units": {"landmarks": "px", "flow": "px"},
        }
