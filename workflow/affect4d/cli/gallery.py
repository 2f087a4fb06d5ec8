"""Commands on galleries of scans: `affect4d gallery draft`."""

from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import app, fail, say

gallery = typer.Typer(no_args_is_help=True, help="The gallery of 4D scans.")
app.add_typer(gallery, name="gallery")


@gallery.command()
def draft(
    path: Annotated[Path, typer.Argument(help="Folder with a tree of OBJ, PLY, WRL or BNT scans.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write.")] = Path("scans.csv"),
    pattern: Annotated[
        str | None,
        typer.Option(
            help="How paths read without their suffix, of {subject}, {session}, {sequence}, "
            "{expression}, {frame} and * for anything else within a level."
        ),
    ] = None,
) -> None:
    """Write a first table of the scans in a folder (gallery.source: manifest), to be checked.

    Folders become subject, session and sequence, numbers in names the order of the frames, files of
    the same name texture and landmarks.

    Example: affect4d gallery draft /data/4dfab --pattern "{subject}/{session}/{sequence}/*_{frame}"
    """
    from affect4d.gallery.draft import draft_table, write_draft
    from affect4d.quarantine import BadInput
    from affect4d.store import StoreError

    try:
        table = draft_table(path, pattern)
        write_draft(table, out)
    except (BadInput, StoreError) as error:
        fail(error, 1)
    say(f"{out}:")
    for line in table.summary():
        say(f"  {line}")
