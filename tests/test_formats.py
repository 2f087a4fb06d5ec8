"""Images, paths, quarantine and the template; meshes and landmarks have their own test modules."""

import csv

import numpy as np
import pytest
from PIL import Image

from affect4d.formats.images import encode_png, read_image, write_image
from affect4d.formats.landmarks import write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.formats.paths import inside, safe_name
from affect4d.quarantine import BadInput, Quarantine
from affect4d.template.template import load_template

VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.5]], dtype=np.float32)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)


def test_grey_images_come_as_rgb_and_png_is_lossless(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (9, 7), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == grey[..., None]).all()
    picture = np.random.default_rng(1).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    (tmp_path / "p.png").write_bytes(encode_png(picture))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_come_upright_however_the_camera_was_held(tmp_path, orientation):
    picture = np.random.default_rng(orientation).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    note = Image.Exif()
    note[0x0112] = orientation
    Image.fromarray(picture).save(tmp_path / "p.png", exif=note)
    turned = picture if orientation < 5 else picture.transpose(1, 0, 2)  # EXIF 2.3, table 4.6.4
    ways = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1)}
    down, across = ways.get(orientation, (-1, 1))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), turned[::down, ::across])


def test_sixteen_bits_of_grey_become_eight(tmp_path):
    deep = np.linspace(0, 65535, 63).round().astype(np.uint16).reshape(9, 7)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(deep).save(tmp_path / name)
        image = read_image(tmp_path / name)
        assert np.ptp(image, axis=2).max() == 0
        np.testing.assert_allclose(image[..., 0], deep / 257, atol=0.5)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_images_of_unknown_range_are_refused(tmp_path, kind):
    Image.fromarray(np.full((9, 7), 3, kind)).save(tmp_path / "unknown.tiff")
    with pytest.raises(BadInput, match=r"unknown\.tiff.*mode.*8 bits"):
        read_image(tmp_path / "unknown.tiff")


def test_an_unreadable_jpeg_is_one_clear_line(tmp_path):
    write_image(tmp_path / "a.jpg", np.zeros((64, 64, 3), np.uint8))
    valid = (tmp_path / "a.jpg").read_bytes()
    for content in (b"not a jpeg", valid[: len(valid) // 2], b""):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(BadInput, match=r"a\.jpg.*export it again with 8 bits"):
            read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "relative", ["../x", "a/../../x", "/etc/passwd", "a\\..\\..\\x", "", "a\0b"]
)
def test_paths_that_leave_their_root_are_refused(tmp_path, relative):
    with pytest.raises(BadInput):
        inside(tmp_path, relative)


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="leads out"):
        inside(tmp_path / "root", "link/x")
    assert inside(tmp_path / "root", "a/b.ply") == tmp_path / "root" / "a" / "b.ply"


@pytest.mark.parametrize("name", ["../x", "a b", "", "-rf", ".hidden", "a/b", "é", "x" * 101])
def test_names_that_cannot_be_file_names_are_refused(name):
    with pytest.raises(BadInput):
        safe_name(name, "table.csv")


def test_quarantine_keeps_rows_and_strict_stops(tmp_path):
    problem = BadInput("a.obj", "truncated", "export it again")
    keeper = Quarantine("registration")
    keeper.add("s001/3", problem)
    keeper.write(tmp_path / "q.csv")
    with (tmp_path / "q.csv").open() as handle:
        assert list(csv.DictReader(handle)) == [
            {
                "stage": "registration",
                "item": "s001/3",
                "file": "a.obj",
                "rule": "truncated",
                "remedy": "export it again",
            }
        ]
    with pytest.raises(BadInput):
        Quarantine("registration", strict=True).add("s001/3", problem)


def test_the_template_is_a_face_in_millimetres():
    template = load_template()
    assert template.vertices.shape == (53349, 3) and template.triangles.shape == (106111, 3)
    eyes = template.landmarks[[36, 45]]
    assert 75 < np.linalg.norm(eyes[0] - eyes[1]) < 110
    nearest = template.vertices[template.landmark_vertices]
    assert np.linalg.norm(nearest - template.landmarks, axis=1).max() < 3
    assert len(template.lips) > 20 and 0.1 < template.inner.mean() < 0.6


def test_a_template_of_a_user(tmp_path):
    write_ply(tmp_path / "t.ply", Mesh(VERTICES * 100, TRIANGLES))
    write_pts(tmp_path / "t.pts", np.tile(VERTICES * 100, (17, 1)))
    template = load_template(tmp_path / "t.ply", tmp_path / "t.pts")
    np.testing.assert_allclose(template.vertices, VERTICES * 100)
    with pytest.raises(BadInput, match="mesh and landmarks"):
        load_template(tmp_path / "t.ply")
