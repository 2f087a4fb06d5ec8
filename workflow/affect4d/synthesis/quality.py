"""What can be said offline about a synthesized picture, and when it is refused.

The figures prove geometry, not looks: PSNR near the face would reward ghosts, and seam measures
do not rank pictures as people do, so neither decides anything.
"""

import cv2
import numpy as np

# Eyelids and inner lips have rules of their own; the jaw's landmarks slide along the silhouette.
RIGID_LANDMARKS = np.r_[17:36, 48:60]
FAR = 0.5  # of the inter-ocular distance beyond the face
LARGEST_PSNR = 99.0
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


def measure(scene, edit, settings):
    """Figures of one Edit, as floats named by FIGURES.

    `flipped`: share of the visible face's area that turns away. `folded`: share of the face's
    pixels where the map folds. `revealed`: share of its pixels that the photograph does not show.
    `interior`: 1 where the mouth's inside was drawn. `psnr_far`: dB, half an inter-ocular distance
    and more beyond the face, at most 99. `landmark_error`: mean distance between where landmarks
    were to come from and where the map takes them from, over the inter-ocular distance. `accepted`:
    1 where `refusal` has nothing to say.
    """
    motion = edit.motion
    figures = {
        "yaw": scene.yaw,
        "flipped": motion.flipped,
        "folded": motion.folded,
        "revealed": motion.revealed,
        "interior": float(edit.interior),
        "psnr_far": _psnr(scene.image, edit.image, _far(scene, motion)),
        "landmark_error": _landmark_error(scene, motion),
    }
    return {**figures, "accepted": float(refusal(figures, settings) is None)}


def refusal(figures, settings):
    """Why a picture is refused: (rule, remedy), or None."""
    if abs(figures["yaw"]) > settings.max_yaw:
        return (
            f"the head is turned by {abs(figures['yaw']):.0f} degrees",
            "choose a more frontal photograph",
        )
    for name, limit in (("flipped", settings.max_flipped), ("folded", settings.max_folded)):
        if figures[name] > limit:
            return (
                f"{100 * figures[name]:.2f} % of the face {name}, more than {100 * limit:.2f} %",
                "lower synthesis.intensity or choose a more frontal photograph",
            )
    return None


def _psnr(before, after, where):
    if not where.any():
        return LARGEST_PSNR
    error = np.mean((before[where].astype(np.float64) - after[where]) ** 2)
    if error == 0:
        return LARGEST_PSNR
    return float(min(10 * np.log10(255.0**2 / error), LARGEST_PSNR))


def _far(scene, motion):
    face = (motion.ids >= 0) | (scene.raster[0] >= 0)
    distance = cv2.distanceTransform((~face).astype(np.uint8), cv2.DIST_L2, 3)
    return distance > FAR * scene.inter_ocular


def _landmark_error(scene, motion):
    vertices = scene.anatomy.landmark_vertices[RIGID_LANDMARKS]
    height, width = scene.shape
    here = motion.xy[vertices]
    inside = (here >= 0).all(1) & (here <= [width - 1, height - 1]).all(1)
    vertices = vertices[scene.seen[vertices] & inside]
    if not len(vertices):
        return 0.0
    columns, rows = cv2.split(motion.xy[vertices][None])
    found = cv2.remap(motion.source, columns, rows, cv2.INTER_LINEAR)[0]
    distance = np.linalg.norm(found - scene.xy[vertices], axis=1)
    return float(distance.mean() / scene.inter_ocular)
