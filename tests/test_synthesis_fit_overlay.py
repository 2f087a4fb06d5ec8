"""Fits drawn over their photographs."""

import numpy as np
import pytest
from support.faces import camera, fit_of, photo

from affect4d.synthesis.crop import square_around
from affect4d.synthesis.editing.scene import make_scene
from affect4d.synthesis.fit_overlay import overlay_tiles
from affect4d.synthesis.photographs import FittedPhotograph
from affect4d.template.anatomy import default_anatomy

SIZE = 160


@pytest.fixture(scope="module")
def fit():
    return fit_of(camera(), error_model=0.034, error_corrected=0.009)


@pytest.fixture(scope="module")
def tiles(fit):
    photograph = FittedPhotograph("ann1", "ann", "ann1.png", fit)
    return overlay_tiles(photograph, photo(), default_anatomy(), size=SIZE)


def test_landmarks_and_mesh_lie_where_the_fit_has_them(fit, tiles):
    crop = square_around(fit.landmarks, 0.35, SIZE)
    scene = make_scene(fit, crop.cut(photo()), default_anatomy(), crop=crop)
    marked, meshed = (np.abs(tile.image.astype(int) - scene.image).sum(-1) > 0 for tile in tiles)
    x, y = np.rint(crop.apply(fit.landmarks)).astype(int).T
    assert marked[y, x].all() and marked.mean() < 0.1
    face = scene.raster.triangle_id >= 0
    assert not meshed[~face].any() and meshed[face].mean() > 0.9


def test_captions_name_the_photograph_and_how_well_it_fits(tiles):
    assert [tile.caption for tile in tiles] == ["ann1", "3.4% -> 0.9%"]
