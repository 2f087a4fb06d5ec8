"""What sets a face apart from every face that the people of a model span: a smooth field.

A gallery of few people, or of people of another kind, does not span strangers. What is left of them
is a Gaussian process over the mean face, as in Gaussian process morphable models (Luthi et al.,
PAMI 2018), as its leading modes. How large it is differs by photograph and model: the amplitude
is the likeliest in view of the landmarks (type II maximum likelihood: Rasmussen & Williams 2006,
section 5.4.1), the smallest where the model's people explain them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.spatial.distance import cdist

from affect4d.registration.prior import mirror_images
from affect4d.template.ibug68 import NOSE_TIP
from affect4d.template.template import Template

# Length scale of the squared-exponential kernel: chosen among 18, 25, 40 and 60 mm on 60 people of
# ICT-FaceKit (docs/fitting.md).
_REACH_MM = 25.0
# The points of Nystrom's method cover the head up to this distance from the nose tip.
_HEAD_RADIUS_MM, _SPACING_MM = 110.0, 12.0
_MODES = 60
_MIN_EIGENVALUE = 1e-6  # of the greatest: below, rounding errors
_STEP = 8  # one in so many vertices of the inner face says how much a mode moves it
AMPLITUDES_MM = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)

Floats = NDArray[np.float64]


def smooth_modes(mean: NDArray[np.float32], template: Template) -> NDArray[np.float32]:
    """Modes (K, V, 3) mm of a process whose coordinates have a standard deviation of 1 mm.

    Those that keep the face's symmetry have most of the variance, as in `registration.prior`.

    Parameters
    ----------
    mean : (V, 3) mm, of the model, in the template's frame
    template : of the model
    """
    vertices = mean.astype(np.float64)
    rows = np.flatnonzero(template.inner)[::_STEP]
    return _leading(_process(vertices, template, rows), rows)


def _process(vertices: Floats, template: Template, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Fields (M, V, 3) mm whose sum, with coefficients N(0, 1), is the process."""
    image, symmetric = mirror_images(template.vertices.astype(np.float64), rows)
    points = _spread(vertices, vertices[template.landmark_vertices[NOSE_TIP]])
    near, mirrored = (_kernel(vertices, vertices[at]) for at in (points, image[points]))
    fields = []
    for parity in (1, -1):
        columns = (near + parity * mirrored) / 2
        square = columns[points]
        values, vectors = eigh((square + square.T) / 2)
        kept = values > _MIN_EIGENVALUE * values[-1]
        scalar = columns @ (vectors[:, kept] / np.sqrt(values[kept]))
        for axis in range(3):
            keeps_symmetry = (parity == 1) != (axis == 0)  # in a mirror x turns its sign
            field = np.zeros((scalar.shape[1], *vertices.shape), np.float32)
            share = symmetric if keeps_symmetry else 1 - symmetric
            field[..., axis] = np.sqrt(2 * share) * scalar.T
            fields.append(field)
    return np.concatenate(fields)


def _spread(vertices: Floats, middle: Floats) -> NDArray[np.int64]:
    """Vertices near the middle, the first of each cell of a grid."""
    head = np.flatnonzero(np.linalg.norm(vertices - middle, axis=1) < _HEAD_RADIUS_MM)
    cells = np.floor(vertices[head] / _SPACING_MM).astype(int)
    chosen: NDArray[np.int64] = head[np.sort(np.unique(cells, axis=0, return_index=True)[1])]
    return chosen


def _kernel(one: Floats, other: Floats) -> Floats:
    kernel: Floats = np.exp(cdist(one, other, "sqeuclidean") / (-2 * _REACH_MM**2))
    return kernel


def _leading(fields: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The modes (K, V, 3) that move the rows most, of the process that fields (M, V, 3) span."""
    flat = fields[:, rows].reshape(len(fields), -1).astype(np.float64)
    _, vectors = eigh(flat @ flat.T)
    leading = vectors[:, ::-1][:, :_MODES].T.astype(np.float32)
    modes: NDArray[np.float32] = np.tensordot(leading, fields, axes=1)
    return modes


def likeliest_amplitudes(
    unexplained: Floats, weight: Floats, *, explained: Floats, by_smooth: Floats
) -> Floats:
    """Of `AMPLITUDES_MM`, the one under which each photograph's landmarks are likeliest, (N,).

    Parameters
    ----------
    unexplained : (N, 68, 2) pixels, of the landmarks by the camera and the mean face
    weight : (N, 68), 1/pixels^2, inverse variance of their noise
    explained : (N, 136, K), derivatives by what else is unknown, the model's coefficients and the
        camera's parameters, times their standard deviations
    by_smooth : (N, 136, M), derivatives by the coefficients of the smooth modes, pixels per mm
    """
    count, values = explained.shape[:2]
    covariance = explained @ np.swapaxes(explained, 1, 2)
    covariance[:, np.arange(values), np.arange(values)] += np.repeat(1 / weight, 2, axis=1)
    smooth = by_smooth @ np.swapaxes(by_smooth, 1, 2)
    likelihoods = []
    for amplitude in AMPLITUDES_MM:
        factor = np.linalg.cholesky(covariance + amplitude**2 * smooth)
        white = np.linalg.solve(factor, unexplained.reshape(count, values, 1))[..., 0]
        determinant = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
        likelihoods.append(-(white**2).sum(1) / 2 - determinant)
    best: Floats = np.array(AMPLITUDES_MM)[np.argmax(likelihoods, axis=0)]
    return best
