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
    chunk,
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
from affect4d.formats.images import decode_image, read_image
from affect4d.formats.limits import DEFAULT, Limits
from affect4d.quarantine import BadInput

FUZZED = 500
JPEG = encoded(picture(), "JPEG", quality=95)
PNG = encoded(picture(), "PNG")
PNG_CHUNK, EMPTY_PIXELS = chunk(b"prVt", b""), chunk(b"IDAT", b"")
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
            file.truncate(DEFAULT.image_bytes + 1)
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
        images._check_size("a.png", side, side, most=DEFAULT.pixels, side=DEFAULT.side)
        with pytest.raises(BadInput):
            images._check_size("a.png", side, side + 1, most=DEFAULT.pixels, side=DEFAULT.side)

    @pytest.mark.parametrize("start", [b"P1 9 9\n", b"P2 9 9 255\n", b"P3 9 9 255\n"])
    def test_images_as_text_have_a_limit_of_their_own(self, monkeypatch, start):
        content = start + b"1 " * 300
        monkeypatch.setattr(images, "MAX_PLAIN_BYTES", len(content))
        decode_image(content, "a.ppm")
        monkeypatch.setattr(images, "MAX_PLAIN_BYTES", len(content) - 1)
        with pytest.raises(BadInput, match="plain PPM"):
            decode_image(content, "a.ppm")

    @pytest.mark.parametrize(
        ("form", "options"), [("WEBP", {}), ("JPEG", {"progressive": True}), ("PNG", {})]
    )
    def test_limits_are_settings_and_costly_formats_have_half_the_pixels(self, form, options):
        content, factor = encoded(picture(), form, **options), 1 if form == "PNG" else 2
        decode_image(content, "a", limits=Limits(pixels=factor * 40 * 48, side=48))
        for limits in (Limits(pixels=factor * 40 * 48 - 1), Limits(side=47)):
            with pytest.raises(BadInput, match="48 x 40 pixels are more than"):
                decode_image(content, "a", limits=limits)

    @pytest.mark.parametrize(
        "content",
        [
            JPEG[:-2] + JPEG[JPEG.index(b"\xff\xda") : -2] * 100 + JPEG[-2:],
            JPEG[:20] + b"\xff\xe5\0\x02" * 100_001 + JPEG[20:],
            JPEG[:20] + b"\xff\x01" * 100_001 + JPEG[20:],
            PNG[:33] + PNG_CHUNK * 100_001 + PNG[33:],
            PNG[:33] + EMPTY_PIXELS * 100_001 + PNG[33:],
            b"P6 2 2\n#" + b"x" * (1 << 16) + b"\n255\n" + bytes(12),
            b"P3 2 2\n" + b"#\n" * (1 << 16) + b"255\n" + b"0 " * 12,
        ],
    )
    def test_parts_scans_and_headers_are_bounded(self, content):
        with pytest.raises(BadInput, match=r"parts|scans|header of a PPM"):
            decode_image(content, "a")

    @pytest.mark.parametrize("junk", [bytes(1 << 20), b"\xff" * (1 << 20), b"\xff\0" * (1 << 19)])
    def test_what_lies_between_segments_does_not_matter(self, junk):
        content = JPEG[:20] + junk + JPEG[20:]
        np.testing.assert_array_equal(decode_image(content, "a"), PIXELS)

    def test_usual_parts_are_read(self):
        turn = Image.Exif()
        turn[0x0112] = 6
        content = encoded(picture(), "JPEG", progressive=True, exif=turn, comment=b"a" * 9000)
        plain = np.array(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(decode_image(content, "a"), turned(plain, 6))
        for header in (b"P5 2 2 255\n", b"P5\n#a\n2 #b\n2\r255\n", b"P2 2 2 9\n", b"P1 2 2\n"):
            assert decode_image(header + b"1 " * 9, "a").shape == (2, 2, 3)


def hidden(mode):
    """A picture of that mode: its left half opaque, its right half a transparent red."""
    pixels = picture().copy()
    pixels[:, 24:] = (200, 30, 30)
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    alpha[:, 24:] = 0
    image = Image.fromarray(np.dstack([pixels, alpha]))
    if mode == "P":
        image = image.quantize(250)
    return image.convert(mode) if mode in ("LA", "PA") else image


class TestTransparency:
    @pytest.mark.parametrize(
        ("form", "mode"),
        [
            ("PNG", "RGBA"),
            ("PNG", "LA"),
            ("PNG", "P"),
            ("WEBP", "RGBA"),
            ("TIFF", "RGBA"),
            ("TIFF", "LA"),
        ],
    )
    def test_hidden_colours_do_not_show(self, form, mode, caplog):
        content = encoded(hidden(mode), form, **({"lossless": True} if form == "WEBP" else {}))
        image = decode_image(content, "a.png")
        assert (image[:, 24:] == 255).all()
        assert "50.00% of the pixels are transparent" in caplog.text
        expected = np.array(hidden(mode).convert("RGBA"))[:, :24, :3]
        assert np.abs(image[:, :24].astype(int) - expected).max() <= 1

    def test_one_transparent_colour_of_a_png(self, caplog):
        for mode, key in (("RGB", (7, 8, 9)), ("L", 7), ("1", 0)):
            image = Image.new(mode, (4, 4), key)
            assert (decode_image(encoded(image, "PNG", transparency=key), "a") == 255).all()
        deep = Image.fromarray(np.full((4, 4), 300, np.uint16))
        assert (decode_image(encoded(deep, "PNG", transparency=300), "a") == 255).all()
        assert len(caplog.messages) == 4

    def test_half_transparent_pixels_are_mixed(self):
        image = Image.new("RGBA", (4, 4), (0, 100, 200, 128))
        mixed = decode_image(encoded(image, "PNG"), "a")
        np.testing.assert_allclose(mixed[0, 0], np.array([0, 100, 200]) * 128 / 255 + 127, atol=1)

    def test_opaque_images_and_textures_are_as_they_are(self, caplog):
        opaque = Image.fromarray(picture()).convert("RGBA")
        np.testing.assert_array_equal(decode_image(encoded(opaque, "PNG"), "a"), picture())
        texture = decode_image(encoded(hidden("RGBA"), "PNG"), "a", is_texture=True)
        assert (texture[:, 24:] == (200, 30, 30)).all()
        assert not caplog.messages

    def test_with_a_profile_and_an_orientation(self):
        turn = Image.Exif()
        turn[0x0112] = 6
        content = encoded(hidden("RGBA"), "PNG", icc_profile=profile(), exif=turn)
        image = decode_image(content, "a")
        assert (image[24:] == 255).all()
        change = image[:24] - turned(as_srgb(picture()).round().astype(np.uint8), 6)[:24].astype(
            int
        )
        assert np.abs(change).max() < 4


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
