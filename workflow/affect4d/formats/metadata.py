"""Metadata of image files, apart from their pixels; and the names of formats by first bytes."""

import struct
from collections.abc import Iterator

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_EXIF = b"Exif\0\0"
_ICC = b"ICC_PROFILE\0"
_APP0, _APP1, _APP2, _APP14, _APP15, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_SCAN = 0xDA  # start of the pixels
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
    """
    parts = (
        _jpeg_segments(content)
        if content.startswith(_JPEG)
        else _png_chunks(content)
        if content.startswith(_PNG)
        else iter(())
    )
    kept, exif, start = [], b"", 0
    for begin, end, found in parts:
        kept.append(content[start:begin])
        exif, start = exif or found, end
    return (b"".join([*kept, content[start:]]), exif) if start else (content, exif)


# Each gives begin and end of what is dropped, and the EXIF in it.


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = len(_JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FREE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            return
        end = at + 2 + struct.unpack_from(">H", content, at + 2)[0]
        body = content[at + 4 : end]
        needed = marker in (_APP0, _APP14) or (marker == _APP2 and body.startswith(_ICC))
        if (_APP0 <= marker <= _APP15 or marker == _COMMENT) and not needed:
            yield at, end, body if marker == _APP1 and body.startswith(_EXIF) else b""
        at = end


def _png_chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = len(_PNG)
    while at + _CHUNK <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + _CHUNK + length
        if end > len(content):
            return
        if name not in _PIXEL_CHUNKS:
            yield at, end, _EXIF + content[at + 8 : end - 4] if name == b"eXIf" else b""
        at = end
