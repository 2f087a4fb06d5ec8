"""Action-unit-like weights of a build's classes beside what its synthetic people showed.

    python benchmarks/unit_weights.py --results results

The true intensities of every frame derive from names and seed, as the gallery drew them; a class's
are the means over the frames that it was built from. AU16 and AU1+4 count as the combinations of
other units that they are.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from affect4d import store
from affect4d.artifacts.affectspace import FRAMES
from affect4d.artifacts.blendshapes import ATLAS
from affect4d.artifacts.dataset import ACTION_UNITS
from affect4d.artifacts.gallery import MODEL
from affect4d.blendshapes.targets import Atlas
from affect4d.config.gallery import Synthetic
from affect4d.dataset.unit_weights import UnitBasis
from affect4d.gallery.synthetic.action_units import NAMES
from affect4d.gallery.synthetic.model import read_model
from affect4d.gallery.synthetic.sequences import styled_units, takes
from affect4d.registration.common_template import read_template


def true_units(root, model, frames):
    """The intensities (F, A) of `ACTION_UNITS` that frames show."""
    stated = store.read_manifest(MODEL.manifest(root)).settings
    recording, seed = Synthetic(**stated["gallery"]["synthetic"]), stated["seed"]
    shown = {}
    for subject in frames["subject"].unique():
        for take in takes(recording, subject, seed):
            units, _, _ = styled_units(take, len(model.identity), seed)
            shown |= dict(zip(take.frame_ids(), units, strict=True))
    fields = model.units.reshape(len(NAMES), -1).T.astype(float)
    kept = fields[:, [NAMES.index(name) for name in ACTION_UNITS]]
    found = np.array([shown[name] for name in frames["frame_id"]])
    return found @ np.linalg.lstsq(kept, fields, rcond=None)[0].T


def main():
    """Print both, unit by unit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    root = parser.parse_args().results
    frames = pd.read_parquet(FRAMES.path(root)).query("status == 'used'")
    model, atlas = read_model(MODEL.path(root)), Atlas(ATLAS.path(root))
    shown = pd.DataFrame(true_units(root, model, frames))
    of_class = shown.groupby(frames["class"].to_numpy()).mean()
    of_class = of_class[of_class.index.isin(atlas.own)]
    basis = UnitBasis(read_template(root), (model.template, model.units))
    read = np.array([basis.weights(atlas.mean(index)) for index in of_class.index])
    table = pd.DataFrame(
        {
            "true": of_class.mean().to_numpy(),
            "read": read[:, :-1].mean(axis=0),
            "correlation": [
                np.corrcoef(of_class[n], read[:, n])[0, 1] for n in range(len(ACTION_UNITS))
            ],
            "rms error": np.sqrt(((read[:, :-1] - of_class.to_numpy()) ** 2).mean(axis=0)),
        },
        index=ACTION_UNITS,
    )
    print(f"{len(of_class)} classes\n{table.round(2).to_string()}")
    print(f"share of the motion that is not explained: {np.median(read[:, -1]):.2f} (median)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
