"""Photographs of others: what is read, what is refused in one line, and that nothing else happens.

The contents are made here: of each kind of fault several siblings.
"""

import io
import os
import subprocess
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from support.hostile_images import (
    BAD_EXIF,
    FORMATS,
    P3,
    SRGB,
    as_srgb,
    bmp_of_size,
    encoded,
    jpeg_of_size,
    picture,
    png_of_size,
    profile,
    random_damage,
    random_exif,
    with_chunk,
    with_exif,
)

from affect4d.formats import images
from affect4d.formats.images import MAX_BYTES, decode_image, read_image
from affect4d.quarantine import BadInput

FUZZED = 500
JPEG = encoded(picture(), "JPEG", quality=95)
PNG = encoded(picture(), "PNG")
PIXELS = np.array(Image.open(io.BytesIO(JPEG)))


def turned(pixels, orientation):
    """The pixels as Pillow turns them, by the transpositions of EXIF 2.3."""
    names = "FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_270 TRANSVERSE ROTATE_90"
    ways = dict(enumerate(names.split(), 2))
    if orientation not in ways:
        return pixels
    return np.array(Image.fromarray(pixels).transpose(Image.Transpose[ways[orientation]]))


def refusal(path):
    """The BadInput of a file, which is one line of printable text with a remedy."""
    with pytest.raises(BadInput) as caught:
        read_image(path)
    assert str(caught.value).isprintable() and caught.value.remedy
    return caught.value


class TestMetadata:
    @pytest.mark.parametrize("kind", BAD_EXIF)
    def test_bad_exif_of_a_jpeg_leaves_pixels_and_orientation(self, kind):
        orientation, block = BAD_EXIF[kind]
        image = decode_image(with_exif(JPEG, block), "a.jpg")
        np.testing.assert_array_equal(image, turned(PIXELS, orientation))

    @pytest.mark.parametrize("kind", BAD_EXIF)
    @pytest.mark.parametrize("form", ["PNG", "WEBP"])
    def test_bad_exif_of_other_formats(self, kind, form):
        orientation, block = BAD_EXIF[kind]
        content = encoded(picture(), form, lossless=True, exif=b"Exif\0\0" + block)
        image = decode_image(content, "a")
        np.testing.assert_array_equal(image, turned(picture(), orientation))

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70 << 20))),
            (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(70 << 20))),
            (b"pHYs", b"\0"),
            (b"gAMA", b""),
            (b"tIME", b"\0\0"),
            (b"eXIf", b""),
        ],
    )
    def test_bad_chunks_of_a_png(self, name, content):
        image = decode_image(with_chunk(PNG, name, content), "a.png")
        np.testing.assert_array_equal(image, picture())

    @pytest.mark.parametrize("marker", [b"\xe1", b"\xe2", b"\xed", b"\xee", b"\xfe"])
    def test_bad_segments_of_a_jpeg(self, marker):
        for body in (b"", b"Photoshop 3.0\x008BIM\x04", b"MPF\0II*\0\xff\xff\xff\xff", b"Exif\0\0"):
            length = (len(body) + 2).to_bytes(2, "big")
            content = JPEG[:2] + b"\xff" + marker + length + body + JPEG[2:]
            np.testing.assert_array_equal(decode_image(content, "a.jpg"), PIXELS)

    def test_no_warning_is_printed(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _, block in BAD_EXIF.values():
                decode_image(with_exif(JPEG, block), "a.jpg")


class TestFormats:
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_every_stated_format_is_read_by_its_content(self, tmp_path, suffix):
        assert FORMATS[suffix] in images.FORMATS and len(FORMATS) == len(images.FORMATS)
        (tmp_path / "a.dat").write_bytes(encoded(picture(), FORMATS[suffix]))
        assert np.abs(read_image(tmp_path / "a.dat").astype(int) - picture()).mean() < 8

    @pytest.mark.parametrize(
        ("form", "kind"),
        [
            ("EPS", "PostScript"),
            ("GIF", "GIF"),
            ("PDF", "PDF"),
            ("ICO", "an icon"),
            ("SGI", "SGI"),
            ("JPEG2000", "JPEG 2000"),
            ("DDS", "a DirectDraw surface"),
            ("TGA", "no known format"),
            ("PCX", "no known format"),
        ],
    )
    def test_any_other_is_refused_and_named(self, tmp_path, monkeypatch, form, kind):
        monkeypatch.setattr(subprocess, "Popen", None)  # nothing is started
        (tmp_path / "a.jpg").write_bytes(encoded(picture(), form))
        problem = refusal(tmp_path / "a.jpg")
        assert kind in problem.rule
        assert "JPEG, PNG" in problem.remedy

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"\xc5\xd0\xd3\xc6" + bytes(400), "Encapsulated PostScript"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"\0\0\0\x18ftypheic" + bytes(300), "HEIC"),
            (b"<!DOCTYPE html><p>404", "HTML"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ],
    )
    def test_what_else_is_found_under_the_name_of_an_image(self, tmp_path, content, kind):
        (tmp_path / "a.jpg").write_bytes(content)
        assert kind in refusal(tmp_path / "a.jpg").rule

    def test_a_decoders_own_exception(self, tmp_path):
        image = Image.fromarray(np.ones((20, 20), np.float32))
        (tmp_path / "a.jpg").write_bytes(encoded(image, "SPIDER")[:700])
        assert "cannot be read as an image" in refusal(tmp_path / "a.jpg").rule


