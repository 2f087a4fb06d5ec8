"""One chunk of a database: each fitted photograph in each class that has a deformation."""

import logging
from dataclasses import asdict, dataclass, fields

import numpy as np

from affect4d import store
from affect4d.artifacts.dataset import MEAN
from affect4d.blendshapes import read_class, sample
from affect4d.fitting.storage import read_fits
from affect4d.formats.images import read_image
from affect4d.formats.paths import inside, safe_name
from affect4d.quarantine import BadInput, Quarantine
from affect4d.synthesis.crop import square_around
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.editing.lattice import STEP
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.quality import FIGURES, measure, refusal
from affect4d.template.ibug68 import COUNT

log = logging.getLogger(__name__)

FLOW_STEP = 8  # pixels
_EVERY = slice(FLOW_STEP // 2 // STEP, None, FLOW_STEP // STEP)  # of the lattice


@dataclass(frozen=True)
class Imposed:
    """A settled deformation (V, 3) mm, its class's index, and its sample's number or MEAN."""

    deformation: np.ndarray
    index: int
    sample: int

    def name(self, classes):
        """The class's name, followed by the sample's number where it is one."""
        suffix = "" if self.sample == MEAN else f"-s{self.sample}"
        return f"{classes[self.index]}{suffix}"


def deformations(atlas, folder, anatomy, settings, seed):
    """All deformations that a photograph receives, class by class: the mean, then samples.

    Of a class that is interpolated there is the mean alone.

    Parameters
    ----------
    atlas : Atlas
    folder : Path, where the classes' models lie
    anatomy : Anatomy
    settings : affect4d.config.synthesis.Settings
    seed : int; a sample also depends on the class and its own number, and on nothing else

    Returns
    -------
    list of Imposed
    """
    imposed = []
    for index, mean in zip(atlas.usable.tolist(), atlas.means(), strict=True):
        imposed.append(Imposed(anatomy.smooth_and_taper(mean), index, MEAN))
        if settings.samples and not atlas.is_interpolated(index):
            model = read_class(folder / f"{atlas.names[index]}.zarr")
            for number in range(settings.samples):
                rng = np.random.default_rng([seed, index, number])
                imposed.append(Imposed(anatomy.smooth_and_taper(sample(model, rng)), index, number))
    return imposed


def synthesize_chunk(
    fits, atlas, imposed, anatomy, database, settings, root, out, strict, progress, provenance
):
    """Synthesize one chunk and write its store and its quarantine.

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
    fits : Path of the chunk's fits
    atlas : Atlas
    imposed : list of Imposed
    anatomy : Anatomy
    database : str
    settings : affect4d.config.synthesis.Settings
    root : Path, the results folder, to which the photographs' paths are relative
    out : Path of the store to write; the quarantine goes to `quarantine/` beside it
    strict : bool, stop at a photograph that cannot be used
    progress : callable (items, total, what) -> iterator that logs
    provenance : affect4d.store.Provenance
    """
    attributes = store.open(fits).attributes
    rows = list(
        zip(
            attributes["image_ids"],
            attributes["subjects"],
            attributes["images"],
            read_fits(fits),
            strict=True,
        )
    )
    collected = _Collected(database, atlas, imposed, settings, Quarantine("synthesis"))
    for image_id, subject, path, fit in progress(rows, len(rows), "photographs"):
        try:
            photo = _photograph(root, path, fit, image_id)
        except BadInput as problem:
            if strict:
                raise
            collected.quarantine.add(image_id, problem)
            continue
        collected.add(safe_name(image_id, path), subject, path, fit, photo, anatomy)
    log.info(
        "%d pictures of %d photographs; %d refused",
        len(collected.rows),
        len(collected.photographs),
        len(collected.quarantine.rows),
    )
    store.write(out, collected.arrays(), collected.attributes(), provenance)
    listing = out.parent / "quarantine" / f"{out.stem}.csv"
    listing.parent.mkdir(parents=True, exist_ok=True)
    with store.atomic(listing) as unfinished:
        collected.quarantine.write(unfinished)
    store.record(listing.with_suffix(".manifest.json"), [listing], provenance)


def pose(camera):
    """A camera as it is stored: its fields, see `affect4d.fitting.Camera`."""
    return {own.name: np.asarray(getattr(camera, own.name)).tolist() for own in fields(camera)}


def _photograph(root, path, fit, image_id):
    """The photograph at `path` under `root`; problems name it by its relative path."""
    if not fit.quality["accepted"]:
        gates = [name for name, shut in fit.quality.items() if name.startswith("gate_") and shut]
        raise BadInput(
            path,
            f"the fit of {image_id} was refused ({', '.join(gates)})",
            "choose a frontal photograph with a closed mouth, or loosen the fitting gates",
        )
    try:
        return read_image(inside(root, path))
    except BadInput as problem:
        raise BadInput(path, problem.rule, problem.remedy) from None


class _Collected:
    """The chunk's pictures, as they come."""

    def __init__(self, database, atlas, imposed, settings, quarantine):
        self.database, self.atlas, self.imposed = database, atlas, imposed
        self.settings, self.quarantine = settings, quarantine
        self.blocks = stack_deformations(
            [target.deformation for target in imposed], settings.intensity
        )
        self.photographs, self.neutral, self.images, self.rows = [], [], [], []

    def add(self, image_id, subject, path, fit, photo, anatomy):
        """All pictures of one photograph."""
        settings = self.settings
        crop = square_around(fit.landmarks, settings.margin, settings.size)
        scene = make_scene(fit, crop.cut(photo), anatomy, crop=crop)
        self.photographs.append(
            {
                "image_id": image_id,
                "subject": subject,
                "path": path,
                "crop": asdict(crop),
                "camera": pose(fit.camera),
            }
        )
        self.neutral.append(scene.image)
        editor = Editor(scene, settings)
        for target, made in zip(self.imposed, editor.edits(self.blocks), strict=True):
            name = f"{self.database}-{image_id}-{target.name(self.atlas.names)}"
            figures = measure(editor, made)
            reason = refusal(figures, settings)
            if reason is not None:
                self.quarantine.add(name, BadInput(name, *reason))
                continue
            self.images.append(made.image)
            self.rows.append(
                {
                    "image_id": name,
                    "class": target.index,
                    "photograph": len(self.photographs) - 1,
                    "sample": target.sample,
                    "landmarks": made.landmarks,
                    "flow": made.motion.flow[_EVERY, _EVERY].copy(),
                    "quality": [figures[figure] for figure in FIGURES],
                }
            )

    def arrays(self):
        """The store's arrays; their shapes hold for an empty chunk as well."""
        count, size = len(self.rows), self.settings.size
        numbers = {
            name: np.array([row[name] for row in self.rows], dtype=np.int64)
            for name in ("class", "photograph", "sample")
        }
        atlas = self.atlas
        labels = atlas.median[numbers["class"]].reshape(count, 2)
        square, grid = (size, size, 3), len(range(FLOW_STEP // 2, size, FLOW_STEP))
        return {
            **numbers,
            "images": store.Images(
                np.array(self.images, np.uint8).reshape(count, *square), "neutral", "photograph"
            ),
            "neutral": store.Images(
                np.array(self.neutral, np.uint8).reshape(len(self.neutral), *square)
            ),
            "interpolated": np.isin(numbers["class"], np.setdiff1d(atlas.usable, atlas.own)),
            "valence": labels[:, 0].copy(),
            "arousal": labels[:, 1].copy(),
            "landmarks": self._column("landmarks").reshape(count, COUNT, 2),
            "flow": self._column("flow").astype(np.float16).reshape(count, grid, grid, 2),
            "quality": self._column("quality").reshape(count, len(FIGURES)),
        }

    def _column(self, name):
        return np.array([row[name] for row in self.rows], dtype=np.float32)

    def attributes(self):
        """What names and explains the store's arrays."""
        return {
            "database": self.database,
            "image_ids": [row["image_id"] for row in self.rows],
            "subjects": [self.photographs[row["photograph"]]["subject"] for row in self.rows],
            "classes": list(self.atlas.names),
            "photographs": self.photographs,
            "quality": list(FIGURES),
            "settings": self.settings.model_dump(mode="json"),
            "units": {"landmarks": "px", "flow": "px"},
        }
