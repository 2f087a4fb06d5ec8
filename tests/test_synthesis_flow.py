"""Maps, gates and blending against what they stand for: rasters and exact solutions."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve
from support.faces import (
    SIZE,
    TEMPLATE,
    bump,
    camera,
    editor,
    fit_of,
    jaw_drop,
    lit_photo,
    photo,
    scene,
)

from affect4d.config.synthesis import Settings
from affect4d.geometry.raster import barycentric, interpolate, rasterise
from affect4d.geometry.surface import vertex_normals
from affect4d.synthesis.editing.editor import Editor
from affect4d.synthesis.editing.eyelids import lid_shifts
from affect4d.synthesis.editing.flow import ForwardFlow, stack_deformations
from affect4d.synthesis.editing.harmonic import extend
from affect4d.synthesis.editing.inverse_flow import InverseFlow
from affect4d.synthesis.editing.lattice import NOTHING, REACH, STEP, Lattice
from affect4d.synthesis.editing.lighting import Light, Relighting
from affect4d.synthesis.editing.scene import facing, make_scene
from affect4d.synthesis.editing.visible_mesh import visible_submesh
from affect4d.template.anatomy import default_anatomy

SMILE = bump(48, 14, [-3, 4, -1]) + bump(54, 14, [3, 4, -1])
FROWN = bump(21, 10, [2, -3, 0]) + bump(22, 10, [-2, -3, 0])
DEFORMATIONS = [SMILE, FROWN, jaw_drop(), bump(30, 12, [3, 2, 2]), bump(8, 20, [0, -8, 0])]


def exact(own, deformation):
    """The moved mesh drawn anew: where each pixel of it comes from, and where that is seen."""
    anatomy = own.anatomy
    change = deformation @ own.motion.T
    xy, depth = own.xy + change[:, :2], own.depth + change[:, 2]
    for weight, shift in zip(
        anatomy.lids, lid_shifts(own, deformation[..., None])[..., 0], strict=True
    ):
        xy = xy + weight * shift
    front = own.drawn & (facing(xy.astype(np.float32), anatomy.triangles) > 0)
    ids, weights = rasterise(xy, depth, anatomy.triangles, shape=own.shape, keep=front)
    shown = (ids >= 0) & (own.visible & ~anatomy.eyes)[ids]
    return interpolate(own.xy, anatomy.triangles, (ids, weights)), shown, ids


def surface(own):
    """A Scene's submesh and lattice."""
    mesh = visible_submesh(own)
    return mesh, Lattice(own, mesh)


def flows_of(own, *deformations):
    """The stage `flow`, of the deformations together."""
    (block,) = stack_deformations(deformations)
    return ForwardFlow(own, *surface(own))(block)


def moved_by(own, *deformations):
    """The submesh, the lattice, and the Motion of each deformation."""
    mesh, lattice = surface(own)
    invert = InverseFlow(own, lattice)
    return mesh, lattice, list(map(invert, flows_of(own, *deformations).edits))


