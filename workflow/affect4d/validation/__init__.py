"""How much valence-arousal the shapes carry (paper, section 4.1 and Table 1)."""

from affect4d.validation.cca import LinearCCA
from affect4d.validation.metrics import ccc, mse, pearson
from affect4d.validation.svr import KernelSVR

__all__ = ["KernelSVR", "LinearCCA", "ccc", "mse", "pearson"]
