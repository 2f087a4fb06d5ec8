"""Samples of a photograph between its pixels, against OpenCV's and scipy's."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from support.faces import photo

from affect4d.synthesis.editing.sampling import FINER, PARTS, Sampler, as_bytes

MOVED = FINER * PARTS  # places a pixel that samples are taken at


def pixels(height, width):
    """Every pixel's own place (H, W, 2) float32."""
    return np.dstack(np.meshgrid(np.arange(width), np.arange(height))).astype(np.float32)


def nowhere(image):
    """No pixel is far from the face."""
    return np.zeros(image.shape[:2], dtype=bool)


def finer_of(sampler):
    """The finer copy's colours (2 H, 2 W, 3) uint8."""
    return np.ascontiguousarray(as_bytes(sampler.finer)[..., :3])


def test_the_finer_copy_holds_the_photograph_itself():
    finer = finer_of(Sampler(photo(), nowhere(photo())))
    assert np.array_equal(finer[::FINER, ::FINER], photo())


def test_the_finer_copy_lies_halfway_as_cubic_interpolation_does():
    image = photo()
    height, width = image.shape[:2]
    finer = finer_of(Sampler(image, nowhere(image)))
    halves = pixels(FINER * height, FINER * width) / FINER
    cubic = cv2.remap(image, halves, None, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
    assert np.abs(finer.astype(int) - cubic).max() <= 1


@settings(max_examples=25, deadline=None)
@given(height=st.integers(4, 40), width=st.integers(4, 40), seed=st.integers(0, 2**16))
def test_samples_are_those_of_bilinear_interpolation_in_the_finer_copy(height, width, seed):
    """The same grey values, at any place that can be named, in pictures of any size."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    most = MOVED * np.array([width - 1, height - 1])
    source = (rng.integers(0, most + 1, (height, width, 2)) / MOVED).astype(np.float32)
    sampler = Sampler(image, nowhere(image))
    places = FINER * np.moveaxis(source[..., ::-1].astype(float), 2, 0)
    exact = np.stack(
        [
            map_coordinates(one.astype(float), places, order=1)
            for one in cv2.split(finer_of(sampler))
        ],
        axis=-1,
    )
    assert np.array_equal(sampler.sample(source), np.floor(exact + 0.5))


def test_smooth_maps_give_what_cubic_interpolation_of_the_photograph_does():
    image = photo()
    height, width = image.shape[:2]
    own = pixels(height, width)
    source = own + 3 * np.sin(own[..., ::-1] / 17)
    source = np.clip(source, 0, [width - 1, height - 1]).astype(np.float32)
    cubic = cv2.remap(image, source, None, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE)
    difference = np.abs(Sampler(image, nowhere(image)).sample(source).astype(int) - cubic)
    assert difference.max() <= 4
    assert difference.mean() < 0.3


def test_far_pixels_are_copied_and_those_between_are_sampled():
    image = photo()
    height, width = image.shape[:2]
    far = nowhere(image)
    far[:20], far[:, :30], far[:, -7:] = True, True, True
    source = np.minimum(pixels(height, width) + 1, [width - 1, height - 1]).astype(np.float32)
    moved = Sampler(image, far).sample(source)
    assert np.array_equal(moved[far], image[far])
    whole = Sampler(image, nowhere(image)).sample(source)
    assert np.array_equal(moved[~far], whole[~far])
    assert not np.array_equal(moved[~far], image[~far])


@pytest.mark.parametrize("place", [-1e9, -3.0, 1e3, 1e9, np.nan, np.inf])
def test_a_map_that_leads_out_of_the_photograph_reads_nothing_beyond_it(place):
    """Of a photograph of one colour every sample has that colour."""
    image = np.full((16, 24, 3), (10, 130, 250), np.uint8)
    source = np.full((16, 24, 2), place, np.float32)
    assert (Sampler(image, nowhere(image)).sample(source) == image).all()
