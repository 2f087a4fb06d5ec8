"""Gaze and blinks."""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
from support.faces import bump, fit_of, lit_photo, scene

from affect4d.config.synthesis import Settings
from affect4d.fitting import Camera
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.eyeball import IRIS_MM
from affect4d.synthesis.editing.eyes import BALL_MM, LID_SHARE, _draw_ball
from affect4d.synthesis.editing.lid_lines import beside_lids
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.quality import measure, refusal
from affect4d.synthesis.request_options import parse_gaze
from affect4d.template.anatomy import default_anatomy
from affect4d.template.ibug68 import EYE_OUTLINES, LOWER_LIDS, UPPER_LIDS

PER_MM, SKIN, WHITE, IRIS = 2.0, 120, 250, 20
STILL = np.zeros_like(scene().vertices)


@lru_cache
def face():
    """A face of one grey, seen frontally, with a black iris in the middle of either eye."""
    view = Camera(PER_MM, np.eye(3), np.array([240.0, 240.0]))
    image = np.full((480, 480, 3), SKIN, np.uint8)
    own = make_scene(fit_of(view), image, default_anatomy())
    for centre, outline in zip(irises(own), outlines(own), strict=True):
        white, iris = np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(white, [np.rint(16 * outline).astype(np.int32)], 1, shift=4)
        cv2.circle(iris, np.rint(16 * centre).astype(int), int(16 * PER_MM * IRIS_MM), 1, -1, 8, 4)
        image[white > 0] = WHITE
        image[(white & iris) > 0] = IRIS
    return replace(own, image=image)


def outlines(own):
    return [own.xy[own.anatomy.landmark_vertices[eye]] for eye in EYE_OUTLINES]


def irises(own):
    """Where the irises are: the middle of each eye."""
    return [outline.mean(0) for outline in outlines(own)]


def dark_columns(image, outline):
    """The first and the last dark column in the middle row of an eye."""
    (x, y), half = outline.mean(0), np.ptp(outline[:, 0]) / 2
    row = image[round(float(y)), int(x - half) : int(x + half), 0]
    return np.flatnonzero(row < 0.75 * SKIN)[[0, -1]]


@lru_cache
def picture(**settings):
    return Editor(face(), Settings(relight=0, folds=0, **settings)).edit(STILL)


def aperture(edit):
    return (edit.landmarks[LOWER_LIDS] - edit.landmarks[UPPER_LIDS]).mean(1)[:, 1]


@pytest.mark.parametrize("yaw", [-20.0, 10.0, 25.0])
def test_the_iris_goes_as_far_as_the_ball_turns(yaw):
    turned, edge = picture(gaze_yaw=yaw).image, np.arcsin(IRIS_MM / BALL_MM)
    trailing = 0 if yaw > 0 else 1  # the lids cover none of it
    asked = BALL_MM * np.sin(np.radians(abs(yaw)) - edge) + IRIS_MM
    for outline in outlines(face()):
        before, after = (dark_columns(image, outline) for image in (face().image, turned))
        moved = (after - before)[trailing] * np.sign(yaw)
        assert moved == pytest.approx(PER_MM * asked, abs=1)


def test_a_gaze_to_the_side_changes_nothing_outside_the_lids():
    changed = (picture(gaze_yaw=20.0).image != face().image).any(-1)
    between = np.zeros(changed.shape, np.uint8)
    for outline in outlines(face()):
        cv2.fillPoly(between, [np.rint(outline).astype(np.int32)], 1)
    # the lids' line is drawn smoothly through the landmarks, and bulges beyond the straight one
    assert changed.any() and not changed[cv2.dilate(between, np.ones((5, 5))) == 0].any()


@pytest.mark.parametrize("pitch", [-15.0, 10.0])
def test_the_upper_lids_go_with_the_gaze(pitch):
    grown = aperture(picture(gaze_pitch=pitch)) - aperture(picture())
    asked = PER_MM * LID_SHARE * BALL_MM * np.sin(np.radians(pitch))
    assert grown == pytest.approx(np.full(2, asked), rel=0.02)


