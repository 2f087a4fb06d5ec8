"""Pictures one after another: animated WebP and GIF, MP4."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

SUFFIXES = (".webp", ".gif", ".mp4")


def write_animation(path, images, frame_ms):
    """Write pictures as the format of the path's suffix (.webp, .gif: repeated for ever; .mp4).

    Parameters
    ----------
    path : path
    images : list of (H, W, 3) uint8, all of one size
    frame_ms : int, how long each is shown

    Raises
    ------
    ValueError
        Another suffix, or no picture.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: write {', '.join(SUFFIXES)}")
    if not images:
        raise ValueError(f"{path}: there is no picture to write")
    if path.suffix.lower() == ".mp4":
        _write_mp4(path, images, 1000 / frame_ms)
        return
    first, *others = (Image.fromarray(image) for image in images)
    options: dict[str, Any] = {"quality": 90, "kmax": 1} if path.suffix.lower() == ".webp" else {}
    first.save(path, save_all=True, append_images=others, duration=frame_ms, loop=0, **options)


def _write_mp4(path, images, rate):
    # Codecs want even sides: the last row and column are repeated where they are odd.
    height, width = images[0].shape[:2]
    size = (width + width % 2, height + height % 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not writer.isOpened():
        raise OSError(f"{path}: cannot be written as MP4; write .webp instead")
    for image in images:
        even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        writer.write(np.ascontiguousarray(even[..., ::-1]))
    writer.release()
