"""The fitted morphable model as menpo's PCA models, a class's blendshapes as a linear model."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from menpo.model import MeanLinearVectorModel, PCAModel
from menpo.shape import TriMesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from affect4d.blendshapes.model import ClassModel
from affect4d.fitting.model import MorphableModel
from affect4d.interop.shapes import GROUP, MeshArrays, mesh_from_menpo, mesh_to_menpo


class MenpoFaceModel(NamedTuple):
    """A morphable model as two PCA models of TriMesh, both about the mean face.

    A face is `identity.instance(a)` plus the deviation of `expression.instance(b)` from the mean.
    """

    identity: PCAModel
    expression: PCAModel


def model_to_menpo(model: MorphableModel) -> MenpoFaceModel:
    """A morphable model as two PCA models, with the 68 landmarks on the mean face.

    Our modes are mm at one standard deviation; menpo's components are orthonormal, and their
    eigenvalues variances in mm². Modes that are not orthogonal are rotated among themselves: the
    distribution of faces is the same, the coefficients are not. `fits/model.zarr` does not hold the
    number of its samples: it is stated as the least possible, the number of modes plus one. The
    modes of the smooth field are left out: their amplitude differs from photograph to photograph.
    """
    landmarks = model.mean[model.landmark_vertices].astype(np.float64)
    mean = mesh_to_menpo(MeshArrays(model.mean, model.triangles, landmarks=landmarks))
    return MenpoFaceModel(_to_pca(model.identity, mean), _to_pca(model.expression, mean))


def model_from_menpo(
    identity: PCAModel, expression: PCAModel, group: str | None = None
) -> MorphableModel:
    """A morphable model of two PCA models of TriMesh (mm) about the same mean, their active parts.

    Parameters
    ----------
    identity, expression : with the same triangles
    group : of the mean face's 68 landmarks, each of which becomes the nearest vertex

    Raises
    ------
    ValueError
        The mean face has no landmarks, or the models have different means.
    """
    mean = identity.mean()
    if not np.allclose(mean.points, expression.mean().points):
        raise ValueError("identity and expression have different means")
    face = mesh_from_menpo(mean, group)
    if face.landmarks is None:
        raise ValueError(f"the mean face has no landmarks: add the group {GROUP!r}")
    return MorphableModel(
        mean=face.vertices,
        identity=_to_modes(identity),
        expression=_to_modes(expression),
        triangles=face.triangles,
        landmark_vertices=cKDTree(mean.points).query(face.landmarks)[1],
    )


def class_to_menpo(model: ClassModel) -> MeanLinearVectorModel:
    """A class's blendshapes as a linear model: `instance(weights)` is the deformation (3V,) in mm.

    That is `model.deformation(weights).ravel()`, so the linear model's mean is the deformation of
    weights 0. The components are sparse, not orthonormal, as menpo's projections assume:
    `orthonormalize_inplace` makes them so, for a subspace without localized components.
    """
    components = _flat(model.components)
    mean = model.mean.ravel() - model.distribution.mean @ components
    return MeanLinearVectorModel(components, mean)


def class_from_menpo(linear: MeanLinearVectorModel, model: ClassModel) -> ClassModel:
    """`model` with the mean and the components of a linear model, which has no weights.

    Parameters
    ----------
    linear : with as many components as `model`
    model : whose weights and their distribution are kept

    Raises
    ------
    ValueError
        The number of components or of vertices is another.
    """
    if linear.components.shape != _flat(model.components).shape:
        raise ValueError(
            f"components {linear.components.shape}: expected {_flat(model.components).shape}"
        )
    mean = linear.mean() + model.distribution.mean @ linear.components
    return replace(
        model,
        mean=mean.reshape(model.mean.shape).astype(np.float32),
        components=linear.components.reshape(model.components.shape).astype(np.float32),
    )


def _flat(modes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(K, V, 3) as (K, 3V), in double precision."""
    return modes.reshape(len(modes), -1).astype(np.float64)


def _to_pca(modes: NDArray[np.floating], mean: TriMesh) -> PCAModel:
    """The PCA model of the covariance of modes (K, V, 3), by the eigenvectors of their products."""
    flat = _flat(modes)
    variances, rotation = np.linalg.eigh(flat @ flat.T)
    order = np.argsort(variances)[::-1]
    variances, rotation = variances[order], rotation[:, order]
    # Eigenvectors have no sign: each component points as the mode that it is most of.
    rotation *= np.sign(rotation[np.abs(rotation).argmax(0), range(len(order))])
    kept = variances > np.finfo(np.float32).eps * variances.max(initial=0)
    components = (rotation.T @ flat)[kept] / np.sqrt(variances[kept])[:, None]
    return PCAModel.init_from_components(
        components, variances[kept], mean, n_samples=len(modes) + 1, centred=True
    )


def _to_modes(model: PCAModel) -> NDArray[np.float32]:
    """(K, V, 3), mm at one standard deviation."""
    flat = np.sqrt(model.eigenvalues)[:, None] * model.components
    return np.asarray(flat.reshape(len(flat), -1, 3), np.float32)
