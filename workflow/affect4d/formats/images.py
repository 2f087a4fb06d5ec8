"""Images as (H, W, 3) uint8 RGB arrays."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from affect4d.formats.quarantine import BadInput


def read_image(path):
    """Read an image as (H, W, 3) uint8 RGB; grey becomes three equal channels.

    Raises
    ------
    BadInput
        The file is missing, truncated, or no image.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except FileNotFoundError:
        raise BadInput(path, "the image does not exist", "add it or drop the row") from None
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise BadInput(path, f"cannot be read as an image ({error})", "export it again") from None


def encode_jpeg(image, quality=95):
    """JPEG bytes of (H, W, 3) uint8, chroma not subsampled."""
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(image, dtype=np.uint8))
    picture.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_png(image):
    """PNG bytes of (H, W, 3) uint8, fast and within 8 % of the smallest."""
    bgr = np.ascontiguousarray(np.asarray(image, dtype=np.uint8)[..., ::-1])
    return cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def write_image(path, image):
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
