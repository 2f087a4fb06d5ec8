"""Maps, gates and blending against what they stand for: rasters and exact solutions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve
from small_faces import TEMPLATE, bump, camera, editor, jaw_drop, lit_photo, photo, scene

from affect4d.geometry.raster import interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.synthesis.blending import Poisson
from affect4d.synthesis.eyelids import lid_shifts
from affect4d.synthesis.flow import REACH, Flow
from affect4d.synthesis.harmonic import extend
from affect4d.synthesis.lighting import Light
from affect4d.synthesis.motion import NOTHING, motions, side_by_side
from affect4d.synthesis.scene import facing

SMILE = bump(48, 14, [-3, 4, -1]) + bump(54, 14, [3, 4, -1])
FROWN = bump(21, 10, [2, -3, 0]) + bump(22, 10, [-2, -3, 0])
DEFORMATIONS = [SMILE, FROWN, jaw_drop(), bump(30, 12, [3, 2, 2]), bump(8, 20, [0, -8, 0])]


def exact(own, deformation):
    """The moved mesh drawn anew: where each pixel of it comes from, and where that is seen."""
    anatomy = own.anatomy
    change = deformation @ own.motion.T
    xy, depth = own.xy + change[:, :2], own.depth + change[:, 2]
    for weight, shift in zip(anatomy.lids, lid_shifts(own, deformation), strict=True):
        xy = xy + weight * shift
    front = own.drawn & (facing(xy.astype(np.float32), anatomy.triangles) > 0)
    ids, weights = rasterise(xy, depth, anatomy.triangles, *own.shape, front)
    shown = (ids >= 0) & (own.visible & ~anatomy.eyes)[ids]
    return interpolate(ids, weights, anatomy.triangles, own.xy), shown, ids


def moved_by(own, *deformations):
    flow = Flow(own)
    return flow, motions(flow, flow.change(np.stack(deformations, axis=1)))


@pytest.mark.parametrize("degrees", [0, 8, 30])
def test_the_map_is_that_of_the_mesh_drawn_anew(degrees):
    own = scene(degrees)
    _, found = moved_by(own, *DEFORMATIONS)
    for deformation, motion in zip(DEFORMATIONS, found, strict=True):
        source, shown, _ = exact(own, deformation)
        error = np.linalg.norm(motion.source - source, axis=2)[shown]
        assert shown.sum() > 10_000 and np.abs(source[shown]).max() > 0
        assert np.percentile(error, 99) < 0.06 and np.percentile(error, 50) < 0.01
    moved = [np.abs(motion.flow).max() for motion in found]
    assert min(moved) > 2


def test_what_the_photograph_hides_is_found_as_by_drawing_anew():
    """The nose turned and pushed: what comes to light beside it."""
    own = scene(30)
    turn = bump(30, 14, [-14, 0, 2])
    flow, (motion,) = moved_by(own, turn)
    _, shown, ids = exact(own, turn)
    hidden = (ids >= 0) & ~shown & ~own.anatomy.eyes[ids]
    found = motion.revealed_faces != NOTHING
    assert hidden.sum() > 100
    assert (found & hidden).sum() > 0.7 * hidden.sum() and found.sum() < 1.5 * hidden.sum()
    assert motion.revealed == pytest.approx(found.sum() / flow.known.sum())
    faces = flow.front.faces[motion.revealed_faces[found]]
    assert not own.visible[faces].any()


def test_still_faces_fold_flip_and_reveal_next_to_nothing():
    for degrees in (0, 30):
        flow, (motion,) = moved_by(scene(degrees), np.zeros_like(SMILE))
        assert motion.flipped == 0 and motion.folded == 0 and motion.revealed < 0.01
        rows, columns = np.indices(flow.known.shape)
        assert np.abs(motion.flow).max() < 1e-4
        assert np.abs(motion.source - np.stack([columns, rows], -1)).max() < 1e-4


def test_flipped_is_the_area_that_turns_away():
    own = scene()
    crushed = bump(33, 9, [0, 45, 0])
    _, (motion,) = moved_by(own, crushed)
    xy = own.xy + (crushed @ own.motion.T)[:, :2]
    visible = own.visible & ~own.anatomy.eyes
    away = visible & (facing(xy.astype(np.float32), own.anatomy.triangles) <= 0)
    assert own.areas[away].sum() > 0
    expected = own.areas[away].sum() / own.areas[visible].sum()
    assert motion.flipped == pytest.approx(expected, rel=1e-4)
    assert motion.folded > 0.003


def test_an_edit_does_not_depend_on_those_made_with_it():
    for settings in ({}, {"blend": "poisson"}):
        own = editor(**settings)
        together = list(own.edits(side_by_side(DEFORMATIONS)))
        for deformation, made in zip(DEFORMATIONS, together, strict=True):
            alone = own.edit(deformation)
            assert np.array_equal(alone.image, made.image)
            assert np.array_equal(alone.motion.source, made.motion.source)


def test_beyond_its_reach_nothing_moves_bit_for_bit():
    own = editor()
    face = (own.scene.raster[0] < 0).astype(np.uint8)
    far = (
        cv2.distanceTransform(face, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        > REACH * own.scene.inter_ocular
    )
    assert far.sum() > 1000
    for made in own.edits(side_by_side(DEFORMATIONS)):
        assert np.array_equal(made.image[far], photo()[far])
        assert not np.array_equal(made.image, photo())


def test_harmonic_extension_solves_laplace():
    rows, columns = np.mgrid[:65, :80].astype(np.float32)
    exact = (0.3 * columns - 0.2 * rows + 0.01 * (columns**2 - rows**2))[..., None]
    known = np.ones((65, 80), bool)
    known[10:50, 15:70] = False
    known[25:30, 30:40] = True
    filled = extend(np.where(known[..., None], exact, 0), known)
    assert np.abs(filled - exact).max() < 0.03 * np.ptp(exact)
    assert np.array_equal(filled[known], exact[known])


def exact_poisson(picture, factors, mask):
    """The membrane by a sparse factorisation: Laplace's equation for the difference."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    rows, columns = np.nonzero(mask)
    difference = picture * (1 - factors[..., None])
    right = np.zeros((mask.sum(), 3))
    entries = []
    for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside = number[rows + dr, columns + dc]
        inner = beside >= 0
        entries.append((np.flatnonzero(inner), beside[inner]))
        right[~inner] += difference[rows + dr, columns + dc][~inner]
    i, j = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = 4 * sparse.eye(mask.sum()) - sparse.csr_matrix((np.ones(len(i)), (i, j)))
    solved = picture.astype(float)
    solved[mask] = (picture * factors[..., None])[mask] + spsolve(system.tocsc(), right)
    return np.clip(solved, 0, 255)