class TestBounds:
    def test_only_regular_files(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.jpg")
        (tmp_path / "folder.jpg").mkdir()
        (tmp_path / "device.jpg").symlink_to("/dev/zero")
        for name in ("pipe.jpg", "folder.jpg", "device.jpg"):
            assert refusal(tmp_path / name).rule == "the image is no regular file"

    def test_names_that_lead_nowhere(self, tmp_path):
        (tmp_path / "loop.jpg").symlink_to("loop.jpg")
        (tmp_path / "gone.jpg").symlink_to("absent.jpg")
        (tmp_path / "file").write_bytes(b"")
        names = ("loop.jpg", "gone.jpg", "x" * 300, "a\0b.jpg", "\ud800.jpg", "file/a.jpg", "a\nb")
        for name in names:
            refusal(tmp_path / name)

    def test_a_file_beyond_the_limit_is_not_read(self, tmp_path):
        with (tmp_path / "a.jpg").open("wb") as file:
            file.truncate(MAX_BYTES + 1)
        assert "256 MB" in refusal(tmp_path / "a.jpg").rule

    @pytest.mark.parametrize(
        "content",
        [
            png_of_size(170_000_000, 1),
            png_of_size(1, 2**31 - 1),
            png_of_size(13_000, 13_000),
            jpeg_of_size(65_500, 100),
            jpeg_of_size(9_000, 9_000),
            bmp_of_size(8_193, 8_192),
            bmp_of_size(2**31 - 1, 2**31 - 1),
            b"P6 40000 2 255\n" + bytes(100),
        ],
    )
    def test_pixels_and_sides_are_bounded_before_decoding(self, tmp_path, monkeypatch, content):
        monkeypatch.setattr(Image.Image, "load", None)
        (tmp_path / "a.jpg").write_bytes(content)
        assert "pixels" in refusal(tmp_path / "a.jpg").rule

    def test_the_largest_size_is_allowed(self):
        side = 1 << 13
        images._check_size("a.png", side, side, limit=images.MAX_PIXELS)
        with pytest.raises(BadInput):
            images._check_size("a.png", side, side + 1, limit=images.MAX_PIXELS)

    @pytest.mark.parametrize("start", [b"P1 9 9\n", b"P2 9 9 255\n", b"P3 9 9 255\n"])
    def test_images_as_text_have_a_limit_of_their_own(self, monkeypatch, start):
        content = start + b"1 " * 300
        monkeypatch.setattr(images, "MAX_PLAIN_BYTES", len(content))
        decode_image(content, "a.ppm")
        monkeypatch.setattr(images, "MAX_PLAIN_BYTES", len(content) - 1)
        with pytest.raises(BadInput, match="plain PPM"):
            decode_image(content, "a.ppm")

    def test_webp_has_a_limit_of_its_own(self, monkeypatch):
        content = encoded(picture(), "WEBP")
        monkeypatch.setattr(images, "MAX_WEBP_PIXELS", 40 * 48)
        decode_image(content, "a.webp")
        monkeypatch.setattr(images, "MAX_WEBP_PIXELS", 40 * 48 - 1)
        with pytest.raises(BadInput, match="48 x 40 pixels are more than 1,919"):
            decode_image(content, "a.webp")


class TestProfiles:
    @pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("primaries", [P3, SRGB[:, [1, 2, 0]], 0.5 * (P3 + SRGB)])
    def test_colours_become_srgb(self, form, primaries):
        content = encoded(picture(), form, lossless=True, icc_profile=profile(primaries))
        change = decode_image(content, "a") - as_srgb(picture(), primaries)
        assert np.abs(change).max() < 2.5
        assert np.abs(as_srgb(picture(), primaries) - picture()).max() > 5

    @pytest.mark.parametrize("mode", ["RGBA", "L", "P", "LA"])
    def test_whatever_the_mode(self, mode):
        image = Image.fromarray(picture()).convert(mode)
        expected = as_srgb(np.array(image.convert("RGB")))
        change = decode_image(encoded(image, "PNG", icc_profile=profile()), "a") - expected
        assert np.abs(change).max() < 2.5

    def test_orientation_and_profile(self):
        turn = Image.Exif()
        turn[0x0112] = 6
        content = encoded(picture(), "PNG", icc_profile=profile(), exif=turn)
        plain = decode_image(encoded(picture(), "PNG", icc_profile=profile()), "a")
        np.testing.assert_array_equal(decode_image(content, "a"), turned(plain, 6))

    @pytest.mark.parametrize(
        "content",
        [
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
            ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
            profile(SRGB),
            profile()[:200],
            b"garbage" * 40,
            bytes(500),
        ],
    )
    def test_srgb_and_unusable_profiles_change_nothing(self, content):
        image = decode_image(encoded(picture(), "PNG", icc_profile=content), "a")
        np.testing.assert_array_equal(image, picture())


class TestFuzz:
    def test_any_exif_leaves_the_pixels(self):
        rng = np.random.default_rng(16)
        ways = {turned(PIXELS, orientation).tobytes() for orientation in range(1, 9)}
        for _ in range(FUZZED):
            image = decode_image(with_exif(JPEG, random_exif(rng)), "a.jpg")
            assert image.tobytes() in ways

    @pytest.mark.parametrize("suffix", FORMATS)
    def test_any_bytes_are_read_or_refused(self, suffix):
        rng = np.random.default_rng(17)
        options = {"exif": Image.Exif(), "icc_profile": profile()} if suffix != ".ppm" else {}
        content = encoded(picture(), FORMATS[suffix], **options)
        refused = 0
        for _ in range(FUZZED // len(FORMATS)):
            try:
                image = decode_image(random_damage(rng, content), Path("a"))
            except BadInput as problem:
                refused += 1
                assert str(problem).isprintable()
            else:
                assert image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
        assert refused
