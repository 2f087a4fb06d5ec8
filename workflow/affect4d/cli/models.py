"""Commands about networks of others: `affect4d audit-model`."""

from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say


@app.command("audit-model")
def audit_model(
    model: Annotated[
        Path, typer.Argument(help="ONNX, or TorchScript (.pt, .ts; needs `make train`).")
    ],
    folder: Folder = None,
    *,
    groups: Annotated[
        Path,
        typer.Option(help="CSV: the column subject, and one column per attribute (sex, age, ...)."),
    ],
    size: Annotated[int, typer.Option(min=8, help="Pixels of the network's input.")] = 96,
    outputs: Annotated[
        str, typer.Option(help="Names of its outputs, joined by commas.")
    ] = "valence,arousal",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="CSV to write the table to.")
    ] = None,
    results: Results = None,
) -> None:
    """Say whether a network reads the same affect alike on people of different groups.

    It is given the published images of a build: on every person the same classes. The table has
    one row per group and measure: difference to all others, 95 % interval, p of a permutation of
    people, p corrected for all rows (Holm). Exit code 2: at least one corrected p is below .05.

    Example: affect4d audit-model reader.onnx --groups people.csv -o audit.csv
    """
    from affect4d.quarantine import BadInput
    from affect4d.training.model_report import audit_network

    root, names = results_of(folder, results), outputs.split(",")
    try:
        found = audit_network(model, groups, results=root, size=size, outputs=names)
        if out is not None:
            found.to_csv(out, index=False, lineterminator="\n")
    except (BadInput, OSError) as error:
        fail(error, 1)
    say(found.to_string(index=False, float_format="{:.4f}".format))
    if (found["p_holm"] < SIGNIFICANCE).any():
        raise typer.Exit(2)


SIGNIFICANCE = 0.05  # corrected p below which the exit code says that groups differ
