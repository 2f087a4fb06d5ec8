"""Commands that serve a page on which a person decides: `affect4d review`."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say

Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user on this machine, as in a container
        return "reviewer"


@app.command()
def review(
    database: Annotated[str, typer.Argument(help="Database, as the configuration names it.")],
    folder: Folder = None,
    *,
    reviewer: Annotated[
        str | None, typer.Option(help="Who decides; if absent, this machine's user.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            help="Table to which decisions are appended; by default that of the configuration, "
            "else reviews/DATABASE/accepted.csv.",
            show_default=False,
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write the images that are used as .html or .jpg, and serve no page."),
    ] = None,
    port: Port = 0,
    browser: Browser = True,
    results: Results = None,
) -> None:
    """Accept or reject a database's neutral faces by eye, on a local page.

    A grid of all candidates with their fits; keys accept, reject and undo. Each decision is saved
    at once, with reviewer and time; several people may review one database. Name the table in the
    configuration (neutrals.databases.DATABASE.decisions): the next build leaves out what is
    rejected.

    The page is served to this machine alone, under an address that cannot be guessed. Ctrl-C ends
    it.

    Example: affect4d review london --reviewer Anna
    """
    from affect4d.local_page.server import PageServer, serve
    from affect4d.review.candidates import ReviewedDatabase
    from affect4d.review.page import ReviewPage
    from affect4d.review.sheet import write_sheet
    from affect4d.store import StoreError

    name = " ".join((reviewer or _user()).split())
    if not name or not name.isprintable():
        raise typer.BadParameter("--reviewer is a name of printable characters")
    try:
        reviewed = ReviewedDatabase(results_of(folder, results), database)
        configured = reviewed.settings.decisions
        table = decisions or Path(configured or f"reviews/{database}/accepted.csv")
        page = ReviewPage(reviewed, table, reviewer=name)
        if sheet is not None:
            write_sheet(sheet, reviewed, page.verdicts())
            say(sheet)
            return
        server = PageServer(page, port)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    say(f"{server.url}  (Ctrl-C ends it)")
    serve(server, browser=browser)
    say(f"decisions: {table}")
    if str(table) != configured:
        say(f"to use them: `neutrals.databases.{database}.decisions: {table}` in config.yaml")
