"""Folds of the skin that a deformation causes."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faces import TEMPLATE, bump, editor, lit_photo, scene

from affect4d.config.synthesis import Settings
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.editing.folds import MAX_DEPTH, _profile
from affect4d.synthesis.editing.lighting import LOG_BOUNDS
from affect4d.template.anatomy import default_anatomy
from affect4d.template.creases import CREASES
from affect4d.template.ibug68 import LEFT_BROW, MOUTH_CORNERS, NOSE_WINGS, RIGHT_BROW


@cache
def smile():
    """Both corners of the mouth go outwards and up, as far as in a wide smile."""
    right, left = MOUTH_CORNERS
    return bump(right, 12, [-4, 7, -2]) + bump(left, 12, [4, 7, -2])


@cache
def frontal():
    return replace(scene(0), image=lit_photo())


def folds_of(own):
    return own._relight.folds


def test_every_crease_lies_on_both_sides_of_the_template():
    placed = default_anatomy().creases
    for crease in CREASES.values():
        sides = [one for one in placed if one.crease is crease]
        middle = [one.line.on(TEMPLATE.vertices)[:, 0].mean() for one in sides]
        assert abs(sum(middle)) < 3  # mm: mirrored, or over the midline
        for one in sides:
            steps = np.diff(one.line.on(TEMPLATE.vertices), axis=0)
            assert np.linalg.norm(steps, axis=1).max() < 6


def test_the_fold_of_a_smile_starts_beside_the_noses_wing_and_passes_outside_the_mouth():
    (line,) = (
        placed.line.on(TEMPLATE.vertices)[:, :2]
        for placed in default_anatomy().creases
        if placed.crease is CREASES["nasolabial"] and placed.side == 1
    )
    wing, corner = TEMPLATE.landmarks[[NOSE_WINGS[1], MOUTH_CORNERS[1]], :2]
    assert line[0, 1] > wing[1] + 5 and line[-1, 1] < corner[1]
    for landmark in (wing, corner):
        beside = np.interp(-landmark[1], -line[:, 1], line[:, 0])
        assert 9 < beside - landmark[0] < 15  # mm outwards


def test_a_smile_folds_the_skin_beside_the_nose_and_a_pout_does_not():
    own = Editor(frontal(), Settings())
    owner = [placed.crease for placed in frontal().anatomy.creases for _ in placed.line.weights]
    nasolabial = np.array([crease is CREASES["nasolabial"] for crease in owner])
    (block,) = stack_deformations([smile(), -smile()])
    folded, stretched = folds_of(own).depths(block).T
    assert folded[nasolabial].mean() > 0.05
    assert not stretched[nasolabial].any()


def test_a_wrinkled_nose_and_a_frown_fold_their_own_lines():
    own = Editor(frontal(), Settings())
    owner = [placed.crease for placed in frontal().anatomy.creases for _ in placed.line.weights]
    sneer = sum(bump(wing, 9, [0, 5, 0]) for wing in NOSE_WINGS)
    frown = sum(
        bump(brow, 8, [inwards * 3, -6, 0])
        for brow, inwards in ((RIGHT_BROW[-1], 1), (LEFT_BROW[0], -1))
    )
    (block,) = stack_deformations([sneer, frown, smile()])
    depths = folds_of(own).depths(block)
    deepest = {
        name: depths[np.array([one is crease for one in owner])].max(axis=0)
        for name, crease in CREASES.items()
    }
    for name in ("nose's wing", "upper side of the nose", "lower side of the nose"):
        sneered, frowned, smiled = deepest[name]
        assert sneered > 0.05 and sneered > 2 * max(frowned, smiled), name
    assert deepest["frown"][1] > 0.1 > deepest["frown"][[0, 2]].max()


@given(st.lists(st.floats(0, 3, width=32), min_size=2, max_size=6))
def test_the_more_the_skin_is_compressed_the_deeper_it_folds_up_to_a_bound(strengths):
    block = smile()[..., None] * np.sort(np.array(strengths, np.float32))
    depths = folds_of(editor()).depths(block)
    assert (np.diff(depths, axis=1) >= 0).all()
    assert depths.min() >= 0 and depths.max() < MAX_DEPTH


def test_no_deformation_leaves_the_light_as_it_is():
    own = editor()
    (block,) = stack_deformations([np.zeros_like(TEMPLATE.vertices)])
    assert np.allclose(own._relight.factors(block, own._flow(block)), 1, atol=1e-6)


def test_factors_are_bounded_however_strong_the_edit():
    own = editor(folds=2.0)
    (block,) = stack_deformations([5 * smile(), -5 * smile()])
    factors = own._relight.factors(block, own._flow(block))
    low, high = np.exp(LOG_BOUNDS)
    assert factors.min() >= low - 1e-6 and factors.max() <= high + 1e-6


def test_folds_can_be_left_out_and_dampened():
    none, half, full = (
        Editor(frontal(), Settings(relight=0, folds=depth)).edit(smile()).image.astype(int)
        for depth in (0.0, 0.5, 1.0)
    )
    assert np.abs(full - none).max() > 8
    assert 0.4 < np.abs(half - none).sum() / np.abs(full - none).sum() < 0.6


@pytest.mark.parametrize("side", [-1, 1])
def test_a_fold_is_brighter_on_the_wall_that_faces_the_light(side):
    """A vertical fold under light from one side: the wall away from the light is darker."""
    style = np.array([2, 2, 0, 1, 1], np.float32)
    towards, away = (
        _profile(np.float32(2), True, np.float32(side * light), style, np.float32(0))
        for light in (-0.4, 0.4)
    )
    assert (towards - away) * side > 0


@pytest.mark.parametrize(("name", "sign"), [("nasolabial", -1), ("below the mouth corner", 1)])
def test_a_smile_darkens_its_fold_and_brightens_the_skin_it_draws_tight(name, sign):
    own = Editor(frontal(), Settings(relight=0))
    plain = Editor(frontal(), Settings(relight=0, folds=0)).edit(smile()).image
    made = own.edit(smile())
    change = made.image.astype(float).mean(-1) - plain.mean(-1)
    (line,) = (
        placed.line.vertices[len(placed.line.vertices) // 2, :1]
        for placed in frontal().anatomy.creases
        if placed.crease is CREASES[name] and placed.side == 1
    )
    vertex = np.flatnonzero(own.mesh.vertices == line[0])
    (x, y), *_ = made.motion.positions(vertex)[0]
    assert sign * cv2.blur(change, (3, 3))[round(float(y)), round(float(x))] > 3
