"""Metadata of image files, apart from their pixels; and the names of formats by first bytes."""

import re
import struct
from collections.abc import Iterator

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_ICC = b"ICC_PROFILE\0"
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_SCAN, _END = 0xDA, 0xD9  # start of pixels, end of the image
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_MARKER_AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # pixels hold FF 00 and restarts
MAX_SCANS = 100  # libtiff's limit (LIBTIFF_JPEG_MAX_ALLOWED_SCAN_NUMBER); encoders use some 10
MAX_PARTS = 100_000  # the largest PNG accepted, in the 8 kB chunks of common encoders, has 32,768
_MAX_EXIF = 1 << 16  # bytes, which a JPEG's segment limits it to
_FREE = (0x01, *range(0xD0, 0xD9))  # markers without a length
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND")
_CHUNK = 12  # bytes of length, name and checksum
_SIGNATURES = (  # offset, bytes, what the file is
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "Encapsulated PostScript"),
    (0, b"%PDF", "PDF"),
    (0, b"GIF8", "GIF"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"\x01\xda", "SGI"),
    (0, b"DDS ", "a DirectDraw surface"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML"),
    (0, b"<!DOCTYPE", "HTML"),
    (0, b"<html", "HTML"),
    (0, b"version https://git-lfs", "a pointer of Git LFS: fetch the file itself"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyp", "a film"),
    (0, _JPEG, "a malformed JPEG"),
    (0, _PNG, "a malformed PNG"),
)


def name_format(content: bytes) -> str:
    """What a file that is no readable image is, by its first bytes; "" where that is unknown."""
    return next((name for at, sign, name in _SIGNATURES if content.startswith(sign, at)), "")


def drop_metadata(content: bytes) -> tuple[bytes, bytes]:
    """A JPEG or PNG file without what its pixels do not need, and the EXIF that it held.

    Any other file, and one without metadata, comes back as the same object.

    Raises
    ------
    ValueError
        The file has more than MAX_PARTS parts or MAX_SCANS scans: Pillow and libjpeg would take
        minutes, or memory without bound.
    """
    parts = (
        _jpeg_segments(content)
        if content.startswith(_JPEG)
        else _png_chunks(content)
        if content.startswith(_PNG)
        else iter(())
    )
    kept, exif, start = [], b"", 0
    for count, (begin, end, found) in enumerate(parts):
        if count == MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS:,} parts")
        if end > begin:
            kept.append(content[start:begin])
            exif, start = exif or found[:_MAX_EXIF], end
    return (b"".join([*kept, content[start:]]), exif) if start else (content, exif)


# Each gives begin and end of every part as it is dropped (both the same where it is not), and the
# EXIF in it.


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    at, scans = len(_JPEG), 0
    while found := _MARKER.search(content, at):
        begin, marker = found.start(), content[found.start() + 1]
        yield at, begin, b""  # padding, or bytes that libjpeg skips as well
        at = begin + 2
        if marker in _FREE:
            continue
        if marker == _END or at + 2 > len(content):
            return
        end = at + struct.unpack_from(">H", content, at)[0]
        if marker == _SCAN:
            scans += 1
            if scans > MAX_SCANS:
                raise ValueError(f"it has more than {MAX_SCANS} scans")
            following = _MARKER_AFTER_SCAN.search(content, end)
            if following is None:
                return
            at = following.start()
            continue
        body = content[begin + 4 : end]
        needed = marker in (_APP0, _APP14) or (marker == _APP2 and body.startswith(_ICC))
        if (_APP0 <= marker <= _APP15 or marker == _COMMENT) and not needed:
            yield begin, end, body if marker == _APP1 and body.startswith(_EXIF) else b""
        at = end


def _png_chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = len(_PNG)
    while at + _CHUNK <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + _CHUNK + length
        if end > len(content):
            return
        if name in _PIXEL_CHUNKS:
            yield at, at, b""
        else:
            yield at, end, _EXIF + content[at + 8 : end - 4] if name == b"eXIf" else b""
        at = end
