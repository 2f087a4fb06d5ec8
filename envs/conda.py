"""Print envs/pipeline.yaml, the conda file, from the pip pins: `python envs/conda.py`.

It lists what pipeline.txt names and all that this pulls in, at the versions of constraints.txt:
Snakemake copies a conda file elsewhere, so it cannot refer to the others.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

FOLDER = Path(__file__).parent
HEAD = """# Written by envs/conda.py from pipeline.txt and constraints.txt (`make generated`).
name: affect4d-pipeline
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - c-compiler
  - pip
  - pip:
"""


def normalised(name: str) -> str:
    """A package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    """{name: pin} of a file of requirements."""
    lines = (line.partition("#")[0].strip() for line in (FOLDER / file).read_text().splitlines())
    found = [line for line in lines if line]
    return {normalised(line.partition("==")[0]): line for line in found}


def pulled_in(names: Iterator[str]) -> set[str]:
    """The packages, and all that they need here."""
    seen: set[str] = set()
    queue = list(names)
    while queue:
        name = normalised(queue.pop())
        if name in seen:
            continue
        seen.add(name)
        needed = map(Requirement, requires(name) or [])
        queue += [n.name for n in needed if n.marker is None or n.marker.evaluate({"extra": ""})]
    return seen


def conda_file() -> str:
    """The file's text.

    Raises
    ------
    KeyError
        A package that is pulled in has no pin.
    """
    direct = pins("pipeline.txt")
    every = pins("constraints.txt") | direct
    lines = [f"      - {every[name]}" for name in sorted(pulled_in(iter(direct)))]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return HEAD.format(python=version) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(conda_file())
