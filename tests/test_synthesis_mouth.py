"""What shows between the lips."""

from dataclasses import replace

import cv2
import igl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import Delaunay
from support.faces import bump, editor, jaw_drop, photo, scene

from affect4d.config.synthesis import Settings
from affect4d.geometry.raster import draw
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.flow import MAX_BARED_MM, stack_deformations
from affect4d.synthesis.editing.lips import PARTED_MM, THINNING, lip_shifts
from affect4d.synthesis.editing.mouth import _covered
from affect4d.synthesis.editing.teeth import TOOTH, surfaces
from affect4d.template.ibug68 import (
    CHIN,
    EYE_OUTLINES,
    INNER_MOUTH_CORNERS,
    LOWER_INNER_LIP,
    LOWER_INNER_LIP_MIDDLE,
    LOWER_LIP,
    MOUTH_CORNERS,
    UPPER_INNER_LIP,
    UPPER_INNER_LIP_MIDDLE,
    UPPER_LIP,
    UPPER_LIP_MIDDLE,
)


def with_eyes(skin, sclera):
    """A face of one grey with eyes of another."""
    own = scene(0)
    image = np.full_like(photo(), skin)
    for eye in EYE_OUTLINES:
        outline = np.rint(own.xy[own.anatomy.landmark_vertices[eye]]).astype(np.int32)
        cv2.fillPoly(image, [outline], (sclera,) * 3)
    return replace(own, image=image)


@pytest.mark.parametrize("sclera", [100, 150])
def test_teeth_are_as_bright_as_the_white_of_the_eyes_says_on_any_skin(sclera):
    teeth = [
        Editor(with_eyes(skin, sclera), Settings())._fill_mouth._palette[TOOTH].mean()
        for skin in (90, 120)
    ]
    assert teeth[0] == pytest.approx(teeth[1], rel=1e-6)
    assert 1.1 < teeth[0] / sclera < 1.35


def test_closed_eyes_do_not_make_teeth_dark():
    palette = Editor(with_eyes(120, 20), Settings())._fill_mouth._palette
    assert palette[TOOTH].mean() > 110


def test_from_a_slit_to_a_shout_the_interior_grows_and_teeth_are_its_brightest():
    """The share of the picture that is drawn anew grows with the jaw's drop, without a leap."""
    own = Editor(with_eyes(120, 150), Settings(relight=0, folds=0))
    drops = [own.edit(share * jaw_drop()) for share in np.linspace(0.2, 1.3, 8)]
    opened = [(drop.image != 120).any(-1).sum() for drop in drops if drop.interior]
    assert len(opened) >= 6
    assert (np.diff(opened) >= 0).all()
    assert all(drop.image.max() > 140 for drop in drops if drop.interior)


def test_the_lower_lip_bares_a_few_millimetres_of_teeth_at_most():
    anatomy = scene().anatomy
    drop = jaw_drop().copy()
    drop[anatomy.landmark_vertices[LOWER_INNER_LIP_MIDDLE], 1] -= 8
    (block,) = stack_deformations([drop, np.zeros_like(drop)])
    own = editor()
    edit, still = own._flow(block).edits
    lip = drop[anatomy.landmark_vertices[LOWER_INNER_LIP_MIDDLE], 1]
    lower = drop[anatomy.landmark_vertices[CHIN]].copy()
    lower[1] = min(lower[1], lip + MAX_BARED_MM)
    assert np.allclose(edit.jaw, scene().motion @ lower, atol=1e-4)
    assert not still.jaw.any()


def test_every_row_has_its_teeth():
    """Tones dip where two teeth meet: fourteen teeth to a row."""
    for row in surfaces(241):
        edge = row.tones[4 * 241 : 5 * 241]
        lowest = (edge[1:-1] < edge[:-2]) & (edge[1:-1] <= edge[2:])
        assert 10 <= lowest.sum() <= 15


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_lips_press_and_never_cross(blend):
    press = bump(62, 10, [0, -6, 0]) + bump(66, 10, [0, 5, 0])
    moved = editor(blend=blend).edit(press).landmarks
    before = scene().xy[scene().anatomy.landmark_vertices]
    for upper, lower in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True):
        gap = moved[lower, 1] - moved[upper, 1]
        assert gap > min(0, before[lower, 1] - before[upper, 1]) - 0.7


def test_lips_that_part_and_are_not_stretched_are_moved_as_asked():
    assert not lip_shifts(scene(), jaw_drop()[..., None]).any()


def stretched(times, opening):
    """(V, 3, 1) mm at the landmarks: a mouth so many times as wide; the upper lip up by mm."""
    own = scene()
    at, field = own.anatomy.landmark_vertices, np.zeros((*own.vertices.shape, 1), np.float32)
    field[at[MOUTH_CORNERS], :, 0] = (times - 1) * own.vertices[at[MOUTH_CORNERS]]
    field[at[[*UPPER_LIP, *UPPER_INNER_LIP]], 1] = opening
    return field


