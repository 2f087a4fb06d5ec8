"""Contact sheets: a photograph over the valence-arousal plane, photographs beside their edits."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from affect4d.quarantine import BadInput
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.quality import measure, refusal

REACH = 0.8  # of the plane, where the outermost places of a sheet lie
PAPER, INK, DOUBT = (255, 255, 255), (70, 70, 70), (179, 38, 30)
STRIP = 18  # pixels above a tile, for its caption
GAP = 4


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: image (S, S, 3) uint8 or None, its caption, whether it is doubted."""

    image: np.ndarray | None
    caption: str
    doubted: bool = False


def places_of(side):
    """Places (side, side, 2) over the plane: rows of falling arousal, columns of rising valence."""
    axis = np.linspace(-REACH, REACH, side) if side > 1 else np.zeros(1)
    return np.stack(np.meshgrid(axis, axis[::-1]), axis=-1).round(3)


def tiles_over_plane(editor, atlas, places, gated=None):
    """Edits of one photograph.

    Parameters
    ----------
    editor : affect4d.synthesis.synthesize.Editor
    atlas : affect4d.synthesis.Atlas
    places : (N, 2) array, valence and arousal
    gated : (str,) why the fit was refused, or None

    Returns
    -------
    list of Tile
        Without an image where no class around has data; doubted where the edit would be refused.
    """
    targets = []
    for valence, arousal in places:
        try:
            targets.append(atlas.between(valence, arousal))
        except BadInput:
            targets.append(None)
    own = [target for target in targets if target is not None]
    settle = editor.scene.anatomy.smooth_and_taper
    settled = [settle(target.deformation) for target in own]
    made = editor.edits(stack_deformations(settled, editor.settings.intensity))
    return [
        _tile(editor, target, next(made), gated)
        if target is not None
        else Tile(None, _name(*place))
        for target, place in zip(targets, places, strict=True)
    ]


def _tile(editor, target, made, gated):
    reason = refusal(measure(editor, made), editor.settings) or gated
    caption = _name(target.valence, target.arousal) + " interpolated" * target.interpolated
    return Tile(made.image, caption if reason is None else reason[0], reason is not None)


def _name(valence, arousal):
    valence, arousal = (round(value, 2) + 0.0 for value in (valence, arousal))  # no -0.00
    return f"V {valence:+.2f}  A {arousal:+.2f}"


def sheet(rows, size):
    """A picture of rows of tiles.

    Parameters
    ----------
    rows : list of list of Tile, all equally long
    size : int, pixels, side of a tile's image

    Returns
    -------
    (H, W, 3) uint8
    """
    left = np.cumsum([0] + [size + GAP] * len(rows[0]))
    top = np.cumsum([0] + [STRIP + size + GAP] * len(rows))
    canvas = Image.new("RGB", (int(left[-1]) - GAP, int(top[-1]) - GAP), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=STRIP - 6)
    for row, (y, _) in zip(rows, pairwise(top), strict=True):
        for tile, (x, _) in zip(row, pairwise(left), strict=True):
            ink = DOUBT if tile.doubted else INK
            draw.text((int(x) + 2, int(y) + 1), _fitted(tile.caption, font, size), ink, font)
            place = (int(x), int(y) + STRIP)
            if tile.image is None:
                corner = (place[0] + size - 1, place[1] + size - 1)
                draw.rectangle((*place, *corner), outline=(210, 210, 210))
                draw.text((place[0] + size // 2, place[1] + size // 2), "no data", INK, font, "mm")
            else:
                picture = Image.fromarray(tile.image)
                canvas.paste(picture.resize((size, size), Image.Resampling.LANCZOS), place)
    return np.asarray(canvas)


def _fitted(text, font, width):
    """A caption; one too wide loses its middle, for its ends tell it from others."""
    shown, kept = text, len(text)
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]
    return shown
