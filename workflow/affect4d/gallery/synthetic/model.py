"""The generator of synthetic people: built once, stored, read by every job."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affect4d import store
from affect4d.artifacts.gallery import MODEL
from affect4d.gallery.synthetic.action_units import NAMES, action_fields, combine
from affect4d.gallery.synthetic.identity import identity_modes
from affect4d.gallery.synthetic.mpfb import Face
from affect4d.gallery.synthetic.topology import Topology, scan_topology
from affect4d.pipeline.context import RunContext
from affect4d.template.template import Template, make_template

TOPOLOGIES = 6  # of the scanner's meshes: enough that neighbouring frames mostly differ
SIDE_MM = 22.0  # distance from the middle at which asymmetry has 76 % of its effect (tanh 1)


@dataclass(frozen=True)
class Model:
    """Identity modes (M, V, 3), action units (A, V, 3), both mm, and the scanner's topologies."""

    template: Template
    identity: NDArray[np.float32]
    units: NDArray[np.float32]
    topologies: list[Topology]

    @cached_property
    def side(self) -> NDArray[np.float32]:
        """(V,) -1 on the subject's right, 1 on the left, smooth across the middle."""
        side: NDArray[np.float32] = np.tanh(self.template.vertices[:, 0] / SIDE_MM)
        return side.astype(np.float32)

    def neutral(self, identity: NDArray[np.float64]) -> NDArray[np.float32]:
        """The neutral face (V, 3) of identity coefficients (M,), mm."""
        return self.template.vertices + np.tensordot(
            identity.astype(np.float32), self.identity, axes=1
        )

    def expressions(
        self, units: NDArray[np.float64], asymmetry: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Displacements (T, V, 3), mm, of unit intensities (T, A) and their asymmetry (A,).

        Units that do not add up are combined first.
        """
        flat = self.units.reshape(len(self.units), -1)
        weights = combine(units).astype(np.float32)
        both = (weights @ flat).reshape(len(weights), -1, 3)
        skew = (weights * asymmetry.astype(np.float32)) @ flat
        return both + self.side[None, :, None] * skew.reshape(both.shape)


def write_model(scan_vertices: int, context: RunContext) -> None:
    """Build the embedded gallery's generator, `gallery/model.zarr` (rule `gallery_model`).

    Parameters
    ----------
    scan_vertices : approximate number of vertices of a raw scan
    context : of the run
    """
    face = Face()
    topologies = [
        scan_topology(face.template, str(number), vertices=scan_vertices, seed=context.seed)
        for number in range(TOPOLOGIES)
    ]
    model = Model(face.template, identity_modes(face), action_fields(face), topologies)
    store_model(MODEL.path(context.root), model, context.provenance())


def store_model(path: Path, model: Model, provenance: store.Provenance) -> None:
    """Store a Model."""
    arrays: dict[str, NDArray[Any]] = {
        "vertices": model.template.vertices,
        "triangles": model.template.triangles,
        "landmarks": model.template.landmarks,
        "identity": model.identity,
        "units": model.units,
    }
    for number, topology in enumerate(model.topologies):
        arrays[f"topology{number}_anchors"] = topology.anchors
        arrays[f"topology{number}_weights"] = topology.weights
        arrays[f"topology{number}_triangles"] = topology.triangles
    attributes = {"units": list(NAMES), "topologies": len(model.topologies)}
    store.write(path, arrays, attributes, provenance=provenance)


def read_model(path: Path) -> Model:
    """The Model stored by `store_model`."""
    opened = store.open(path)
    topologies = [
        Topology(
            *(opened[f"topology{k}_{part}"][...] for part in ("anchors", "weights", "triangles"))
        )
        for k in range(opened.attributes["topologies"])
    ]
    template = make_template(*(opened[n][...] for n in ("vertices", "triangles", "landmarks")))
    return Model(template, opened["identity"][...], opened["units"][...], topologies)
