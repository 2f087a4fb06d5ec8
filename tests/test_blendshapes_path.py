"""Natural neighbours, paths through the plane, and classes interpolated and labelled as such."""

import shutil
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from support import small_gallery
from support.contexts import context
from support.recorded import record

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import STATUSES
from affect4d.blendshapes import Interpolant, trace
from affect4d.blendshapes.atlas import build_atlas
from affect4d.blendshapes.model import model_arrays
from affect4d.blendshapes.natural_neighbour import FRAME, in_hull, natural_neighbour_weights
from affect4d.blendshapes.path import resample, support_status
from affect4d.quarantine import BadInput
from affect4d.synthesis import Atlas
from affect4d.synthesis.imposed import MEAN, deformations
from affect4d.synthesis.request import find_targets

VERTICES, _ = small_gallery.patch()
GRID = Grid()
coordinate = st.floats(-1, 1, allow_nan=False)
place = st.tuples(coordinate, coordinate)


def medians_of(count, seed):
    """A median inside each of so many classes, and the classes."""
    rng = np.random.default_rng(seed)
    index = np.sort(rng.choice(len(GRID), count, replace=False))
    return GRID.centres[index] + rng.uniform(-0.099, 0.099, (count, 2)), index


def interpolant_of(count, seed=0):
    medians, index = medians_of(count, seed)
    means = np.random.default_rng(seed).normal(size=(count, 30, 3)).astype(np.float32)
    return Interpolant(GRID, index, medians, means)


