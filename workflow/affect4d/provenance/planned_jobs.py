"""The jobs that the workflow plans for the configuration that a build states.

Snakemake lists them in a process of its own (`workflow/list_jobs.py`), as the rules at hand say:
what each job reads and writes, its settings, and the digest of its code. So what manifests state
is compared with the workflow itself, and a job can be run again without Snakemake.
"""

import json
import posixpath
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.artifacts.provenance import CRATE
from affect4d.store import StoreError
from affect4d.store.manifest import SUFFIX

REPOSITORY = Path(__file__).parents[3]
_LISTER = REPOSITORY / "workflow/list_jobs.py"
_ROOT = "/affect4d-results"  # stands for the results folder in a job's description


@dataclass(frozen=True)
class PlannedJob:
    """One job of the workflow.

    Attributes
    ----------
    description : as JSON values: rule, script, input, output, wildcards, params, threads,
        mem_mb, benchmark; paths below the results folder start with a placeholder
    """

    description: dict[str, Any]

    @property
    def rule(self) -> str:
        """Its rule."""
        return str(self.description["rule"])

    @property
    def item(self) -> str:
        """The wildcards, joined, as manifests record them."""
        return "/".join(self.description["wildcards"].values()) or self.rule

    @property
    def code(self) -> str:
        """Digest of the code that it runs."""
        return str(self.description["params"]["code"])

    @property
    def settings(self) -> dict[str, Any]:
        """The slices of the configuration that its rule declares."""
        return dict(self.description["params"]["settings"])

    @property
    def inputs(self) -> list[str]:
        """What it reads, relative to the results folder where it lies inside."""
        return [_relative(path) for path in self.description["input"]["values"]]

    @property
    def outputs(self) -> list[str]:
        """The manifests that it writes, relative to the results folder."""
        names = map(_relative, self.description["output"]["values"])
        return [name for name in names if name.endswith(SUFFIX)]

    @property
    def benchmark(self) -> str:
        """The file with its run time, relative to the results folder; "" where there is none."""
        return _relative(self.description["benchmark"])

    def located(self, root: Path) -> dict[str, Any]:
        """The description with paths below the results folder `root`."""
        text = json.dumps(self.description)
        located: dict[str, Any] = json.loads(text.replace(_ROOT, json.dumps(str(root))[1:-1]))
        return located


def plan_jobs(root: Path) -> list[PlannedJob]:
    """The jobs of the workflow for the configuration that the build at `root` states.

    Raises
    ------
    StoreError
        The build states no configuration, there is no workflow at hand, or it refuses.
    """
    config = stated_config(root)
    if not _LISTER.is_file():
        what, remedy = "no workflow lies beside the package", "audit with a clone of the repository"
        raise StoreError(_LISTER, what, remedy)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({**config, "results": _ROOT}, file)
        file.flush()
        process = subprocess.run(
            [sys.executable, str(_LISTER), file.name], capture_output=True, text=True
        )
    if process.returncode:
        reason = (process.stderr.strip().splitlines() or ["it ended without a reason"])[-1]
        what = f"the workflow at hand does not accept the build's configuration ({reason})"
        raise StoreError(CRATE.manifest(root), what, "audit with the version that built it")
    return [PlannedJob(description) for description in json.loads(process.stdout)]


def stated_config(root: Path) -> dict[str, Any]:
    """The whole configuration, which the RO-Crate's manifest states.

    Raises
    ------
    StoreError
        There is none, or it is not what was written.
    """
    return store.read_manifest(CRATE.manifest(root)).settings


def _relative(path: str) -> str:
    return path.removeprefix(f"{_ROOT}/") if path.startswith(_ROOT) else posixpath.normpath(path)