@pytest.mark.parametrize("blink", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("frown_mm", [0.0, 3.0])
def test_a_blink_leaves_its_share_of_the_aperture(blink, frown_mm):
    lowered = bump(37, 6, [0, -frown_mm, 0])
    before, after = (
        np.linalg.norm(
            np.diff(
                Editor(face(), Settings(blink=share)).edit(lowered).landmarks[[[37, 38], [41, 40]]],
                axis=0,
            ).mean((0, 1))
        )
        for share in (0.0, blink)
    )
    assert after == pytest.approx((1 - blink) * before, abs=0.1)


def test_shut_eyes_show_no_white_and_a_line_where_the_lids_meet():
    shut = picture(blink=1.0).image
    for outline in outlines(face()):
        low, high = outline.min(0).astype(int) - 9, outline.max(0).astype(int) + 9
        eye = shut[low[1] : high[1], low[0] : high[0]]
        assert eye.max() < (SKIN + WHITE) / 2
        middle = eye[:, eye.shape[1] // 2, 0]
        assert middle.min() < 0.6 * SKIN


def moved_into_view(right_px=0, scale=1.0):
    """The face's scene, drawn smaller or cut off so that its right eye is nearer the left edge."""
    own = face()
    size = tuple(round(scale * length) for length in own.image.shape[1::-1])
    image = cv2.resize(own.image, size, interpolation=cv2.INTER_AREA)[:, right_px:].copy()
    view = Camera(scale * PER_MM, np.eye(3), np.array([scale * 240.0 - right_px, scale * 240.0]))
    return make_scene(fit_of(view), image, default_anatomy())


def problem(own, **settings):
    """What keeps the eyes of a scene from turning, as the gates say it."""
    editor = Editor(own, Settings(relight=0, folds=0, **settings))
    return (refusal(measure(editor, editor.edit(STILL)), editor.settings) or ("",))[0]


def test_eyes_near_the_edge_turn_as_others_do():
    first = int(outlines(face())[0][:, 0].min()) - 2
    turned = Editor(moved_into_view(first), Settings(relight=0, folds=0, gaze_yaw=20.0)).edit(STILL)
    for outline in outlines(face()):
        row, (left, right) = round(float(outline[:, 1].mean())), outline[[0, 3], 0].astype(int)
        whole = picture(gaze_yaw=20.0).image[row, left:right].astype(int)
        assert np.median(np.abs(whole - turned.image[row, left - first : right - first])) <= 2


def test_eyes_that_cannot_turn_refuse_the_picture_with_the_reason():
    beyond = int(outlines(face())[0][:, 0].min()) + 4
    assert "reaches beyond the edge" in problem(moved_into_view(beyond), gaze_yaw=20.0)
    assert "narrower than 4 pixels" in problem(moved_into_view(scale=0.05), blink=0.5)
    assert problem(moved_into_view(beyond)) == problem(face(), gaze_yaw=20.0) == ""


def overlap(edit):
    """Of what is dark between the lids and of an iris that they do not move, by eye: intersection
    over union."""
    overlaps = []
    for centre, eye in zip(irises(face()), EYE_OUTLINES, strict=True):
        between, disc = np.zeros((2, *edit.image.shape[:2]), np.uint8)
        cv2.fillPoly(between, [np.rint(16 * edit.landmarks[eye]).astype(np.int32)], 1, shift=4)
        cv2.circle(disc, np.rint(16 * centre).astype(int), int(16 * PER_MM * IRIS_MM), 1, -1, 8, 4)
        near = cv2.dilate(between, np.ones((5, 5))) > 0
        dark, iris = (edit.image[..., 0] < 0.75 * SKIN) & near, (between & disc) > 0
        overlaps.append((dark & iris).sum() / (dark | iris).sum())
    return np.array(overlaps)


@pytest.mark.parametrize("raised_mm", [-3.0, 3.0])
def test_an_iris_stays_round_behind_lids_that_move(raised_mm):
    lids = sum(bump(lid, 6, [0, raised_mm, 0]) for lid in (37, 38, 43, 44))
    editor = Editor(face(), Settings(relight=0, folds=0))
    round_iris = overlap(editor.edit(lids))
    editor.eyes = lambda picture, motion: picture
    warped = overlap(editor.edit(lids))
    assert (round_iris > 0.8).all() and (round_iris > warped + 0.03).all()


def test_eyes_whose_lids_stay_are_the_photographs():
    own = replace(scene(), image=lit_photo())
    assert (Editor(own, Settings()).edit(STILL).image == lit_photo()).all()


def test_eyes_drawn_together_to_less_than_a_pixel_stay_as_they_are():
    pixels_per_mm, share = 0.3, 0.3
    own = fit_of(Camera(pixels_per_mm, np.eye(3), np.array([36.0, 36.0])))
    vertices, at = own.vertices.copy(), default_anatomy().landmark_vertices
    for upper, lower in zip(UPPER_LIDS, LOWER_LIDS, strict=True):
        lids = at[np.concatenate([upper, lower])]
        middle = vertices[lids, 1].mean()
        vertices[lids, 1] = middle + share * (vertices[lids, 1] - middle)
    picture = np.ascontiguousarray(lit_photo()[:76, :76])
    narrow = make_scene(replace(own, vertices=vertices), picture, default_anatomy())
    editor = Editor(narrow, Settings(relight=0, folds=0))
    assert not editor.eyes.problem and (editor.edit(STILL).image == picture).all()


def test_an_eye_that_a_turned_head_hides_in_part_is_left_to_the_warp():
    own = scene(45)
    middle = own.xy[own.anatomy.landmark_vertices[27], 0]
    lids = sum(bump(lid, 6, [0, 3, 0]) for lid in (37, 38, 43, 44))
    editor = Editor(own, Settings(relight=0, folds=0))
    drawn = editor.edit(lids).image
    editor.eyes = lambda picture, motion: picture
    changed = np.flatnonzero((drawn != editor.edit(lids).image).any((0, 2)))
    assert changed.size and (changed < middle).all()
    assert "partly hidden" in problem(own, gaze_yaw=20.0)


def test_a_gaze_is_read_as_two_angles():
    assert parse_gaze("10,-5") == {"gaze_yaw": 10.0, "gaze_pitch": -5.0}
    for text in ("10", "a,b", "90,0", "1,2,3", "nan,0"):
        with pytest.raises(ValueError, match=r"gaze|YAW"):
            parse_gaze(text)


def test_corners_that_an_edit_brings_together_leave_nothing_to_draw():
    outline = np.tile(np.float32([5.0, 5.0]), (6, 1))
    assert all(np.isfinite(part).all() for part in beside_lids(outline, 9, 9))
    picture = np.full((9, 9, 3), SKIN, np.uint8)
    before = np.float32([[1, 5], [3, 3], [5, 3], [7, 5], [5, 7], [3, 7]])
    place = np.float32([0, 0, 4, 5, PER_MM, 0])
    texture = np.full((9, 9, 3), WHITE, np.float32)
    _draw_ball(picture, texture, before, outline, np.eye(3, dtype=np.float32), place)
    assert (picture == SKIN).all()
