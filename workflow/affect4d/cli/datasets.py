"""Commands on published datasets: `affect4d dataset stats`, `sample`, `withdraw`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say

if TYPE_CHECKING:
    from affect4d.dataset.published import Published

dataset_app = typer.Typer(no_args_is_help=True)
app.add_typer(dataset_app, name="dataset", help="Published datasets: stats, sample, withdraw.")


@dataset_app.command()
def stats(folder: Folder = None, results: Results = None) -> None:
    """Print how many images there are per database and split, per class, and per person.

    The folder may also be that of a dataset alone.
    """
    from affect4d.dataset.overview import describe_dataset

    root = results_of(folder, results)
    with _readable(root):
        say(describe_dataset(_published(root)))


@dataset_app.command()
def sample(
    folder: Folder = None,
    results: Results = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the sheets.")] = Path(
        "sheets"
    ),
    people: Annotated[int, typer.Option(min=1, help="People that are shown.")] = 8,
    classes: Annotated[int, typer.Option(min=1, help="Classes that are shown.")] = 10,
) -> None:
    """Write two contact sheets, sheets/by_class.jpg and by_subject.jpg: look before you train.

    The folder may also be that of a dataset alone.

    Example: affect4d dataset sample -o sheets_of_build
    """
    from affect4d.dataset.overview import draw_sheets
    from affect4d.quarantine import BadInput

    root = results_of(folder, results)
    if out.exists() and not out.is_dir():
        fail(BadInput(out, "it is a file, not a folder", "name another folder"), 1)
    with _readable(root):
        sheets = draw_sheets(_published(root), people=people, classes=classes)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in sheets.items():
            (out / f"{name}.jpg").write_bytes(content)
            say(out / f"{name}.jpg")
    except OSError as error:
        fail(error, 1)


def _published(root: Path) -> "Published":
    """The dataset of a results folder, or in a folder of its own."""
    from affect4d.artifacts.dataset import DATASET
    from affect4d.dataset.published import Published

    inside = root / DATASET.name()
    return Published(inside if inside.is_dir() else root)


@contextmanager
def _readable(root: Path) -> Iterator[None]:
    """A dataset that cannot be read ends the program with a line."""
    from affect4d.store import StoreError

    try:
        yield
    except StoreError as error:
        fail(error, 1)
    except (ValueError, KeyError, OSError) as error:  # of pyarrow and Pillow too
        remedy = "publish the dataset anew, or copy it again"
        fail(StoreError(root, f"holds a dataset that cannot be read ({error})", remedy), 1)


@dataset_app.command()
def withdraw(
    subject: Annotated[
        str,
        typer.Argument(help="The person, as the column `subject` names them, or DATABASE/SUBJECT."),
    ],
    folder: Folder = None,
    results: Results = None,
    listed: Annotated[
        Path | None,
        typer.Option("--list", help="The list of withdrawals; if absent, the build's own."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove a person, and everything made from them, from a build or from a published dataset.

    The folder may also be that of a dataset alone. The dataset is written again without the person;
    what else in the build holds something of them is deleted, and snakemake builds it again without
    them, because every later build follows the list. Photographs in your own folders stay.

    Exit code 0: nothing of the person is left; 1: there is no such person, or something is left; 2:
    nothing was removed.

    Example: affect4d dataset withdraw takeo
    """
    from affect4d.audit import plan_withdrawal
    from affect4d.neutrals.withdrawn import add_withdrawn
    from affect4d.quarantine import BadInput
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    root = results_of(folder, results)
    try:
        with translate_errors(root):
            plan = plan_withdrawal(root, subject)
            listed = listed or plan.default_list()
            say(f"{plan.describe()}\n{listed}: receives {plan.person}", err=True)
            if plan.sources:
                say(f"kept, for they are your own: {', '.join(plan.sources)}", err=True)
            if not yes and not sys.stdin.isatty():
                fail("nothing was removed, for nobody can be asked here; give --yes", 2)
            if not yes and not typer.confirm("Remove these?", err=True):
                fail("nothing was removed", 2)
            add_withdrawn(listed, plan.person)
            left = plan.carry_out()
    except LookupError as error:
        fail(error.args[0], 1)
    except (StoreError, BadInput, ValueError) as error:
        fail(error, 2)
    if left:
        fail("\n".join(["something of the person is left:", *left]), 1)
    say(f"no file below {root} has a name, a row or an image of {plan.person}")
    if plan.is_build:
        say("run snakemake to build again what was deleted, then `affect4d audit`")
