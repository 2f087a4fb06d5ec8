"""The decoder printed in docs/store.md reads what the store writes, number for number."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import zarr

from affect4d import store

PAGE = Path(__file__).parents[1] / "docs/store.md"


def load(folder, function):
    """A function of the page, run in a module of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if f"def {function}(" in block)
    assert "affect4d" not in block
    module = folder / "decoder.py"
    module.write_text(block)
    return runpy.run_path(str(module))[function]


@pytest.fixture(scope="module")
def read_vertices(tmp_path_factory):
    return load(tmp_path_factory.mktemp("page"), "read_vertices")


@pytest.mark.parametrize("jump, dtype", [(0, np.uint16), (400, np.uint32)])
@pytest.mark.parametrize("frames", [1, 8, 83])
def test_the_decoder_of_the_page_reads_what_is_written(
    tmp_path, read_vertices, frames, jump, dtype
):
    rng = np.random.default_rng(frames)
    neutral = rng.uniform(-100, 100, (30, 3)).astype(np.float32)
    values = (neutral + rng.normal(0, 2, (frames, 30, 3))).astype(np.float32)
    values[frames // 2 :] += jump
    path = tmp_path / "x.zarr"
    store.write(path, {"face": store.Vertices(values, neutral)})
    assert zarr.open_array(path / "face", mode="r").dtype == dtype
    decoded = read_vertices(path, "face")
    np.testing.assert_array_equal(decoded, store.open(path)["face"][...])
    np.testing.assert_allclose(decoded, values, atol=0.00505)


def test_the_page_states_the_attributes_as_they_are(tmp_path):
    face = np.zeros((4, 3), np.float32)
    store.write(tmp_path / "x.zarr", {"face": store.Vertices(face[None], face)})
    attributes = dict(zarr.open_array(tmp_path / "x.zarr/face", mode="r").attrs)
    section = PAGE.read_text().split("## Vertices")[1].split("## Images")[0]
    stated = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE))
    assert set(stated) == set(attributes)
    for name in ("encoding", "encoding_version", "step", "unit", "frames_per_chunk", "convention"):
        assert stated[name].strip("`").startswith(str(attributes[name]).strip("`"))


def test_the_pages_decoder_of_pictures(tmp_path):
    rng = np.random.default_rng(2)
    bases = rng.integers(0, 256, (2, 9, 14, 3), np.uint8)
    values = bases[[1, 0, 1]]
    values[:, 2:7, 3:10] = rng.integers(90, 110, (3, 5, 7, 3))
    pictures = store.Images(values, "neutral", "photograph")
    arrays = {"images": pictures, "neutral": store.Images(bases), "photograph": np.array([1, 0, 1])}
    store.write(tmp_path / "x.zarr", arrays)
    read_picture = load(tmp_path, "read_picture")
    group = zarr.open_group(tmp_path / "x.zarr", mode="r")
    for index, value in enumerate(values):
        np.testing.assert_array_equal(read_picture(group, "images", index), value)
