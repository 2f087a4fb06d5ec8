"""menpo's types and ours: round trips, and the same meaning on both sides."""

import re
import subprocess
import sys
from pathlib import Path

import menpo.io
import menpo.model
import menpo.shape
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from menpo.image import Image
from support.mesh_files import grid_mesh, obj_text

from affect4d import interop, store
from affect4d.blendshapes.model import ClassModel, model_arrays, read_class
from affect4d.blendshapes.weights import WeightDistribution
from affect4d.fitting.model import MorphableModel
from affect4d.fitting.storage import write_model
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.formats.meshes import read_mesh

PAGE = Path(__file__).parents[1] / "docs/interop.md"
SEEDS = st.integers(0, 2**32)


def orthogonal(rng, count, size):
    return np.linalg.qr(rng.normal(size=(size, count)))[0].T


@pytest.fixture
def model():
    """A small morphable model, its modes orthogonal and in the order of their variance."""
    rng = np.random.default_rng(0)
    mean = rng.normal(0, 60, (100, 3)).astype(np.float32)
    modes = [
        (scales[:, None] * orthogonal(rng, len(scales), mean.size)).reshape(-1, 100, 3)
        for scales in (np.array([30, 20, 5.0]), np.array([12, 7.0]))
    ]
    triangles = rng.integers(0, 100, (150, 3)).astype(np.int32)
    identity, expression = (values.astype(np.float32) for values in modes)
    return MorphableModel(mean, identity, expression, triangles, rng.permutation(100)[:68])


def small_class(seed, components=4, vertices=30):
    rng = np.random.default_rng(seed)
    weights = rng.random((20, components)).astype(np.float32)
    return ClassModel(
        rng.normal(0, 2, (vertices, 3)).astype(np.float32),
        rng.normal(0, 1, (components, vertices, 3)).astype(np.float32),
        weights,
        WeightDistribution.fit(weights, np.repeat(np.arange(5), 4)),
        "nonnegative",
    )


def test_only_interop_imports_menpo():
    command = "import sys, affect4d, affect4d.cli, affect4d.store; sys.exit('menpo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0


@given(SEEDS, st.sampled_from([2, 3]))
def test_landmarks_come_back(seed, dimensions):
    points = np.random.default_rng(seed).uniform(-500, 500, (68, dimensions))
    cloud = interop.landmarks_to_menpo(points)
    assert list(cloud.labels) == [
        "jaw", "left_eyebrow", "right_eyebrow", "nose", "left_eye", "right_eye", "mouth"
    ]  # fmt: skip
    np.testing.assert_array_equal(cloud.get_label("jaw").n_points, 17)
    np.testing.assert_array_equal(interop.landmarks_from_menpo(cloud), points)
    plain = menpo.shape.PointCloud(cloud.points)
    np.testing.assert_array_equal(interop.landmarks_from_menpo(plain), points)


def test_menpo_reads_our_landmark_file_as_what_we_give_it(tmp_path):
    points = np.random.default_rng(0).uniform(1, 90, (68, 2)).round(4)
    picture = np.random.default_rng(1).integers(0, 256, (100, 120, 3), np.uint8)
    write_image(tmp_path / "a.png", picture)
    write_pts(tmp_path / "a.pts", points)
    theirs = menpo.io.import_image(tmp_path / "a.png")
    image, landmarks = interop.image_from_menpo(theirs)
    np.testing.assert_array_equal(image, picture)
    np.testing.assert_allclose(landmarks, points, atol=1e-9)
    ours = interop.image_to_menpo(picture, read_landmarks(tmp_path / "a.pts"))
    np.testing.assert_allclose(ours.pixels, theirs.pixels)
    np.testing.assert_allclose(ours.landmarks[interop.GROUP].points, theirs.landmarks["PTS"].points)
    x, y = points[3].round().astype(int)
    np.testing.assert_array_equal(ours.pixels[:, y, x] * 255, picture[y, x])


@settings(deadline=None)
@given(SEEDS, st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_images_come_back(seed, height, width, has_landmarks):
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (height, width, 3), np.uint8)
    points = rng.uniform(0, 20, (68, 2)) if has_landmarks else None
    theirs = interop.image_to_menpo(picture, points)
    assert theirs.shape == (height, width) and theirs.n_channels == 3
    image, landmarks = interop.image_from_menpo(theirs)
    np.testing.assert_array_equal(image, picture)
    if has_landmarks:
        np.testing.assert_array_equal(landmarks, points)
    else:
        assert landmarks is None


