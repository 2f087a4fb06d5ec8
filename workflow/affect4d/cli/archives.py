"""Commands around the deposit of a build: `affect4d archive`, `affect4d restore`."""

from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say


@app.command()
def archive(
    folder: Folder = None,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .zip to write.")],
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An artifact, or a folder of artifacts, to leave out: gallery/scans; repeatable. "
            "Its manifests stay in the archive.",
        ),
    ] = None,
    results: Results = None,
) -> None:
    """Write a build into one file that can be deposited: RO-Crate, manifests, artifacts.

    Every file is compared with its manifest on the way. `affect4d restore` makes the build again.

    Examples: affect4d archive results -o build.zip; affect4d archive -o small.zip
    --without gallery/scans --without registered
    """
    from affect4d.provenance.archive import archive_build
    from affect4d.store import StoreError

    try:
        say(archive_build(results_of(folder, results), out, without=without or ()))
    except (StoreError, OSError) as error:
        fail(error, 1)


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="What `affect4d archive` wrote.")],
    results: Annotated[
        Path, typer.Argument(help="A new or empty folder, which becomes the results folder.")
    ],
) -> None:
    """Make a build again from its archive, every file compared with its manifest.

    With the results folder as `results` in the configuration, snakemake goes on from there: what
    is restored is not made again; what was left out is.

    Example: affect4d restore build.zip results
    """
    from affect4d.provenance.archive import restore_build
    from affect4d.store import StoreError

    try:
        say(restore_build(archive, results))
    except (StoreError, OSError) as error:
        fail(error, 1)
