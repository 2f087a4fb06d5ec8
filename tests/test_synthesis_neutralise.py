"""Expressions that photographs show are removed before others are imposed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.faces import (
    TEMPLATE,
    bump,
    camera,
    chunk_of_people,
    fit_of,
    jaw_drop,
    morphable_model,
    photo,
    scene,
    write_atlas,
    write_expressions,
)

from affect4d import store
from affect4d.blendshapes.targets import Target
from affect4d.config.fitting import Settings as FittingSettings
from affect4d.config.synthesis import Settings
from affect4d.fitting.amplitudes import estimate_amplitudes
from affect4d.fitting.storage import write_model
from affect4d.quarantine import BadInput
from affect4d.synthesis import PhotographEditor
from affect4d.synthesis.editing.closed_lips import closing, lips_gap
from affect4d.synthesis.editing.faded_folds import without_folds
from affect4d.synthesis.editing.lattice import Lattice
from affect4d.synthesis.editing.lips import ROLL_MM
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.editing.visible_mesh import visible_submesh
from affect4d.synthesis.neutralising import Neutraliser, read_neutraliser
from affect4d.template.anatomy import default_anatomy
from affect4d.template.creases import CREASES
from affect4d.template.ibug68 import (
    BROWS,
    LOWER_INNER_LINE,
    OUTER_EYE_CORNERS,
    OUTER_LIPS,
    UPPER_INNER_LINE,
)

WHITE = 255


def smile():
    return bump(48, 14, [-3, 4, -1]) + bump(54, 14, [3, 4, -1])


def neutraliser(*expressions, **settings):
    return Neutraliser(
        morphable_model(),
        np.stack(expressions),
        anatomy=default_anatomy(),
        settings=Settings(neutralise=True, **settings),
    )


def showing(*fields):
    """The template's Fit in whose landmarks expressions show that the fit has as its residual."""
    fit = fit_of(camera())
    moved = fit.camera.project(fit.vertices + sum(fields))[:, :2]
    offset = (moved - fit.camera.project(fit.vertices)[:, :2]).astype(np.float32)
    landmarks = moved[TEMPLATE.landmark_vertices].astype(np.float64)
    return replace(fit, offset=offset, landmarks=landmarks)


def test_amplitudes_of_two_expressions_are_found_beside_the_persons_own_width():
    drop = 0.5 * jaw_drop()
    wide = 0.4 * morphable_model().identity[0]
    expressions = np.stack([smile(), drop])
    found = estimate_amplitudes(
        showing(0.8 * smile(), 0.3 * drop, wide), morphable_model(), expressions
    )
    assert np.allclose(found, [0.8, 0.3], atol=0.02)


def test_nobody_shows_less_than_none_of_an_expression():
    found = estimate_amplitudes(showing(-0.5 * smile()), morphable_model(), smile()[None])
    assert found.tolist() == pytest.approx([0], abs=1e-6)


def test_where_the_brows_lie_tells_nothing_of_a_smile():
    fit = showing(0.8 * smile())
    raised = fit.landmarks.copy()
    raised[BROWS, 1] -= 10
    found = [
        estimate_amplitudes(each, morphable_model(), smile()[None])
        for each in (fit, replace(fit, landmarks=raised))
    ]
    assert np.array_equal(*found)


def test_landmarks_that_fit_badly_count_for_as_little_as_their_error_says():
    fit, noise = showing(0.8 * smile()), 0.03
    pixels = noise * np.linalg.norm(np.subtract(*fit.landmarks[OUTER_EYE_CORNERS]))
    gaps = []
    for seed in range(5):
        error = pixels * np.random.default_rng(seed).normal(size=fit.landmarks.shape)
        noisy = replace(fit, landmarks=fit.landmarks + error)
        told, found = (
            estimate_amplitudes(noisy, morphable_model(), smile()[None], settings=each)
            for each in (FittingSettings(landmark_sd=noise), None)
        )
        gaps.append(abs(found - told).item())
    assert np.median(gaps) < 0.02


def test_a_face_that_shows_none_stays_bit_for_bit():
    field = closing(scene(), np.zeros_like(TEMPLATE.vertices))  # the template's lips are open
    neutral = neutraliser(smile())(photo(), showing(field))
    assert np.array_equal(neutral.photo, photo())
    assert neutral.fit.quality["neutralised_mm"] == pytest.approx(0, abs=1e-6)
    assert neutral.failure is None


def test_what_is_removed_is_what_was_shown():
    neutral = neutraliser(smile())(photo(), showing(0.8 * smile()))
    anatomy = default_anatomy()
    corners = TEMPLATE.landmark_vertices[[48, 54]]
    shown = 0.8 * anatomy.smooth_and_taper(smile())
    removed = TEMPLATE.vertices - neutral.fit.vertices
    assert np.allclose(removed[corners], shown[corners], atol=0.1)
    around = anatomy.triangles[anatomy.mouth]
    stated = neutral.fit.quality["neutralised_mm"]
    assert stated == pytest.approx(np.sqrt((removed[around] ** 2).sum(-1).mean()), rel=1e-3)
    at_rest = fit_of(camera()).landmarks
    assert np.abs(neutral.fit.landmarks - at_rest)[OUTER_LIPS].max() < 1.0  # pixels of a mm


