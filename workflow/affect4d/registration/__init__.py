"""Brings every scan into the template's topology.

The method is the UV-based registration of 4DFAB (Cheng et al., CVPR 2018; Booth & Zafeiriou,
"Optimal UV spaces for facial morphable model construction", ICIP 2014): landmarks, similarity,
cylindrical unwrapping, thin-plate warp, sampling, filling. Its thin-plate spline lives on the
template's surface, whose lips are cut, so that an opening mouth does not smear across them.
"""

from affect4d.registration.quality import FLAGS, MEASURES, Quality
from affect4d.registration.reference import Reference, prepare
from affect4d.registration.registrar import Registered, Registrar

__all__ = [
    "FLAGS",
    "MEASURES",
    "Quality",
    "Reference",
    "Registered",
    "Registrar",
    "prepare",
]
