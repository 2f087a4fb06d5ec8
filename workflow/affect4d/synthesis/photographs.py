"""The fitted photographs of a chunk, and the aligned squares around their faces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.config.synthesis import Settings
from affect4d.fitting import Fit
from affect4d.fitting.storage import read_fits
from affect4d.formats.images import read_image
from affect4d.formats.limits import COPIES
from affect4d.formats.paths import inside
from affect4d.quarantine import BadInput
from affect4d.synthesis.crop import Crop, square_around
from affect4d.synthesis.editing.scene import Scene, make_scene
from affect4d.synthesis.quality import failed_gates
from affect4d.template.anatomy import Anatomy


@dataclass(frozen=True)
class FittedPhotograph:
    """A photograph's names, its path relative to the results folder, and the fit of its face."""

    image_id: str
    subject: str
    path: str
    fit: Fit

    @property
    def accepted(self) -> bool:
        """Whether the fit passed its gates."""
        return bool(self.fit.quality["accepted"])

    def read(self, root: Path) -> NDArray[np.uint8]:
        """The photograph (H, W, 3) under the results folder `root`.

        Raises
        ------
        BadInput
            The fit was refused, or the photograph cannot be read; it is named by its relative path.
        """
        if not self.accepted:
            raise BadInput(
                self.path,
                f"the fit of {self.image_id} was refused ({failed_gates(self.fit)})",
                "choose a frontal photograph with a closed mouth, or loosen the fitting gates",
            )
        try:
            return read_image(inside(root, self.path), limits=COPIES)
        except BadInput as problem:
            raise BadInput(self.path, problem.rule, problem.remedy) from None

    def align(
        self, photo: NDArray[np.uint8], anatomy: Anatomy, settings: Settings
    ) -> tuple[Crop, Scene]:
        """The square around the face of the photograph (H, W, 3), and its Scene."""
        crop = square_around(self.fit.landmarks, settings.margin, settings.size)
        return crop, make_scene(self.fit, crop.cut(photo), anatomy, crop=crop)


def read_photographs(fits: Path) -> Iterator[FittedPhotograph]:
    """All photographs of a chunk of fits, in its order."""
    attributes = store.open(fits).attributes
    columns = (attributes[name] for name in ("image_ids", "subjects", "images"))
    for image_id, subject, path, fit in zip(*columns, read_fits(fits), strict=True):
        yield FittedPhotograph(image_id, subject, path, fit)
