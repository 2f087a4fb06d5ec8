"""Pictures of blendshapes: they show what is known here of means, components and paths."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import sparse
from scipy.sparse.csgraph import dijkstra
from support.contexts import context

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.artifacts.statuses import STATUSES
from affect4d.blendshapes import ClassModel, Interpolant, WeightDistribution, trace
from affect4d.blendshapes.animation import FRAME_MS, RADIUS, animate, circle
from affect4d.blendshapes.illustrate import PATH_FRAMES, write_pictures
from affect4d.blendshapes.model import model_arrays
from affect4d.blendshapes.pictures import (
    Support,
    draw_components,
    draw_convergence,
    draw_mean_faces,
    draw_support,
)
from affect4d.geometry.surface import edges
from affect4d.plotting.faces import FACE_FRAME, MOTION, PORTRAIT, face_picture, motion_colours
from affect4d.report.page import render
from affect4d.report.sections import read_blendshapes

GRID = Grid(2)
RED = np.array([0xB3, 0x26, 0x1E])


class Atlas(dict):
    """The arrays of an atlas, and its attributes."""

    @property
    def attributes(self):
        return {"statuses": STATUSES}


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def pixel(point):
    """(row, column) of a point (3,) mm in a portrait."""
    (x, y, _), half = FACE_FRAME
    factor = PORTRAIT[0] / 2 / half
    return np.array(
        [PORTRAIT[0] / 2 - (point[1] - y) * factor, PORTRAIT[1] / 2 + (point[0] - x) * factor]
    )


def bump(template, vertex, reach, motion):
    """A motion (V, 3) mm about a vertex, at rest beyond three times its reach, mm."""
    distance = np.linalg.norm(template.vertices - template.vertices[vertex], axis=1)
    share = np.exp(-0.5 * (distance / reach) ** 2) * (distance < 3 * reach)
    return (share[:, None] * np.array(motion)).astype(np.float32)


def model_of(template, components, weights):
    mean = np.zeros_like(template.vertices)
    return ClassModel(
        mean,
        components,
        weights,
        WeightDistribution.fit(weights, np.arange(len(weights))),
        "nonnegative",
    )


@pytest.fixture(scope="module")
def cheek(template):
    """The vertex in front at the middle of the left cheek."""
    distance = np.linalg.norm(template.vertices[:, :2] - [38.0, -5.0], axis=1)
    near = np.flatnonzero(distance < 2)
    return int(near[template.vertices[near, 2].argmax()])


def test_a_face_is_in_the_middle_and_an_open_mouth_is_dark(template):
    rest = face_picture(template, 0).astype(int)
    assert rest.shape == (*PORTRAIT, 3)
    white = (rest == 255).all(2)
    assert 0.6 < 1 - white.mean() < 0.95
    lips = template.landmark_vertices[[62, 66]]
    # the lips are cut: what is nearer to the lower one along the surface goes down with it
    pairs = edges(template.triangles)
    length = np.linalg.norm(np.diff(template.vertices[pairs], axis=1)[:, 0], axis=1)
    graph = sparse.csr_matrix((length, pairs.T), shape=(len(template.vertices),) * 2)
    upper, lower = dijkstra(graph, directed=False, indices=template.landmark_vertices[[51, 57]])
    below = lower < upper
    jaw_drop = np.float32([0, -30, 0]) * below[:, None]
    middle = (template.vertices + jaw_drop)[lips].mean(0)
    row, column = pixel(middle).round().astype(int)
    opened = face_picture(template, jaw_drop)
    assert opened[row, column].max() < 60 < rest[row, column].max()
    assert not (opened == 255).all(2)[row - 8 : row + 9, column - 12 : column + 13].any()


def test_colours_run_from_clay_to_the_colours_end(template):
    colours = motion_colours(np.array([0.0, 1.0, 2.0, 4.0, 9.0]), 4.0)
    np.testing.assert_allclose(colours[[0, 3]], 255 * np.array([MOTION(0.0), MOTION(1.0)])[:, :3])
    assert np.array_equal(colours[3], colours[4])
    redness = colours[:4, 0] - colours[:4, 2]
    assert (np.diff(redness) > 0).any() and (np.diff(colours[:4, 1]) < 25).all()


def test_the_colour_is_strongest_where_the_component_moves(template, cheek):
    length = np.linalg.norm(bump(template, cheek, 6.0, (0, 0, 5)), axis=1)
    picture = face_picture(template, 0, colours=motion_colours(length, 5.0)).astype(int)
    change = np.abs(picture - face_picture(template, 0)).sum(2)
    where = pixel(template.vertices[cheek])
    assert np.linalg.norm(np.unravel_index(change.argmax(), change.shape) - where) < 6
    rows, columns = np.nonzero(change)
    millimetres = 2 * FACE_FRAME[1] / PORTRAIT[0]
    far = np.hypot(rows - where[0], columns - where[1]) * millimetres
    assert far.max() <= 18 + 2  # a triangle's side beyond the vertices that move


def test_each_component_has_its_place_in_the_sheet(template, cheek):
    other = int(np.argmin(np.linalg.norm(template.vertices - template.landmarks[8], axis=1)))
    weights = np.linspace(0, 1, 4)[:, None] * [[1.0, 1.0]]
    first, second = bump(template, cheek, 6, (0, 0, 5)), bump(template, other, 6, (0, 0, 5))
    sheets = [
        draw_components(template, {"c": model_of(template, np.stack(pair), weights)})
        for pair in ((first, second), (first, first), (first, second))
    ]
    assert sheets[0] == sheets[2]
    columns = np.nonzero((decoded(sheets[0]) != decoded(sheets[1])).any((0, 2)))[0]
    width = decoded(sheets[0]).shape[1]
    # of six faces in a row and the bar, the third one is the second component
    assert 0.25 * width < columns.min() and columns.max() < 0.47 * width


def test_a_class_without_components_shows_its_mean(template):
    none = model_of(template, np.zeros((0, *template.vertices.shape)), np.zeros((3, 0)))
    assert decoded(draw_components(template, {"c": none})).min() < 60


def test_mean_faces_stand_at_their_classes(template):
    mean = np.zeros((4, *template.vertices.shape), np.float32)
    pictures = {}
    for name in ("empty", "ok", "interpolated"):
        status = np.array([0, STATUSES.index(name), 0, 0])
        atlas = Atlas(mean=mean, status=status)
        pictures[name] = decoded(draw_mean_faces(template, atlas, np.array([5, 5, 5, 5])))
    height, width = pictures["ok"].shape[:2]
    drawn = np.abs(pictures["ok"] - pictures["empty"]).sum(2) > 0
    rows, columns = np.nonzero(drawn)
    # class 1 of 2 x 2 is low in valence and high in arousal
    assert GRID.name(1) == "v-0.5_a+0.5"
    assert rows.max() < 0.55 * height and columns.max() < 0.6 * width
    contrast = {
        name: np.abs(picture - pictures["empty"])[drawn].mean()
        for name, picture in pictures.items()
    }
    assert 0.2 * contrast["ok"] < contrast["interpolated"] < 0.6 * contrast["ok"]


def test_the_objective_falls_in_its_picture():
    objective = {"a": np.geomspace(400, 100, 12), "b": np.full(12, 7.0)}
    content = draw_convergence(objective, ["a"])
    assert content == draw_convergence(objective, ["a"])
    picture = decoded(content)
    blue = np.abs(picture - [31, 119, 180]).sum(2) < 30
    blue[:, int(0.6 * picture.shape[1]) :] = False  # the legend
    curve = [np.nonzero(column)[0].mean() for column in blue.T if column.any()]
    assert len(curve) > 200 and (np.diff(curve) > -1.0).all() and curve[-1] - curve[0] > 150


def test_dots_lie_where_components_move(template, cheek):
    """Two pictures that differ in one centre differ at its two places only."""
    nose = int(template.landmark_vertices[30])
    shares, lengths = np.array([0.1, 0.2]), np.array([1.0, 2.0])
    one, two = (
        decoded(draw_support(template, Support(shares, np.array([nose, other]), lengths)))
        for other in (nose, cheek)
    )
    rows, columns = np.nonzero((one != two).any(2))
    assert len(rows)
    # a portrait's scale and shift are found from the pair itself
    gap = pixel(template.vertices[cheek]) - pixel(template.vertices[nose])
    spread = np.array([np.ptp(rows), np.ptp(columns)])
    assert abs(gap[0] / gap[1] - (spread[0] - 5) / (spread[1] - 5)) < 0.12


@pytest.fixture(scope="module")
def interpolant(template, cheek):
    """Four classes, of which those of high valence move the cheek."""
    means = np.zeros((4, *template.vertices.shape), np.float32)
    means[2:] = bump(template, cheek, 8, (0, 0, 15))
    return Interpolant(GRID, np.arange(4), GRID.centres, means)


def test_the_path_goes_from_rest_around_the_quadrants_and_back():
    corners = circle()
    assert (corners[[0, -1]] == 0).all()
    np.testing.assert_allclose(np.linalg.norm(corners[1:-1], axis=1), RADIUS)
    np.testing.assert_allclose(corners[1], corners[-2], atol=1e-12)
    assert len(np.unique(np.sign(corners[1:-1].round(6)), axis=0)) >= 8  # quadrants and axes


def frames_of(content):
    picture = Image.open(io.BytesIO(content))
    found = []
    for number in range(picture.n_frames):
        picture.seek(number)
        found.append(np.asarray(picture.convert("RGB")).astype(int))
    return picture, found


def test_a_closed_path_repeats_without_a_halt(template, interpolant):
    middle, *around = circle()
    trajectory = trace(interpolant, [middle, *around[:-1:9], middle], 13)
    content = animate(template, trajectory, interpolant.medians)
    assert content == animate(template, trajectory, interpolant.medians)
    picture, frames = frames_of(content)
    assert (picture.n_frames, picture.info["loop"], picture.info["duration"]) == (12, 0, FRAME_MS)
    height, width = PORTRAIT
    assert frames[0].shape == (height, width + height, 3)
    faces = np.array([frame[:, :width] for frame in frames])
    change = (np.abs(faces - faces[0]).max(3) > 24).sum((1, 2))  # less is the encoder's
    # what moves depends on valence only: frames above and below the axis are the same faces
    np.testing.assert_allclose(change[1:], change[:0:-1], rtol=0.01)
    lengths = np.abs(trajectory.deformations - trajectory.deformations[0]).max((1, 2))[1:12]
    assert np.corrcoef(change[1:], lengths)[0, 1] > 0.8
    assert np.abs(np.diff(faces, axis=0)).any((1, 2, 3)).all()


def test_the_dot_is_where_the_frame_is(template, interpolant):
    trajectory = trace(interpolant, [(-0.4, 0.0), (0.4, 0.0), (0.4, 0.4)], 7)
    _, frames = frames_of(animate(template, trajectory, interpolant.medians))
    assert len(frames) == 7  # it does not close
    dots = []
    for frame in frames:
        plane = frame[:, PORTRAIT[1] :]
        rows, columns = np.nonzero(np.abs(plane - RED).sum(2) < 90)
        dots.append((columns.mean(), -rows.mean()))
    dots, labels = np.array(dots), trajectory.labels
    scale = np.ptp(dots, axis=0) / np.ptp(labels, axis=0)
    expected = dots[0] + (labels - labels[0]) * scale
    np.testing.assert_allclose(dots, expected, atol=1.5)
    assert (scale > 0).all() and scale[0] == pytest.approx(scale[1], rel=0.03)


@pytest.fixture(scope="module")
def results(tmp_path_factory, template, cheek):
    """A build of 2 x 2 classes, of which the first has no model."""
    root = tmp_path_factory.mktemp("pictures")
    names = [GRID.name(index) for index in range(4)]
    component = bump(template, cheek, 6, (0, 0, 4))
    means = np.zeros((4, *template.vertices.shape), np.float32)
    for index in (1, 2, 3):
        means[index] = component * index
        weights = np.linspace(0, 1, 5)[:, None]
        arrays = model_arrays(
            means[index], component[None], weights, subjects=np.arange(len(weights))
        )
        arrays["objective"] = np.array([4.0, 2.0, 1.0])
        store.write(
            root / f"blendshapes/{names[index]}.zarr",
            arrays,
            {"constraint": "nonnegative"},
            provenance=None,
        )
    write_atlas(root, names, means, [0, 2, 2, 2])
    return root


def write_atlas(root, names, means, status):
    arrays = {
        "mean": store.Vertices(means, np.zeros_like(means[0])),
        "median": GRID.centres,
        "count": np.array([0, 3, 3, 3]),
        "status": np.array(status, np.uint8),
        "shares": np.eye(4),
    }
    attributes = {"names": names, "statuses": STATUSES}
    store.write(root / "blendshapes/atlas.zarr", arrays, attributes, provenance=None)


def test_a_builds_pictures_and_what_is_stated_of_them(results, template, cheek):
    write_pictures(context(results, "pictures"), template, np.array([0, 3, 3, 3]))
    assert store.verify(results / "blendshapes/pictures") == []
    stated = json.loads((results / "blendshapes/pictures/pictures.json").read_text())
    assert stated["classes"] == [GRID.name(3), GRID.name(1), GRID.name(2)]
    assert (stated["models"], stated["components"]) == (3, 3)
    moved = (bump(template, cheek, 6, (0, 0, 4)) != 0).any(1).mean()
    assert stated["support"] == {"median": pytest.approx(moved), "most": pytest.approx(moved)}
    # only the cheek moves: the step is that of the weights, times its motion
    interpolant = Interpolant.read(results / "blendshapes/atlas.zarr")
    track = trace(interpolant, circle(), PATH_FRAMES).deformations[:, cheek, 2]
    assert stated["path"]["frames"] == PATH_FRAMES
    # the class of low valence and arousal has no model, and lies within a class's width of two
    low = trace(interpolant, circle(), PATH_FRAMES).points.max(1) < 0
    assert stated["path"]["interpolated"] == low.sum() > 0
    assert stated["path"]["extrapolated"] == 0
    assert stated["path"]["largest_step_mm"] == pytest.approx(np.abs(np.diff(track)).max())
    assert stated["path"]["largest_inner_step_mm"] == stated["path"]["largest_step_mm"]
    shown = read_blendshapes(results)
    assert set(shown["pictures"]) == {"mean_faces", "components", "convergence", "support", "path"}
    path = stated["path"]["largest_step_mm"]
    assert f"by more than {path:.2f} mm" in render("blendshapes", blendshapes=shown)
    animation = (results / "blendshapes/pictures/path.webp").read_bytes()
    assert frames_of(animation)[0].n_frames == PATH_FRAMES - 1


def test_where_no_class_has_its_own_frames_the_path_and_the_dot_look_otherwise(template, cheek):
    means = np.zeros((2, *template.vertices.shape), np.float32)
    alone = Interpolant(GRID, np.array([2, 3]), GRID.centres[2:], means)
    trajectory = trace(alone, [(-0.9, -0.5), (0.9, 0.5)], 3)
    assert trajectory.support_status.tolist() == ["extrapolated", "ok", "ok"]
    beyond, _, within = frames_of(animate(template, trajectory, alone.medians))[1]
    red = [(np.abs(f[:, PORTRAIT[1] :] - RED).sum(2) < 90).sum() for f in (beyond, within)]
    assert red[0] < 0.7 * red[1]  # a ring, a dot


def test_without_components_the_other_pictures_stay(results, template, tmp_path):
    names = [GRID.name(index) for index in range(4)]
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    means = np.ones((4, *template.vertices.shape), np.float32)
    for index in (1, 2, 3):
        empty = np.empty((0, *template.vertices.shape), np.float32)
        arrays = model_arrays(means[index], empty, np.empty((5, 0)), subjects=np.arange(5))
        arrays["objective"] = np.array([4.0])
        path = tmp_path / f"blendshapes/{names[index]}.zarr"
        store.write(path, arrays, {"constraint": "nonnegative"}, provenance=None)
    write_pictures(context(tmp_path, "pictures"), template, np.array([0, 3, 3, 3]))
    shown = read_blendshapes(tmp_path)
    assert set(shown["pictures"]) == {"mean_faces", "convergence", "path"}
    section = render("blendshapes", blendshapes=shown)
    assert "Support" not in section and "no vertex" in section


def test_without_a_model_the_old_pictures_go(results, template):
    names = [GRID.name(index) for index in range(4)]
    write_atlas(results, names, np.zeros((4, *template.vertices.shape), np.float32), [0, 0, 1, 1])
    write_pictures(context(results, "pictures"), template, np.array([0, 0, 1, 1]))
    shown = read_blendshapes(results)
    assert list(shown["pictures"]) == ["mean_faces"]
    assert "No class has a model." in render("blendshapes", blendshapes=shown)
    assert store.verify(results / "blendshapes/pictures") == []
    assert not (results / "blendshapes/pictures/path.webp").exists()
