"""Images as (H, W, 3) uint8 RGB arrays."""

import io
from pathlib import Path

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


def _encode(image, **options):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image, dtype=np.uint8)).save(buffer, **options)
    return buffer.getvalue()


def encode_jpeg(image, quality=95):
    """JPEG bytes of (H, W, 3) uint8, chroma not subsampled."""
    return _encode(image, format="JPEG", quality=quality, subsampling=0)


def encode_png(image):
    """PNG bytes of (H, W, 3) uint8."""
    return _encode(image, format="PNG", compress_level=6)


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
