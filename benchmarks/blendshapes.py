"""Time and objective of SparseLocalizedPCA on the template: `python benchmarks/blendshapes.py`.

Frames are sums of 30 smooth local motions of the face and .1 mm of noise, from a fixed seed.
"""

import argparse
import time
import warnings

import numpy as np

from affect4d.blendshapes import Geodesics, SparseLocalizedPCA
from affect4d.formats.template import load_template
from affect4d.validation.basis import make_patch

SIZES = [(4000, 150, 84), (4000, 500, 50), (53_349, 8, 7), (53_349, 20, 8), (53_349, 60, 8)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constraint", choices=["nonnegative", "signed"], default="nonnegative")
    constraint = parser.parse_args().constraint
    template = load_template()
    print("vertices frames components attained iterations objective_mm2 support cpu_s")
    for count, frames, components in SIZES:
        whole = count == len(template.vertices)
        patch = make_patch(
            template.vertices, template.triangles, template.inner, 0 if whole else count
        )
        D = motions(patch.vertices, frames)
        model = SparseLocalizedPCA(components, constraint, tolerance=2e-3, max_iterations=25)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(
                D,
                vertices=patch.vertices,
                triangles=patch.triangles,
                geodesics=Geodesics(patch.vertices, patch.triangles, model.outer_radius),
            )
        spent = time.process_time() - start
        print(
            f"{len(patch.index)} {frames} {components} {model.n_components_} "
            f"{len(model.objective_)} {model.objective_[-1]:.2f} "
            f"{np.any(model.components_, axis=2).mean():.3f} {spent:.2f}"
        )


def motions(vertices, frames):
    """Difference vectors (frames, 3V) float32, mm."""
    rng = np.random.default_rng(0)
    front = np.flatnonzero(vertices[:, 2] > np.quantile(vertices[:, 2], 0.7))
    centres = vertices[rng.choice(front, 30, replace=False)]
    distance = np.linalg.norm(vertices[None] - centres[:, None], axis=-1)
    fields = np.exp(-((distance / 18) ** 2))[..., None] * rng.normal(scale=3, size=(30, 1, 3))
    weights = rng.beta(0.5, 1.5, size=(frames, 30))
    D = weights @ fields.reshape(30, -1) + rng.normal(scale=0.1, size=(frames, vertices.size))
    return D.astype(np.float32)


if __name__ == "__main__":
    main()
