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
from affect4d.synthesis.neutralising import Neutraliser
from affect4d.synthesis.quality import failed_gates
from affect4d.template.anatomy import Anatomy


@dataclass(frozen=True)
class FittedPhotograph:
    """A photograph's names, its path relative to the results folder, and the fit of its face."""

    image_id: str
    subject: str
    path: str
    fit: Fit

    def read(self, root: Path, settings: Settings) -> NDArray[np.uint8]:
        """The photograph (H, W, 3) under the results folder `root`.

        Raises
        ------
        BadInput
            The fit was refused, or the photograph cannot be read; it is named by its relative path.
        """
        gates = failed_gates(self.fit, settings)
        quality = self.fit.quality
        if gates or not (quality["accepted"] or (settings.neutralise and quality["gate_mouth"])):
            raise BadInput(
                self.path,
                f"the fit of {self.image_id} was refused ({gates})",
                "choose a frontal photograph with a closed mouth, or loosen the fitting gates",
            )
        try:
            return read_image(inside(root, self.path), limits=COPIES)
        except BadInput as problem:
            raise BadInput(self.path, problem.rule, problem.remedy) from None

    def align(
        self,
        photo: NDArray[np.uint8],
        anatomy: Anatomy,
        settings: Settings,
        *,
        neutralise: Neutraliser | None = None,
    ) -> tuple[Crop, Scene]:
        """The square around the face of the photograph (H, W, 3), and its Scene.

        Raises
        ------
        BadInput
            Its expression cannot be removed.
        """
        fit, crop = self.fit, square_around(self.fit.landmarks, settings.margin, settings.size)
        if neutralise is not None:
            neutral = neutralise(photo, fit)
            if neutral.failure is not None:
                raise BadInput(self.path, *neutral.failure)
            photo, fit = neutral.photo, neutral.fit
        return crop, make_scene(fit, crop.cut(photo), anatomy, crop=crop)


def read_photographs(fits: Path) -> Iterator[FittedPhotograph]:
    """All photographs of a chunk of fits, in its order."""
    attributes = store.open(fits).attributes
    columns = (attributes[name] for name in ("image_ids", "subjects", "images"))
    for image_id, subject, path, fit in zip(*columns, read_fits(fits), strict=True):
        yield FittedPhotograph(image_id, subject, path, fit)
