"""Deformations imposed on a fitted face in a picture."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.faces import (
    TEMPLATE,
    bump,
    camera,
    editor,
    fit_of,
    jaw_drop,
    lit_photo,
    photo,
    psnr,
    scene,
)

from affect4d.config.synthesis import Settings
from affect4d.synthesis.editing.editor import Editor, synthesize
from affect4d.synthesis.quality import measure, refusal
from affect4d.template.anatomy import default_anatomy

FITTED = fit_of(camera())


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_no_deformation_returns_the_photograph(blend):
    still = np.zeros_like(TEMPLATE.vertices)
    result = synthesize(FITTED, still, image=photo(), settings=Settings(blend=blend))
    assert result.shape == photo().shape and result.dtype == np.uint8
    assert psnr(result, photo()) == np.inf
    assert np.array_equal(result, photo())


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_the_picture_moves_as_the_landmarks_do(blend):
    deformation = bump(48, 14, [-3, 4, -1])
    result = synthesize(FITTED, deformation, image=photo(), settings=Settings(blend=blend))
    vertex = TEMPLATE.landmark_vertices[48]
    start = camera().project(TEMPLATE.vertices)[vertex, :2]
    stop = camera().project(TEMPLATE.vertices + deformation)[vertex, :2]
    assert np.linalg.norm(stop - start) > 4
    flow = cv2.calcOpticalFlowPyrLK(
        cv2.cvtColor(photo(), cv2.COLOR_RGB2GRAY),
        cv2.cvtColor(result, cv2.COLOR_RGB2GRAY),
        start[None].astype(np.float32),
        None,
        winSize=(9, 9),
    )[0][0]
    assert np.linalg.norm(flow - stop) < 0.6


def test_map_agrees_with_the_requested_landmarks():
    made = editor().edit(bump(54, 14, [4, 4, 0]))
    figures = measure(editor(), made)
    assert figures["landmark_error"] < 0.004
    assert figures["accepted"] == 1 and refusal(figures, Settings()) is None


def test_nothing_changes_away_from_the_face():
    wide = np.random.default_rng(1).integers(0, 256, (400, 700, 3), dtype=np.uint8)
    result = synthesize(FITTED, bump(8, 20, [0, -8, 0]), image=wide)
    changed = np.argwhere((result != wide).any(-1))
    low, high = FITTED.landmarks.min(0), FITTED.landmarks.max(0)
    half = (0.5 + 0.6) * (high - low).max() + 2
    assert len(changed)
    assert (np.abs(changed[:, ::-1] - (low + high) / 2) <= half).all()


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_grey_stays_grey(blend):
    grey = np.repeat(photo()[..., :1], 3, axis=2)
    result = synthesize(FITTED, jaw_drop(), image=grey, settings=Settings(blend=blend))
    assert not np.array_equal(result, grey)
    assert (np.ptp(result, axis=2) == 0).all()


def test_the_mouth_is_drawn_only_when_it_opens():
    closed = editor().edit(bump(48, 12, [-3, 4, -1]))
    opened = editor().edit(jaw_drop())
    assert not closed.interior and opened.interior
    lips = opened.landmarks[60:68]
    inside = cv2.pointPolygonTest(lips.astype(np.float32), tuple(map(float, lips.mean(0))), True)
    assert inside > 3


def test_a_smile_is_wide_enough_to_show_teeth_and_a_twitch_is_not():
    assert editor().edit(0.25 * jaw_drop()).interior
    assert not editor().edit(0.03 * jaw_drop()).interior


def test_interior_differs_from_a_stretched_mouth():
    drawn = editor().edit(jaw_drop()).image
    stretched = editor(mouth_gap=10.0).edit(jaw_drop()).image
    rows, columns = np.nonzero((drawn != stretched).any(-1))
    lips = editor().edit(jaw_drop()).landmarks[48:60]
    assert len(rows) > 50
    assert rows.min() >= lips[:, 1].min() - 4 and rows.max() <= lips[:, 1].max() + 4
    assert columns.min() >= lips[:, 0].min() - 4 and columns.max() <= lips[:, 0].max() + 4


def test_eyelids_never_cross():
    blink = bump(37, 6, [0, -25, 0]) + bump(38, 6, [0, -25, 0])
    moved, old = editor().edit(blink).landmarks, scene().xy[TEMPLATE.landmark_vertices]
    gap = (moved[[41, 40]] - moved[[37, 38]]).mean(0)[1]
    before = (old[[41, 40]] - old[[37, 38]]).mean(0)[1]
    assert 0 < gap < 0.3 * before


def test_folding_deformations_are_refused():
    crushed = bump(33, 9, [0, 45, 0])
    figures = measure(editor(), editor().edit(crushed))
    assert figures["accepted"] == 0
    rule, remedy = refusal(figures, Settings())
    assert "%" in rule and remedy


def test_what_the_photograph_hides_is_refused_where_it_is_much():
    own = editor(30)
    figures = measure(own, own.edit(bump(30, 14, [-14, 0, 2])))
    share = figures["revealed"]
    assert share > 0 and refusal(figures, Settings(max_revealed=1.1 * share)) is None
    rule, _ = refusal(figures, Settings(max_revealed=0.9 * share))
    assert "of the face revealed" in rule


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_a_mouth_that_opens_beyond_the_reach_leaves_the_background(blend):
    own = editor(blend=blend)
    image = own.edit(4 * jaw_drop()).image
    far = own.lattice.far
    assert np.array_equal(image[far], own.scene.image[far])
    assert (image != own.scene.image).any(-1)[~far].mean() > 0.3


def test_turned_heads_are_refused():
    turned = Editor(replace(scene(), yaw=60.0), Settings())
    figures = measure(turned, turned.edit(np.zeros_like(TEMPLATE.vertices)))
    assert "turned" in refusal(figures, Settings())[0]


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_light_and_folds_change_the_face_alone(blend):
    smile = bump(48, 8, [-3, 6, 3])
    plain = editor(blend=blend, relight=0, folds=0).edit(smile).image
    shaded = editor(blend=blend).edit(smile).image
    face = scene().raster[0] >= 0
    grown = cv2.dilate(face.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.array_equal(plain[~grown], shaded[~grown])
    assert not np.array_equal(plain[face], shaded[face])
    assert np.abs(plain.astype(int) - shaded)[face].mean() < 5


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_relighting_can_be_dampened_and_left_out(blend):
    smile, lit = bump(48, 8, [-3, 6, 3]), replace(scene(), image=lit_photo())
    dark, half, full = (
        Editor(lit, Settings(blend=blend, relight=share, folds=0)).edit(smile).image.astype(int)
        for share in (0.0, 0.5, 1.0)
    )
    apart = np.abs(full - dark).sum()
    assert np.abs(full - dark).max() > 10
    assert 0.4 * apart < np.abs(half - dark).sum() < 0.6 * apart


def test_single_vertices_do_not_tremble():
    anatomy = default_anatomy()
    noise = np.random.default_rng(2).normal(0, 0.3, TEMPLATE.vertices.shape)
    smile = bump(48, 14, [-3, 4, -1])
    smoothed = anatomy.smooth_and_taper(smile + noise)
    near = anatomy.landmark_vertices[27:60]
    assert np.abs(smoothed - smile)[near].mean() < 0.4 * np.abs(noise).mean()
    assert not anatomy.smooth_and_taper(np.ones_like(smile))[
        np.abs(TEMPLATE.vertices[:, 0]) > 85
    ].any()


def test_intensity_scales_the_deformation():
    smile = bump(48, 14, [-3, 4, -1])
    full = editor().edit(0.5 * smile).image
    half = editor(intensity=0.5).edit(smile).image
    assert np.array_equal(full, half)


def test_synthesis_is_deterministic():
    for blend in ("warp", "poisson"):
        settings = Settings(blend=blend)
        first, second = (
            synthesize(FITTED, jaw_drop(), image=photo(), settings=settings) for _ in range(2)
        )
        assert np.array_equal(first, second)


@pytest.mark.parametrize("bad", [np.zeros((5, 3)), None])
def test_a_deformation_that_cannot_be_used(bad):
    deformation = np.full_like(TEMPLATE.vertices, np.nan) if bad is None else bad
    with pytest.raises(ValueError, match="finite deformation"):
        synthesize(FITTED, deformation, image=photo())


@pytest.mark.parametrize(
    "image", [photo()[..., 0], photo()[:100], photo().astype(float), np.dstack([photo()] * 2)]
)
def test_a_photograph_that_cannot_be_used(image):
    fitted = replace(FITTED, image=photo())
    with pytest.raises(ValueError, match=r"uint8|the fit is of"):
        synthesize(fitted, np.zeros_like(TEMPLATE.vertices), image=image)
