"""Commands on databases of photographs: `affect4d check`."""

from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import app, fail, say


@app.command("check")
def check_command(
    database: Annotated[
        str,
        typer.Argument(
            help="An adapter (docs/databases.md), or the path of a layout of your own, .yaml."
        ),
    ],
    path: Annotated[Path, typer.Argument(help="The database's folder.")],
) -> None:
    """Say what is found in a database of photographs before anything is built.

    Counts beside those that its owners publish, people, names that matched nothing, what would be
    selected, the licence that its owners ask, and what is wrong with its files. No image is opened.

    Exit code 0: no fault; 1: faults are listed; 2: it cannot be read.

    Example: affect4d check multi_pie /data/Multi-Pie
    """
    import logging

    from affect4d.config.neutrals import explain_adapter
    from affect4d.neutrals.database_report import check_database
    from affect4d.quarantine import BadInput

    if wrong := explain_adapter(database):
        raise typer.BadParameter(wrong)
    log = logging.getLogger("affect4d")
    level = log.level
    log.setLevel(logging.ERROR)  # the report lists what the log would say line by line
    try:
        report = check_database(database, path)
    except BadInput as error:
        fail(error, 2)
    finally:
        log.setLevel(level)
    say(report.text())
    raise typer.Exit(int(bool(report.faults)))