@given(st.integers(1, 90), st.integers(0, 1000), st.lists(place, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_shares_are_not_negative_and_sum_to_one(count, seed, points):
    shares = natural_neighbour_weights(points, medians_of(count, seed)[0])
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(1), 1, rtol=0, atol=1e-12)


@given(st.integers(1, 90), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_at_a_median_stands_that_class(count, seed):
    sites = medians_of(count, seed)[0]
    assert np.array_equal(natural_neighbour_weights(sites, sites), np.eye(count))
    near = natural_neighbour_weights(np.clip(sites + 1e-7, -1, 1), sites)
    assert np.abs(near - np.eye(count)).max() < 1e-4


def test_shares_are_the_areas_taken_from_the_sites():
    """Counted on a fine lattice: which site was nearest where the point is nearest now."""
    sites, _ = medians_of(25, 3)
    axis = np.linspace(-FRAME, FRAME, 1501)
    lattice = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    distance, nearest = cKDTree(sites).query(lattice)
    for point in ([0.1, 0.2], [-0.5, 0.33], [0.7, -0.1]):
        taken = nearest[np.linalg.norm(lattice - point, axis=1) < distance]
        counted = np.bincount(taken, minlength=25) / len(taken)
        np.testing.assert_allclose(natural_neighbour_weights(point, sites)[0], counted, atol=0.01)


def test_inside_the_classes_a_mixture_of_labels_is_the_place():
    interpolant = interpolant_of(90)
    points = np.random.default_rng(1).uniform(-0.75, 0.75, (100, 2))
    labels = interpolant.labels(interpolant.weights(points))
    np.testing.assert_allclose(labels, points, rtol=0, atol=1e-9)


@given(st.integers(3, 60), st.integers(0, 1000), place)
@settings(max_examples=6, deadline=None)
def test_half_the_step_halves_the_largest_motion(count, seed, start):
    """Continuous everywhere, borders of classes and a median on the way included.

    Line by line: of a path of several, a line as short as a step is one step of either.
    """
    interpolant = interpolant_of(count, seed)
    corners = [start, interpolant.medians[0], (-start[0], 0.9)]
    assume(np.linalg.norm(np.diff(corners, axis=0), axis=1).sum() > 0.5)
    coarse, fine = (
        max(trace(interpolant, line, frames).largest_step for line in pairwise(corners))
        for frames in (301, 601)
    )
    assert 0.4 * coarse <= fine <= 0.75 * coarse


@given(st.lists(place, min_size=2, max_size=8), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_a_path_shows_every_corner_and_no_step_is_long(corners, more):
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    assume(lengths.sum() > 0.1)
    lines = np.count_nonzero(lengths)
    frames = lines + 1 + more
    points = resample(corners, frames)
    assert points.shape == (frames, 2)
    at = iter(points)  # in their order
    for corner, length in zip(corners, [1, *lengths], strict=True):
        assert not length or any(np.abs(point - corner).max() < 1e-11 for point in at)
    longest = np.linalg.norm(np.diff(points, axis=0), axis=1).max()
    assert longest <= lengths.sum() / (frames - lines) + 1e-9
    if lines > 1:
        with pytest.raises(ValueError, match=f"at least {lines + 1} frames"):
            resample(corners, lines)


def test_nothing_leaps_at_a_border_of_classes():
    interpolant = interpolant_of(90)
    for border in GRID.edges[1:-1]:
        for other in np.linspace(-0.9, 0.9, 7):
            beside = [[border - 1e-9, other], [border, other]]
            shares = interpolant.weights([*beside, *np.flip(beside, axis=1)])
            two = interpolant.deformations(shares).reshape(2, 2, -1)
            assert np.abs(two[:, 0] - two[:, 1]).max() < 1e-5


def test_the_slope_is_continuous_across_borders_and_between_medians():
    interpolant, step = interpolant_of(90), 2e-4
    along = np.column_stack([-0.8 + step * np.arange(1000), np.full(1000, 0.137)])
    clear = cKDTree(interpolant.medians).query(along)[0] > 0.02
    slopes = np.diff(interpolant.weights(along), axis=0) / step
    change = np.abs(np.diff(slopes, axis=0)).max(1)[clear[1:-1]]
    assert len(change) > 500 and change.max() < 0.05 * np.abs(slopes).max()


def test_a_mixture_lies_between_the_classes():
    interpolant = interpolant_of(40)
    path = trace(interpolant, [(-0.9, -0.9), (0.9, 0.9)], 50)
    assert (path.deformations >= interpolant.means.min(0) - 1e-6).all()
    assert (path.deformations <= interpolant.means.max(0) + 1e-6).all()


def test_a_path_passes_equal_lengths_in_equal_times():
    corners = [(0, 0), (0.6, 0), (0.6, 0), (0.6, 0.3)]
    assert resample([(0.2, 0.1)] * 2, 3).tolist() == [[0.2, 0.1]] * 3
    points = resample(corners, 10)
    np.testing.assert_allclose(np.abs(np.diff(points, axis=0)).sum(1), 0.1, atol=1e-12)
    assert [0.6, 0.0] in points.tolist()
    for wrong in (([(0, 0)], 5), (corners, 1)):
        with pytest.raises(ValueError, match="at least two points"):
            resample(*wrong)


def test_intensity_scales_a_path():
    interpolant = interpolant_of(40)
    full, half = (trace(interpolant, [(-0.5, 0), (0.5, 0.2)], 9, intensity=i) for i in (1.0, 0.5))
    np.testing.assert_allclose(half.deformations, 0.5 * full.deformations, rtol=1e-6)
    assert half.largest_step == pytest.approx(full.largest_step / 2, rel=1e-5)


@pytest.mark.parametrize("corners", [np.zeros((3, 3)), np.zeros(4), [[0.1], [0.2]]])
def test_corners_that_are_no_places_are_refused(corners):
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        resample(corners, 4)


def test_places_that_cannot_be_are_refused():
    sites = medians_of(4, 0)[0]
    for points, wrong in (([[1.1, 0]], sites), ([[np.nan, 0]], sites), ([[0, 0]], sites[:0])):
        with pytest.raises(ValueError, match="site"):
            natural_neighbour_weights(points, wrong)
    with pytest.raises(ValueError, match="once"):
        natural_neighbour_weights([[0, 0]], sites[[0, 0]])


HOLE, CORNER = GRID.assign(0.1, 0.1), GRID.assign(0.9, 0.9)  # among the classes, and outside


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models of 3 x 3 classes without the one in the middle; an outer class is insufficient."""
    folder, rng = tmp_path_factory.mktemp("blendshapes"), np.random.default_rng(0)
    for index in around():
        mean = rng.normal(size=VERTICES.shape).astype(np.float32)
        arrays = model_arrays(mean, mean[None], np.array([[0.4], [1.0]]), subjects=[0, 1])
        attributes = {"frame_ids": ["a", "b"], "constraint": "nonnegative", "strength": 1.0}
        label = dict(zip(("median_valence", "median_arousal"), median_of(index), strict=True))
        store.write(
            folder / f"{GRID.name(index)}.zarr", arrays, attributes | label, provenance=None
        )
    return folder


def around():
    middle = GRID.centres[HOLE]
    near = np.abs(GRID.centres - middle).max(1) < 0.3
    return [int(i) for i in np.flatnonzero(near) if i != HOLE]


def median_of(index):
    return (GRID.centres[index] + 0.01 * np.sin([index, 2 * index])).tolist()


def classes_table():
    status = np.full(len(GRID), "empty", object)
    status[around()] = "ok"
    status[[HOLE, CORNER]] = "insufficient"
    medians = np.full((len(GRID), 2), np.nan)
    for index in [*around(), HOLE, CORNER]:
        medians[index] = median_of(index)
    table = pd.DataFrame({"class": range(len(GRID)), "status": status})
    table["name"] = [GRID.name(i) for i in range(len(GRID))]
    table[["centre_valence", "centre_arousal"]] = GRID.centres
    table[["median_valence", "median_arousal"]] = medians
    return table


def atlas_of(folder, root, interpolate):
    """The atlas of the models in `folder`, copied to the results folder `root`."""
    shutil.copytree(folder, root / "blendshapes")
    (root / "affectspace").mkdir()
    classes_table().to_parquet(root / "affectspace/classes.parquet", index=False)
    record(root, root / "affectspace/classes.parquet")
    build_atlas(
        context(root, "atlas"), vertex_count=len(VERTICES), groups=0, interpolate=interpolate
    )
    return root / "blendshapes/atlas.zarr"


def test_only_classes_among_others_are_interpolated_and_only_when_asked(folder, tmp_path):
    without = store.open(atlas_of(folder, tmp_path / "without", False))
    stored = store.open(atlas_of(folder, tmp_path / "with", True))
    status = [np.array(STATUSES)[atlas["status"][...]] for atlas in (without, stored)]
    assert status[0][HOLE] == "insufficient" and not without["mean"][HOLE].any()
    assert status[1][HOLE] == "interpolated" and status[1][CORNER] == "insufficient"
    assert (status[1] == "interpolated").sum() == 1
    assert np.array_equal(stored["median"][HOLE], GRID.centres[HOLE])
    assert np.array_equal(stored["median"][CORNER], median_of(CORNER))
    assert stored["count"][HOLE] == 0


def test_an_interpolated_mean_is_the_mixture_that_the_atlas_states(folder, tmp_path):
    stored = store.open(atlas_of(folder, tmp_path, True))
    shares = stored["shares"][...]
    assert np.array_equal(shares[around()], np.eye(len(GRID))[around()])
    assert shares[HOLE].sum() == pytest.approx(1) and set(np.flatnonzero(shares[HOLE])) <= set(
        around()
    )
    assert not shares[CORNER].any() and not stored["mean"][CORNER].any()
    own = [store.open(folder / f"{GRID.name(i)}.zarr")["mean"][...] for i in around()]
    mixed = np.tensordot(shares[HOLE][around()], own, 1)
    assert np.abs(stored["mean"][HOLE] - mixed).max() < 0.006  # the atlas is quantised
    labels = shares[HOLE][around()] @ [median_of(i) for i in around()]
    np.testing.assert_allclose(labels, GRID.centres[HOLE], atol=1e-9)


def test_what_is_interpolated_says_so_to_synthesis(folder, tmp_path):
    atlas = Atlas(atlas_of(folder, tmp_path, True))
    assert HOLE in atlas.usable and HOLE not in atlas.own
    target = atlas.target(*GRID.centres[HOLE])
    assert target.interpolated and [target.valence, target.arousal] == GRID.centres[HOLE].tolist()
    assert not atlas.target(*median_of(around()[0])).interpolated
    with pytest.raises(BadInput, match="insufficient"):
        atlas.target(*median_of(CORNER))

    unchanged = SimpleNamespace(smooth_and_taper=lambda mean: mean)
    imposed = deformations(atlas, folder, unchanged, samples=2, seed=0)
    assert [i.sample for i in imposed if i.index == HOLE] == [MEAN]
    assert len(imposed) == 1 + 3 * len(around())


def test_a_path_over_a_hole_is_labelled(folder, tmp_path):
    atlas = Atlas(atlas_of(folder, tmp_path, False))
    over, beside = atlas.between(*GRID.centres[HOLE]), atlas.between(*median_of(around()[0]))
    assert over.interpolated and not beside.interpolated
    assert np.array_equal(beside.deformation, atlas.mean(around()[0]))
    interpolant = Interpolant.read(atlas.path)
    own = interpolant.deformations(interpolant.weights(GRID.centres[HOLE]))[0]
    np.testing.assert_allclose(over.deformation, own, atol=1e-5)


def test_a_path_states_what_is_behind_each_frame():
    """Classes in two columns with one between them missing: own, between, beyond."""
    index = GRID.assign([-0.5, -0.5, 0.5, 0.5], [-0.5, 0.5, -0.5, 0.5])
    interpolant = Interpolant(GRID, index, GRID.centres[index], np.zeros((4, 5, 3), np.float32))
    points = [(-0.95, -0.55), (-0.68, -0.52), (-0.55, -0.55), (0.0, 0.0), (0.55, 0.55), (0.95, 0.9)]
    path = [
        support_status(point, GRID, classes=index, medians=interpolant.medians)[0]
        for point in points
    ]
    assert path == ["extrapolated", "interpolated", "ok", "interpolated", "ok", "extrapolated"]
    found = trace(interpolant, [points[0], points[2]], 5).support_status
    assert found[0] == "extrapolated" and found[-1] == "ok"


def test_a_place_in_a_class_with_data_is_its_own_however_far_its_median(folder, tmp_path):
    atlas = Atlas(atlas_of(folder, tmp_path, False))
    far = GRID.centres[CORNER] * -1
    with pytest.raises(BadInput, match=r"is empty|is insufficient"):
        atlas.between(*far)


def test_a_single_image_has_the_label_that_is_asked_for(folder, tmp_path):
    """Within what the classes enclose, away from its edge, and on both sides of a border."""
    atlas_of(folder, tmp_path, False)
    atlas = Atlas(tmp_path / "blendshapes/atlas.zarr")
    medians = atlas.median[atlas.own]
    middle = medians.mean(0)
    places = np.random.default_rng(0).uniform(medians.min(0), medians.max(0), (50, 2))
    for point in middle + 0.7 * (places - middle):
        said = []
        (target,) = find_targets(tmp_path, point=tuple(point), say=said.append)
        assert (target.valence, target.arousal) == pytest.approx(tuple(point), abs=1e-9)
        assert not said and target.name == GRID.name(int(GRID.assign(*point)))
    valence, arousal = GRID.centres[HOLE] + [0.1, 0.03]
    sides = [atlas.nearest(valence + step, arousal) for step in (-1e-9, 1e-9)]
    assert sides[0].name != sides[1].name
    np.testing.assert_allclose(sides[0].deformation, sides[1].deformation, atol=1e-5)


def test_where_there_are_no_data_the_nearest_place_with_data_counts(folder, tmp_path):
    atlas, said = Atlas(atlas_of(folder, tmp_path, False)), []
    far = tuple(GRID.centres[CORNER] * -1)
    (target,) = find_targets(tmp_path, point=far, say=said.append)
    medians = atlas.median[atlas.own]
    nearest = int(np.argmin(np.linalg.norm(medians - far, axis=1)))
    assert (target.valence, target.arousal) == pytest.approx(tuple(medians[nearest]))
    assert np.array_equal(target.deformation, atlas.mean(atlas.own[nearest]))
    assert len(said) == 1 and "the nearest place with data is valence" in said[0]
    with pytest.raises(BadInput, match="outside the plane"):
        atlas.nearest(1.4, 0)


def test_the_papers_rule_is_the_mean_of_the_class(folder, tmp_path):
    atlas, said = Atlas(atlas_of(folder, tmp_path, False)), []
    index = around()[0]
    point = tuple(GRID.centres[index] + 0.09)
    (target,) = find_targets(tmp_path, point=point, class_mean=True, say=said.append)
    assert np.array_equal(target.deformation, atlas.mean(index))
    assert (target.valence, target.arousal) == tuple(median_of(index))
    assert len(said) == 1 and "the class's median is" in said[0]


def test_the_hull_of_sites_on_a_line_is_empty():
    corners, point = np.array([[0, 0], [0.5, 0], [0, 0.5]]), np.array([[0.1, 0.1]])
    assert in_hull(point, corners)[0] and not in_hull(-point, corners)[0]
    for few in (corners[:0], corners[:1], corners[:2], corners * [1, 0]):
        assert not in_hull(point, few)[0]
