"""Synthetic people: who they are, and how each of them expresses affect."""

from dataclasses import dataclass

import numpy as np

from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.identity import BOUND_SD
from affect4d.random_streams import named_rng

AMPLITUDE_SD = 0.15  # of the logarithm, over people
UNIT_SD = 0.25  # of the logarithm, over the units of a person
ASYMMETRY_SD = 0.12
RARE_SHARE, RARE_GAIN = 0.2, 0.45  # units a person hardly uses


@dataclass(frozen=True)
class Person:
    """One synthetic person.

    Attributes
    ----------
    name : str
    identity : (M,) standard deviations of the identity modes
    gains : (A,) how strongly each action unit answers to affect
    asymmetry : (A,) share by which the left side moves more than the right
    """

    name: str
    identity: np.ndarray
    gains: np.ndarray
    asymmetry: np.ndarray


def person(name, modes, seed):
    """The person of that name; depends on nothing but name, number of modes and seed."""
    rng = named_rng(seed, "person", name)
    identity = np.clip(rng.normal(size=modes), -BOUND_SD, BOUND_SD)
    units = len(NAMES)
    gains = np.exp(AMPLITUDE_SD * rng.normal() + UNIT_SD * rng.normal(size=units))
    gains *= np.where(rng.random(units) < RARE_SHARE, RARE_GAIN, 1.0)
    asymmetry = np.clip(ASYMMETRY_SD * rng.normal(size=units), -0.3, 0.3)
    return Person(name, identity, gains, asymmetry)