def test_perspective_shows_what_is_near_move_farther():
    """Motion of the nose and the cheeks before a camera 40 cm away, against moving the face."""
    near = replace(camera(), inverse_distance=1 / 400)
    own = make_scene(fit_of(near), photo(), default_anatomy())
    moved = bump(30, 40, [1, 1, 0])
    (edit,) = flows_of(own, moved).edits
    change, vertices = edit.change, edit.mesh.vertices
    expected = (near.project(TEMPLATE.vertices + moved) - near.project(TEMPLATE.vertices))[vertices]
    shown = np.abs(expected[:, :2]).max(1) > 0.2
    assert np.ptp(own.nearness[vertices]) > 0.2
    np.testing.assert_allclose(change[shown, :2], expected[shown, :2], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("degrees", [0, 8, 30])
def test_the_map_is_that_of_the_mesh_drawn_anew(degrees):
    own = scene(degrees)
    _, _, found = moved_by(own, *DEFORMATIONS)
    for deformation, motion in zip(DEFORMATIONS, found, strict=True):
        source, shown, _ = exact(own, deformation)
        error = np.linalg.norm(motion.source - source, axis=2)[shown]
        assert shown.sum() > 10_000 and np.abs(source[shown]).max() > 0
        assert np.percentile(error, 99) < 0.1 and np.percentile(error, 50) < 0.01
    moved = [np.abs(motion.flow).max() for motion in found]
    assert min(moved) > 2


def hidden_by_drawing(own, deformation):
    """(H, W) bool: where the mesh drawn anew shows what the photograph does not."""
    _, _, ids = exact(own, deformation)
    triangles = own.anatomy.triangles
    moved = np.ascontiguousarray(own.xy + (deformation @ own.motion.T)[:, :2], np.float32)
    before = np.concatenate([own.xy, own.depth[:, None]], axis=1)
    x, y, depth = np.moveaxis(
        interpolate(before, triangles, (ids, barycentric(ids, moved, triangles))), 2, 0
    )
    nearest = interpolate(own.depth, triangles, own.raster)[..., 0]
    nearest = cv2.erode(np.where(own.raster[0] >= 0, nearest, -1e9), np.ones((3, 3)))
    row, column = (np.clip(np.rint(place), 0, SIZE - 1).astype(int) for place in (y, x))
    behind = depth < nearest[row, column] - 0.5 * own.scale
    return (ids >= 0) & ~own.anatomy.eyes[ids] & (behind | (own.areas[ids] <= 0))


def around(where):
    """A mask and the pixels beside it."""
    return cv2.dilate(where.astype(np.uint8), np.ones((3, 3))) > 0


def test_what_the_photograph_hides_is_found_as_by_drawing_anew():
    """The nose turned and pushed: what becomes visible beside it, to a pixel."""
    own = scene(30)
    turn = bump(30, 14, [-14, 0, 2])
    mesh, lattice, (motion,) = moved_by(own, turn)
    hidden = hidden_by_drawing(own, turn)
    found = motion.revealed_faces != NOTHING
    assert hidden.sum() > 100
    assert (found & hidden).sum() > 0.65 * hidden.sum() and found.sum() < 1.5 * hidden.sum()
    assert (around(found) & hidden).sum() > 0.9 * hidden.sum()
    assert (found & around(hidden)).sum() > 0.8 * found.sum()
    assert motion.revealed == pytest.approx(found.sum() / lattice.known.sum())
    faces = mesh.faces[motion.revealed_faces[found]]
    assert not own.visible[faces].any()


def enlarged(image, degrees, times):
    """A Scene as of `scene`, of a photograph so many times as large."""
    near = camera(degrees)
    place = times * (near.translation + 0.5) - 0.5
    near = replace(near, scale=times * near.scale, translation=place)
    wide = cv2.resize(image, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return make_scene(fit_of(near), wide, default_anatomy())


@pytest.mark.parametrize("degrees", [0, 30])
def test_nothing_comes_to_light_in_a_large_photograph_of_a_face_that_rests(degrees):
    """Triangles that it shows in part are many pixels there."""
    own = enlarged(photo(), degrees, 4)
    made = Editor(own, Settings(blend="poisson")).edit(np.zeros_like(SMILE))
    assert made.motion.revealed == 0
    assert np.array_equal(made.image, own.image)


def test_still_faces_fold_flip_and_reveal_next_to_nothing():
    for degrees in (0, 30):
        _, lattice, (motion,) = moved_by(scene(degrees), np.zeros_like(SMILE))
        assert motion.flipped == 0 and motion.folded == 0 and motion.revealed < 0.01
        rows, columns = np.indices(lattice.known.shape)
        assert np.abs(motion.flow).max() < 1e-4
        assert np.abs(motion.source - np.stack([columns, rows], -1)).max() < 1e-4


@pytest.mark.parametrize("edge", [slice(60, None), slice(None, -60), slice(80, -80)])
def test_maps_lead_into_the_photograph_where_its_edge_cuts_the_face(edge):
    whole = scene()
    low = np.float32(edge.start or 0)
    own = replace(whole, image=whole.image[edge, edge].copy(), xy=whole.xy - low)
    height, width = own.shape
    for motion in moved_by(own, *(scale * d for d in DEFORMATIONS for scale in (1, 2, -1)))[2]:
        assert np.abs(motion.flow).max() > 1 and np.isfinite(motion.source).all()
        assert motion.source.min() >= 0
        assert (motion.source.max((0, 1)) <= [width - 1, height - 1]).all()


def test_flipped_is_the_area_that_turns_away():
    own = scene()
    crushed = bump(33, 9, [0, 45, 0])
    *_, (motion,) = moved_by(own, crushed)
    xy = own.xy + (crushed @ own.motion.T)[:, :2]
    visible = own.visible & ~own.anatomy.eyes
    away = visible & (facing(xy.astype(np.float32), own.anatomy.triangles) <= 0)
    assert own.areas[away].sum() > 0
    expected = own.areas[away].sum() / own.areas[visible].sum()
    assert motion.flipped == pytest.approx(expected, rel=1e-4)
    assert motion.folded > 0.003


def test_beyond_its_reach_nothing_moves_bit_for_bit():
    own = editor()
    face = (own.scene.raster[0] < 0).astype(np.uint8)
    far = (
        cv2.distanceTransform(face, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        > REACH * own.scene.inter_ocular
    )
    assert far.sum() > 1000
    for made in own.edits(stack_deformations(DEFORMATIONS)):
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


def membrane(values, mask):
    """Laplace's equation within a mask by a sparse factorisation."""
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    rows, columns = np.nonzero(mask)
    right, entries = np.zeros(mask.sum()), []
    for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        beside = number[rows + dr, columns + dc]
        inner = beside >= 0
        entries.append((np.flatnonzero(inner), beside[inner]))
        right[~inner] += values[rows + dr, columns + dc][~inner]
    i, j = (np.concatenate(part) for part in zip(*entries, strict=True))
    system = 4 * sparse.eye(mask.sum()) - sparse.csr_matrix((np.ones(len(i)), (i, j)))
    solved = values.astype(float)
    solved[mask] = spsolve(system.tocsc(), right)
    return solved


def test_the_blend_solves_poissons_equation():
    """Inside, the gradient of the render's logarithm; around, the picture's own values."""
    own = replace(scene(), image=lit_photo())
    blend = Relighting(own, *surface(own), settings=Settings(folds=0))
    (deformations,) = stack_deformations([SMILE, jaw_drop()])
    flows = flows_of(own, SMILE, jaw_drop())
    logs = cv2.GaussianBlur(np.log(blend.light.ratios(flows.change)), (0, 0), blend.blur)
    for edit, factor in enumerate(blend.factors(deformations, flows)):
        log = logs[..., edit]
        expected = np.where(blend.mask, log - membrane(log, blend.mask), 0)
        error = np.abs(np.log(factor) - expected)
        assert np.ptp(expected) > 0.02
        assert error.max() < 0.1 * np.ptp(expected) and error.mean() < 0.01 * np.ptp(expected)
        assert (factor[~blend.mask] == 1).all()


def test_what_comes_to_light_is_taken_from_the_other_half():
    """A nose turned away uncovers the cheek behind it; twin and cheek are of one colour here."""
    plain = np.full_like(photo(), 128)
    plain[scene(30).raster[0] < 0] = 0
    own = Editor(replace(scene(30), image=plain), Settings(blend="poisson"))
    made = own.edit(bump(30, 14, [-14, 0, 2]))
    uncovered = made.motion.revealed_faces != NOTHING
    assert uncovered.sum() > 60
    inner = cv2.erode((made.image > 100).all(2).astype(np.uint8), np.ones((5, 5))) > 0
    assert np.abs(made.image[uncovered & inner].astype(int) - 128).mean() < 25


@pytest.mark.parametrize("degrees", [0, 45])
def test_no_pixel_comes_from_farther_than_the_face_moves(degrees):
    """Steps towards the inverse do not end beyond the flow's edges at silhouettes."""
    own = enlarged(photo(), degrees, 4)
    rows, columns = np.indices(own.shape)
    *_, (motion,) = moved_by(own, SMILE)
    moved = np.linalg.norm(motion.source - np.stack([columns, rows], axis=2), axis=2)
    assert moved.max() < 1.05 * np.linalg.norm(motion.flow, axis=2).max()


def test_what_comes_to_light_takes_nothing_from_afar():
    """The patch joins its surroundings, whatever the photograph's corners look like."""
    pictures = []
    for colour in (0, 255):
        own = enlarged(photo(), 30, 3)
        own.image[:9, :9] = colour
        made = Editor(own, Settings(blend="poisson")).edit(bump(30, 14, [-14, 0, 2]))
        pictures.append(made.image[own.raster[0] >= 0].astype(int))
    assert (made.motion.revealed_faces != NOTHING).sum() > 500
    assert np.array_equal(*pictures)


def on_the_lattice(values, own):
    """Values at vertices, at the lattice's places of the raster."""
    return interpolate(values, own.anatomy.triangles, own.raster)[::STEP, ::STEP]


def test_light_follows_the_normals():
    own = scene()
    light = Light(own, *surface(own))
    harmonics = np.array([10.0, 1.0, 2.0, 3.0], np.float32)
    normals = vertex_normals(TEMPLATE.vertices, TEMPLATE.triangles) @ camera().rotation.T
    expected = on_the_lattice(10 + normals @ [1, -2, 3], own)[..., 0]  # y points down there
    found = light.shades(np.zeros((*light.lit.shape, 3, 1), np.float32), harmonics[:, None])[..., 0]
    error = np.abs(found - expected)[light.lit]
    assert light.lit.sum() > 3000
    assert np.median(error) < 0.05 and np.percentile(error, 95) < 0.5


@pytest.mark.parametrize(("spots", "low", "high"), [(0, 0.9, 1.1), (40, 0.1, 0.7)])
def test_the_light_is_found_again_by_the_share_that_it_explains(spots, low, high):
    """A face under a light of first order, of one colour or with spots, grey levels."""
    own = scene()
    normals = vertex_normals(TEMPLATE.vertices, TEMPLATE.triangles) @ camera().rotation.T
    lit = interpolate(90 + normals @ [20, -30, 60], TEMPLATE.triangles, own.raster)
    lit = lit + np.random.default_rng(0).uniform(-spots, spots, lit.shape)
    image = np.repeat(np.clip(np.rint(lit), 0, 255).astype(np.uint8), 3, axis=2)
    own = replace(own, image=image)
    light = Light(own, *surface(own))
    found = np.linalg.norm(light.harmonics[1:]) / np.linalg.norm([20, 30, 60])
    assert low < found < high
    if not spots:
        np.testing.assert_allclose(light.harmonics, [90, 20, 30, 60], atol=5)


def test_hair_and_brows_do_not_pass_for_shadow():
    own = scene()
    normals = vertex_normals(TEMPLATE.vertices, TEMPLATE.triangles) @ camera().rotation.T
    lit = interpolate(90 + normals @ [20, -30, 60], TEMPLATE.triangles, own.raster)
    places = camera().project(TEMPLATE.landmarks)[:, :2]
    rows = np.arange(len(lit))[:, None, None]
    lit = np.where(rows < places[19, 1] - 30, 30, lit)
    for brow in (places[17:22], places[22:27]):
        cv2.polylines(lit, [np.rint(brow).astype(np.int32)], False, (25.0,), 6)
    image = np.repeat(np.clip(np.rint(lit), 0, 255).astype(np.uint8), 3, axis=2)
    own = replace(own, image=image)
    light = Light(own, *surface(own))
    np.testing.assert_allclose(light.harmonics, [90, 20, 30, 60], atol=6)


@pytest.mark.parametrize("wider", [0.7, 1.4])
def test_lids_move_by_millimetres_but_close_together(wider):
    """Eyes narrower and wider than the template's, closed by 1 mm and altogether."""
    own = scene()
    eyes = own.anatomy.landmark_vertices[36:48].reshape(2, 6)
    xy = own.xy.copy()
    for eye, weight in zip(eyes, own.anatomy.lids, strict=True):
        aperture = (own.xy[eye[[5, 4]]] - own.xy[eye[[1, 2]]]).mean(0)
        xy += weight * (1 - wider) * aperture / weight[eye[[1, 2]]].mean()
    own = replace(own, xy=np.ascontiguousarray(xy, dtype=np.float32))
    for closing in (1.0, None):
        way = np.zeros((len(xy), 3), np.float32)
        for eye, weight, aperture in zip(
            eyes, own.anatomy.lids, own.anatomy.apertures, strict=True
        ):
            gain = weight[eye[[1, 2]]].mean() - weight[eye[[5, 4]]].mean()
            way[:, 1] -= weight[:, 0] * (closing or aperture) / gain
        moved = xy + (way @ own.motion.T)[:, :2]
        for weight, shift in zip(
            own.anatomy.lids, lid_shifts(own, way[..., None])[..., 0], strict=True
        ):
            moved = moved + weight * shift
        for eye in eyes:
            before, after = ((p[eye[[5, 4]]] - p[eye[[1, 2]]]).mean(0)[1] for p in (xy, moved))
            if closing:
                assert before - after == pytest.approx(closing, abs=0.1)
            else:
                assert 0.05 * before < after < 0.15 * before


def test_light_is_as_it_was_where_nothing_moves():
    light = Light(scene(), *surface(scene()))
    still = np.zeros((*light.lit.shape, 3, 3), np.float32)
    assert np.abs(light.ratios(still) - 1).max() < 1e-6