@pytest.mark.parametrize("times", [1.0, 1.05, 1.3])
def test_lips_that_are_stretched_and_part_thin_by_a_power_of_the_mouths_width(times):
    own = scene()
    at, up = own.anatomy.landmark_vertices, own.motion[:2, 1] / np.hypot(*own.motion[:2, 1])
    rows = (UPPER_LIP, UPPER_INNER_LIP, LOWER_INNER_LIP, LOWER_LIP)
    outer, inner, below, lowest = (own.xy[at[row]] @ up for row in rows)
    wanted = [
        (outer - inner) * (1 - times ** -THINNING[0]),
        (lowest - below) * (1 - times ** -THINNING[1]),
    ]
    shifts = lip_shifts(own, stretched(times, 2 * PARTED_MM))[..., 0] @ up
    gain = own.anatomy.lips[np.arange(6), at[[*UPPER_INNER_LIP, *LOWER_INNER_LIP]], 0].mean()
    assert gain * shifts == pytest.approx(np.concatenate(wanted), abs=1e-4)
    assert not lip_shifts(own, stretched(times, 0)).any()
    assert not lip_shifts(own, stretched(times, 2 * PARTED_MM), thinning=0).any()


def test_a_lip_that_is_drawn_taut_does_not_sag_in_the_middle():
    own, sagging = scene(), stretched(1.2, 5)
    middle = own.anatomy.landmark_vertices[[UPPER_LIP_MIDDLE, UPPER_INNER_LIP_MIDDLE]]
    sagging[middle, 1] -= 2
    gain = own.anatomy.lips[np.arange(3), own.anatomy.landmark_vertices[UPPER_INNER_LIP], 0].mean()
    more = gain * (lip_shifts(own, sagging) - lip_shifts(own, stretched(1.2, 5)))[:3, 1, 0]
    # upwards in the picture, y falls: all points come to the mean of the three
    assert more == pytest.approx(own.motion[1, 1] * 2 * np.array([-1, 2, -1]) / 3, rel=0.02)


def test_light_falls_towards_the_corners_of_the_mouth():
    own = Editor(with_eyes(120, 150), Settings(relight=0, folds=0))
    edit = own.edit(jaw_drop())
    corners = edit.landmarks[INNER_MOUTH_CORNERS]
    rows = slice(int(corners[:, 1].min()) - 10, int(corners[:, 1].max()) + 10)
    teeth = own._fill_mouth._palette[TOOTH].mean()
    middle, end = (
        edit.image[rows, round(float(corners[0, 0] + share * np.ptp(corners[:, 0])))].max()
        for share in (0.4, 0.93)
    )
    assert middle > 0.8 * teeth
    assert end <= 120


@given(seed=st.integers(0, 2**32 - 1), shown=st.floats(0, 1))
def test_what_an_outline_winds_around_is_what_its_triangles_cover(seed, shown):
    """With holes, several pieces, or nothing, and parts beyond the picture; and from the back."""
    rng, shape = np.random.default_rng(seed), (40, 50)
    xy = rng.uniform([-15, -15], [65, 55], (60, 2)).astype(np.float32)
    faces = Delaunay(xy).simplices.astype(np.int32)[:, ::-1]  # counter-clockwise with y downwards
    faces = faces[rng.random(len(faces)) < shown]
    rim = igl.boundary_facets(faces)[0].astype(np.int32)
    drawn = draw(xy, np.zeros(len(xy)), faces, shape=shape) >= 0
    for row, column in np.argwhere(_covered(xy, rim, *shape) != drawn):
        start, along = xy[rim[:, 0]], xy[rim[:, 1]] - xy[rim[:, 0]]
        away = np.array([column, row]) - start
        share = np.clip((away * along).sum(1) / (along**2).sum(1), 0, 1)
        assert np.linalg.norm(away - share[:, None] * along, axis=1).min() < 1e-3  # on an edge
    assert not _covered(xy, rim[:, ::-1], *shape).any()


def outline(corners):
    """Points (n, 2) of a polygon and its edges."""
    numbers = np.arange(len(corners), dtype=np.int32)
    return np.array(corners, np.float32), np.stack([numbers, np.roll(numbers, -1)], axis=1)


def test_a_surface_over_another_hides_it_once():
    """Lips that overlap leave no gap."""
    square, around = outline([[2, 2], [2, 12], [12, 12], [12, 2]])
    xy = np.concatenate([square, square + 5])
    covered = _covered(xy, np.concatenate([around, around + 4]), 20, 20)
    assert covered.sum() == 100 + 100 - 25
    assert covered[3, 3] and covered[9, 9] and covered[15, 15]


def test_a_fold_covers_what_lies_below_it():
    """A strip that goes to the right, back, and to the right again."""
    ways = [2, 12, 6, 16]
    strip = outline([[x, 12] for x in ways] + [[x, 2] for x in reversed(ways)])
    covered = _covered(*strip, 20, 20)
    assert covered.sum() == 14 * 10 and covered[2:12, 2:16].all()


@pytest.mark.parametrize("shown", [False, True])
def test_a_mouth_is_edited_of_which_nothing_is_seen_or_nothing_is_hidden(shown):
    own = replace(scene())
    mouth = own.anatomy.mouth
    vars(own)["visible"] = own.visible | mouth if shown else own.visible & ~mouth
    made = Editor(own, Settings())
    assert len(made.mesh.mouth_hidden if shown else made.mesh.mouth_rim) == 0
    assert made.edit(jaw_drop()).interior
    assert np.array_equal(made.edit(np.zeros_like(jaw_drop())).image, photo())
