"""Contact sheets: a photograph over the valence-arousal plane, photographs beside their edits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.util import montage

from affect4d.blendshapes.targets import Atlas, Target
from affect4d.quarantine import BadInput
from affect4d.synthesis.editing.editor import Edit, Editor
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.quality import measure, refusal

REACH = 0.8  # of the plane, where the outermost points of a sheet lie
PAPER, INK, REJECTED, OUTLINE = (255, 255, 255), (70, 70, 70), (179, 38, 30), (210, 210, 210)
STRIP = 18  # pixels above a tile, for its caption
FONT_PX = STRIP - 6
GAP = 4  # pixels between tiles


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: image (S, S, 3) or None, its caption, whether it was rejected."""

    image: NDArray[np.uint8] | None
    caption: str
    rejected: bool = False


def points_of_plane(side: int) -> NDArray[np.float64]:
    """Points (side, side, 2): rows of falling arousal, columns of rising valence."""
    axis = np.linspace(-REACH, REACH, side) if side > 1 else np.zeros(1)
    return np.stack(np.meshgrid(axis, axis[::-1]), axis=-1).round(3)


def tiles_over_plane(
    editor: Editor, atlas: Atlas, points: NDArray[np.float64], *, fit_refusal: str = ""
) -> list[Tile]:
    """Edits of one photograph.

    Parameters
    ----------
    editor : of the photograph
    atlas : of the build
    points : (N, 2), valence and arousal
    fit_refusal : why the fit was refused; empty if it was not

    Returns
    -------
    N tiles: without an image where no class around has data, rejected where the edit would be
    """
    targets: list[Target | None] = []
    for valence, arousal in points:
        try:
            targets.append(atlas.between(valence, arousal))
        except BadInput:
            targets.append(None)
    found = [target for target in targets if target is not None]
    captions = [
        _name(target.valence, target.arousal) + " interpolated" * target.interpolated
        for target in found
    ]
    tiles = iter(tiles_of_targets(editor, found, captions, fit_refusal=fit_refusal))
    return [
        Tile(None, _name(*point)) if target is None else next(tiles)
        for target, point in zip(targets, points, strict=True)
    ]


def tiles_of_targets(
    editor: Editor,
    targets: Sequence[Target],
    captions: Sequence[str],
    *,
    fit_refusal: str = "",
) -> list[Tile]:
    """Edits of one photograph, one per target; a rejected one's caption is the reason."""
    smooth_and_taper = editor.scene.anatomy.smooth_and_taper
    fields = [smooth_and_taper(target.deformation) for target in targets]
    edits = editor.edits(stack_deformations(fields, editor.settings.intensity))
    return [
        _tile(editor, edit, caption, fit_refusal=fit_refusal)
        for edit, caption in zip(edits, captions, strict=True)
    ]


def _tile(editor: Editor, edit: Edit, caption: str, *, fit_refusal: str) -> Tile:
    reason = refusal(measure(editor, edit), editor.settings)
    rejection = fit_refusal if reason is None else reason[0]
    return Tile(edit.image, rejection or caption, bool(rejection))


def _name(valence: float, arousal: float) -> str:
    return f"V {valence:+z.2f}  A {arousal:+z.2f}"


def draw_sheet(rows: Sequence[Sequence[Tile]], size: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) of rows of tiles, all equally long, whose images get `size` pixels."""
    tiles = np.stack([_draw(tile, size) for row in rows for tile in row])
    sheet = montage(
        tiles, fill=PAPER, grid_shape=(len(rows), len(rows[0])), padding_width=GAP, channel_axis=-1
    )
    return np.ascontiguousarray(sheet[GAP:-GAP, GAP:-GAP])


def _draw(tile: Tile, size: int) -> NDArray[np.uint8]:
    """A tile (STRIP + size, size, 3) with its caption."""
    canvas = Image.new("RGB", (size, STRIP + size), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=FONT_PX)
    ink = REJECTED if tile.rejected else INK
    draw.text((2, 1), _shorten(tile.caption, font, size), ink, font)
    if tile.image is None:
        draw.rectangle((0, STRIP, size - 1, STRIP + size - 1), outline=OUTLINE)
        draw.text((size // 2, STRIP + size // 2), "no data", INK, font, "mm")
    else:
        picture = Image.fromarray(tile.image).resize((size, size), Image.Resampling.LANCZOS)
        canvas.paste(picture, (0, STRIP))
    return np.asarray(canvas)


def _shorten(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """A caption; one too wide loses its middle, for its ends tell it from others."""
    shown, kept = text, len(text)
    while kept and font.getlength(shown) > width:
        kept -= 1
        shown = text[: kept - kept // 2] + "..." + text[len(text) - kept // 2 :]
    return shown
