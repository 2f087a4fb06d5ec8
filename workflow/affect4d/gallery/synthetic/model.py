"""The generator of synthetic people: built once, kept in a store, read by every job."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from affect4d import store
from affect4d.gallery.synthetic.action_units import NAMES, action_fields
from affect4d.gallery.synthetic.identity import identity_modes
from affect4d.gallery.synthetic.topology import Topology, scan_topology
from affect4d.template.template import Template, make_template

TOPOLOGIES = 6
SIDE_MM = 22.0  # distance from the middle at which a side counts as a side


@dataclass(frozen=True)
class Model:
    """Identity modes (M, V, 3), action units (A, V, 3), both mm, and the scanner's topologies."""

    template: Template
    identity: np.ndarray
    units: np.ndarray
    topologies: list[Topology]

    @cached_property
    def side(self):
        """(V,) -1 on the subject's right, 1 on the left, smooth across the middle."""
        return np.tanh(self.template.vertices[:, 0] / SIDE_MM).astype(np.float32)

    def neutral(self, identity):
        """The neutral face (V, 3) of identity coefficients (M,), mm."""
        return self.template.vertices + np.tensordot(
            identity.astype(np.float32), self.identity, axes=1
        )

    def expressions(self, units, asymmetry):
        """Displacements (T, V, 3), mm, of unit intensities (T, A) and their asymmetry (A,)."""
        flat = self.units.reshape(len(self.units), -1)
        units = np.asarray(units, dtype=np.float32)
        both = (units @ flat).reshape(len(units), -1, 3)
        skew = (units * asymmetry.astype(np.float32)) @ flat
        return both + self.side[None, :, None] * skew.reshape(both.shape)


def write_model(path, template, scan_vertices, seed, provenance):
    """Build the embedded gallery's generator and store it (rule `gallery_model`)."""
    topologies = [
        scan_topology(template, scan_vertices, str(number), seed) for number in range(TOPOLOGIES)
    ]
    model = Model(template, identity_modes(template), action_fields(template), topologies)
    store_model(path, model, provenance)


def store_model(path, model, provenance):
    """Store a Model."""
    arrays = {
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
    store.write(path, arrays, attributes, provenance)


def read_model(path):
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
