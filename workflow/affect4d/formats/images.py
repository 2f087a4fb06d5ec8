"""Images as (H, W, 3) uint8 RGB arrays.

`read_image` is the only reader of images from outside: whatever decoding raises becomes BadInput.
"""

import io
import logging
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from affect4d.formats.content import read_content
from affect4d.formats.limits import DEFAULT, Limits
from affect4d.formats.metadata import drop_metadata, name_format
from affect4d.quarantine import BadInput

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")  # Pillow's names; EPS starts Ghostscript
SUFFIXES = (".png", ".jpg", ".jpeg")  # of files that `write_image` writes
MAX_PLAIN_BYTES = 64 << 20  # of a PPM written as text, which Pillow parses at 5 MB/s: 14 s
COSTLY = 2  # WebP and progressive JPEG: their decoders take up to twice the memory per pixel
MAX_HEADER = 64 << 10  # bytes of a PPM's, with comments, which Pillow reads one by one
GROUND = (255, 255, 255)  # shows through what is transparent, as on paper

_PLAIN = (b"P1", b"P2", b"P3")  # first bytes of PPM, PGM, PBM as text
_UNKNOWN_RANGE = ("I", "F")  # modes of Pillow: a file does not state the range of their values
_SIXTEEN_BITS = 257  # 65535 / 255
_JPEG_QUALITY = 95  # of 100: OpenCV's default
_PNG_COMPRESSION = 1  # of 9: fast, and within 8 % of the smallest file
_MAX_REASON = 160  # characters of another library's message
_EIGHT_BITS = "export it again with 8 bits per channel"
_PPM_HEADER = re.compile(  # width and height, and where there is one, the largest value
    rb"P(?:[14]|[^14]\S{0,4}+(?=(?:(?:\s|#[^\r\n]*+)++\d++){3}))(?:(?:\s|#[^\r\n]*+)++\d++){2}"
)
_STRIP = 64  # rows that are converted at once
_LATTICE = 9  # levels per channel of the colours that tell a profile from sRGB: every 32nd of 255
_SRGB_TOLERANCE = 1  # of 255: a profile that moves no colour by more is sRGB, rounded
_PROFILE_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC colour space: Pillow's mode
_INVERSE = {6: 8, 8: 6}  # orientations that each other undoes; the others undo themselves
_COLOURS = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}  # Pillow's mode: of its colours, or RGB

RGB: TypeAlias = NDArray[np.uint8]

log = logging.getLogger(__name__)


def read_image(path: Path | str, *, is_texture: bool = False, limits: Limits = DEFAULT) -> RGB:
    """Read an image as (H, W, 3) sRGB, upright; grey becomes three equal channels.

    Of the metadata only EXIF's orientation and the colour profile are used; malformed ones are
    ignored. The first of several frames is read. What is transparent shows GROUND, and the log says
    so.

    Parameters
    ----------
    path : the file
    is_texture : the pixels as they are stored, which texture coordinates count from; colours of
        transparent pixels are kept, which continue a texture beyond its seams
    limits : what the file may take

    Raises
    ------
    BadInput
        The file is missing, not a regular file, none of FORMATS, truncated or otherwise malformed,
        of more than 16 bits per channel, or beyond the limits.
    """
    content = read_content(path, limits.image_bytes, "image", remedy="export it smaller")
    return decode_image(content, path, is_texture=is_texture, limits=limits)


def decode_image(
    content: bytes, path: Path | str, *, is_texture: bool = False, limits: Limits = DEFAULT
) -> RGB:
    """As `read_image`, from the bytes of a file; `path` is for messages.

    Raises
    ------
    BadInput
        As `read_image`.
    """
    pixels, alpha = _decode(content, path, is_texture=is_texture, limits=limits)
    if alpha is not None:
        log.warning("%s: %s", path, describe_transparency(alpha))
    return pixels


def read_photograph(path: Path | str, limits: Limits = DEFAULT) -> tuple[RGB, str]:
    """As `read_image`, with a line on transparent pixels in place of the log's; "" without any.

    Raises
    ------
    BadInput
        As `read_image`.
    """
    content = read_content(path, limits.image_bytes, "image", remedy="export it smaller")
    pixels, alpha = _decode(content, path, is_texture=False, limits=limits)
    return pixels, "" if alpha is None else describe_transparency(alpha)


def describe_transparency(share: float) -> str:
    """What became of the share of pixels that are not opaque."""
    return f"{share:.2%} of the pixels are transparent: white shows through"


