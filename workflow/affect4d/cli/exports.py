"""Commands that hand faces to other programs: `affect4d export`."""

from pathlib import Path
from typing import Annotated

import typer

from affect4d.cli.application import Folder, Results, app, check_results, fail, results_of, say


@app.command()
def export(
    name: Annotated[
        str,
        typer.Argument(
            help="A class (v+0.7_a+0.5) or basic expression, a registered frame, a photograph."
        ),
    ],
    folder: Folder = None,
    *,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="File to write: .glb (metres), .obj or .ply (mm)."),
    ],
    sample: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="SEED", help="An unseen face of the class in place of its mean."
        ),
    ] = None,
    blendshapes: Annotated[
        bool,
        typer.Option(
            "--blendshapes", help="The class's components as morph targets (.glb), named."
        ),
    ] = False,
    results: Results = None,
) -> None:
    """Write a face of a build for Blender, MeshLab and other programs.

    A class's mean face, a face drawn from its model, a registered frame, or the face that was
    fitted to a photograph, textured with it.

    Examples: affect4d export happiness -o smile.glb; affect4d export v+0.7_a+0.5 --sample 3 -o
    one.ply; affect4d export surprise --blendshapes -o surprise.glb
    """
    if blendshapes and sample is not None:
        raise typer.BadParameter("give one of --sample, --blendshapes")

    from affect4d.formats.faces import check_suffix, write_face
    from affect4d.store import StoreError

    root = results_of(folder, results)
    try:
        check_suffix(out, has_targets=blendshapes)
        check_results(root)

        from affect4d.interop.export import export_blendshapes, export_face

        face = (
            export_blendshapes(root, name) if blendshapes else export_face(root, name, seed=sample)
        )
        for path in write_face(out, face):
            say(path)
    except (StoreError, ValueError, OSError) as error:  # BadInput is a ValueError
        fail(error, 1)
    for number, target in enumerate(face.targets):
        say(f"  {number} {target}")
