"""The command line: `affect4d synth`, `play`, `audit`, `explain`, `diff`, `gallery draft`."""

import json
import math
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Facial affect from 4D scans onto photographs, and proof of where every image comes from.",
)
gallery = typer.Typer(no_args_is_help=True, help="The gallery of 4D scans.")
app.add_typer(gallery, name="gallery")
Results = Annotated[
    Path, typer.Option("--results", help="Results folder of a build (`make dataset`).")
]
RESULTS = Path("results")
FRAME_MS = 80  # of an animation


def _fail(message: object, code: int) -> None:
    typer.echo(f"affect4d: {message}", err=True)
    raise typer.Exit(code)


def _points(text: str) -> list[tuple[float, float]]:
    try:
        points = [(float(v), float(a)) for v, a in (pair.split(",") for pair in text.split(":"))]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not V,A:V,A:...") from None
    if len(points) < 2:
        raise typer.BadParameter("a path needs at least two points V,A:V,A")
    return points


@app.command()
def synth(
    photo: Annotated[Path, typer.Argument(help="Photograph of one face (JPEG, PNG, ...).")],
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
        typer.Option(min=1, max=15, help="A contact sheet of so many places along each axis."),
    ] = None,
    expression: Annotated[
        str | None, typer.Option(help="A basic expression in place of valence and arousal.")
    ] = None,
    component: Annotated[
        str | None,
        typer.Option(help="CLASS:K - the K-th component of a class's blendshapes, alone."),
    ] = None,
    intensity: Annotated[
        float | None,
        typer.Option(min=0.01, max=2, help="Scales the deformation; the build's own if absent."),
    ] = None,
    blend: Annotated[
        Literal["warp", "poisson"] | None, typer.Option(help="The build's own if absent.")
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Give the face in a photograph the affect of a place in the plane, or a basic expression.

    The full frame is written at the photograph's size, unless --crop. The label of the image is
    printed: the median valence and arousal of the class that holds the place.

    Examples: affect4d synth me.jpg --valence .6 --arousal .4 -o happy.png; affect4d synth me.jpg
    --path 0,0:.7,.5:0,0 -o smile.webp; affect4d synth me.jpg --grid 5 -o plane.jpg
    """
    from affect4d.quarantine import BadInput
    from affect4d.store import StoreError

    place = None if valence is None or arousal is None else (valence, arousal)
    wanted = [place, path, grid, expression, component]
    if sum(want is not None for want in wanted) != 1 or (valence is None) != (arousal is None):
        raise typer.BadParameter(
            "give one of --valence with --arousal, --path, --grid, --expression, --component"
        )
    options = {"intensity": intensity, "blend": blend}
    try:
        editor = _photograph(photo, landmarks, crop or grid is not None, results, options)
        if grid is not None:
            _write_grid(editor, results, grid, out)
            return
        targets = _targets(results / "blendshapes", place, path, frames, expression, component)
        made = [editor.impose(target) for target in targets]
        _write([image for image, _ in made], out, several=path is not None)
    except (BadInput, StoreError, ValueError, OSError) as error:
        _fail(error, 1)
    for _, record in made:
        warning = "" if record["accepted"] else f"; rejected: {record['reason']}"
        typer.echo(_label(record) + warning)


def _label(record: dict[str, Any]) -> str:
    place = f"valence {record['valence']:+.3f}, arousal {record['arousal']:+.3f}"
    if math.isnan(record["valence"]):
        place = "not annotated with valence and arousal"
    return f"class {record['class']}: {place}" + ", interpolated" * record["interpolated"]


def _targets(
    folder: Path,
    place: tuple[float, float] | None,
    path: str | None,
    frames: int,
    expression: str | None,
    component: str | None,
) -> list[Any]:
    from affect4d.blendshapes.path import resample
    from affect4d.blendshapes.targets import Atlas, Expressions, component_target

    if expression is not None:
        return [Expressions(folder / "expressions.zarr").target(expression)]
    if component is not None:
        name, _, number = component.rpartition(":")
        if not name or not number.isdecimal():
            raise typer.BadParameter(f"{component!r} is not CLASS:K")
        return [component_target(folder, name, int(number))]
    atlas = Atlas(folder / "atlas.zarr")
    if path is not None:
        return [atlas.between(*point) for point in resample(_points(path), frames)]
    return [atlas.target(*place)] if place else []


def _photograph(
    photo: Path, landmarks: Path | None, crop: bool, results: Path, options: dict[str, Any]
) -> Any:
    from affect4d import store
    from affect4d.config.fitting import Settings as FittingSettings
    from affect4d.config.synthesis import Settings as SynthesisSettings
    from affect4d.fitting.detection import detect_landmarks
    from affect4d.fitting.storage import read_model
    from affect4d.formats.images import read_image
    from affect4d.formats.landmarks import read_landmarks
    from affect4d.registration.reference import Reference
    from affect4d.synthesis.single import PhotographEditor
    from affect4d.template.anatomy import anatomy_of

    image = read_image(photo)
    beside = photo.with_suffix(".pts")
    if landmarks or beside.exists():
        marks = read_landmarks(landmarks or beside, dimension=2)
    else:
        marks = detect_landmarks(image, photo)
    prepared = store.open(results / "registration" / "template.zarr")
    own = {name: value for name, value in options.items() if value is not None}
    return PhotographEditor(
        image,
        marks,
        read_model(results / "fits" / "model.zarr"),
        settings=SynthesisSettings(**_built_with(results, "synthesis") | own),
        fitting_settings=FittingSettings(**_built_with(results, "fits", "fitting")),
        anatomy=anatomy_of(Reference.restore(prepared).template),
        crop=crop,
    )


def _write_grid(editor: Any, results: Path, side: int, out: Path) -> None:
    from affect4d.blendshapes.targets import Atlas
    from affect4d.formats.images import write_image
    from affect4d.synthesis.sheet import draw_sheet, points_of_plane, tiles_over_plane

    points = points_of_plane(side).reshape(-1, 2)
    atlas = Atlas(results / "blendshapes" / "atlas.zarr")
    tiles = tiles_over_plane(editor.editor, atlas, points, fit_refusal=editor.fit_refusal)
    rows = [tiles[row * side : (row + 1) * side] for row in range(side)]
    write_image(out, draw_sheet(rows, editor.settings.size))
    empty = sum(tile.image is None for tile in tiles)
    warning = f"; rejected: {editor.fit_refusal}" if editor.fit_refusal else ""
    typer.echo(f"{len(tiles) - empty} places, {empty} without data: {out}{warning}")


@app.command()
def play(
    photo: Annotated[Path, typer.Argument(help="Photograph of one face (JPEG, PNG, ...).")],
    landmarks: Annotated[
        Path | None,
        typer.Option(help="68 iBUG landmarks, as for synth."),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop/--whole", help="The face, or the whole frame, which is slower.")
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
    results: Results = RESULTS,
) -> None:
    """Drag a point over the plane, on a local page, and see the face in a photograph follow.

    The page has the basic expressions and the components of the class under the point as well.
    The page is served to this machine alone, under an address that cannot be guessed. Ctrl-C ends
    it.

    Example: affect4d play me.jpg
    """
    from affect4d.quarantine import BadInput
    from affect4d.store import StoreError
    from affect4d.synthesis.play import PlaySession, serve

    try:
        photograph = _photograph(photo, landmarks, crop, results, {})
        session = PlaySession(photograph, results / "blendshapes")
        server, url = serve(session, port)
    except (BadInput, StoreError, ValueError, OSError) as error:
        _fail(error, 1)
    typer.echo(f"{url}  (Ctrl-C ends it)")
    if browser:
        webbrowser.open(url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


def _built_with(results: Path, folder: str, section: str | None = None) -> dict[str, Any]:
    """What the build's own chunks were made with; nothing, so the defaults, before any."""
    from affect4d.store import read_manifest

    chunks = sorted((results / folder).glob("*/*.manifest.json"))
    return read_manifest(chunks[0]).settings.get(section or folder, {}) if chunks else {}


def _write(images: list[Any], out: Path, several: bool) -> None:
    from affect4d.formats.animations import SUFFIXES, write_animation
    from affect4d.formats.images import write_image

    if not several:
        write_image(out, images[0])
    elif out.suffix.lower() in SUFFIXES:
        write_animation(out, images, FRAME_MS)
    elif out.suffix:
        raise ValueError(f"{out}: write {', '.join(SUFFIXES)} or a folder")
    else:
        out.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(images):
            write_image(out / f"{number:04d}.png", image)


@app.command()
def audit(
    results: Annotated[Path, typer.Argument(help="Results folder of a build.")] = RESULTS,
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
    seed: Annotated[int, typer.Option(help="Another seed draws another --sample.")] = 0,
) -> None:
    """Hold every artifact to its manifest: digests, lineage, schemas, labels, counts.

    Exit code 0: everything whole and its lineage known; 1: something is broken (each line names
    artifact, file and remedy); 2: could not look. An audit that is interrupted goes on where it
    stopped when it is started again within a day.
    """
    from affect4d import audit as room
    from affect4d.store import StoreError
    from affect4d.store.protocol import translate_errors

    try:
        verdict = room.audit(results, sample, seed)
    except KeyboardInterrupt:
        _fail("interrupted; start the audit again to go on", 2)
    typer.echo(json.dumps(verdict.record(), indent=1) if as_json else verdict.text())
    if invalidate and not verdict.error:
        try:
            with translate_errors(results):
                deleted = room.invalidate(results, verdict)
        except StoreError as error:
            _fail(error, 2)
        for name in deleted:
            typer.echo(f"deleted {name}", err=True)
    raise typer.Exit(verdict.exit_code)


@app.command()
def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="An image_id, frame_id, sequence, class (name or index), photograph, artifact "
            "or file; KIND:NAME where a name alone stands for several things."
        ),
    ],
    results: Results = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="The whole record as JSON.")] = False,
) -> None:
    """Say what anything in a build is, what it was built from, and what was built from it.

    Examples: affect4d explain dataset; affect4d explain v+0.5_a+0.5; affect4d explain
    registered/s001_1_happiness; affect4d explain class:44
    """
    from affect4d import provenance
    from affect4d.store import StoreError

    try:
        explanation = provenance.explain_name(results, name)
    except (provenance.UnknownName, provenance.AmbiguousName, StoreError) as error:
        _fail(error, 1)
    except (OSError, ValueError, KeyError) as error:
        _fail(f"{results} cannot be read ({error}); run `affect4d audit`", 1)
    typer.echo(json.dumps(explanation.record, indent=1) if as_json else explanation.text())


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="Results folder of a build, or its manifests.")],
    new: Annotated[Path, typer.Argument(help="Results folder of another build.")],
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> None:
    """Say what changed between two builds, and which setting, input, code or package is behind it.

    Exit code 0: every artifact has the same bytes; 1: something differs; 2: could not look.
    """
    from affect4d import provenance

    found = provenance.compare_builds(old, new)
    typer.echo(json.dumps(found.record(), indent=1) if as_json else found.text())
    raise typer.Exit(found.exit_code)


@gallery.command()
def draft(
    path: Annotated[Path, typer.Argument(help="Folder with a tree of OBJ, PLY, WRL or BNT scans.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write.")] = Path("scans.csv"),
    pattern: Annotated[
        str | None,
        typer.Option(
            help="How paths read without their suffix, of {subject}, {session}, {sequence}, "
            "{expression}, {frame} and * for anything else inside a level."
        ),
    ] = None,
) -> None:
    """Write a first table of the scans in a folder (gallery.source: manifest), to be checked.

    Folders are taken for subject, session and sequence, numbers in names for the order of the
    frames, files of the same name for texture and landmarks.

    Example: affect4d gallery draft /data/4dfab --pattern "{subject}/{session}/{sequence}/*_{frame}"
    """
    from affect4d.gallery.draft import draft_table, write_draft
    from affect4d.quarantine import BadInput

    try:
        found = draft_table(path, pattern)
        write_draft(found, out)
    except BadInput as error:
        _fail(error, 1)
    typer.echo(f"{out}:")
    for line in found.summary():
        typer.echo(f"  {line}")


def main() -> None:
    """Entry point of the command `affect4d`."""
    app()


if __name__ == "__main__":
    main()
