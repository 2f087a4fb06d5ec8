"""The texture that a scan's polygons have, for its reader and the draft, and how it repeats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.mesh_files import POINTS, QUADS, grid_mesh, ply_bytes, wrl_text

from affect4d.formats.images import read_image, write_image
from affect4d.formats.meshes import find_texture, read_mesh
from affect4d.gallery.draft import draft_table
from affect4d.quarantine import BadInput
from affect4d.registration.track import Texture

SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
FACES = "f 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
IMAGE = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg"):
            write_image(path, IMAGE)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def obj(statements="mtllib a.mtl\n", use="usemtl skin\n"):
    return statements + SQUARE + use + FACES


def found(folder, name="a.obj"):
    """The texture by the reader, which the draft must repeat, relative to the folder."""
    mesh = read_mesh(folder / name)
    assert find_texture(folder / name) == mesh.texture
    expected = "" if mesh.texture is None else mesh.texture.relative_to(folder).as_posix()
    (row,) = draft_table(folder).rows
    assert row["texture"] == (expected if (folder / expected).is_file() else "")
    return expected


SKIN = {"skin.png": "", "hair.png": ""}
TWO = "newmtl hair\nmap_Kd hair.png\nnewmtl skin\nmap_Kd skin.png\n"


@pytest.mark.parametrize(
    ("files", "texture"),
    [
        ({"a.obj": obj(), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj(use="usemtl hair\nusemtl skin\n"), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj() + "usemtl hair\n", "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj() + "usemtl hair\n# f 1 2 3\n", "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj(use=""), "a.mtl": TWO}, "hair.png"),
        ({"a.obj": obj(), "a.mtl": TWO.replace("map_Kd skin.png", "Kd 1 1 1")}, ""),
        # libraries
        ({"a.obj": obj("mtllib x.mtl a.mtl\n"), "x.mtl": "newmtl b\n", "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib gone.mtl a.mtl\n"), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib my  own.mtl a.mtl\n"), "my  own.mtl": TWO}, "skin.png"),
        ({"a.obj": obj('mtllib "my own.mtl"\n'), "my own.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib x.mtl \\\n a.mtl\n"), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib\ta.mtl\t\r\n"), "a.mtl": TWO.replace("\n", "\r\n")}, "skin.png"),
        ({"a.obj": obj("mtllib A.MTL\n"), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib x.mtl a.mtl\n"), "x.mtl": "newmtl skin\n", "a.mtl": TWO}, ""),
        ({"a.obj": obj("  mtllib a.mtl\n", "\tusemtl\tskin \n"), "a.mtl": TWO}, "skin.png"),
        ({"a.obj": obj("mtllib a.mtl\n".encode("utf-8-sig").decode()), "a.mtl": TWO}, "skin.png"),
        # paths relative to the library
        ({"a.obj": obj("mtllib m/a.mtl\n"), "m/a.mtl": TWO, "m/skin.png": ""}, "m/skin.png"),
        ({"a.obj": obj("mtllib m\\a.mtl\n"), "m/a.mtl": TWO}, "skin.png"),
        (
            {"a.obj": obj("mtllib m/a.mtl\n"), "m/a.mtl": TWO.replace("skin.p", "../t/skin.p"),
             "t/skin.png": ""},
            "t/skin.png",
        ),
    ],
)  # fmt: skip
def test_the_texture_is_that_of_the_material_that_the_polygons_use(tmp_path, files, texture):
    write(tmp_path, SKIN | files)
    assert found(tmp_path) == texture


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("map_Kd t.png", "t.png"),
        ("map_kd t.png", "t.png"),
        ("MAP_KD\tt.png", "t.png"),
        ("\tmap_Kd   t.png  ", "t.png"),
        ("map_Kd my own.png", "my own.png"),
        ('map_Kd "my own.png"', "my own.png"),
        ("map_Kd -s 1 1 1 my own.png", "my own.png"),
        ("map_Kd -o 0 0 -s 1.0 1.0 t.png", "t.png"),
        ("map_Kd -blendu on -mm 0 1 -texres 512 -clamp off t.png", "t.png"),
        ("map_Kd -bm 1 -imfchan l 2 b.png", "2 b.png"),
        ("map_Kd -odd.png", "-odd.png"),
        ("map_Kd sub\\t.png", "sub/t.png"),
        ("map_Kd .\\sub/./t.png", "sub/t.png"),
        ("map_Kd T.PNG", "t.png"),
        ("map_Kd SUB/t.png", "sub/t.png"),
        ("map_Kd t.png # made by hand", "t.png"),
        ("map_Kd sub/../t.png", "t.png"),
        ("map_Kd -s 1 1 1", ""),
    ],
)
def test_ways_to_name_a_texture(tmp_path, line, name):
    write(tmp_path, {"a.obj": obj(), "a.mtl": f"newmtl skin\n{line}\n"})
    write(tmp_path, {name or "other.png": ""})
    assert found(tmp_path) == name


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("map_Kd -s 2 2 1 t.png", "scales or moves the texture"),
        ("map_Kd -o .5 t.png", "scales or moves the texture"),
        ("map_Kd -t 0 0 1 t.png", "scales or moves the texture"),
        ("map_Kd ../t.png", "stay under"),
        ("map_Kd /t.png", "stay under"),
        ("map_Kd sub/../../t.png", "stay under"),
    ],
)
def test_textures_that_cannot_be_used_are_refused_and_the_draft_says_so(tmp_path, line, rule):
    write(tmp_path, {"a.obj": obj(), "a.mtl": f"newmtl skin\n{line}\n", "a.png": ""})
    with pytest.raises(BadInput, match=rule):
        read_mesh(tmp_path / "a.obj")
    draft = draft_table(tmp_path)
    assert [path for path, _ in draft.unreadable] == ["a.obj"] and rule in "".join(draft.summary())
    assert draft.rows[0]["texture"] == "a.png"


def test_a_name_that_fits_two_files_fits_none(tmp_path):
    write(tmp_path, {"a.obj": obj(), "a.mtl": "newmtl skin\nmap_Kd t.png\n"})
    write(tmp_path, {"T.png": "", "t.PNG": ""})
    assert read_mesh(tmp_path / "a.obj").texture == tmp_path / "t.png"
    assert draft_table(tmp_path).rows[0]["texture"] == ""


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_of_meshes_and_materials(tmp_path, mark):
    vertices, triangles, uv = grid_mesh()
    write(tmp_path, {"t.png": "", "a.mtl": "newmtl skin\nmap_Kd t.png\n".encode(mark)})
    texts = {
        "a.obj": SQUARE + "mtllib a.mtl\nusemtl skin\n" + FACES,
        "a.wrl": wrl_text(vertices, triangles, uv, texture="t.png"),
        "a.ply": ply_bytes(vertices, triangles, uv, texture="t.png").decode(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
        plain = read_mesh(tmp_path / name)
        (tmp_path / name).write_bytes(text.encode(mark))
        marked = read_mesh(tmp_path / name)
        np.testing.assert_array_equal(marked.vertices, plain.vertices)
        np.testing.assert_array_equal(marked.triangles, plain.triangles)
        assert marked.texture == plain.texture == tmp_path / "t.png"
    binary = ply_bytes(vertices, triangles, form="binary_little_endian")
    (tmp_path / "a.ply").write_bytes(b"\xef\xbb\xbf" + binary)
    np.testing.assert_array_equal(read_mesh(tmp_path / "a.ply").vertices, vertices)


# Repetition, orientation, VRML -------------------------------------------------------------------


WEIGHTS = np.float32([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])


def colours(corners, repeats=(True, True)):
    """Colours at the corners of a triangle (3, 2) and at two points inside."""
    texture = Texture(IMAGE, np.asarray(corners, np.float32), repeats)
    return texture.colours(np.arange(3, dtype=np.int32)[None], np.zeros(5, np.int32), WEIGHTS)


SHARE = st.integers(0, 64).map(lambda n: n / 64)  # exact in float32 after any shift below
WITHIN = st.lists(st.tuples(SHARE, SHARE), min_size=3, max_size=3).filter(
    lambda corners: (np.mean(corners, axis=0) > 0).all() and (np.mean(corners, axis=0) < 1).all()
)


@given(WITHIN, st.integers(-9, 9), st.integers(-9, 9))
def test_a_texture_repeats_with_every_whole_step(corners, right, up):
    np.testing.assert_array_equal(colours(np.add(corners, [right, up])), colours(corners))


@given(WITHIN, st.tuples(st.booleans(), st.booleans()))
def test_within_the_image_nothing_depends_on_repetition(corners, repeats):
    np.testing.assert_array_equal(colours(corners, repeats), colours(corners))


def test_a_triangle_over_the_edge_continues_at_the_other_and_a_clamped_one_does_not():
    corners = [[0.5, 0.5], [0.5, 0.5], [2.5, 0.5]]  # the last point but one has u = 1
    beyond = [[1.25, 0.5]] * 3
    np.testing.assert_array_equal(colours(beyond)[0], colours([[0.25, 0.5]] * 3)[0])
    np.testing.assert_array_equal(colours(corners)[[0, 2]], IMAGE[[2, 2], [3, 3]])
    np.testing.assert_array_equal(colours(corners, (False, True))[[0, 2]], IMAGE[[2, 2], [3, 6]])


def test_registration_and_interop_read_textures_as_stored(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    for suffix, form in ((".png", "PNG"), (".tif", "TIFF")):
        path = tmp_path / f"t{suffix}"
        Image.fromarray(IMAGE).save(path, format=form, exif=turned)
        np.testing.assert_array_equal(read_image(path, is_texture=True), IMAGE)
        assert read_image(path).shape == (7, 5, 3)


def vrml(folder, texture='texture ImageTexture { url "face.png" }', transform=""):
    uv = POINTS[:, :2] / 8 + 0.5
    text = wrl_text(POINTS, QUADS, uv, QUADS)
    before, rest = text.split("texture ImageTexture", 1)
    after = rest.split("}", 1)[1]
    (folder / "a.wrl").write_text(before + texture + " " + transform + after)
    return read_mesh(folder / "a.wrl"), uv.astype(np.float32)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("", lambda u, v: (u, v)),
        ("scale 2 3", lambda u, v: (2 * u, 3 * v)),
        ("translation .5 -.25", lambda u, v: (u + 0.5, v - 0.25)),
        ("rotation 1.5707963", lambda u, v: (-v, u)),
        ("center .5 .5 scale 2 2", lambda u, v: (2 * u + 0.5, 2 * v + 0.5)),
        ("scale 2 1 translation 1 0 center 0 0", lambda u, v: (2 * u + 2, v)),
        ("scale 1 2 rotation 1.5707963", lambda u, v: (-v, 2 * u)),
    ],
)
def test_a_texture_transform_is_applied_as_vrml_says(tmp_path, transform, expected):
    mesh, uv = vrml(tmp_path, transform=f"textureTransform TextureTransform {{ {transform} }}")
    np.testing.assert_allclose(mesh.uv, np.column_stack(expected(*uv.T)), atol=1e-6)


def test_a_malformed_texture_transform_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"TextureTransform\.scale is not 2 numbers"):
        vrml(tmp_path, transform="textureTransform TextureTransform { scale 2 }")


def test_vrml_says_whether_a_texture_repeats_and_the_first_url_that_exists_counts(tmp_path):
    write(tmp_path, {"b.png": ""})
    mesh, _ = vrml(tmp_path, 'texture ImageTexture { url [ "a.png" "B.png" ] repeatT FALSE }')
    assert mesh.repeats == (True, False) and mesh.texture == tmp_path / "b.png"
    assert vrml(tmp_path)[0].repeats == (True, True)


def test_a_clamped_material_does_not_repeat(tmp_path):
    write(tmp_path, {"a.obj": obj(), "a.mtl": "newmtl skin\nmap_Kd -clamp on t.png\n"})
    assert read_mesh(tmp_path / "a.obj").repeats == (False, False)
