"""A small build with its RO-Crate."""

from affect4d import audit
from affect4d.config.dataset import Settings
from affect4d.provenance.crate import write_crate
from support.contexts import context


def add_crate(folder):
    """Write the crate of the small build in `folder`; the results folder, intact."""
    root, snakefile = folder / "results", folder / "Snakefile"
    snakefile.write_text("rule all: pass\n")
    inputs = sorted(root.glob("dataset.manifest.json"))
    made = context(root, "crate", inputs=tuple(inputs), settings={"seed": 0})
    write_crate(made, workflow=[snakefile], about=Settings(), engine="9.0")
    assert audit.audit_build(root).intact
    return root
