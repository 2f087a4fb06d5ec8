"""Images synthesized from a real set's own people: what the paper adds to the real frames.

Of each person the frame that is annotated as nearest to neutral is edited, once per class. A fold
trains on images of its own training people alone.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d.artifacts.blendshapes import ATLAS
from affect4d.blendshapes.targets import Atlas
from affect4d.formats.limits import DEFAULT
from affect4d.neutrals.candidates import Candidate
from affect4d.neutrals.loading import read_candidate
from affect4d.quarantine import BadInput, Quarantine
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.imposed import Imposed, deformations
from affect4d.synthesis.quality import measure, refusal
from affect4d.synthesis.request import Build
from affect4d.training.face_set import FaceSet
from affect4d.training.faces import reduce
from affect4d.training.leaks import REAL

log = logging.getLogger(__name__)


class Augmenter:
    """Imposes the classes of a build on photographs, as the build's synthesis does.

    Parameters
    ----------
    results : folder of the build
    size : pixels of the squares
    """

    def __init__(self, results: Path, size: int) -> None:
        self._build, self._size, self._atlas = Build(results), size, Atlas(ATLAS.path(results))
        self._imposed: list[Imposed] = deformations(
            self._atlas, results / "blendshapes", self._build.anatomy, samples=0, seed=0
        )
        moves = [target.deformation for target in self._imposed]
        self._blocks = stack_deformations(moves, self._build.settings().intensity)

    def edit(self, frame: Candidate) -> FaceSet:
        """The accepted images of one frame; the table has the columns of published images.

        Raises
        ------
        BadInput
            The frame cannot be read or fitted.
        """
        loaded = read_candidate(frame, DEFAULT)
        try:
            editor = self._build.open(loaded.image, loaded.landmarks, crop=True)
        except ValueError as error:
            raise BadInput(frame.path, str(error), "mark its landmarks anew") from None
        if editor.fit_refusal:
            raise BadInput(frame.path, editor.fit_refusal, "nothing: the person has none")
        rows, images, neutral = [], [], f"{REAL}-{frame.image_id}"
        edits = editor.editor.edits(self._blocks)
        for target, edit in zip(self._imposed, edits, strict=True):
            if refusal(measure(editor.editor, edit), self._build.settings()) is None:
                valence, arousal = self._atlas.median[target.index]
                images.append(reduce(edit.image, self._size))
                rows.append(
                    {
                        "image_id": f"{neutral}-{self._atlas.names[target.index]}",
                        "class": target.index,
                        "valence": valence,
                        "arousal": arousal,
                        "subject": frame.subject_id,
                        "neutral_image_id": neutral,
                    }
                )
        size = (len(rows), self._size, self._size, 3)
        return FaceSet(np.array(images, np.uint8).reshape(size), pd.DataFrame(rows))


def augment(
    frames: list[Candidate], results: Path, size: int, *, quarantine: Quarantine
) -> FaceSet:
    """The images synthesized from each person's frame nearest to neutral, person by person.

    Parameters
    ----------
    frames : of the real set
    results : folder of the build whose classes are imposed
    size : pixels of the squares
    quarantine : receives frames that cannot be fitted; their people have no images
    """
    augmenter, nearest, parts = Augmenter(results, size), dict[str, Candidate](), []
    for frame in sorted(frames, key=lambda c: (np.hypot(c.valence, c.arousal), c.image_id)):
        nearest.setdefault(frame.subject_id, frame)
    for subject in sorted(nearest):
        try:
            parts.append(augmenter.edit(nearest[subject]))
        except BadInput as problem:
            quarantine.add(nearest[subject].image_id, problem)
    parts = [part for part in parts if len(part)]
    if not parts:
        raise BadInput("the real set", "no frame could be edited", "see quarantine.csv")
    log.info("%d images synthesized from frames of %d people", sum(map(len, parts)), len(parts))
    images = np.concatenate([part.images for part in parts])
    return FaceSet(images, pd.concat([part.table for part in parts], ignore_index=True))
