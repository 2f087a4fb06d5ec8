"""Sparse localized blendshapes of each class (paper, section 3.3 and equation 1)."""

from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.model import ClassModel, read_class, sample
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA

__all__ = ["ClassModel", "Geodesics", "SparseLocalizedPCA", "read_class", "sample"]
