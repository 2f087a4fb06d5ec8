"""What registration needs of the template, computed once: unwrapping, spline, prior, Laplacian."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from affect4d.geometry.raster import rasterise
from affect4d.geometry.surface import cotangent
from affect4d.registration.consistency import NOTHING_USUAL, Usual
from affect4d.registration.cylinder import Cylinder
from affect4d.registration.prior import Prior, make_prior
from affect4d.registration.scan import signed_area
from affect4d.registration.spline import Green, affine
from affect4d.store import Store
from affect4d.template.ibug68 import JAW_ENDS
from affect4d.template.template import Template, make_template

# Margins of the plane around the template (left, bottom, right, top): a dropped jaw below, wider
# heads elsewhere.
_MARGIN_MM = (25.0, 45.0, 25.0, 25.0)
# A template vertex this far behind the plane's front surface is folded away from the viewer.
_FOLD_MM = 1.5
# Pixels per mm at which the prior samples what the cylinder shows.
_RESOLUTION = 2.0


@dataclass(frozen=True)
class Reference:
    """A prepared template.

    Attributes
    ----------
    template : Template
    kernel : (V, 68) mm^2, columns of the surface's Green's function
    prior : Prior
    laplacian : (V, V), cotangent weights
    area : (V,) mm^2
    usual : of the people that the template is the mean of
    """

    template: Template
    kernel: NDArray[np.float32]
    prior: Prior
    laplacian: sparse.csr_matrix
    area: NDArray[np.float64]
    usual: Usual = NOTHING_USUAL

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays that restore it, by name."""
        usual = {f"usual_{name}": np.array([value]) for name, value in asdict(self.usual).items()}
        return (usual if self.usual.offset else {}) | {
            "vertices": self.template.vertices,
            "triangles": self.template.triangles,
            "landmarks": self.template.landmarks,
            "kernel": self.kernel,
            "modes": self.prior.modes,
            "precision": self.prior.precision,
            "laplacian_data": self.laplacian.data,
            "laplacian_indices": self.laplacian.indices,
            "laplacian_indptr": self.laplacian.indptr,
            "area": self.area,
        }

    @classmethod
    def restore(cls, arrays: Store | Mapping[str, NDArray[Any]]) -> "Reference":
        """A Reference from what `arrays` gave (any mapping of names to arrays)."""

        def part(name: str) -> NDArray[Any]:
            return np.asarray(arrays[name][...])

        template = make_template(part("vertices"), part("triangles"), part("landmarks"))
        laplacian = sparse.csr_matrix(
            tuple(part(f"laplacian_{name}") for name in ("data", "indices", "indptr")),
            shape=(len(template.vertices),) * 2,
        )
        prior = Prior(part("modes"), part("precision"))
        names = [f"usual_{one.name}" for one in fields(Usual)]
        usual = Usual(*(float(part(name)[0]) for name in names if name in arrays))
        return cls(template, part("kernel"), prior, laplacian, part("area"), usual)


def prepare(template: Template) -> Reference:
    """Prepare a template (some 15 s for 53,349 vertices)."""
    laplacian, area = cotangent(template.vertices, template.triangles)
    green = Green(laplacian, area)
    shown = single_valued(template, fit_cylinder(template, _RESOLUTION))
    prior = make_prior(
        template.vertices,
        template.landmarks,
        shown,
        green=green,
        affine=affine(template.vertices),
    )
    kernel = green(template.landmark_vertices)
    return Reference(template, kernel, prior, sparse.csr_matrix(laplacian), area)


def fit_cylinder(template: Template, resolution: float) -> Cylinder:
    """The cylinder around a template's head, rasterised at `resolution` pixels per mm.

    The axis lies midway between the ends of the jaw's contour, before the ears; the radius is
    that of the inner face, so that lengths are kept where they matter.
    """
    ends = template.landmarks[JAW_ENDS].mean(0)
    axis = (float(ends[0]), float(ends[2]))
    x = template.vertices[template.inner, 0] - axis[0]
    z = template.vertices[template.inner, 2] - axis[1]
    radius = float(np.hypot(x, z).mean())
    uv, _ = Cylinder(axis, radius, (0.0, 0.0, 1.0, 1.0), resolution).unwrap(template.vertices)
    left, bottom, right, top = _MARGIN_MM
    low, high = uv.min(0), uv.max(0)
    half = np.pi * radius
    window = (
        float(max(low[0] - left, -half)),
        float(low[1] - bottom),
        float(min(high[0] + right, half)),
        float(high[1] + top),
    )
    return Cylinder(axis, radius, window, resolution)


def single_valued(template: Template, cylinder: Cylinder) -> NDArray[np.bool_]:
    """Mask (V,) of the vertices that the cylinder shows: not behind an ear or a wing of the nose,
    nor in a triangle that is folded over."""
    uv, depth = cylinder.unwrap(template.vertices)
    xy = cylinder.pixels(uv)
    height, width = cylinder.shape
    triangle_id, weights = rasterise(xy, depth, template.triangles, shape=cylinder.shape)
    rows = np.clip(np.rint(xy[:, 1]).astype(int), 0, height - 1)
    columns = np.clip(np.rint(xy[:, 0]).astype(int), 0, width - 1)
    face = triangle_id[rows, columns]
    front = (depth[template.triangles[face]] * weights[rows, columns]).sum(1)
    shown: NDArray[np.bool_] = (face < 0) | (depth >= front - _FOLD_MM)
    shown[template.triangles[signed_area(uv, template.triangles) <= 0].ravel()] = False
    return shown
