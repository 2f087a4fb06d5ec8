"""Synthetic people: who they are, and how each of them expresses affect."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from affect4d.gallery.synthetic.action_units import NAMES, SMILING_JAW
from affect4d.gallery.synthetic.identity import BOUND_SD
from affect4d.random_streams import named_rng

# How people differ in showing the same affect: chosen by eye, without a measurement behind them.
AMPLITUDE_SD = 0.15  # of the logarithm of a person's overall strength
UNIT_SD = 0.25  # of the logarithm of one unit's strength within a person
ASYMMETRY_SD, MAX_ASYMMETRY = 0.12, 0.3  # share by which the left side moves more than the right
# share of the units that a person hardly uses, and their strength
RARE_SHARE, RARE_GAIN = 0.2, 0.45
# Among so many people with successive numbers every strength occurs as often as it should, so that
# means over few people are those of many.
STRATA = 8
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
    """The person of that name, which ends in a number; depends on nothing but name, number of modes
    and seed."""
    rng = named_rng(seed, "person", name)
    identity = np.clip(rng.normal(size=modes), -BOUND_SD, BOUND_SD)
    units = len(NAMES)
    asymmetry = np.clip(ASYMMETRY_SD * rng.normal(size=units), -MAX_ASYMMETRY, MAX_ASYMMETRY)
    asymmetry[NAMES.index(SMILING_JAW)] = asymmetry[NAMES.index("AU12")]  # the same smile
    overall, *shares = _stratified(name, 1 + units, seed)
    is_rare = np.array(shares) < RARE_SHARE
    # of the units that are rare, and of the others, again a share from 0 to 1
    within = np.where(is_rare, shares, np.array(shares) - RARE_SHARE)
    within /= np.where(is_rare, RARE_SHARE, 1 - RARE_SHARE)
    gains = np.exp(AMPLITUDE_SD * ndtri(overall) + UNIT_SD * ndtri(within))
    gains *= np.where(is_rare, RARE_GAIN, 1.0) / _MEAN_GAIN
    return Person(name, identity, gains, asymmetry)


def _stratified(name: str, count: int, seed: int) -> NDArray[np.float64]:
    """Numbers (count,) in (0, 1): each falls once in each of STRATA parts among people of
    successive numbers (a Latin hypercube)."""
    initial = name.rstrip("0123456789")
    block, place = divmod(int(name[len(initial) :]) - 1, STRATA)  # they are counted from 1
    rng = named_rng(seed, "strata", initial, block)
    parts = rng.permuted(np.tile(np.arange(STRATA), (count, 1)), axis=1)[:, place]
    inside: NDArray[np.float64] = named_rng(seed, "inside", name).random(count)
    return (parts + inside) / STRATA
