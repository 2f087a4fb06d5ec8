"""Images as (H, W, 3) uint8 RGB arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from affect4d.quarantine import BadInput

_UNKNOWN_RANGE = ("I", "F")  # modes of Pillow: a file does not state the range of their values
_SIXTEEN_BITS = 257  # 65535 / 255
_JPEG_QUALITY = 95  # of 100: OpenCV's default
_PNG_COMPRESSION = 1  # of 9: fast, and within 8 % of the smallest file

RGB: TypeAlias = NDArray[np.uint8]


def read_image(path: Path | str) -> RGB:
    """Read an image as (H, W, 3) RGB, upright; grey becomes three equal channels.

    Raises
    ------
    BadInput
        The file is missing, truncated, not an image, or of more than 16 bits per channel.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # cameras record their orientation
            if upright.mode in _UNKNOWN_RANGE:
                raise ValueError(f"its pixels are of Pillow's mode {upright.mode}, not of 8 bits")
            if upright.mode.startswith("I;16"):
                grey = np.rint(np.asarray(upright) / _SIXTEEN_BITS).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.array(upright.convert("RGB"))
    except FileNotFoundError:
        raise BadInput(path, "the image does not exist", "add it or drop the row") from None
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise BadInput(
            path,
            f"cannot be read as an image ({error})",
            "export it with 8 bits per channel",
        ) from None


def check_image(image: object) -> RGB:
    """The image, unchanged.

    Raises
    ------
    ValueError
        It is not (H, W, 3) uint8.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        kind = getattr(image, "dtype", type(image).__name__)
        shape = getattr(image, "shape", ())
        raise ValueError(f"expected an image (H, W, 3) of uint8, got {kind}, {shape}")
    return image


def encode_jpeg(image: RGB, quality: int = _JPEG_QUALITY) -> bytes:
    """JPEG bytes of (H, W, 3), chroma not subsampled."""
    full_chroma = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    return _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, *full_chroma])


def encode_png(image: RGB) -> bytes:
    """PNG bytes of (H, W, 3)."""
    return _encode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION])


def _encode(suffix: str, image: RGB, settings: Sequence[int]) -> bytes:
    bgr = cv2.cvtColor(np.asarray(image, dtype=np.uint8), cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, settings)[1].tobytes()


def write_image(path: Path | str, image: RGB) -> None:
    """Write an image in the format of the path's suffix (.png, .jpg, .jpeg).

    Raises
    ------
    ValueError
        Another suffix.
    """
    path = Path(path)
    encoders = {".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg}
    if path.suffix.lower() not in encoders:
        raise ValueError(f"{path}: write .png or .jpg")
    path.write_bytes(encoders[path.suffix.lower()](image))
