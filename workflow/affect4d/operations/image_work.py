"""What an image of synthesis costs, of whatever size: measured, by making a few of them.

A former build tells what its own jobs took. Where the images to come have another size, or other
numbers of samples, that does not say how much of it grew with pixels, and how much with
photographs, images and samples: so a few images of its first photographs are made again, in two
sizes, with samples and without.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from affect4d import store
from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.targets import Atlas
from affect4d.config.synthesis import Settings
from affect4d.pipeline.context import RunContext
from affect4d.quarantine import BadInput, Quarantine
from affect4d.registration.common_template import read_template
from affect4d.store import StoreError
from affect4d.synthesis.chunks import ChunkPictures
from affect4d.synthesis.photographs import FittedPhotograph, read_photographs
from affect4d.synthesis.pictures import Request, edit_photographs
from affect4d.template.anatomy import anatomy_of

_log = logging.getLogger("affect4d")
# Pixels a side, samples of each class and photographs of the jobs that are timed: as many as there
# are unknowns, each of which grows by itself between two of them.
_TIMED = ((64, 0, 2), (256, 0, 2), (64, 4, 1), (64, 4, 4))
_MIN_PHOTOGRAPHS = 2  # of one alone, what it takes cannot be told from what its samples take


@dataclass(frozen=True)
class ImageWork:
    """What a job of synthesis takes of a processor, s, per photograph, image, pixel and sample.

    A sample is drawn and smoothed once per job, for all its photographs.
    """

    photograph: float = 0.0
    image: float = 1.0
    pixel: float = 0.0
    sample: float = 0.0

    def of(self, *, photographs: float, images: float, pixels: int, samples: float) -> float:
        """The work of a job.

        Parameters
        ----------
        photographs, images : of the job
        pixels : of an image
        samples : of all classes together
        """
        by_image = images * (self.image + self.pixel * pixels)
        return self.photograph * photographs + by_image + self.sample * samples


BY_IMAGES = ImageWork()  # where all images are of one size, and drawn alike


def measure_image_work(root: Path) -> ImageWork | None:
    """The work by images of a finished build, in some 10 s; None where it has too few faces.

    Parameters
    ----------
    root : its results folder, which is only read
    """
    level = _log.level
    _log.setLevel(logging.ERROR)  # what is refused of these images is no matter
    try:
        photographs = list(islice(_photographs(root), max(n for *_, n in _TIMED)))
        if len(photographs) < _MIN_PHOTOGRAPHS:
            return None
        timer = _Timer(root, photographs)
        timer.run(_TIMED[0])  # compiled code is loaded
        rows, seconds = zip(*(timer.run(timed) for timed in _TIMED), strict=True)
    except (StoreError, BadInput, OSError):
        return None
    finally:
        _log.setLevel(level)
    design = np.array(rows, float) / np.array(seconds)[:, None]
    scale = np.maximum(np.linalg.norm(design, axis=0), np.finfo(float).tiny)
    return ImageWork(*(float(x) for x in nnls(design / scale, np.ones(len(design)))[0] / scale))


class _Timer:
    """Jobs of synthesis on the first photographs of a build."""

    def __init__(self, root: Path, photographs: list[FittedPhotograph]) -> None:
        self._root, self._anatomy = root, anatomy_of(read_template(root))
        self._photographs = photographs
        self._atlas = Atlas(ATLAS.path(root))

    def run(self, timed: tuple[int, int, int]) -> tuple[list[float], float]:
        """Photographs, images, pixels of all, samples; and the CPU seconds they took."""
        size, samples, count = timed
        settings, photographs = Settings(size=size, samples=samples), self._photographs[:count]
        start = time.process_time()
        context = RunContext(self._root, "synthesis", Quarantine("plan"))
        request = Request("plan", self._anatomy, settings)
        pictures = ChunkPictures("plan", self._atlas, settings)
        for made in edit_photographs(request, context, photographs):
            pictures.add(made)
        with tempfile.TemporaryDirectory() as folder:
            store.write(Path(folder) / "images.zarr", pictures.arrays(), pictures.attributes())
        images = len(photographs) * (len(self._atlas.usable) + samples * len(self._atlas.own))
        drawn = samples * len(self._atlas.own)
        row = [float(n) for n in (len(photographs), images, images * size**2, drawn)]
        return row, time.process_time() - start


def _photographs(root: Path) -> Iterator[FittedPhotograph]:
    for chunk in sorted((root / "fits").glob("*/[0-9]*.zarr")):
        yield from read_photographs(chunk)
