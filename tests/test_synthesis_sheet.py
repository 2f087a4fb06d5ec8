"""Contact sheets and animations."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFont
from support.faces import bump, editor, photo

from affect4d.blendshapes.targets import Target
from affect4d.formats.animations import write_animation
from affect4d.quarantine import BadInput
from affect4d.synthesis.sheet import (
    GAP,
    STRIP,
    Tile,
    _shorten,
    draw_sheet,
    points_of_plane,
    tiles_over_plane,
)

SIZE = 40


class Plane:
    """Moves the mouth with valence; has no data for low arousal, folds the face at its top."""

    def between(self, valence, arousal):
        if arousal < 0:
            raise BadInput("place", "no data", "none")
        deformation = bump(33, 9, [0, 45, 0]) if arousal > 0 else bump(48, 14, [valence, 0, 0])
        return Target(deformation, valence, arousal, "class", bool(valence > 0))


def test_places_are_those_of_the_plane_seen_as_a_plane():
    places = points_of_plane(3)
    assert places[0, 0].tolist() == [-0.8, 0.8] and places[2, 2].tolist() == [0.8, -0.8]
    assert places[1, 1].tolist() == [0, 0] and points_of_plane(1).tolist() == [[[0, 0]]]


def test_each_tile_is_the_edit_of_its_place_or_says_that_there_is_none():
    own = editor()
    tiles = tiles_over_plane(own, Plane(), points_of_plane(3).reshape(-1, 2))
    assert [tile.image is None for tile in tiles] == [False] * 6 + [True] * 3
    assert [tile.rejected for tile in tiles] == [True] * 3 + [False] * 6
    expected = own.edit(own.scene.anatomy.smooth_and_taper(bump(48, 14, [0.8, 0, 0]))).image
    assert np.array_equal(tiles[5].image, expected)
    assert tiles[5].caption == "V +0.80  A +0.00 interpolated"
    assert np.array_equal(tiles[4].image, photo())
    assert "%" in tiles[0].caption and tiles[7].caption == "V +0.00  A -0.80"


def test_every_tile_of_a_face_whose_fit_was_refused_is_rejected():
    tiles = tiles_over_plane(
        editor(), Plane(), points_of_plane(3).reshape(-1, 2), fit_refusal="refused"
    )
    made = [tile for tile in tiles if tile.image is not None]
    assert len(made) == 6 and all(tile.rejected for tile in made)
    assert {tile.caption for tile in made[3:]} == {"refused"}


def test_a_sheet_shows_its_tiles_in_their_places():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    tiles = [Tile(np.full((SIZE, SIZE, 3), colour, np.uint8), "c") for colour in colours]
    picture = draw_sheet([tiles, [Tile(None, "none")] * 3], SIZE)
    assert picture.shape == (2 * (STRIP + SIZE) + GAP, 3 * SIZE + 2 * GAP, 3)
    for number, colour in enumerate(colours):
        x = number * (SIZE + GAP)
        assert (picture[STRIP : STRIP + SIZE, x : x + SIZE] == colour).all()
    assert (picture[STRIP + SIZE + GAP :] > 60).all()  # captions and outlines on paper


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4"])
def test_an_animation_holds_its_frames(tmp_path, suffix):
    """Odd sides, as of any photograph."""
    rows, columns = np.mgrid[:51, :63]
    frames = [
        np.stack([rows * 4, columns * 3, np.full_like(rows, level)], -1).astype(np.uint8)
        for level in (0, 100, 200)
    ]
    path = tmp_path / f"path{suffix}"
    write_animation(path, frames, 40)
    found = read(path)
    assert len(found) == 3
    for frame, again in zip(frames, found, strict=True):
        assert np.abs(again[:51, :63].astype(int) - frame).mean() < 12


def read(path):
    if path.suffix == ".mp4":
        film, found = cv2.VideoCapture(str(path)), []
        while (read := film.read())[0]:
            found.append(read[1][..., ::-1])
        return found
    with Image.open(path) as picture:
        found = []
        for number in range(picture.n_frames):
            picture.seek(number)
            found.append(np.asarray(picture.convert("RGB")))
        return found


def test_what_cannot_be_animated(tmp_path):
    with pytest.raises(ValueError, match="webp"):
        write_animation(tmp_path / "a.avi", [photo()], 40)
    with pytest.raises(ValueError, match="no picture"):
        write_animation(tmp_path / "a.webp", [], 40)


def test_a_caption_too_wide_keeps_its_ends():
    font = ImageFont.load_default(size=12)
    assert _shorten("hopper, warp", font, 190) == "hopper, warp"
    short = _shorten("photographs_breakingbad, poisson", font, 120)
    assert short.startswith("photo") and short.endswith("poisson") and "..." in short
    assert font.getlength(short) <= 120
