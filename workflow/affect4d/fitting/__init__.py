"""A 3D morphable model on each photograph: camera, identity, expression, residual.

Identity and expression modes come from the registered gallery (PCA, `fitting.learning`), or the
identities from an LSFM file (Booth et al., IJCV 2018; `fitting.lsfm`) or ICT-FaceKit (Li et al.,
CVPR 2020; `fitting.facekit`); the fit (`fitting.solver`) follows the landmark-based scheme common
to 3DMM work (Gauss-Newton under Gaussian priors, contour vertices chosen again in each iteration as
in Bas et al., ACCV workshops 2016), by robust weights and for many photographs at once.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from affect4d.fitting.camera import Camera as Camera
    from affect4d.fitting.fits import fit as fit
    from affect4d.fitting.fits import fit_many as fit_many
    from affect4d.fitting.fitted import Fit as Fit
    from affect4d.fitting.model import MorphableModel as MorphableModel

# where a module of the package is wanted, the others, with numba and SciPy, are not loaded
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "camera": ["Camera"],
        "fits": ["Fit", "fit", "fit_many"],
        "model": ["MorphableModel"],
    },
)
