"""What can be said offline about a synthesized picture, and when it is refused.

The figures prove geometry, not looks: PSNR near the face would reward ghosts, and seam measures
do not rank pictures as people do, so neither decides anything.
"""

import cv2
import numba
import numpy as np

from affect4d.template.ibug68 import BROWS, NOSE, OUTER_LIPS

# Eyelids and inner lips have rules of their own; the jaw's landmarks slide along the silhouette.
RIGID_LANDMARKS = np.concatenate([BROWS, NOSE, OUTER_LIPS])
LARGEST_PSNR = 99.0
LIMITS = ("flipped", "folded", "revealed")  # figures that the settings bound by max_...
FIGURES = (
    "yaw",
    "flipped",
    "folded",
    "revealed",
    "interior",
    "psnr_far",
    "landmark_error",
    "accepted",
)


def measure(editor, edit):
    """Figures of one Edit of an Editor, as floats named by FIGURES.

    `flipped`: share of the visible face's area that turns away. `folded`: share of the face's
    pixels that the flow folds. `revealed`: face that the photograph does not show, over its face.
    `interior`: 1 where the mouth's inside was drawn. `psnr_far`: dB, .4 inter-ocular distances
    and more beyond the face, at most 99. `landmark_error`: mean distance between where landmarks
    were to come from and where the map takes them from, over the inter-ocular distance. `accepted`:
    1 where `refusal` has nothing to say.
    """
    scene, motion, settings = editor.scene, edit.motion, editor.settings
    figures = {
        "yaw": scene.yaw,
        "flipped": motion.flipped,
        "folded": motion.folded,
        "revealed": motion.revealed,
        "interior": float(edit.interior),
        "psnr_far": _psnr(scene.image, edit.image, editor.lattice.far),
        "landmark_error": _landmark_error(scene, editor.mesh, motion),
    }
    return {**figures, "accepted": float(refusal(figures, settings) is None)}


def refusal(figures, settings):
    """Why a picture is refused: (rule, remedy), or None."""
    if abs(figures["yaw"]) > settings.max_yaw:
        return (
            f"the head is turned by {abs(figures['yaw']):.0f} degrees",
            "choose a more frontal photograph",
        )
    for name in LIMITS:
        limit = getattr(settings, f"max_{name}")
        if figures[name] > limit:
            return (
                f"{100 * figures[name]:.2f} % of the face {name}, more than {100 * limit:.2f} %",
                "lower synthesis.intensity or choose a more frontal photograph",
            )
    return None


def _psnr(before, after, where):
    error = cv2.norm(before, after, cv2.NORM_L2SQR, where.view(np.uint8))
    if error == 0:
        return LARGEST_PSNR
    mean = error / (3 * np.count_nonzero(where))
    return float(min(10 * np.log10(255.0**2 / mean), LARGEST_PSNR))


def _landmark_error(scene, front, motion):
    landmarks = front.landmarks[RIGID_LANDMARKS]
    chosen = landmarks[scene.seen[front.vertices[landmarks]]]
    missed = _missed(front.xy[chosen], motion.positions(chosen)[0], motion.source)
    return float(missed / scene.inter_ocular)


@numba.njit(cache=True)
def _missed(before, after, source):
    """Mean distance, pixels, of where the map takes some points from to where they were."""
    height, width, _ = source.shape
    total, count = 0.0, 0
    for n in range(len(before)):
        x, y = after[n, 0], after[n, 1]
        if not (0 <= x < width - 1 and 0 <= y < height - 1):
            continue
        i, j = int(x), int(y)
        a, b = x - i, y - j
        away = 0.0
        for k in range(2):
            upper = source[j, i, k] + a * (source[j, i + 1, k] - source[j, i, k])
            lower = source[j + 1, i, k] + a * (source[j + 1, i + 1, k] - source[j + 1, i, k])
            away += (upper + b * (lower - upper) - before[n, k]) ** 2
        total, count = total + np.sqrt(away), count + 1
    return total / max(count, 1)
