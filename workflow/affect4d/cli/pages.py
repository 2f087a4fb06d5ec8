"""Commands that serve a page on which a person decides: `affect4d review`, `annotate`."""

import getpass
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

import typer

from affect4d.cli.application import Folder, Results, app, fail, results_of, say

Port = Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
]


Fps = Annotated[float, typer.Option(min=1, max=1000, help="Frames per second.")]
annotations_app = typer.Typer(no_args_is_help=True)
app.add_typer(annotations_app, name="annotations", help="Annotators' tracks: merge.")


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

    name = unicodedata.normalize("NFC", " ".join((reviewer or _user()).split()))
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


@app.command()
def annotate(
    sequences: Annotated[
        list[Path],
        typer.Argument(
            help="Videos, folders of frames, or registered sequences of a build "
            "(results/registered/NAME.zarr)."
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder that receives SEQUENCE/ANNOTATOR.csv.")
    ] = Path("annotations"),
    annotator: Annotated[
        str | None, typer.Option(help="Who annotates; if absent, this machine's user.")
    ] = None,
    axis: Annotated[
        Literal["both", "valence", "arousal"], typer.Option(help="What is annotated at a time.")
    ] = "both",
    fps: Fps = 25,
    port: Port = 0,
    browser: Browser = True,
) -> None:
    """Annotate valence and arousal while sequences play, on a local page.

    By mouse, arrow keys or gamepad, at 25 samples per second or more. A calibration measures the
    reaction time; a practice round saves nothing. What is annotated is saved every second, and the
    page continues where it was left. `affect4d annotations merge` joins several annotators.

    The page is served to this machine alone, under an address that cannot be guessed. Ctrl-C ends
    it.

    Example: affect4d annotate clips/*.mp4 --annotator anna
    """
    from affect4d.annotation.page import AnnotationPage
    from affect4d.annotation.sequences import open_sequence
    from affect4d.formats.paths import safe_name
    from affect4d.local_page.server import PageServer, serve
    from affect4d.store import StoreError

    try:
        who = safe_name(annotator or _user(), "--annotator")
        opened = [open_sequence(path, fps) for path in sequences]
        page = AnnotationPage(opened, out, annotator=who, axes=axis)
        server = PageServer(page, port)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    say(f"{server.url}  (Ctrl-C ends it)")
    try:
        serve(server, browser=browser)
    finally:
        page.frames.close()
    say(f"annotations: {out}")


@annotations_app.command()
def merge(
    folder: Annotated[Path, typer.Argument(help="Folder of SEQUENCE/ANNOTATOR.csv, .txt, .eaf.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Merged track, .csv.")] = Path(
        "merged.csv"
    ),
    fps: Fps = 25,
    min_correlation: Annotated[
        float,
        typer.Option(
            min=-1, max=1, help="With the others' mean; who has less on an axis is left out there."
        ),
    ] = 0.3,
) -> None:
    """Join several annotators of each sequence into one track of valence and arousal.

    Delays and scales are corrected, who does not follow is left out, and agreement is printed:
    ICC(2,k), mean CCC of pairs, Cronbach's alpha, and the noise of the merged track, for
    validation.annotation_noise.

    Example: affect4d annotations merge annotations -o merged.csv
    """
    from affect4d.annotation.files import merge_folder
    from affect4d.store import StoreError

    try:
        merged = merge_folder(folder, out, fps=fps, min_correlation=min_correlation)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    for name, person in merged.annotators.items():
        found = f"delay {person.delay:+z.2f} s, correlation {person.correlation:.2f}"
        found += "".join(f"; {axis} left out: {rule}" for axis, rule in person.left_out.items())
        say(f"{name}: {f'left out: {person.excluded}' if person.excluded else found}")
    overall = merged.agreement[merged.agreement["sequence"] == "all"]
    for row in overall.to_dict("records"):
        say(
            f"{row['axis']}: ICC(2,k) {row['icc_2k']:.2f}, CCC {row['ccc']:.2f}, "
            f"alpha {row['alpha']:.2f}, noise {row['noise']:.3f}"
        )
    say(f"{len(merged.track)} frames: {out}")
