"""Sparse localized blendshapes of each class (paper, section 3.3 and equation 1)."""

from affect4d.blendshapes.differences import StoredFrames
from affect4d.blendshapes.geodesics import Geodesics
from affect4d.blendshapes.model import ClassModel, read_class, sample
from affect4d.blendshapes.path import Interpolant, Trajectory, trace
from affect4d.blendshapes.weights import WeightDistribution

__all__ = [
    "ClassModel",
    "Geodesics",
    "Interpolant",
    "StoredFrames",
    "Trajectory",
    "WeightDistribution",
    "read_class",
    "sample",
    "trace",
]
