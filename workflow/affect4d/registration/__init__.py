"""Brings every scan into the template's topology.

The method is the UV-based registration of 4DFAB (Cheng et al., CVPR 2018; Booth & Zafeiriou,
"Optimal UV spaces for facial morphable model construction", ICIP 2014): landmarks, similarity,
cylindrical unwrapping, thin-plate warp, sampling, filling. Its thin-plate spline lives on the
template's surface, whose lips are cut, so that an opening mouth does not smear across them.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from affect4d.registration.quality import FLAGS as FLAGS
    from affect4d.registration.quality import MEASURES as MEASURES
    from affect4d.registration.quality import Quality as Quality
    from affect4d.registration.reference import Reference as Reference
    from affect4d.registration.reference import prepare as prepare
    from affect4d.registration.registrar import Registered as Registered
    from affect4d.registration.registrar import Registrar as Registrar

# where a module of the package is wanted, the others, with numba and SciPy, are not loaded
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "quality": ["FLAGS", "MEASURES", "Quality"],
        "reference": ["Reference", "prepare"],
        "registrar": ["Registered", "Registrar"],
    },
)
