"""What can be said offline about a synthesized picture, and when it is refused.

The metrics prove geometry, not looks: PSNR near the face would reward ghosts, and seam measures
do not rank pictures as people do, so neither decides anything.
"""

from collections.abc import Mapping

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from affect4d.config.synthesis import Settings
from affect4d.fitting import Fit
from affect4d.synthesis.editing.editor import Edit, Editor
from affect4d.synthesis.editing.eyeball import PROBLEMS
from affect4d.synthesis.editing.inverse_flow import Motion
from affect4d.synthesis.editing.scene import Scene
from affect4d.synthesis.editing.visible_mesh import VisibleSubmesh
from affect4d.template.ibug68 import BROWS, NOSE, OUTER_LIPS

# Eyelids and inner lips have rules of their own; the jaw's landmarks slide along the silhouette.
RIGID_LANDMARKS = np.concatenate([BROWS, NOSE, OUTER_LIPS])
MAX_PSNR_DB = 99.0  # in place of infinity
BOUNDED = ("flipped", "folded", "revealed")  # metrics that the settings bound by max_...
METRICS = ("yaw", *BOUNDED, "interior", "psnr_far", "landmark_error", "accepted")
NEUTRALISED = "neutralised_mm"  # is measured besides where photographs are neutralised
EYE_PROBLEM = "eye_problem"  # and this where eyes are to turn or close


def metric_names(settings: Settings) -> list[str]:
    """What `measure` gives with some settings, in its order."""
    besides = {EYE_PROBLEM: settings.moves_eyes, NEUTRALISED: settings.neutralise}
    return [*METRICS, *(name for name, asked in besides.items() if asked)]


def measure(editor: Editor, edit: Edit) -> dict[str, float]:
    """The metrics of one Edit of an Editor, as `metric_names` lists them.

    `flipped`: share of the visible face's area that turns away. `folded`: share of the face's
    pixels that the flow folds. `revealed`: face that the photograph does not show, over its face.
    `interior`: 1 where the mouth's inside was drawn. `psnr_far`: dB, .4 inter-ocular distances
    and more beyond the face, at most MAX_PSNR_DB. `landmark_error`: mean distance between where
    landmarks were to come from and where the map takes them from, over the inter-ocular distance.
    `accepted`: 1 where `refusal` returns None. `neutralised_mm`: what was removed from the
    photograph before, root mean square around the mouth. `eye_problem`: which of `eyeball.PROBLEMS`
    keeps an eye from turning or closing, by its number; 0 where none does.
    """
    scene, motion = editor.scene, edit.motion
    metrics = {
        "yaw": scene.yaw,
        "flipped": motion.flipped,
        "folded": motion.folded,
        "revealed": motion.revealed,
        "interior": float(edit.interior),
        "psnr_far": _psnr(scene.image, edit.image, editor.lattice.far),
        "landmark_error": _landmark_error(scene, editor.mesh, motion),
    }
    if editor.settings.moves_eyes:
        metrics[EYE_PROBLEM] = float(editor.eyes.problem)
    if editor.settings.neutralise:
        metrics[NEUTRALISED] = scene.neutralised_mm
    metrics["accepted"] = float(refusal(metrics, editor.settings) is None)
    return {name: metrics[name] for name in metric_names(editor.settings)}


def refusal(metrics: Mapping[str, float], settings: Settings) -> tuple[str, str] | None:
    """Why a picture is refused: (rule, remedy), or None."""
    if abs(metrics["yaw"]) > settings.max_yaw:
        return (
            f"the head is turned by {abs(metrics['yaw']):.0f} degrees",
            "choose a more frontal photograph",
        )
    if problem := PROBLEMS[int(metrics.get(EYE_PROBLEM, 0))]:
        return (
            f"{problem}, and is neither turned nor closed",
            "choose a photograph that shows both eyes open, or ask for no gaze and no blink",
        )
    return exceeded(metrics, settings)


def exceeded(metrics: Mapping[str, float], settings: Settings) -> tuple[str, str] | None:
    """Which of the BOUNDED metrics is beyond its limit: (rule, remedy), or None."""
    for name in BOUNDED:
        limit = getattr(settings, f"max_{name}")
        if metrics[name] > limit:
            return (
                f"{100 * metrics[name]:.2f} % of the face {name}, more than {100 * limit:.2f} %",
                "lower synthesis.intensity or choose a more frontal photograph",
            )
    return None


def failed_gates(fit: Fit, settings: Settings) -> str:
    """The names of the gates that refused a fit, separated by commas; empty if none did.

    An open mouth is none where photographs are neutralised, which closes it.
    """
    opened = ("gate_mouth",) if settings.neutralise else ()
    gates = (name for name, shut in fit.quality.items() if name.startswith("gate_") and shut)
    return ", ".join(name for name in gates if name not in opened)


def _psnr(before: NDArray[np.uint8], after: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    error = cv2.norm(before, after, cv2.NORM_L2SQR, mask.view(np.uint8))
    if error == 0:
        return MAX_PSNR_DB
    mean = error / (3 * np.count_nonzero(mask))
    return float(min(10 * np.log10(255.0**2 / mean), MAX_PSNR_DB))


def _landmark_error(scene: Scene, mesh: VisibleSubmesh, motion: Motion) -> float:
    landmarks = mesh.landmarks[RIGID_LANDMARKS]
    seen = landmarks[scene.seen[mesh.vertices[landmarks]]]
    missed = _missed(mesh.xy[seen], motion.positions(seen)[0], motion.source)
    return float(missed / scene.inter_ocular)


@numba.njit(cache=True)
def _missed(
    before: NDArray[np.float32], after: NDArray[np.float32], source: NDArray[np.float32]
) -> float:
    """Mean distance, pixels, of where the map takes some points from to where they were."""
    height, width, _ = source.shape
    total, count = 0.0, 0
    for n in range(len(before)):
        x, y = after[n, 0], after[n, 1]
        if not (0 <= x < width - 1 and 0 <= y < height - 1):
            continue
        i, j = int(x), int(y)
        a, b = x - i, y - j
        squared = 0.0
        for k in range(2):
            upper = source[j, i, k] + a * (source[j, i + 1, k] - source[j, i, k])
            lower = source[j + 1, i, k] + a * (source[j + 1, i + 1, k] - source[j + 1, i, k])
            squared += (upper + b * (lower - upper) - before[n, k]) ** 2
        total, count = total + np.sqrt(squared), count + 1
    return total / max(count, 1)
