"""Synthetic people: who they are, and how each of them expresses affect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.identity import BOUND_SD
from affect4d.random_streams import named_rng

# How people differ in showing the same affect: chosen by eye, without a measurement behind them.
AMPLITUDE_SD = 0.15  # of the logarithm of a person's overall strength
UNIT_SD = 0.25  # of the logarithm of one unit's strength within a person
ASYMMETRY_SD, MAX_ASYMMETRY = 0.12, 0.3  # share by which the left side moves more than the right
# share of the units that a person hardly uses, and their strength
RARE_SHARE, RARE_GAIN = 0.2, 0.45
# The mean of what these give, so that the prototypes are those of people on average.
_MEAN_GAIN = np.exp((AMPLITUDE_SD**2 + UNIT_SD**2) / 2) * (1 - RARE_SHARE * (1 - RARE_GAIN))


@dataclass(frozen=True)
class Person:
    """One synthetic person.

    Attributes
    ----------
    name : the person's name
    identity : (M,) standard deviations of the identity modes
    gains : (A,) how strongly each action unit responds to affect
    asymmetry : (A,) share by which the left side moves more than the right
    """

    name: str
    identity: NDArray[np.float64]
    gains: NDArray[np.float64]
    asymmetry: NDArray[np.float64]


def make_person(name: str, modes: int, seed: int) -> Person:
    """The person of that name; depends on nothing but name, number of modes and seed."""
    rng = named_rng(seed, "person", name)
    identity = np.clip(rng.normal(size=modes), -BOUND_SD, BOUND_SD)
    units = len(NAMES)
    gains = np.exp(AMPLITUDE_SD * rng.normal() + UNIT_SD * rng.normal(size=units))
    gains *= np.where(rng.random(units) < RARE_SHARE, RARE_GAIN, 1.0)
    gains /= _MEAN_GAIN
    asymmetry = np.clip(ASYMMETRY_SD * rng.normal(size=units), -MAX_ASYMMETRY, MAX_ASYMMETRY)
    return Person(name, identity, gains, asymmetry)
