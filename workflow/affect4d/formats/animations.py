"""Animations: WebP, GIF and MP4."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SUFFIXES = (".webp", ".gif", ".mp4")
# quality: of 100; kmax: every frame is a key frame, so that players can seek
_WEBP_OPTIONS = {"quality": 90, "kmax": 1}


def write_animation(path: Path | str, images: Sequence[NDArray[np.uint8]], frame_ms: float) -> None:
    """Write pictures in the format of the path's suffix (.webp, .gif: endless loop; .mp4).

    Parameters
    ----------
    path : ends in one of `SUFFIXES`
    images : (H, W, 3) RGB, all of the same size
    frame_ms : duration of each, ms

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
    options: dict[str, Any] = dict(_WEBP_OPTIONS) if path.suffix.lower() == ".webp" else {}
    first.save(path, save_all=True, append_images=others, duration=frame_ms, loop=0, **options)


def _write_mp4(path: Path, images: Sequence[NDArray[np.uint8]], rate: float) -> None:
    # Codecs need even sides: the last row and column are repeated where they are odd.
    height, width = images[0].shape[:2]
    size = (width + width % 2, height + height % 2)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
    if not writer.isOpened():
        raise OSError(f"{path}: cannot be written as MP4; write .webp instead")
    for image in images:
        even = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        writer.write(np.ascontiguousarray(even[..., ::-1]))
    writer.release()
