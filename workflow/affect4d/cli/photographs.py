"""Commands on photographs: `affect4d synth`, `play`, `detect`."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from affect4d.cli.application import (
    Folder,
    Results,
    app,
    check_results,
    fail,
    parsed,
    results_of,
    say,
    warn,
)

Face = Annotated[
    int | None,
    typer.Option(min=1, help="Which of several faces, 1 the largest; if absent the largest."),
]
Neutralise = Annotated[
    bool | None,
    typer.Option(
        "--neutralise/--as-photographed",
        help="Whether the photograph's expression is removed first; the build's own if absent.",
        show_default=False,
    ),
]

Gaze = Annotated[
    str | None,
    typer.Option(
        help="YAW,PITCH - degrees by which the eyes turn to the right of the picture and upwards."
    ),
]
Blink = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="How far the lids close besides; 1: shut."),
]


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
        float | None, typer.Option(help="From -1, negative, to 1, positive.")
    ] = None,
    arousal: Annotated[float | None, typer.Option(help="From -1, calm, to 1, excited.")] = None,
    class_mean: Annotated[
        bool,
        typer.Option(
            "--class-mean",
            help="The mean of the class that holds the point, labelled with the class's median, as "
            "in the paper and the dataset.",
        ),
    ] = False,
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
    frames: Annotated[
        int, typer.Option(min=2, help="Images of a --path, its points among them.")
    ] = 24,
    grid: Annotated[
        int | None,
        typer.Option(min=1, max=15, help="A contact sheet of so many points along each axis."),
    ] = None,
    expression: Annotated[
        str | None, typer.Option(help="A basic expression in place of valence and arousal.")
    ] = None,
    component: Annotated[
        str | None,
        typer.Option(
            help="CLASS:REGION - the class's mean with one component, named by what it moves (or "
            "CLASS:K, by its number), as strong as nearly all frames of the class show it."
        ),
    ] = None,
    intensity: Annotated[
        float | None,
        typer.Option(min=0.01, max=2, help="Scales the deformation; the build's own if absent."),
    ] = None,
    blend: Annotated[
        Literal["warp", "poisson"] | None, typer.Option(help="The build's own if absent.")
    ] = None,
    neutralise: Neutralise = None,
    gaze: Gaze = None,
    blink: Blink = None,
    results: Results = None,
) -> None:
    """Give the face in a photograph some valence and arousal, or a basic expression.

    The full frame is written at the photograph's size, unless --crop. The deformation is that of
    the classes around the point, mixed so that their labels average to the point. The label of the
    image is printed; where there are no data, it is that of the nearest place that has some.

    Examples: affect4d synth me.jpg --valence .6 --arousal .4 -o happy.png; affect4d synth me.jpg
    --path 0,0:.7,.5:0,0 -o smile.webp; affect4d synth me.jpg --grid 5 -o plane.jpg
    """
    point = None if valence is None or arousal is None else (valence, arousal)
    if point and not all(-1 <= value <= 1 for value in point):
        raise typer.BadParameter(
            f"--valence {valence} --arousal {arousal}: both lie between -1 and 1"
        )
    given = [point, path, grid, expression, component]
    if sum(value is not None for value in given) != 1 or (valence is None) != (arousal is None):
        raise typer.BadParameter(
            "give one of --valence with --arousal, --path, --grid, --expression, --component"
        )
    if class_mean and point is None:
        raise typer.BadParameter("--class-mean goes with --valence and --arousal")
    if (face is not None) + all_faces + (landmarks is not None) > 1:
        raise typer.BadParameter("give one of --face, --all-faces, --landmarks")
    if all_faces and (crop or grid is not None):
        raise typer.BadParameter("--all-faces edits the full frame: neither --crop nor --grid")

    from affect4d.store import StoreError
    from affect4d.synthesis import request, request_options

    points = parsed(partial(request_options.parse_path, frames=frames), path)
    named = parsed(request_options.parse_component, component)
    if intensity not in (None, 1) and named is None:
        warn(f"--intensity {intensity:g}: labels are those of faces of intensity 1")
    if named is not None:
        intensity = request_options.limit_intensity(intensity, warn)
    options = _options(gaze, intensity=intensity, blend=blend, neutralise=neutralise, blink=blink)
    root = results_of(folder, results)
    try:
        request.check_output(out, several=path is not None)
        request.check_photograph(photo, root)
        check_results(root)
        targets = request.find_targets(
            root,
            point=point,
            class_mean=class_mean,
            path=points or (),
            expression=expression,
            component=named,
            say=warn,
        )
        if all_faces:
            editors = request.open_all_faces(photo, root, options=options)
        else:
            whole = not crop and grid is None
            editors = [
                request.open_photograph(
                    photo, landmarks, root, crop=not whole, options=options, face=face, say=warn
                )
            ]
        if grid is not None:
            say(request.write_grid(editors[0], root / "blendshapes", grid, out=out))
            return
        edited = (request.impose_on_faces(editors, target) for target in targets)
        images, records = zip(*edited, strict=True)
        request.write_images(images, out, several=path is not None)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    for one in records:
        for number, record in enumerate(one, start=1):
            say(f"face {number}: " * all_faces + request.describe(record))


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
    neutralise: Neutralise = None,
    gaze: Gaze = None,
    blink: Blink = None,
    results: Results = None,
) -> None:
    """Drag a point over the plane, on a local page, and see the face in a photograph follow.

    The page has the basic expressions and the components of the class under the point as well.
    The page is served to this machine alone, under an address that cannot be guessed. Ctrl-C ends
    it.

    Example: affect4d play me.jpg
    """
    if face is not None and landmarks is not None:
        raise typer.BadParameter("give one of --face, --landmarks")
    root = results_of(folder, results)
    warn(f"loading {photo} and the classes of {root}; the page's address follows")

    from affect4d.local_page.server import PageServer, check_port, serve
    from affect4d.store import StoreError
    from affect4d.synthesis.play import PlaySession
    from affect4d.synthesis.request import open_photograph

    options = _options(gaze, neutralise=neutralise, blink=blink)
    try:
        check_port(port)
        check_results(root)
        photograph = open_photograph(
            photo, landmarks, root, crop=crop, options=options, face=face, say=warn
        )
        server = PageServer(PlaySession(photograph, root / "blendshapes"), port)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    say(f"{server.url}  (Ctrl-C ends it)")
    serve(server, browser=browser)


def _options(gaze: str | None, **chosen: object) -> dict[str, object]:
    """Settings of the stage `synthesis` that options choose in place of the build's own."""
    from affect4d.synthesis.request_options import parse_gaze

    options = {name: value for name, value in chosen.items() if value is not None}
    return options | (parsed(parse_gaze, gaze) or {})


@app.command()
def detect(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs, in it or below.")],
) -> None:
    """Find the 68 landmarks of every photograph in a folder that has no .pts file beside it.

    Writes a .pts file beside each, detected.csv with scores, and detected.jpg, a sheet to look at:
    correct or delete what lies wrong. Of several faces the largest is taken. Needs `make detector`.

    Example: affect4d detect /data/portraits
    """
    from affect4d.fitting.photograph_folder import SHEET, TABLE, detect_folder
    from affect4d.quarantine import BadInput

    try:
        table = detect_folder(folder)
    except (BadInput, OSError) as error:
        fail(error, 1)
    for status, count in table["status"].value_counts().items():
        say(f"{count} {status}")
    say(f"{folder / TABLE}, {folder / SHEET}")
