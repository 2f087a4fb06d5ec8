"""The picture sheet of the truth test: each way's image beside the true one, and what differs."""

import cv2
import numpy as np

from affect4d.formats.images import write_image

ORDER = ("paste", "warp", "poisson")
LOUDER = 4  # times the differences' size
HEADING_PX, MARGIN_PX = 26, 40


class Sheet:
    """Rows of a person and an expression: neutral, truth, images, differences from the truth."""

    def __init__(self):
        self._rows = []

    def add(self, title, neutral, truth, images):
        """Add a row: a title, two Photographs, way -> image (H, W, 3) uint8."""
        cut = (slice(MARGIN_PX, -MARGIN_PX),) * 2
        cells = [neutral.image, truth.image, *(images[way] for way in ORDER)]
        differences = [truth.image, *(images[way] for way in ORDER)]
        cells += [_difference(neutral.image, truth.image)]
        cells += [_difference(image, truth.image) for image in differences[1:]]
        heading = ["neutral", f"truth: {title}", *ORDER]
        heading += [f"{way} - truth" for way in ("no edit", *ORDER)]
        self._rows.append(
            np.hstack([_titled(cell[cut], text) for cell, text in zip(cells, heading, strict=True)])
        )

    def write(self, path):
        """Write the sheet as PNG."""
        write_image(path, np.vstack(self._rows))


def _difference(image, truth):
    way = LOUDER * (image.astype(np.float32) - truth) + 128
    return np.clip(way, 0, 255).astype(np.uint8)


def _titled(image, text):
    heading = np.full((HEADING_PX, image.shape[1], 3), 255, np.uint8)
    cv2.putText(heading, text, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([heading, image])
