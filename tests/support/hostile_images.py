"""Photographs as files that no camera and no editor should write, from a seed."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

FORMATS = {".jpg": "JPEG", ".png": "PNG", ".ppm": "PPM", ".bmp": "BMP", ".tif": "TIFF"} | {
    ".webp": "WEBP"
}
# Display P3 (SMPTE EG 432-1) and sRGB (IEC 61966-2-1) primaries as XYZ adapted to D50, by column
P3 = np.array([[0.5151, 0.2919, 0.1572], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
_TEXT, _RATIONAL, _SHORT, _LONG = 2, 5, 3, 4  # types of TIFF 6.0
_ORIENTATION, _X_RESOLUTION = 0x0112, 0x011A


def picture(seed=0, height=40, width=48):
    """A smooth picture (H, W, 3), different for each seed and under every orientation."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels, form, **options):
    """The bytes of a file of Pillow's format."""
    out = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(out, format=form, **options)
    return out.getvalue()


def exif(entries, tail=b""):
    """An EXIF block: entries (tag, type, count, 4 bytes), little endian."""
    rows = [struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4) + tail


def with_exif(jpeg, block):
    """The JPEG with an EXIF segment first."""
    body = b"Exif\0\0" + block
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def chunk(name, content):
    """A PNG chunk."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def with_chunk(png, name, content):
    """The PNG with a chunk after its header."""
    return png[:33] + chunk(name, content) + png[33:]


def png_of_size(width, height):
    """A PNG that announces a size and holds one row of it at most."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def jpeg_of_size(width, height):
    """A JPEG that announces a size and holds a small picture."""
    content = bytearray(encoded(picture(), "JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def bmp_of_size(width, height):
    """A BMP that announces a size and holds a small picture."""
    content = bytearray(encoded(picture(), "BMP"))
    content[18:26] = struct.pack("<ii", width, height)
    return bytes(content)


BAD_EXIF = {  # the orientation that counts, the block
    "text for a number": (1, exif([(_X_RESOLUTION, _TEXT, 4, b"300\0")])),
    "text for a number, turned": (
        6,
        exif([(_ORIENTATION, _SHORT, 1, b"\x06\0\0\0"), (_X_RESOLUTION, _TEXT, 4, b"300\0")]),
    ),
    "divided by zero": (
        8,
        exif(
            [
                (_ORIENTATION, _SHORT, 1, b"\x08\0\0\0"),
                (_X_RESOLUTION, _RATIONAL, 1, b"\x26\0\0\0"),
            ],
            bytes(32),
        ),
    ),
    "an orientation in words": (1, exif([(_ORIENTATION, _TEXT, 4, b"top\0")])),
    "an orientation beyond 8": (1, exif([(_ORIENTATION, _SHORT, 1, b"\x63\0\0\0")])),
    "no value": (1, exif([(_ORIENTATION, _SHORT, 0, bytes(4))])),
    "an unknown type": (1, exif([(_ORIENTATION, 99, 1, b"\x06\0\0\0")])),
    "four thousand million values": (1, exif([(_X_RESOLUTION, _LONG, 2**32 - 1, bytes(4))])),
    "directories in a circle": (1, exif([(0x8769, _LONG, 1, b"\x08\0\0\0")])),
    "cut": (1, exif([(_ORIENTATION, _SHORT, 1, b"\x06\0\0\0")])[:13]),
    "no header": (1, b"XX*\0\x08\0\0\0"),
    "empty": (1, b""),
}


def random_exif(rng):
    """An EXIF block of random entries, some of known tags, some bytes of it flipped."""
    known = [0x0112, 0x011A, 0x011B, 0x0128, 0x8769, 0x8825, 0xA005, 0x010F, 0x0132, 0x9286]
    entries = [
        (
            int(rng.choice(known)) if rng.random() < 0.8 else int(rng.integers(2**16)),
            int(rng.integers(14)),
            int(rng.choice([0, 1, 1, 1, 2, 4, 2**31, 2**32 - 1])),
            rng.bytes(4) if rng.random() < 0.5 else struct.pack("<I", rng.integers(64)),
        )
        for _ in range(rng.integers(1, 9))
    ]
    block = bytearray(exif(entries, rng.bytes(int(rng.integers(64)))))
    if rng.random() < 0.5:
        block[rng.integers(len(block))] = rng.integers(256)
    return bytes(block[: rng.integers(len(block))] if rng.random() < 0.2 else block)


def random_damage(rng, content):
    """The content with bytes flipped, cut out, cut off or put in."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        if not changed:
            break
        at = int(rng.integers(len(changed))) if rng.random() < 0.6 else int(rng.integers(64))
        at = min(at, len(changed) - 1)
        kind = rng.integers(5)
        if kind <= 1:
            changed[at] = rng.integers(256)
        elif kind == 2:
            del changed[at : at + int(rng.integers(1, 9))]
        elif kind == 3:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
        else:
            del changed[max(at, 8) :]
    return bytes(changed)


def profile(primaries=P3):
    """An ICC profile as sRGB's, but of other primaries: columns of XYZ, adapted to D50."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(struct.unpack_from(">I", content, 128)[0]):
        name, offset, _ = struct.unpack_from(">4sII", content, 132 + 12 * number)
        if name in (b"rXYZ", b"gXYZ", b"bXYZ"):
            column = primaries[:, b"rgb".index(name[:1])]
            struct.pack_into(">3i", content, offset + 8, *np.rint(column * 65536).astype(int))
    return bytes(content)


def as_srgb(pixels, primaries=P3):
    """What colours of those primaries and sRGB's curve are in sRGB: (..., 3) of 0 to 255."""
    value = np.asarray(pixels) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ primaries.T @ np.linalg.inv(SRGB).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
