"""The 68 landmarks of iBUG (300-W): their groups, and their mirror images."""

import numpy as np

# Landmark i of a face is landmark MIRROR[i] of its mirror image (iBUG-68).
MIRROR = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        [27, 28, 29, 30, 35, 34, 33, 32, 31],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],
        [64, 63, 62, 61, 60, 67, 66, 65],
    ]
)
JAW = np.arange(17)
BROWS = np.arange(17, 27)
EYES = np.arange(36, 48)
MOUTH = np.arange(48, 68)
# Bridge and tip of the nose, corners of the eyes: they follow the skull whatever the expression.
STABLE = np.array([27, 28, 29, 30, 36, 39, 42, 45])
