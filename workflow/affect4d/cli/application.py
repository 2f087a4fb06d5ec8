"""The application of the command line; arguments and printing, which its commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from affect4d.quarantine import printable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"affect4d {version('affect4d')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Facial affect from 4D scans onto photographs, and proof of where every image comes from."""


RESULTS = Path("results")
_HELP = "Results folder of a build (`make dataset`); as an argument or with --results."
Results = Annotated[Path | None, typer.Option("--results", help=_HELP, show_default=str(RESULTS))]
Folder = Annotated[Path | None, typer.Argument(metavar="RESULTS", help=_HELP, show_default=False)]
T = TypeVar("T")


def say(text: object, *, err: bool = False) -> None:
    """Print lines without what a name in a build could do to the terminal."""
    typer.echo("\n".join(map(printable, str(text).split("\n"))), err=err)


def warn(message: str) -> None:
    """One line on standard error."""
    say(f"affect4d: {message}", err=True)


def fail(message: object, code: int) -> NoReturn:
    """End the program with a line on standard error."""
    say(f"affect4d: {message}", err=True)
    raise typer.Exit(code)


def results_of(argument: Path | None, option: Path | None) -> Path:
    """The results folder, which every command takes in either way."""
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"two results folders: {argument} and --results {option}")
    return argument or option or RESULTS


def check_results(root: Path) -> None:
    """End the program where there is no such results folder."""
    if not root.is_dir():
        remedy = "name a results folder, or build one (`make dataset`)"
        fail(f"{root}: there is no such folder; {remedy}", 1)


def parsed(parse: Callable[[str], T], text: str | None) -> T | None:
    """What an option's text stands for; a ValueError of `parse` is said as a mistake of usage."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
