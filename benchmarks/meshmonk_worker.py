"""One registration by MeshMonk (White et al., Sci. Rep. 2019), in an environment of its own.

    PYTHON benchmarks/meshmonk_worker.py in.npz out.npz

in: template and scan (`*_vertices`, `*_triangles`), roughly aligned, mm; out: vertices of the
template on the scan, CPU seconds of the pyramid of non-rigid steps that its authors recommend.
"""

import sys
import time

import numpy as np


def features(vertices, triangles):
    """(N, 6) float32, positions and unit normals."""
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    np.add.at(total, triangles.ravel(), np.repeat(normal, 3, axis=0))
    unit = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return np.concatenate([vertices, unit], axis=1).astype(np.float32)


def main():
    import meshmonk  # the one program that needs it, in an environment of its own

    with np.load(sys.argv[1]) as given:
        parts = {}
        for name, side in (("template", "floating"), ("scan", "target")):
            vertices, triangles = given[f"{name}_vertices"], given[f"{name}_triangles"]
            parts[f"{side}_features"] = features(vertices.astype(float), triangles)
            parts[f"{side}_faces"] = triangles.astype(np.int32)
            parts[f"{side}_flags"] = np.ones(len(vertices), np.float32)
    start = time.process_time()
    found = meshmonk.pyramid_register(**parts, rigid_params={})
    spent = time.process_time() - start
    np.savez(sys.argv[2], vertices=found.aligned_vertices, seconds=spent)


if __name__ == "__main__":
    main()
