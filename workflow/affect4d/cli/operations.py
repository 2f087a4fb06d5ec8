"""Commands around a build: `affect4d plan`, `doctor`, `status`, `count`."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import RESULTS, Folder, Results, app, fail, results_of, say

Configs = Annotated[
    list[Path] | None,
    typer.Option("--configfile", help="Laid over config.yaml, as snakemake does; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def plan(
    configfile: Configs = None,
    *,
    former: Annotated[
        list[Path] | None,
        typer.Option(
            help="Results folder of a finished build, whose run times, memory and files are those "
            "to expect; may be repeated.",
            show_default=str(RESULTS),
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Jobs at a time; the processors of this machine.")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Every job starts Snakemake anew, as on Slurm.")
    ] = False,
    from_nothing: Annotated[
        bool, typer.Option("--all", help="Every job, whatever is built already.")
    ] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only what would be made again, and why.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the next snakemake in this folder would do, and what it would cost, before it runs.

    Exit code 0; 2: it cannot be said.

    Examples: affect4d plan; affect4d plan --changed; affect4d plan --configfile big.yaml --all
    --former results --cluster --jobs 100
    """
    from affect4d.operations.plan import make_plan, text_of_changes
    from affect4d.quarantine import BadInput
    from affect4d.store import StoreError

    configs = configfile or []
    known = former if former is not None else [RESULTS] if is_finished(RESULTS) else []
    try:
        if changed:
            say(text_of_changes(configs))
            return
        made = make_plan(
            configs,
            known,
            workers=jobs or len(os.sched_getaffinity(0)),
            on_cluster=cluster,
            from_nothing=from_nothing,
        )
    except (BadInput, StoreError, ValueError) as error:
        fail(error, 2)
    say(json.dumps(made.record(), indent=1) if as_json else made.text())


def is_finished(results: Path) -> bool:
    """Whether a results folder holds a build whose configuration is stated."""
    from affect4d.artifacts.provenance import CRATE

    return CRATE.manifest(results).is_file()


@app.command()
def doctor(
    configfile: Annotated[
        Path | None, typer.Option("--configfile", help="Laid over config.yaml.")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="Folder of a Snakemake profile, such as `slurm`: Slurm is asked too."),
    ] = None,
) -> None:
    """Look whether this place suits a build: versions, disk, locks, clock, Slurm, template, models.

    Exit code 0: nothing stands in the way; 1: a line says FAIL, and what to do.

    Example: affect4d doctor --profile slurm
    """
    from affect4d.operations import doctor as operations

    answers = operations.examine(configfile, profile)
    for answer in answers:
        say(answer)
    raise typer.Exit(int(any(answer.state == operations.FAIL for answer in answers)))


@app.command()
def status(configfile: Configs = None) -> None:
    """Say how far the build in this folder is: jobs done, left, running, failed; rate, time left.

    Exit code 0; 1: a job failed; 2: it cannot be said. A build that runs may be asked.
    """
    from affect4d.operations.status import find_status
    from affect4d.store import StoreError

    try:
        found = find_status(configfile or [])
    except (StoreError, ValueError) as error:
        fail(error, 2)
    say(found.text())
    raise typer.Exit(found.exit_code)


@app.command()
def count(folder: Folder = None, results: Results = None, as_json: AsJson = False) -> None:
    """Count a build's frames, sequences, images and dataset rows without reading any of them.

    The manifests say which files there are, a Parquet file's footer how many rows it has.
    """
    from affect4d.operations.count import count_build
    from affect4d.store import StoreError

    try:
        counts = count_build(results_of(folder, results))
    except StoreError as error:
        fail(error, 1)
    say(
        json.dumps(counts, indent=1)
        if as_json
        else "\n".join(f"{k}: {v}" for k, v in counts.items())
    )
