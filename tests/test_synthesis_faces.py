"""Several faces in a photograph: which is edited, what is said, and all of them edited."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from affect4d.formats.images import write_image
from affect4d.quarantine import BadInput
from affect4d.synthesis import request

SIDE = 40
FACES = [np.tile([[4.0 + 20 * n, 6.0], [16.0 + 20 * n, 18.0 - n]], (34, 1)) for n in range(2)]


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A photograph in which two faces are found; a build that gives back what it is asked."""
    monkeypatch.setattr(request, "detect_faces", lambda *_: FACES)
    monkeypatch.setattr(request, "describe_mismatch", lambda *_: "")
    monkeypatch.setattr(request.Build, "__init__", lambda *_: None)
    monkeypatch.setattr(request.Build, "open", lambda _, image, points, **__: points)
    path = tmp_path / "us.png"
    write_image(path, np.zeros((SIDE, SIDE, 3), np.uint8))
    return path


@pytest.mark.parametrize(("face", "index"), [(None, 0), (1, 0), (2, 1)])
def test_the_largest_or_the_one_named_is_edited_and_said(photo, face, index):
    said = []
    points = request.open_photograph(
        photo, None, Path("none"), crop=False, face=face, say=said.append
    )
    assert points is FACES[index]
    (line,) = said
    assert "2 faces, pixels: 1 of 12 x 12 at (4, 6), 2 of 12 x 11 at (24, 6)" in line
    assert ("the largest is edited" if face is None else f"number {face} is edited") in line


def test_there_is_no_third_face(photo):
    with pytest.raises(BadInput, match="there is no face 3; choose of 2 faces"):
        request.open_photograph(photo, None, Path("none"), crop=False, face=3)


def test_landmarks_beside_it_are_of_the_face_unless_one_is_named(photo):
    points = np.random.default_rng(0).uniform(0, SIDE, (68, 2))
    rows = "\n".join(f"{x:.6f} {y:.6f}" for x, y in points + 1)
    photo.with_suffix(".pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")

    def opened(face):
        return request.open_photograph(photo, None, Path("none"), crop=False, face=face)

    np.testing.assert_allclose(opened(None), points, atol=1e-6)
    assert opened(2) is FACES[1]


def test_all_faces_are_opened(photo):
    assert request.open_all_faces(photo, Path("none")) == FACES


def test_every_face_shows_its_own_edit():
    photo = np.zeros((8, 8, 3), np.uint8)

    def editor(columns, value):
        def impose(_):
            image = photo.copy()
            image[:, columns] = value
            return image, {"value": value}

        return SimpleNamespace(photo=photo, impose=impose)

    editors = [editor(slice(0, 4), 9), editor(slice(3, 6), 7)]
    image, records = request.impose_on_faces(editors, None)
    assert image[0, :, 0].tolist() == [9, 9, 9, 7, 7, 7, 0, 0]
    assert [record["value"] for record in records] == [9, 7]
    assert not photo.any()
