"""A person's own line is found, and measured as it is (benchmarks/smile_fold.py)."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from smile_fold import ACROSS, PROFILE, STATIONS, _darkest_path, fitted

DEPTH, DEVIATION, STEP = 0.1, 1.2, 0.03


def people(count):
    """Lines that lie apart: places (count, STATIONS) mm, and the light across (..., n)."""
    rng = np.random.default_rng(0)
    along = np.linspace(0, np.pi, STATIONS)
    places = rng.uniform(-4, 4, (count, 1)) + rng.uniform(-1, 1, (count, 1)) * np.sin(along)
    away = ACROSS - places[..., None]
    light = STEP * np.tanh(away / 2) - DEPTH * np.exp(-0.5 * (away / DEVIATION) ** 2)
    return places, light + 0.005 * rng.normal(size=light.shape)


def test_each_persons_own_line_is_as_narrow_and_as_deep_as_it_is():
    places, light = people(12)
    found = ACROSS[[_darkest_path(each) for each in light]]
    assert np.abs(found - places).mean() < 0.3
    about = [
        np.interp(place + PROFILE, ACROSS, row)
        for person, rows in zip(found, light, strict=True)
        for place, row in zip(person, rows, strict=True)
    ]
    deviation, depth = fitted(np.median(about, axis=0))
    assert deviation == pytest.approx(DEVIATION, rel=0.15)
    assert depth == pytest.approx(DEPTH, rel=0.1)


def test_the_median_person_has_a_wider_and_shallower_line():
    _, light = people(12)
    median = np.median(light, axis=0).mean(axis=0)
    deviation, depth = fitted(np.interp(PROFILE, ACROSS, median))
    assert deviation > 1.5 * DEVIATION
    assert depth < 0.6 * DEPTH
