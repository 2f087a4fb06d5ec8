"""The jobs that the workflow plans for the configuration that a build states.

Snakemake lists them in a process of its own (`workflow/list_jobs.py`), as the rules at hand say:
what each job reads and writes, its settings, and the digest of its code. So what manifests state
is compared with the workflow itself, and a job can be run again without Snakemake.
"""

import csv
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
_CONFIG = Path("config.yaml")  # of the project in the working directory
AS_IS = "--as-is"
_ROOT = "/affect4d-results"  # stands for the results folder in a job's description


@dataclass(frozen=True)
class PlannedJob:
    """One job of the workflow.

    Attributes
    ----------
    description : as JSON values: rule, script, input, output, wildcards, params, threads,
        mem_mb, runtime (minutes), log, benchmark, is_needed, reason
    root : the results folder, as the description has it; `plan_jobs` leaves a placeholder there
    """

    description: dict[str, Any]
    root: str = _ROOT

    @property
    def rule(self) -> str:
        """Its rule."""
        return str(self.description["rule"])

    @property
    def item(self) -> str:
        """The wildcards, joined, as manifests record them."""
        return "/".join(self.description["wildcards"].values()) or self.rule

    @property
    def wildcards(self) -> dict[str, str]:
        """The values of its rule's wildcards, by name."""
        return dict(self.description["wildcards"])

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
        return [self._relative(path) for path in self.description["input"]["values"]]

    @property
    def outputs(self) -> list[str]:
        """The manifests that it writes, relative to the results folder."""
        names = map(self._relative, self.description["output"]["values"])
        return [name for name in names if name.endswith(SUFFIX)]

    @property
    def benchmark(self) -> str:
        """The file with its run time, relative to the results folder; "" where there is none."""
        return self._relative(self.description["benchmark"])

    @property
    def log(self) -> str:
        """Its log file, relative to the results folder."""
        return self._relative(self.description["log"])

    @property
    def is_needed(self) -> bool:
        """Whether snakemake would run it."""
        return bool(self.description["is_needed"])

    @property
    def only_follows(self) -> bool:
        """Whether snakemake would run it for no other reason than that another job runs."""
        return str(self.description["reason"]).startswith("Input files updated by another job")

    def _relative(self, path: str) -> str:
        """A path relative to the results folder where it lies inside."""
        below = path.startswith(f"{self.root}/")
        return path.removeprefix(f"{self.root}/") if below else posixpath.normpath(path)

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
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({**config, "results": _ROOT}, file)
        file.flush()
        try:
            return list_jobs(file.name)[1]
        except ValueError as error:
            what = f"the workflow at hand does not accept the build's configuration ({error})"
            remedy = "audit with the version that built it"
            raise StoreError(CRATE.manifest(root), what, remedy) from None


def list_jobs(*arguments: str) -> tuple[dict[str, Any], list[PlannedJob]]:
    """The whole configuration, and the jobs of the workflow at hand in the working directory.

    Parameters
    ----------
    arguments : of `workflow/list_jobs.py`: files of configuration, and `--as-is`

    Raises
    ------
    StoreError
        There is no workflow at hand, or no configuration.
    ValueError
        It refuses; the text is its last line.
    """
    if not _LISTER.is_file():
        what, remedy = "no workflow lies beside the package", "use a clone of the repository"
        raise StoreError(_LISTER, what, remedy)
    if not (_CONFIG.exists() or set(arguments) - {AS_IS}):
        remedy = "run it in the project's folder, or name a configuration with --configfile"
        raise StoreError(Path.cwd(), f"no project: it has no {_CONFIG}", remedy)
    command = [sys.executable, str(_LISTER), *arguments]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise ValueError((process.stderr.strip().splitlines() or ["it ended without a reason"])[-1])
    listed = json.loads(process.stdout)
    return listed["config"], [
        PlannedJob(job, listed["config"]["results"]) for job in listed["jobs"]
    ]


@dataclass(frozen=True)
class RunFigures:
    """What Snakemake recorded of one run of a job.

    Attributes
    ----------
    seconds : from its start to its end
    cpu_s : s of all processors
    memory_mb : MB, largest resident memory
    """

    seconds: float
    cpu_s: float
    memory_mb: float


def recorded_run(root: Path, job: PlannedJob) -> RunFigures | None:
    """What Snakemake recorded of the job's last run in a build; None where it did not."""
    return read_run(root / job.benchmark)


def read_run(benchmark: Path) -> RunFigures | None:
    """The figures of a benchmark file of Snakemake; None where it is missing or damaged."""
    try:
        with benchmark.open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        return RunFigures(float(row["s"]), float(row["cpu_time"]), float(row["max_rss"]))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return None


def stated_config(root: Path) -> dict[str, Any]:
    """The whole configuration, which the RO-Crate's manifest states.

    Raises
    ------
    StoreError
        There is none, or it is not what was written.
    """
    return store.read_manifest(CRATE.manifest(root)).settings
