"""A copy of the project in which a test runs snakemake and changes what it likes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import fast_simplification
import numpy as np
import pandas as pd
import yaml
from support.empty_builds import write_empty_build

from affect4d.formats.landmarks import write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.template.template import load_template

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent
TEMPLATE_REDUCTION = 0.8  # of the triangles are left out
SECONDS = "seconds"  # the file in which a build that tests share notes how long it took
PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs", "slurm")


class Tree:
    """The workflow in a folder of its own, on the small configuration and a small template.

    Parameters
    ----------
    folder : to be made
    config : changes of the small configuration
    code : Tree whose code is copied, with what numba has compiled there; the project's otherwise
    """

    def __init__(self, folder, config=None, code=None):
        self.folder = Path(folder)
        self.results = self.folder / "results"
        self.folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir() and not source.is_symlink():
                # numba knows a source by its time and size: what it has compiled stays valid
                ignored = shutil.ignore_patterns("*.egg-info")
                copied = code.folder / part if code else source
                shutil.copytree(copied, self.folder / part, ignore=ignored)
            else:
                shutil.copy(source, self.folder / part, follow_symlinks=False)
        write_small_template(self.folder / "template")
        small = yaml.safe_load(Path(__file__).with_name("small.yaml").read_text())
        self.configure({**small, **(config or {})})

    @classmethod
    def copied(cls, tree, folder):
        """A copy of a tree, with its results, times and Snakemake's memory."""
        copy = cls.__new__(cls)
        copy.folder = Path(shutil.copytree(tree, folder, symlinks=True))
        copy.results = copy.folder / "results"
        return copy

    def configure(self, changes):
        """Merge `changes` (nested) into config.yaml."""
        path = self.folder / "config.yaml"
        config = yaml.safe_load(path.read_text()) or {}
        path.write_text(yaml.safe_dump(_merged(config, changes)))

    @property
    def environment(self):
        """The environment in which this tree's own code runs."""
        return {
            **os.environ,
            "PYTHONPATH": str(self.folder / "workflow"),
            "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "200",
        }

    def run(self, program, *arguments, check=True):
        """Run a program of this environment on this tree's code; returns the completed process."""
        done = subprocess.run(
            [str(BINARIES / program), *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{program} {arguments}\n{done.stdout}\n{done.stderr[-8000:]}")
        return done

    def snakemake(self, *arguments, cores=2, check=True):
        """Run snakemake here."""
        return self.run("snakemake", "--cores", cores, *arguments, check=check)

    def affect4d(self, *arguments, check=True):
        """Run the command line on this tree's code."""
        return self.run("python", "-m", "affect4d.cli", *arguments, check=check)

    def planned(self):
        """The rules that a run would execute now: {rule: jobs}."""
        said = self.snakemake("--dry-run", "--quiet", "reason")
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", said.stdout + said.stderr, re.MULTILINE))
        jobs.pop("total", None)
        return {rule: int(count) for rule, count in jobs.items()}

    def pretend_built(self):
        """Write every artifact empty, as one that the configuration and the code at hand made."""
        write_empty_build(self.folder, self.folder, self.environment)

    def checksums(self):
        """SHA256SUMS of the published dataset."""
        return (self.results / "dataset" / "SHA256SUMS").read_text()

    def dataset(self):
        """The rows of the published dataset."""
        shards = sorted((self.results / "dataset" / "data").glob("*.parquet"))
        return pd.concat([pd.read_parquet(path) for path in shards], ignore_index=True)


def write_small_template(folder):
    """Write the default template with fewer vertices: template.ply and template.pts."""
    template = load_template()
    points, triangles = fast_simplification.simplify(
        template.vertices, template.triangles, TEMPLATE_REDUCTION
    )
    used, triangles = np.unique(triangles, return_inverse=True)
    mesh = Mesh(points[used].astype(np.float32), triangles.reshape(-1, 3).astype(np.int32), None)
    folder.mkdir()
    write_ply(folder / "template.ply", mesh)
    write_pts(folder / "template.pts", template.landmarks)


def _merged(base, changes):
    out = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if nested else value
    return out