@pytest.mark.parametrize("darkness", [0.0, 0.03, 0.3])
def test_folds_fade_by_what_was_drawn_and_no_more_than_the_skin_is_darker(darkness):
    plain = np.full((*scene().shape, 3), 120, np.uint8)
    own = replace(scene(0), image=plain)
    mesh = visible_submesh(own)
    where = {"mesh": mesh, "lattice": Lattice(own, mesh)}
    (line,) = (
        np.einsum("nk,nkc->nc", placed.line.weights, own.xy[placed.line.vertices])
        for placed in own.anatomy.creases
        if placed.crease is CREASES["nasolabial"] and placed.side == 1
    )
    ink = np.zeros(own.shape, np.float32)
    cv2.polylines(ink, [np.rint(line).astype(np.int32)], False, 1.0, round(3 * own.scale))
    ink = cv2.GaussianBlur(ink, (0, 0), own.scale)[..., None]
    folded = replace(own, image=np.rint(plain * np.exp(-darkness * ink)).astype(np.uint8))
    faded = without_folds(folded, 2 * smile(), **where).image.astype(int)
    assert faded.max() <= 121 and (faded >= folded.image).all()
    x, y = np.rint(line[len(line) // 2]).astype(int)
    lifted = np.log(faded[y, x].mean() / folded.image[y, x].mean())
    assert (lifted > 0.01) == (darkness > 0) and lifted <= darkness
    still = without_folds(folded, np.zeros_like(smile()), **where)
    assert still.image is folded.image


def white_mouth(fit):
    """The pattern, dark, with white between the lips of a Fit."""
    picture = photo() // 2
    ring = fit.landmarks[[*UPPER_INNER_LINE, *LOWER_INNER_LINE[-2:0:-1]]]
    return cv2.fillPoly(picture, [np.rint(ring).astype(np.int32)], (WHITE,) * 3)


@pytest.mark.parametrize("expression", [jaw_drop, smile])
def test_open_lips_meet_and_hide_what_was_between_them(expression):
    """Whether the expression explains the opening or the fit's residual alone has it."""
    fit = showing(0.7 * jaw_drop())
    picture = white_mouth(fit)
    neutral = neutraliser(expression(), max_neutralised=50)(picture, fit)
    assert (picture.min(axis=2) == WHITE).sum() > 100
    outline = np.rint(neutral.fit.landmarks[OUTER_LIPS]).astype(np.int32)
    inside = cv2.fillPoly(np.zeros(photo().shape[:2], np.uint8), [outline], 1) > 0
    assert neutral.photo[inside].max() <= 130  # no brighter than the lips
    made = make_scene(neutral.fit, neutral.photo, default_anatomy())
    assert np.abs(lips_gap(made)).max() < 0.1 * ROLL_MM * made.scale


def test_too_much_is_refused_with_a_remedy():
    neutral = neutraliser(smile(), max_neutralised=0.5)(photo(), showing(smile()))
    rule, remedy = neutral.failure
    assert "mm would be removed, more than 0.5 mm" in rule and "less expression" in remedy


def build_of(root):
    (root / "blendshapes").mkdir(parents=True)
    write_expressions(root / "blendshapes/expressions.zarr")
    write_model(root / "fits/model.zarr", morphable_model(), None)
    return root


def test_a_chunk_states_what_was_removed_and_refuses_too_much(tmp_path):
    atlas = write_atlas(tmp_path / "atlas.zarr")
    out = chunk_of_people(build_of(tmp_path / "one"), atlas, Settings(size=96, neutralise=True))
    chunk = store.open(out / "000.zarr")
    column = chunk.attributes["quality"].index("neutralised_mm")
    first, second = chunk["quality"][:, column].tolist()
    assert first == second and 0 < first < 0.5  # mm: the template's lips are nearly closed
    plain = chunk_of_people(tmp_path / "two", atlas, Settings(size=96))
    assert "neutralised_mm" not in store.open(plain / "000.zarr").attributes["quality"]
    settings = Settings(size=96, neutralise=True, max_neutralised=first / 2)
    refused = chunk_of_people(build_of(tmp_path / "three"), atlas, settings)
    assert len(store.open(refused / "000.zarr")["images"]) == 0
    assert "mm would be removed" in (refused / "quarantine/000.csv").read_text()


def test_a_build_without_expressions_says_so(tmp_path):
    root = build_of(tmp_path)
    stored = store.open(root / "blendshapes/expressions.zarr")
    arrays = {name: stored[name][...] for name in ("median", "status")}
    mean = store.Vertices(stored["mean"][...], stored["mean"].neutral)
    arrays |= {"mean": mean, "status": np.ones_like(arrays["status"]) * arrays["status"][1]}
    attributes = dict(stored.attributes)
    store.write(root / "blendshapes/expressions.zarr", arrays, attributes, provenance=None)
    assert read_neutraliser(root, default_anatomy(), Settings()) is None
    with pytest.raises(BadInput, match="no basic expression has a deformation; add posed"):
        read_neutraliser(root, default_anatomy(), Settings(neutralise=True))


def test_an_editor_imposes_on_the_neutralised_photograph():
    fit = showing(smile())
    settings = Settings(neutralise=True)
    nothing = Target(np.zeros_like(TEMPLATE.vertices), 0.0, 0.0, "nothing")
    options = {"settings": settings, "neutralise": neutraliser(smile())}
    person = PhotographEditor(photo(), fit.landmarks, morphable_model(), **options)
    image, record = person.impose(nothing)
    assert record["quality"]["neutralised_mm"] > 0.5
    assert not np.array_equal(image, photo())
    plain = PhotographEditor(photo(), fit.landmarks, morphable_model())
    assert np.array_equal(plain.impose(nothing)[0], photo())