def _decode(
    content: bytes, path: Path | str, *, is_texture: bool, limits: Limits
) -> tuple[RGB, float | None]:
    """The image, and the share of pixels that are not opaque where there are any."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of metadata
            content, exif = drop_metadata(content)
            pixels, orientation, clear = _decode_plain(
                content, path, exif=exif, is_texture=is_texture, limits=limits
            )
        share = clear / (pixels.size / 3) if clear else None
        return (pixels if is_texture else _turn(pixels, orientation)), share
    except BadInput:
        raise
    except UnidentifiedImageError:
        kind = name_format(content)
        what = f"it is {kind}" if kind else "of no known format"
        remedy = f"{_EIGHT_BITS} as one of {', '.join(FORMATS)}"
        raise BadInput(path, f"cannot be read as an image ({what})", remedy) from None
    except Exception as error:  # whatever a decoder raises
        reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
        raise BadInput(path, f"cannot be read as an image ({reason})", _EIGHT_BITS) from None


def _decode_plain(
    content: bytes, path: Path | str, *, exif: bytes, is_texture: bool, limits: Limits
) -> tuple[RGB, int, int]:
    """The pixels as stored, their orientation, and how many are not opaque.

    `exif` stands in for metadata that were dropped from the content.
    """
    if content.startswith(b"P"):
        _check_ppm(content, path)
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        is_costly = image.format == "WEBP" or "progressive" in image.info
        most = limits.pixels // (COSTLY if is_costly else 1)
        _check_size(path, *image.size, most=most, side=limits.side)
        turned_by_pillow = _orientation(image) if image.format == "TIFF" else 1
        image.load()
        if exif:
            image.info["exif"] = exif
        pixels, clear = _pixels(image, is_texture)
        if turned_by_pillow > 1:
            back = _turn(pixels, _INVERSE.get(turned_by_pillow, turned_by_pillow))
            return back, turned_by_pillow, clear
        return pixels, _orientation(image), clear


def _check_ppm(content: bytes, path: Path | str) -> None:
    if content[:2] in _PLAIN and len(content) > MAX_PLAIN_BYTES:
        rule = (
            f"{len(content) >> 20} MB are more than the {MAX_PLAIN_BYTES >> 20} MB of a plain PPM"
        )
        raise BadInput(path, rule, "export it as binary PPM or PNG")
    if not _PPM_HEADER.match(content[:MAX_HEADER]):
        rule = f"its first {MAX_HEADER >> 10} kB hold no header of a PPM"
        raise BadInput(path, rule, "export it without comments")


def _check_size(path: Path | str, width: int, height: int, *, most: int, side: int) -> None:
    if width > side or height > side or width * height > most:
        raise BadInput(
            path,
            f"{width} x {height} pixels are more than {most:,} or than {side:,} along a side",
            "export it smaller, or raise `neutrals.limits`",
        )


def _orientation(image: Image.Image) -> int:
    """1 to 8, as in EXIF 2.3, table 4.6.4; 1 where the metadata do not say it."""
    try:
        value = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises of everything on malformed EXIF
        return 1
    return value if 1 <= value <= 8 else 1


def _turn(pixels: RGB, orientation: int) -> RGB:
    """The upright image: (H, W, 3), or (W, H, 3) for orientations from 5."""
    if orientation >= 5:  # rows and columns are exchanged
        pixels = pixels.transpose(1, 0, 2)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(pixels[::down, ::across])


def _pixels(image: Image.Image, is_texture: bool) -> tuple[RGB, int]:
    """The pixels as stored, (H, W, 3) sRGB, and how many are not opaque.

    By strips, to need no second image of that size.
    """
    if image.mode in _UNKNOWN_RANGE:
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not of 8 bits")
    profile = image.info.get("icc_profile")
    mode = "L" if image.mode.startswith("I;16") else image.mode
    transform = _transform(mode, profile) if profile else None
    pixels, clear = np.empty((image.height, image.width, 3), np.uint8), 0
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        alpha = None if is_texture else _alpha(strip)
        if mode != image.mode:
            deep = np.rint(np.asarray(strip) / _SIXTEEN_BITS)
            strip = Image.fromarray(deep.astype(np.uint8))
        colours = _as_rgb(strip, transform)
        if alpha is not None:
            clear += int(np.count_nonzero(np.asarray(alpha) < 255))
            colours = Image.composite(colours, Image.new("RGB", colours.size, GROUND), alpha)
        pixels[top : top + _STRIP] = np.asarray(colours)
    return pixels, clear


def _alpha(strip: Image.Image) -> Image.Image | None:
    """How opaque each pixel is, of Pillow's mode L; None where the image has no transparency."""
    if not strip.has_transparency_data:
        return None
    if strip.mode.startswith("I;16"):  # one grey is transparent
        opaque = np.asarray(strip) != strip.info["transparency"]
        return Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8))
    if strip.mode == "La":  # Pillow converts it to LA alone
        strip = strip.convert("LA")
    return strip.convert("RGBA").getchannel("A")


def _as_rgb(strip: Image.Image, transform: ImageCms.ImageCmsTransform | None) -> Image.Image:
    if transform is not None:
        source = strip.convert(transform.input_mode)
        return cast(Image.Image, ImageCms.applyTransform(source, transform))
    return strip.convert("RGB")


def _transform(mode: str, content: bytes) -> ImageCms.ImageCmsTransform | None:
    """What turns colours of Pillow's mode into sRGB by an ICC profile.

    None if the profile is sRGB or unusable. Relative colorimetric with black point compensation, as
    photograph editors do by default; for the matrix profiles of cameras and screens every intent
    gives the same colours.
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        profile_mode = _PROFILE_MODES[str(profile.profile.xcolor_space)]
        if profile_mode not in ("RGB", _COLOURS.get(mode, "RGB")):
            return None  # a profile of other colours than the image's
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            profile_mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        is_srgb = profile_mode != "CMYK" and _is_srgb(transform, profile_mode)
    except Exception:  # of a malformed profile
        return None
    return None if is_srgb else transform


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform moves no colour of a lattice (or no grey) by more than the tolerance."""
    if mode == "L":
        lattice = np.arange(256, dtype=np.uint8)[None]
    else:
        levels = np.linspace(0, 255, _LATTICE).astype(np.uint8)
        lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    moved = ImageCms.applyTransform(Image.fromarray(lattice), transform)
    expected = lattice[..., None] if mode == "L" else lattice
    change = np.abs(np.asarray(moved).astype(int) - expected)
    return bool(change.max() <= _SRGB_TOLERANCE)


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
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: write .png or .jpg")
    path.write_bytes(encode_png(image) if suffix == ".png" else encode_jpeg(image))