def test_grey_and_integer_images_of_menpo_are_read():
    grey = np.random.default_rng(0).random((1, 5, 7))
    image, _ = interop.image_from_menpo(Image(grey))
    assert image.shape == (5, 7, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image[..., 0], np.rint(grey[0] * 255))
    integers = np.random.default_rng(0).integers(0, 256, (3, 5, 7), np.uint8)
    image, _ = interop.image_from_menpo(Image(integers))
    np.testing.assert_array_equal(image, np.moveaxis(integers, 0, -1))
    for pixels in (np.zeros((2, 5, 7)), np.zeros((3, 5, 7, 2))):
        with pytest.raises(ValueError, match="expected"):
            interop.image_from_menpo(Image(pixels))


@settings(deadline=None)
@given(SEEDS, st.booleans(), st.booleans())
def test_meshes_come_back(seed, has_texture, has_landmarks):
    rng = np.random.default_rng(seed)
    mesh = interop.MeshArrays(
        rng.normal(0, 60, (40, 3)).astype(np.float32),
        rng.integers(0, 40, (50, 3)).astype(np.int32),
        rng.random((40, 2)).astype(np.float32) if has_texture else None,
        rng.integers(0, 256, (6, 9, 3), np.uint8) if has_texture else None,
        rng.normal(0, 60, (68, 3)) if has_landmarks else None,
    )
    theirs = interop.mesh_to_menpo(mesh)
    assert isinstance(theirs, menpo.shape.TexturedTriMesh) == has_texture
    back = interop.mesh_from_menpo(theirs)
    for name in ("vertices", "triangles", "uv", "texture", "landmarks"):
        np.testing.assert_array_equal(getattr(back, name), getattr(mesh, name), err_msg=name)


def test_a_scan_that_was_read_goes_to_menpo_with_its_texture(tmp_path):
    vertices, triangles, uv = grid_mesh()
    (tmp_path / "a.obj").write_text(obj_text(vertices, triangles, uv))
    (tmp_path / "face.mtl").write_text("newmtl skin\nmap_Kd face.png\n")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 50, 3), np.uint8)
    write_image(tmp_path / "face.png", picture)
    mesh = read_mesh(tmp_path / "a.obj")
    theirs = interop.mesh_to_menpo(mesh, rng.normal(size=(68, 3)))
    back = interop.mesh_from_menpo(theirs)
    np.testing.assert_array_equal(back.vertices, vertices)
    np.testing.assert_array_equal(back.texture, picture)
    # menpo's own rule of where a texture coordinate lies in the image, v upwards
    corner = theirs.tcoords_pixel_scaled().points[np.argmax(uv[:, 1] - uv[:, 0])]
    assert corner[0] < 1 and corner[1] < 1
    assert back.landmarks.shape == (68, 3)


def test_the_group_of_landmarks_can_be_chosen():
    mesh = interop.mesh_to_menpo(interop.MeshArrays(*grid_mesh()[:2]))
    assert interop.mesh_from_menpo(mesh).landmarks is None
    points = np.random.default_rng(0).normal(size=(2, 68, 3))
    mesh.landmarks["few"] = menpo.shape.PointCloud(points[0, :5])
    assert interop.mesh_from_menpo(mesh).landmarks is None
    mesh.landmarks["one"], mesh.landmarks["two"] = map(menpo.shape.PointCloud, points)
    assert interop.mesh_from_menpo(mesh).landmarks is None
    np.testing.assert_array_equal(interop.mesh_from_menpo(mesh, "two").landmarks, points[1])
    with pytest.raises(ValueError, match="5 points"):
        interop.mesh_from_menpo(mesh, "few")


@pytest.mark.parametrize("shape", [(67, 2), (68, 4), (68,)])
def test_other_landmarks_are_refused(shape):
    with pytest.raises(ValueError, match="expected"):
        interop.landmarks_to_menpo(np.zeros(shape))


