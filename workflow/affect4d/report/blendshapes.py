"""The report's section on blendshapes: the pictures that their own room drew, and captions."""

import json
from pathlib import Path

from affect4d.blendshapes import illustrate

_PICTURES = {
    "mean_faces": illustrate.MEANS,
    "components": illustrate.COMPONENTS,
    "convergence": illustrate.CONVERGENCE,
    "support": illustrate.SUPPORT,
    "path": illustrate.PATH,
}


def section(root):
    """Everything that the section shows.

    Parameters
    ----------
    root : Path, the results folder

    Returns
    -------
    dict of `pictures` (name: PNG or WebP bytes; of the mean faces only, where no class has a model)
    and `captions` (name: text)
    """
    folder = Path(root) / "blendshapes" / "pictures"
    stated = json.loads((folder / illustrate.STATED).read_text(encoding="utf-8"))
    files = {name: folder / file for name, file in _PICTURES.items()}
    found = {name: path.read_bytes() for name, path in files.items() if path.exists()}
    return {"pictures": found, "captions": _captions(stated) if stated["models"] else {}}


def _captions(stated):
    support, path = stated["support"], stated["path"]
    captions = {
        "overview": f"{stated['models']} classes have a model, of {stated['components']:,} "
        "components together.",
        "components": ", ".join(stated["classes"]),
        "path": f"{path['frames']} frames, {path['interpolated']} of them interpolated between "
        f"classes with data and {path['extrapolated']} extrapolated beyond them; between "
        "neighbouring ones no vertex moves by more than "
        f"{path['largest_step_mm']:.2f} mm, none of the inner face by more than "
        f"{path['largest_inner_step_mm']:.2f} mm.",
    }
    if support:
        captions["support"] = (
            f"Half of the components move at most {support['median']:.1%} of the vertices, none "
            f"more than {support['most']:.1%}."
        )
    return captions
