"""A class's deformation imposed on a fitted photograph (paper, section 3.4).

The camera of the fit turns the deformation into a dense map from the result's pixels to the
photograph's; the picture is either the photograph moved by it (`blend: warp`) or the deformed mesh
rendered with the photograph's texture and Poisson blended (`blend: poisson`, the paper's way).
"""

from affect4d.blendshapes.targets import Atlas
from affect4d.synthesis.editing.editor import synthesize
from affect4d.synthesis.single import PhotographEditor
from affect4d.template.anatomy import Anatomy, anatomy_of

__all__ = [
    "Anatomy",
    "Atlas",
    "PhotographEditor",
    "anatomy_of",
    "synthesize",
]