def test_the_morphable_model_comes_back(model):
    theirs = interop.model_to_menpo(model)
    for pca, modes in zip(theirs, (model.identity, model.expression), strict=True):
        assert isinstance(pca, menpo.model.PCAModel)
        np.testing.assert_allclose(pca.components @ pca.components.T, np.eye(len(modes)), atol=1e-6)
        weights = np.arange(1.0, len(modes) + 1)
        face = pca.instance(weights, normalized_weights=True)
        expected = model.mean + np.tensordot(weights, modes, 1)
        np.testing.assert_allclose(face.points, expected, atol=1e-3)
        np.testing.assert_allclose(pca.project(face) / np.sqrt(pca.eigenvalues), weights, atol=1e-3)
    back = interop.model_from_menpo(*theirs)
    for name in ("mean", "identity", "expression"):
        np.testing.assert_allclose(getattr(back, name), getattr(model, name), atol=1e-4)
    for name in ("triangles", "landmark_vertices"):
        np.testing.assert_array_equal(getattr(back, name), getattr(model, name))


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 5))
def test_modes_that_are_not_orthogonal_keep_the_distribution(seed, count):
    rng = np.random.default_rng(seed)
    mean = rng.normal(0, 60, (70, 3)).astype(np.float32)
    modes = rng.normal(0, 5, (count, 70, 3)).astype(np.float32)
    model = MorphableModel(mean, modes, modes[:1], np.zeros((1, 3), np.int32), np.arange(68))
    theirs = interop.model_to_menpo(model)
    assert (np.diff(theirs.identity.eigenvalues) <= 0).all()
    back = interop.model_from_menpo(*theirs).identity.reshape(count, -1).astype(float)
    flat = modes.reshape(count, -1).astype(float)
    np.testing.assert_allclose(back.T @ back, flat.T @ flat, atol=1e-3 * count)


def test_a_model_of_menpo_without_landmarks_or_of_two_means_is_refused(model):
    identity, expression = interop.model_to_menpo(model)
    moved = menpo.shape.TriMesh(model.mean + 1, model.triangles)
    other = menpo.model.PCAModel.init_from_components(
        expression.components, expression.eigenvalues, moved, n_samples=3, centred=True
    )
    with pytest.raises(ValueError, match="different means"):
        interop.model_from_menpo(identity, other)
    identity.template_instance.landmarks.clear()
    with pytest.raises(ValueError, match="no landmarks"):
        interop.model_from_menpo(identity, expression)


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_a_class_of_blendshapes_comes_back(seed):
    model = small_class(seed)
    linear = interop.class_to_menpo(model)
    weights = np.random.default_rng(seed).random(4)
    np.testing.assert_allclose(
        linear.instance(weights).reshape(-1, 3), model.deformation(weights), atol=1e-4
    )
    back = interop.class_from_menpo(linear, model)
    np.testing.assert_allclose(back.mean, model.mean, atol=1e-5)
    np.testing.assert_array_equal(back.components, model.components)
    assert back.weights is model.weights and back.constraint == model.constraint
    with pytest.raises(ValueError, match="expected"):
        interop.class_from_menpo(linear, small_class(seed, components=3))


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    for folder in ("results/fits", "results/blendshapes"):
        Path(folder).mkdir(parents=True)
    write_model(Path("results/fits/model.zarr"), model, None)
    happiness = small_class(0)
    arrays = model_arrays(
        happiness.mean, happiness.components, happiness.weights, subjects=np.arange(20)
    )
    path = Path("results/blendshapes/happiness.zarr")
    store.write(path, arrays, {"constraint": happiness.constraint})
    write_image(Path("photo.png"), np.zeros((40, 50, 3), np.uint8))
    write_pts(Path("photo.pts"), np.random.default_rng(0).uniform(1, 39, (68, 2)))
    vertices, triangles, uv = grid_mesh()
    Path("scan.obj").write_text(obj_text(vertices, triangles, uv))
    Path("face.mtl").write_text("newmtl skin\nmap_Kd photo.png\n")
    write_pts(Path("scan.pts"), np.random.default_rng(0).normal(size=(68, 3)))
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(compile(code, str(PAGE), "exec"), names)
    np.testing.assert_allclose(names["back"].mean, model.mean, atol=1e-5)
    np.testing.assert_allclose(names["smiling"].mean, read_class(path).mean, atol=1e-5)
