"""One job computed again, in a process of its own: `python -m affect4d.audit.replay_job`.

Standard input holds the job's description as JSON. Its script runs as Snakemake runs it, without
Snakemake.
"""

import json
import runpy
import sys
from types import SimpleNamespace
from typing import Any


class _Named(list[str]):
    """Values of which some have names, as Snakemake's inputs, outputs and wildcards."""

    def __init__(self, values: list[str], names: dict[str, Any]) -> None:
        super().__init__(values)
        vars(self).update(names)


def run_job(description: dict[str, Any], root: str, log: str) -> None:
    """Run a job's script in the results folder `root`; it finds the job as `snakemake`."""
    wildcards, params = description["wildcards"], description["params"]
    snakemake = SimpleNamespace(
        config={
            "results": root,
            "strict": False,
            "seed": params["settings"]["seed"],
            "engine": "in-process",  # whatever the build used: the bytes are the same
        },
        resources={},
        rule=description["rule"],
        input=_Named(**description["input"]),
        output=_Named(**description["output"]),
        wildcards=_Named(list(wildcards.values()), wildcards),
        params=SimpleNamespace(**params),
        threads=description["threads"],
        log=[log],
    )
    runpy.run_path(description["script"], {"snakemake": snakemake})


if __name__ == "__main__":
    run_job(**json.load(sys.stdin))
