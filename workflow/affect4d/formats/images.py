"""Images as (H, W, 3) uint8 RGB arrays."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from affect4d.quarantine import BadInput

DEEP = ("I", "F")  # modes of Pillow whose range a file does not tell
SIXTEEN_BITS = 257  # 65535 / 255


def read_image(path):
    """Read an image as (H, W, 3) uint8 RGB, upright; grey becomes three equal channels.

    Raises
    ------
    BadInput
        The file is missing, truncated, no image, or of more than 16 bits a pixel and colour.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # cameras note which way they were held
            if upright.mode in DEEP:
                raise ValueError(f"its pixels are of Pillow's mode {upright.mode}, not of 8 bits")
            if upright.mode.startswith("I;16"):
                grey = np.rint(np.asarray(upright) / SIXTEEN_BITS).astype(np.uint8)
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
            path, f"cannot be read as an image ({error})", "export it again, with 8 bits a colour"
        ) from None


def check_image(image):
    """An image as it came.

    Raises
    ------
    ValueError
        It is not (H, W, 3) uint8.
    """
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        form = f"{getattr(image, 'dtype', type(image).__name__)}, {np.shape(image)}"
        raise ValueError(f"expected an image (H, W, 3) of uint8, got {form}")
    return image


def encode_jpeg(image, quality=95):
    """JPEG bytes of (H, W, 3) uint8, chroma not subsampled."""
    whole = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    return _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, *whole])


def encode_png(image):
    """PNG bytes of (H, W, 3) uint8, fast and within 8 % of the smallest."""
    return _encode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode(suffix, image, settings):
    bgr = cv2.cvtColor(np.asarray(image, dtype=np.uint8), cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, settings)[1].tobytes()


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
