"""Pictures of one face: read back bit for bit, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affect4d import store
from affect4d.store import images


def edited(count, size, seed=0):
    """`count` pictures of two faces (N, H, W, 3), changed inside a square; bases, which."""
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[:height, :width]
    smooth = 90 + 60 * np.sin(x / 9) * np.cos(y / 7)
    bases = smooth[None, :, :, None] + rng.normal(0, 4, (2, height, width, 3))
    bases = np.clip(bases, 0, 255).astype(np.uint8)
    which = np.arange(count) * 2 // max(count, 1)
    values = bases[which].copy()
    face = np.s_[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]
    for picture in values:
        picture[face] = np.roll(picture[face], rng.integers(1, 4), axis=0) + np.uint8(3)
    return values, bases, which


def write(path, values, bases, which):
    store.write(
        path,
        {
            "images": store.Images(values, "neutral", "photograph"),
            "neutral": store.Images(bases),
            "photograph": which,
        },
    )
    return store.open(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_pictures_come_back_bit_for_bit(data):
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    shape = (data.draw(st.integers(1, 3)), height, width, 3)
    values, bases = (data.draw(arrays(np.uint8, shape)) for _ in range(2))
    np.testing.assert_array_equal(images.decode(images.encode(values, bases), bases), values)


def test_what_was_not_changed_costs_nothing():
    values, bases, which = edited(3, (24, 40))
    stored = images.encode(bases[which], bases[which])
    assert not stored.any()
    assert images.encode(values, bases[which]).any()


@pytest.mark.parametrize("count", [0, 1, 3, 70])  # 70: more than a shard
def test_a_store_gives_back_any_of_its_pictures(tmp_path, count):
    values, bases, which = edited(count, (16, 20))
    opened = write(tmp_path / "a.zarr", values, bases, which)
    pictures = opened["images"]
    assert pictures.shape == values.shape and len(pictures) == count and pictures.dtype == np.uint8
    np.testing.assert_array_equal(pictures[...], values)
    np.testing.assert_array_equal(pictures[1:3], values[1:3])
    chosen = [count - 1, 0, count - 1][: 3 if count else 0]
    np.testing.assert_array_equal(pictures[chosen], values[chosen])
    for index in range(count):
        np.testing.assert_array_equal(pictures[index], values[index])
    if count:
        np.testing.assert_array_equal(pictures[-1, :4, 2], values[-1, :4, 2])
        np.testing.assert_array_equal(pictures[..., 1], values[..., 1])
        with pytest.raises(IndexError):
            pictures[count]
    np.testing.assert_array_equal(opened["neutral"][...], bases)


class Sliced:
    """Pictures that are never all in memory: only some rows at a time can be had."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.max_rows = values, values.shape, values.dtype, 0

    def __getitem__(self, rows):
        pictures = self.values[rows]
        self.max_rows = max(self.max_rows, len(pictures) if isinstance(rows, slice) else 1)
        return pictures


def test_pictures_are_taken_a_shard_at_a_time(tmp_path):
    values, bases, which = edited(2 * images.CHUNKS + 3, (8, 9))
    lazy = Sliced(values)
    opened = write(tmp_path / "a.zarr", lazy, bases, which)
    assert lazy.max_rows == images.CHUNKS
    np.testing.assert_array_equal(opened["images"][...], values)


def test_many_bases_are_told_apart(tmp_path):
    count = 40  # more than a reader keeps
    bases = np.random.default_rng(0).integers(0, 256, (count, 5, 6, 3), np.uint8)
    which = np.arange(count)
    pictures = write(tmp_path / "a.zarr", bases[::-1].copy(), bases, which)["images"]
    for index in [*which, *which[::-1]]:
        np.testing.assert_array_equal(pictures[int(index)], bases[count - 1 - index])
    chosen = np.random.default_rng(1).permutation(np.repeat(which, 2))
    np.testing.assert_array_equal(pictures[chosen], bases[count - 1 - chosen])


