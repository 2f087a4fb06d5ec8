"""The command line: `affect4d synth`, `play`, `audit`, `explain`, `diff`, `gallery draft`.

Commands parse and print. What they do is in the library, which they import when they run, so that
`affect4d --help` loads nothing else.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar

import typer

from affect4d.quarantine import printable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Facial affect from 4D scans onto photographs, and proof of where every image comes from.",
)
gallery = typer.Typer(no_args_is_help=True, help="The gallery of 4D scans.")
app.add_typer(gallery, name="gallery")
RESULTS = Path("results")
_HELP = "Results folder of a build (`make dataset`); as an argument or with --results."
Results = Annotated[Path | None, typer.Option("--results", help=_HELP, show_default=str(RESULTS))]
Folder = Annotated[Path | None, typer.Argument(metavar="RESULTS", help=_HELP, show_default=False)]
Face = Annotated[
    int | None,
    typer.Option(min=1, help="Which of several faces, 1 the largest; if absent the largest."),
]
T = TypeVar("T")


def _say(text: object, *, err: bool = False) -> None:
    """Print lines without what a name in a build could do to the terminal."""
    typer.echo("\n".join(map(printable, str(text).split("\n"))), err=err)


def _warn(message: str) -> None:
    _say(f"affect4d: {message}", err=True)


def _fail(message: object, code: int) -> NoReturn:
    _say(f"affect4d: {message}", err=True)
    raise typer.Exit(code)


def _results(argument: Path | None, option: Path | None) -> Path:
    """The results folder, which every command takes in either way."""
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"two results folders: {argument} and --results {option}")
    return argument or option or RESULTS


def _parse(parse: Callable[[str], T], text: str | None) -> T | None:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def synth(
    photo: Annotated[Path, typer.Argument(help="Photograph (JPEG, PNG, ...).")],
    folder: Folder = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="Image to write, .png or .jpg; with --path an animation, .webp, .gif or .mp4, "
            "or a folder of images.",
        ),
    ],
    valence: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Negative to positive.")
    ] = None,
    arousal: Annotated[float | None, typer.Option(min=-1, max=1, help="Calm to excited.")] = None,
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="68 iBUG landmarks (.pts counts pixels from 1, or .ljson); if absent, those in "
            "the photograph's name with .pts, or else the detector's."
        ),
    ] = None,
    face: Face = None,
    all_faces: Annotated[
        bool, typer.Option("--all-faces", help="Edit every face that the detector finds.")
    ] = False,
    crop: Annotated[
        bool, typer.Option("--crop", help="Only the square around the face, as in the dataset.")
    ] = False,
    path: Annotated[
        str | None,
        typer.Option(help="V,A:V,A:... - a sequence of images along these points of the plane."),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="Images of a --path.")] = 24,
    grid: Annotated[
        int | None,
        typer.Option(min=1, max=15, help="A contact sheet of so many points along each axis."),
    ] = None,
    expression: Annotated[
        str | None, typer.Option(help="A basic expression in place of valence and arousal.")
    ] = None,
    component: Annotated[
        str | None,
        typer.Option(help="CLASS:K - only the K-th component of a class's blendshapes."),
    ] = None,
    intensity: Annotated[
        float | None,
        typer.Option(min=0.01, max=2, help="Scales the deformation; the build's own if absent."),
    ] = None,
    blend: Annotated[
        Literal["warp", "poisson"] | None, typer.Option(help="The build's own if absent.")
    ] = None,
    results: Results = None,
) -> None:
    """Give the face in a photograph some valence and arousal, or a basic expression.

    The full frame is written at the photograph's size, unless --crop. The label of the image is
    printed: the median valence and arousal of the class at that point of the plane.

    Examples: affect4d synth me.jpg --valence .6 --arousal .4 -o happy.png; affect4d synth me.jpg
    --path 0,0:.7,.5:0,0 -o smile.webp; affect4d synth me.jpg --grid 5 -o plane.jpg
    """
    from affect4d.store import StoreError
    from affect4d.synthesis import request

    point = None if valence is None or arousal is None else (valence, arousal)
    given = [point, path, grid, expression, component]
    if sum(value is not None for value in given) != 1 or (valence is None) != (arousal is None):
        raise typer.BadParameter(
            "give one of --valence with --arousal, --path, --grid, --expression, --component"
        )
    if (face is not None) + all_faces + (landmarks is not None) > 1:
        raise typer.BadParameter("give one of --face, --all-faces, --landmarks")
    if all_faces and (crop or grid is not None):
        raise typer.BadParameter("--all-faces edits the full frame: neither --crop nor --grid")
    points = _parse(request.parse_points, path)
    named = _parse(request.parse_component, component)
    chosen = {"intensity": intensity, "blend": blend}
    options = {name: value for name, value in chosen.items() if value is not None}
    root = _results(folder, results)
    blendshapes = root / "blendshapes"
    try:
        if all_faces:
            editors = request.open_all_faces(photo, root, options=options)
        else:
            whole = not crop and grid is None
            editors = [
                request.open_photograph(
                    photo, landmarks, root, crop=not whole, options=options, face=face, say=_warn
                )
            ]
        if grid is not None:
            _say(request.write_grid(editors[0], blendshapes, grid, out=out))
            return
        targets = request.find_targets(
            blendshapes,
            point=point,
            path=points or (),
            frames=frames,
            expression=expression,
            component=named,
        )
        edited = (request.impose_on_faces(editors, target) for target in targets)
        images, records = zip(*edited, strict=True)
        request.write_images(images, out, several=path is not None)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        _fail(error, 1)
    for one in records:
        for number, record in enumerate(one, start=1):
            _say(f"face {number}: " * all_faces + request.describe(record))


@app.command()
def play(
    photo: Annotated[Path, typer.Argument(help="Photograph (JPEG, PNG, ...).")],
    folder: Folder = None,
    *,
    landmarks: Annotated[
        Path | None,
        typer.Option(help="68 iBUG landmarks, as for synth."),
    ] = None,
    face: Face = None,
    crop: Annotated[
        bool, typer.Option("--crop/--whole", help="The face, or the whole frame, which is slower.")
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    results: Results = None,
) -> None:
    """Drag a point over the plane, on a local page, and see the face in a photograph follow.

    The page has the basic expressions and the components of the class under the point as well.
    The page is served to this machine alone, under an address that cannot be guessed. Ctrl-C ends
    it.

    Example: affect4d play me.jpg
    """
    import webbrowser

    from affect4d.store import StoreError
    from affect4d.synthesis.play import PlaySession
    from affect4d.synthesis.play_server import PageServer, link_file
    from affect4d.synthesis.request import open_photograph

    if face is not None and landmarks is not None:
        raise typer.BadParameter("give one of --face, --landmarks")
    root = _results(folder, results)
    try:
        photograph = open_photograph(photo, landmarks, root, crop=crop, face=face, say=_warn)
        server = PageServer(PlaySession(photograph, root / "blendshapes"), port)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        _fail(error, 1)
    _say(f"{server.url}  (Ctrl-C ends it)")
    with link_file(server.url) as link, suppress(KeyboardInterrupt), server:
        if browser:
            webbrowser.open(link.as_uri())
        server.serve_forever()


@app.command("audit")
def audit_command(
    folder: Folder = None,
    results: Results = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as JSON.")] = False,
    invalidate: Annotated[
        bool,
        typer.Option(
            "--invalidate",
            help="Delete what is broken, so that the next snakemake rebuilds it and what follows.",
        ),
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Read so many files only; check that the others are there."),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            help="Compute so many parts again, drawn at random, and compare their bytes; or one "
            "part by its name: an artifact, or image:IMAGE_ID."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Another seed draws another --sample (0 if absent) or --replay (any if absent)."
        ),
    ] = None,
    signers: Annotated[
        Path | None,
        typer.Option(
            help="File of the SSH keys that may seal a build (allowed signers, see `man "
            "ssh-keygen`); a build without a valid seal of theirs is broken."
        ),
    ] = None,
) -> None:
    """Check every artifact against its manifest: digests, lineage, schemas, labels, counts.

    Exit code 0: everything intact and its lineage known; 1: something is broken (each line names
    artifact, file and remedy); 2: the audit failed to run. An audit that is interrupted continues
    where it stopped when it is started again within a day.

    Examples: affect4d audit; affect4d audit --replay 20; affect4d audit --replay image:IMAGE_ID
    """
    from affect4d import audit
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    root = _results(folder, results)
    try:
        verdict = audit.audit_build(root, sample, seed or 0, plan=True, signers=signers)
        if replay and not verdict.error:
            drawn = int(replay) if replay.isdecimal() else replay
            say = partial(typer.echo, err=True)
            verdict = audit.replay_build(root, verdict, drawn, seed=seed, say=say)
    except KeyboardInterrupt:
        _fail("interrupted; start the audit again to go on", 2)
    _say(json.dumps(verdict.record(), indent=1) if as_json else verdict.text())
    if invalidate and not verdict.error:
        try:
            with translate_errors(root):
                deleted = audit.invalidate(root, verdict)
        except StoreError as error:
            _fail(error, 2)
        for name in deleted:
            _say(f"deleted {name}", err=True)
    raise typer.Exit(verdict.exit_code)


@app.command()
def seal(
    key: Annotated[
        Path, typer.Option(help="SSH key to sign with: private, or public with an agent.")
    ],
    folder: Folder = None,
    results: Results = None,
) -> None:
    """Sign one Merkle root over all manifests of a build, once an audit has found it intact.

    The root and the signature are written to seal.json and seal.json.sig, into the dataset card and
    into the RO-Crate. `affect4d audit --signers FILE` verifies them.

    Example: affect4d seal --key ~/.ssh/id_ed25519
    """
    from affect4d import audit
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    root = _results(folder, results)
    verdict = audit.audit_build(root, plan=True)
    if verdict.error or verdict.problems:
        _say(verdict.text())
        _fail("a build that is not intact is not sealed", verdict.exit_code)
    try:
        with translate_errors(root):
            _say(f"sealed: {audit.seal_build(root, key)}")
    except StoreError as error:
        _fail(error, 2)


@app.command()
def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="An image_id, frame_id, sequence, class (name or index), photograph, artifact "
            "or file; KIND:NAME where a name alone stands for several things."
        ),
    ],
    folder: Folder = None,
    results: Results = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
) -> None:
    """Say what anything in a build is, what it was built from, and what was built from it.

    Examples: affect4d explain dataset; affect4d explain v+0.5_a+0.5; affect4d explain
    registered/s001_1_happiness; affect4d explain class:44
    """
    from affect4d import provenance
    from affect4d.store import StoreError

    root = _results(folder, results)
    try:
        explanation = provenance.explain_name(root, name)
    except (provenance.UnknownName, provenance.AmbiguousName, StoreError) as error:
        _fail(error, 1)
    except (OSError, ValueError, KeyError) as error:
        _fail(f"{root} cannot be read ({error}); run `affect4d audit`", 1)
    _say(json.dumps(explanation.record, indent=1) if as_json else explanation.text())


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Results folder of a build, or its manifests.")],
    new: Annotated[Path, typer.Argument(help="Results folder of another build.")],
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> None:
    """Say what changed between two builds, and which setting, input, code or package is behind it.

    Exit code 0: every artifact has the same bytes; 1: something differs; 2: it failed to run.
    """
    from affect4d import provenance

    found = provenance.compare_builds(old, new)
    _say(json.dumps(found.record(), indent=1) if as_json else found.text())
    raise typer.Exit(found.exit_code)


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
        _fail(error, 1)
    _say(f"{out}:")
    for line in table.summary():
        _say(f"  {line}")


def main() -> None:
    """Entry point of the command `affect4d`."""
    app()


if __name__ == "__main__":
    main()
