"""Faces for other programs: read again by trimesh, and morph targets by a plain glTF parser."""

import json
import struct

import numpy as np
import pytest
import trimesh
from support.faces import TEMPLATE, bump, photo, write_atlas, write_components, write_expressions
from typer.testing import CliRunner

from affect4d import store
from affect4d.blendshapes.model import read_class, sample
from affect4d.cli import app
from affect4d.formats.faces import Face, write_face
from affect4d.formats.meshes import read_mesh
from affect4d.interop import export
from affect4d.quarantine import BadInput

NAME = "v+0.5_a+0.5"


def parts_of(path):
    """The JSON and the binary chunk of a GLB file."""
    content = path.read_bytes()
    assert struct.unpack_from("<4sII", content) == (b"glTF", 2, len(content))
    length, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON" and length % 4 == 0
    binary_length, kind = struct.unpack_from("<I4s", content, 20 + length)
    assert kind == b"BIN\0" and 28 + length + binary_length == len(content)
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def values_of(document, binary, number):
    """The values of an accessor."""
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
    kind = {5126: "<f4", 5125: "<u4"}[accessor["componentType"]]
    assert view["byteOffset"] % 4 == 0
    values = np.frombuffer(binary, kind, accessor["count"] * width, view["byteOffset"])
    return values.reshape(-1, width)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A build with an atlas, expressions and one class's model."""
    folder = tmp_path / "results/blendshapes"
    folder.mkdir(parents=True)
    write_atlas(folder / "atlas.zarr")
    write_expressions(folder / "expressions.zarr")
    write_components(folder / f"{NAME}.zarr")
    monkeypatch.setattr(export, "_template", lambda root: TEMPLATE)
    return tmp_path / "results"


def textured():
    uv = TEMPLATE.vertices[:, :2] / 300 + 0.5
    return Face(TEMPLATE.vertices, TEMPLATE.triangles, uv.astype(np.float32), photo())


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
@pytest.mark.parametrize("has_texture", [True, False])
def test_trimesh_reads_what_was_written(tmp_path, suffix, has_texture):
    face = textured() if has_texture else Face(TEMPLATE.vertices, TEMPLATE.triangles)
    written = write_face(tmp_path / f"face{suffix}", face)
    assert sorted(written) == sorted(tmp_path.iterdir())
    mesh = trimesh.load(written[0], force="mesh", process=False, maintain_order=True)
    unit = 1000 if suffix == ".glb" else 1
    np.testing.assert_allclose(mesh.vertices * unit, face.vertices, atol=1e-3)
    assert np.array_equal(mesh.faces, face.triangles)
    if has_texture and suffix != ".ply":
        np.testing.assert_allclose(mesh.visual.uv, face.uv, atol=1e-5)
        material = mesh.visual.material
        image = material.baseColorTexture if suffix == ".glb" else material.image
        assert np.array_equal(np.asarray(image.convert("RGB")), face.texture)
    if suffix != ".glb":
        again = read_mesh(written[0])
        np.testing.assert_allclose(again.vertices, face.vertices, atol=1e-3)
        assert (again.texture is not None) == has_texture


def test_morph_targets_are_a_class_s_components_by_name(results, tmp_path):
    out = tmp_path / "set.glb"
    done = CliRunner().invoke(app, ["export", NAME, str(results), "--blendshapes", "-o", str(out)])
    assert done.exit_code == 0, done.stderr
    document, binary = parts_of(out)
    mesh = document["meshes"][0]
    names = ["mean", "right mouth corner", "left mouth corner"]
    assert mesh["extras"]["targetNames"] == names and mesh["weights"] == [1, 0, 0]
    assert done.stdout.splitlines()[1:] == [f"  {n} {name}" for n, name in enumerate(names)]
    model = read_class(results / f"blendshapes/{NAME}.zarr")
    primitive = mesh["primitives"][0]
    base = values_of(document, binary, primitive["attributes"]["POSITION"])
    np.testing.assert_allclose(base * 1000, TEMPLATE.vertices, atol=1e-4)
    for target, expected in zip(primitive["targets"], [model.mean, *model.components], strict=True):
        moved = values_of(document, binary, target["POSITION"])
        np.testing.assert_allclose(moved * 1000, expected, atol=1e-4)
    triangles = values_of(document, binary, primitive["indices"]).reshape(-1, 3)
    assert np.array_equal(triangles, TEMPLATE.triangles)
    assert len(trimesh.load(out, force="mesh", process=False).vertices) == len(TEMPLATE.vertices)


@pytest.mark.parametrize(
    ("name", "expected"),
    [(NAME, bump(48, 14, [-3, 4, -1])), ("happiness", bump(48, 14, [-3, 4, -1]))],
)
def test_a_class_or_expression_is_its_mean_face(results, name, expected):
    face = export.export_face(results, name)
    np.testing.assert_allclose(face.vertices - TEMPLATE.vertices, expected, atol=0.01)


def test_a_sample_is_drawn_from_the_class_s_model(results):
    model = read_class(results / f"blendshapes/{NAME}.zarr")
    face = export.export_face(results, NAME, seed=3)
    assert np.array_equal(face.vertices, TEMPLATE.vertices + sample(model, 3))


def test_a_frame_of_a_build_that_left_its_scans_out_has_no_texture(results):
    vertices = np.stack([TEMPLATE.vertices, TEMPLATE.vertices + 1])
    arrays = {"vertices": vertices, "seen": np.ones(vertices.shape[:2], bool)}
    store.write(results / "registered/talk.zarr", arrays, {"frame_ids": ["talk/0", "talk/1"]})
    face = export.export_face(results, "talk/1")
    assert face.texture is None and np.array_equal(face.vertices, vertices[1])


@pytest.mark.parametrize(
    ("name", "options", "out", "words"),
    [
        ("nothing", [], "x.glb", "no class, expression, registered frame or fitted photograph"),
        ("v-0.9_a-0.9", [], "x.glb", "it is empty"),
        ("nothing", ["--blendshapes"], "x.glb", f"models are {NAME}"),
        (NAME, ["--blendshapes"], "x.obj", "write .glb"),
        (NAME, [], "x.stl", "write .glb, .obj, .ply"),
        (NAME, [], "none/x.ply", "make it first"),
    ],
)
def test_what_cannot_be_exported_is_one_line(results, tmp_path, name, options, out, words):
    call = ["export", name, str(results), *options, "-o", str(tmp_path / out)]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 1 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / out).exists()


def test_the_version_is_printed():
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0 and done.stdout.startswith("affect4d 0.")


def test_a_face_without_a_texture_refuses_nothing_but_targets(tmp_path):
    face = Face(TEMPLATE.vertices, TEMPLATE.triangles, targets={"mean": TEMPLATE.vertices})
    with pytest.raises(BadInput, match=r"write \.glb"):
        write_face(tmp_path / "x.ply", face)
