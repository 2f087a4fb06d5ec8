"""Commands on published datasets: `affect4d dataset stats`, `sample`, `withdraw`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say

dataset_app = typer.Typer(no_args_is_help=True)
app.add_typer(dataset_app, name="dataset", help="Published datasets: stats, sample, withdraw.")


@dataset_app.command()
def withdraw(
    subject: Annotated[
        str,
        typer.Argument(help="The person, as the column `subject` names them, or DATABASE/SUBJECT."),
    ],
    folder: Folder = None,
    results: Results = None,
    listed: Annotated[
        Path, typer.Option("--list", help="The list of withdrawals: neutrals.withdrawn.")
    ] = Path("withdrawn.txt"),
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
            say(f"{plan.describe()}\n{listed}: receives {plan.person}", err=True)
            if plan.sources:
                say(f"kept, for they are your own: {', '.join(plan.sources)}", err=True)
            if not yes and not sys.stdin.isatty():
                fail("nothing was removed, for nobody can be asked here; give --yes", 2)
            if not yes and not typer.confirm("Remove these?", err=True):
                fail("nothing was removed", 2)
            add_withdrawn(listed, (plan.person.database, plan.person.subject))
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
