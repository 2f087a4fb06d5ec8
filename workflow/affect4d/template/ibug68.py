"""The 68 landmarks of iBUG (300-W): every group, single point and mirror pair in use.

Sides are the subject's: the right eye is the one on the left of a photograph. Groups are int64
arrays; pairs are (2,) or (N, 2), right before left. Source: Sagonas et al., "300 faces in-the-wild
challenge", Image and Vision Computing 2016, figure 1 (there counted from 1, here from 0).
"""

import numpy as np

COUNT = 68

# Groups that partition the landmarks: jaw, brows, nose, eyes, outer and inner lips.
JAW = np.arange(0, 17)  # ear to ear by way of the chin
BROWS = np.arange(17, 27)
NOSE = np.arange(27, 36)
EYES = np.arange(36, 48)
OUTER_LIPS = np.arange(48, 60)
INNER_LIPS = np.arange(60, 68)
MOUTH = np.concatenate([OUTER_LIPS, INNER_LIPS])
INTERNAL = np.arange(len(JAW), COUNT)  # all but the jaw, whose points slide along the silhouette
# Bridge and tip of the nose, corners of the eyes: they follow the skull whatever the expression.
STABLE = np.array([27, 28, 29, 30, 36, 39, 42, 45])

# Jaw.
CHIN = 8
JAW_ENDS = JAW[[0, -1]]  # below the ears
JAW_PAIRS = np.stack([JAW[:CHIN], JAW[:CHIN:-1]], axis=1)  # from the ears to the chin
JAW_BELOW_EARS = JAW_PAIRS[2]
JAW_ANGLES = JAW_PAIRS[4:6].ravel()

# Brows.
RIGHT_BROW, LEFT_BROW = BROWS[:5], BROWS[5:]
BROW_PAIRS = np.stack([RIGHT_BROW, LEFT_BROW[::-1]], axis=1)  # from the outer to the inner ends
BROW_OUTER_ENDS, BROW_MIDDLES = BROW_PAIRS[0], BROW_PAIRS[2]

# Nose.
NASION, NOSE_TIP, SUBNASALE = 27, 30, 33  # the ridge's root and its end, the base of the septum
NOSE_RIDGE = np.arange(NASION, NOSE_TIP + 1)
NOSE_BASE = NOSE[len(NOSE_RIDGE) :]  # wing to wing by way of the septum
NOSE_WINGS, NOSTRILS = np.array([31, 35]), np.array([32, 34])

# Eyes: from the corner on the subject's right along the upper lid, back along the lower.
RIGHT_EYE, LEFT_EYE = EYES[:6], EYES[6:]
EYE_OUTLINES = (RIGHT_EYE, LEFT_EYE)
UPPER_LID_LINES = (RIGHT_EYE[:4], LEFT_EYE[:4])  # corner, upper lid, corner
UPPER_LIDS, LOWER_LIDS = (np.array([eye[a] for eye in EYE_OUTLINES]) for a in ([1, 2], [5, 4]))
OUTER_EYE_CORNERS, INNER_EYE_CORNERS = np.array([36, 45]), np.array([39, 42])
UPPER_LID_PAIRS = np.array([[37, 44], [38, 43]])  # from the outer to the inner corners
LOWER_LID_PAIRS = np.array([[41, 46], [40, 47]])

# Mouth: middles, and pairs from its corners towards the middle.
MOUTH_CORNERS, INNER_MOUTH_CORNERS = np.array([48, 54]), np.array([60, 64])
UPPER_LIP_MIDDLE, LOWER_LIP_MIDDLE = 51, 57
UPPER_INNER_LIP_MIDDLE, LOWER_INNER_LIP_MIDDLE = 62, 66
UPPER_LIP_SIDES, UPPER_LIP_PEAKS = np.array([49, 53]), np.array([50, 52])
LOWER_LIP_SIDES, LOWER_LIP_NEAR_MIDDLE = np.array([59, 55]), np.array([58, 56])
UPPER_INNER_LIP_SIDES, LOWER_INNER_LIP_SIDES = np.array([61, 63]), np.array([67, 65])
UPPER_LIP, LOWER_LIP = np.array([50, 51, 52]), np.array([58, 57, 56])  # right to left
UPPER_INNER_LIP, LOWER_INNER_LIP = np.array([61, 62, 63]), np.array([67, 66, 65])
UPPER_INNER_LINE = np.array([60, 61, 62, 63, 64])  # corner to corner, opposite each other
LOWER_INNER_LINE = np.array([60, 67, 66, 65, 64])

# Landmark i of a face is landmark MIRROR[i] of its mirror image.
MIRROR = np.concatenate(
    [
        JAW[::-1],
        BROWS[::-1],
        [27, 28, 29, 30, 35, 34, 33, 32, 31],
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],
        [64, 63, 62, 61, 60, 67, 66, 65],
    ]
)
