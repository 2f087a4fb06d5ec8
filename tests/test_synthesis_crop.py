"""Squares around faces, with the eyes level, and windows of photographs."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from support.faces import TEMPLATE, camera, morphable_model, photographed, psnr, write_atlas

from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera, Fit
from affect4d.synthesis import Atlas
from affect4d.synthesis.crop import Crop, square_around, window_around
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.single import PhotographEditor
from affect4d.template.anatomy import default_anatomy

SIZE, MARGIN = 64, 0.3
FRONTAL = TEMPLATE.landmarks[:, :2] * [1, -1]


def turned(xy, degrees):
    """Pixels turned clockwise, as one sees them, about the origin."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return xy @ np.array([[cos, sin], [-sin, cos]])


@given(st.floats(-180, 180), st.floats(0.2, 20), st.tuples(*[st.floats(-1e3, 1e4)] * 2))
def test_the_eyes_are_level_and_the_face_in_the_middle(degrees, scale, place):
    crop = square_around(scale * turned(FRONTAL, degrees) + place, MARGIN, SIZE)
    marks = crop.apply(scale * turned(FRONTAL, degrees) + place)
    left, right = marks[42:48].mean(0), marks[36:42].mean(0)
    assert abs(left[1] - right[1]) < 1e-6 and left[0] > right[0]
    assert marks[8, 1] > left[1]
    low, high = marks.min(0), marks.max(0)
    assert np.allclose((low + high) / 2, (SIZE - 1) / 2)
    share = (high - low).max() * (1 + 2 * MARGIN) / SIZE
    assert 1 - 1 / crop.side - 1e-9 <= share <= 1 + 1e-9


@pytest.mark.parametrize("degrees", [0, -33, 90, 170])
@pytest.mark.parametrize(("side", "size"), [(150, 64), (64, 64), (40, 128)])
def test_pixels_come_from_where_the_crop_says(degrees, side, size):
    across, down = np.meshgrid(np.arange(250.0), np.arange(250.0))
    image = np.stack([across, down, across], axis=2).astype(np.float32)  # nothing is rounded
    crop = Crop((120.3, 131.8), side, degrees, size)
    cut = crop.cut(image)
    assert cut.shape == (size, size, 3)
    near = turned(np.mgrid[-0.3:0.4:0.1, -0.3:0.4:0.1].reshape(2, -1).T * side, degrees)
    xy = near + crop.centre
    column, row = crop.apply(xy).T
    for axis in (0, 1):
        seen = map_coordinates(cut[..., axis], [row, column], order=1)
        assert np.abs(seen - xy[:, axis]).max() < 0.1


def test_an_upright_square_of_its_own_size_is_the_photograph():
    image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    cut = Crop((30.0, 40.0), 33, 0.0, 33).cut(image)
    assert np.array_equal(cut, image[24:57, 14:47])


def test_beyond_the_edge_the_edge_is_repeated():
    image = np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)
    cut = Crop((5.0, 40.0), 33, 0.0, 33).cut(image)
    assert np.array_equal(cut[:, 11:], image[24:57, :22])
    assert (cut[:, :11] == image[24:57, :1]).all()


def test_a_mm_moves_as_far_in_the_crop_as_its_camera_says():
    own = camera(20)
    tilt = np.radians(35)
    roll = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    view = Camera(1.4, roll @ own.rotation, own.translation, np.array([90.0, 110.0]), 1 / 700)
    still = np.zeros((len(TEMPLATE.vertices), 2), np.float32)
    marks = view.project(TEMPLATE.landmarks)[:, :2]
    crop = square_around(marks, MARGIN, SIZE)
    fit = Fit(view, np.zeros(1), np.zeros(1), TEMPLATE.vertices, still, marks, {})
    anatomy = default_anatomy()
    scene = make_scene(fit, np.zeros((SIZE, SIZE, 3), np.uint8), anatomy, crop=crop)
    middle = TEMPLATE.vertices[anatomy.landmark_vertices].mean(0)
    for move in np.eye(3):
        ends = view.project(np.stack([middle - move / 2, middle + move / 2]))
        before, after = np.column_stack([crop.apply(ends[:, :2]), crop.zoom * ends[:, 2:]])
        assert np.allclose(scene.motion @ move, after - before, atol=1e-4)


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_a_tilted_photograph_gives_the_upright_one_s_square(tmp_path, blend):
    """All that synthesis does follows the face, not the sides of the photograph."""
    image, landmarks = photographed()
    middle = landmarks.mean(0)
    matrix = cv2.getRotationMatrix2D(middle.tolist(), -25, 1.0)
    tilted = cv2.warpAffine(
        image, matrix, image.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    atlas, model = Atlas(write_atlas(tmp_path / "atlas.zarr")), morphable_model()

    def square(photo, landmarks):
        settings = Settings(blend=blend)
        editor = PhotographEditor(photo, landmarks, model, settings=settings, crop=True)
        made, _ = editor.impose(atlas.target(0.55, 0.41))
        return editor.editor.scene.image.astype(float), made.astype(float)

    before, after = square(image, landmarks)
    tilted_before, tilted_after = square(tilted, turned(landmarks - middle, 25) + middle)
    assert psnr(before, tilted_before) > 34  # what turning by 25 degrees leaves
    assert psnr(after, tilted_after) > psnr(before, tilted_before) - 0.1
    assert psnr(after - before, tilted_after - tilted_before) > psnr(after, before) + 15


def test_a_face_beside_the_photograph_has_no_window():
    landmarks = np.stack([np.linspace(-150, 60, 68), np.linspace(20, 90, 68)], axis=1)
    with pytest.raises(ValueError, match="outside the photograph"):
        window_around(landmarks, 0.3, (200, 200, 3))


def test_a_window_stays_inside_the_photograph():
    landmarks = FRONTAL / np.abs(FRONTAL).max() * 60 + [40, 100]
    window = window_around(landmarks, 0.5, (150, 200, 3))
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    assert (window.left, window.top + window.height) == (0, 150)
    assert np.array_equal(window.cut(image), window.view(image))
    x, y = window.apply(np.array([20, 90]))
    assert np.array_equal(window.view(image)[y, x], image[90, 20])