def test_the_blend_solves_poissons_equation():
    own = replace(scene(), image=lit_photo())
    flow = Flow(own)
    blend = Poisson(flow)
    change = flow.change(np.stack([SMILE, jaw_drop()], axis=1))
    factors = flow.carry(Light(own, flow.front).ratios(change))
    factors[~flow.known.ravel()] = 1
    factors = factors.reshape(*own.shape, 2)
    for edit, texture in enumerate(blend.textures(change)):
        blurred = cv2.GaussianBlur(factors[..., edit], (0, 0), blend._blur)
        assert blurred.min() < 0.98
        expected = exact_poisson(own.image, blurred, blend._mask)
        assert np.array_equal(texture[~blend._mask], own.image[~blend._mask])
        error = np.abs(texture - expected)[blend._mask]
        plain = np.abs(np.clip(own.image * blurred[..., None], 0, 255) - expected)[blend._mask]
        assert error.mean() < 0.5 and np.percentile(error, 99.9) < 2
        assert error.mean() < 0.5 * plain.mean() or plain.mean() < 0.6


def test_light_follows_the_normals():
    own = scene()
    light = Light(own, Flow(own).front)
    light.harmonics = np.array([10.0, 1.0, 2.0, 3.0], np.float32)
    normals = vertex_normals(TEMPLATE.vertices, TEMPLATE.triangles) @ camera().rotation.T
    expected = 10 + normals @ [1, -2, 3]  # the picture's y points down
    found = light.shades(np.zeros((len(light.front.xy), 1, 3), np.float32))[:, 0]
    left_out = np.setdiff1d(np.arange(len(TEMPLATE.triangles)), light.front.faces)
    inner = ~np.isin(light.front.vertices, TEMPLATE.triangles[left_out])
    assert inner.sum() > 20_000
    assert np.abs(found - expected[light.front.vertices])[inner].max() < 0.02


def test_light_is_as_it_was_where_nothing_moves():
    own = scene()
    light = Light(own, Flow(own).front)
    still = np.zeros((len(light.front.xy), 3, 3), np.float32)
    assert np.abs(light.ratios(still) - 1).max() < 1e-6