def test_grey_pictures_leave_two_planes_empty():
    values, bases, which = edited(3, (16, 24))
    grey, grey_bases = (pictures[..., :1].repeat(3, axis=-1) for pictures in (values, bases))
    stored = images.encode(grey, grey_bases[which])
    assert stored[:, 0].any() and not stored[:, 1:].any()


def test_a_picture_that_reads_back_otherwise_is_not_committed(tmp_path, monkeypatch):
    values, bases, which = edited(4, (16, 16))

    def failing(values, bases, encode=images.encode):
        return encode(values, bases) ^ (np.arange(16) == 7).astype(np.uint8)

    monkeypatch.setattr(images, "encode", failing)
    with pytest.raises(store.StoreError, match="read back differs"):
        write(tmp_path / "a.zarr", values, bases, which)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize("name, value", [("ENCODING", "something else"), ("VERSION", 99)])
def test_pictures_of_a_newer_encoding_are_refused(tmp_path, monkeypatch, name, value):
    pictures = edited(2, (16, 16))
    with monkeypatch.context() as newer:
        newer.setattr(images, name, value)
        write(tmp_path / "a.zarr", *pictures)
    with pytest.raises(store.StoreError, match="newer encoding"):
        store.open(tmp_path / "a.zarr")["images"]


def test_the_same_pictures_give_the_same_bytes(tmp_path):
    digests = set()
    for name in ("a", "b"):
        write(tmp_path / f"{name}.zarr", *edited(5, (16, 16)))
        files = sorted((tmp_path / f"{name}.zarr").rglob("*"))
        digests.add(tuple(path.read_bytes() for path in files if path.is_file()))
    assert len(digests) == 1


def test_a_changed_base_is_detected_before_a_wrong_picture_is_read(tmp_path):
    write(tmp_path / "a.zarr", *edited(4, (16, 16)))
    shard = next(
        p for p in (tmp_path / "a.zarr/neutral").rglob("*") if p.is_file() and "c" in p.parts
    )
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 1
    shard.write_bytes(content)
    with pytest.raises(store.StoreError):
        store.open(tmp_path / "a.zarr")["images"][0]


def test_pictures_without_what_they_need_are_refused(tmp_path):
    values, bases, which = edited(4, (16, 16))
    pictures = store.Images(values, "neutral", "photograph")
    for others, match in (
        ({"photograph": which}, "not the base"),
        ({"neutral": store.Images(bases)}, "do not fit"),
        ({"neutral": store.Images(bases[:, :8]), "photograph": which}, "do not fit"),
        ({"neutral": bases, "photograph": which}, "not the base"),
        ({"neutral": store.Images(bases), "photograph": which[:3]}, "do not fit"),
        ({"neutral": store.Images(bases), "photograph": which.astype(float)}, "do not fit"),
        ({"neutral": store.Images(bases), "photograph": which + 1}, "outside"),
        ({"neutral": store.Images(bases), "photograph": which - 1}, "outside"),
    ):
        with pytest.raises(ValueError, match=match):
            store.write(tmp_path / "a.zarr", {"images": pictures, **others})
        assert not (tmp_path / "a.zarr").exists()
    for wrong in (values.astype(np.uint16), values[..., :2], values[0], values[:, :0]):
        with pytest.raises(ValueError, match="expected"):
            store.Images(wrong)


def test_two_large_shards_of_one_size_cannot_be_exchanged(tmp_path):
    rng = np.random.default_rng(4)
    values = rng.integers(0, 256, (1 + 2 * images.CHUNKS, 90, 90, 3), np.uint8)
    write(tmp_path / "a.zarr", values[1:], values[:1], np.zeros(len(values) - 1, int))
    one, other = sorted(p for p in (tmp_path / "a.zarr/images/c").rglob("*") if p.is_file())
    assert one.stat().st_size == other.stat().st_size > 2**20
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    with pytest.raises(store.StoreError, match="sha256"):
        store.open(tmp_path / "a.zarr")["images"][0]
