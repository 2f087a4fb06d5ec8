"""Thousands of synthesized images and what is refused among them.

    python benchmarks/gates.py --results results --sheet build/refused.png

Every accepted photograph of a build is given every class, by both blends, at the intensities asked
for: by default the usual one and the largest that the settings allow, which provokes the gates. Of
every image it is checked that its map is finite, leads into the photograph and from no farther than
the face moves, and that what lies beyond .4 inter-ocular distances of the face is the photograph's,
bit for bit. The figures that the gates check are printed by their distribution, refusals by their
rule. The sheet shows refused images with their reasons, then those accepted that came nearest to a
limit. Exit status 1 where a check fails.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d.config.synthesis import Settings
from affect4d.synthesis import Atlas
from affect4d.synthesis.editing.editor import BLENDS, Editor
from affect4d.synthesis.editing.flow import stack_deformations
from affect4d.synthesis.photographs import read_photographs
from affect4d.synthesis.quality import BOUNDED, measure, refusal
from affect4d.synthesis.sheet import Tile, draw_sheet
from affect4d.template.anatomy import default_anatomy

LEAST = 5000  # images
SLACK = 1.1  # beyond the farthest that a place of the lattice moves
COLUMNS, ROWS, TILE_PX = 8, 5, 192  # of the sheet


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="a build's")
    parser.add_argument("--intensity", type=float, nargs="+", default=[1.0, 2.0])
    parser.add_argument("--size", type=int, default=Settings().size, help="pixels a side")
    parser.add_argument("--sheet", type=Path, help="PNG of refused images to write")
    arguments = parser.parse_args()
    atlas, anatomy = Atlas(arguments.results / "blendshapes/atlas.zarr"), default_anatomy()
    fields = [anatomy.smooth_and_taper(mean) for mean in atlas.means()]
    names = [atlas.names[index] for index in atlas.usable]
    rows, tiles = [], []
    photographs = list(accepted(arguments.results, anatomy, arguments.size))
    for image_id, scene in tqdm(photographs, "photographs", disable=None):
        for blend in BLENDS:
            for intensity in arguments.intensity:
                settings = Settings(blend=blend, intensity=intensity)
                editor = Editor(scene, settings)
                blocks = stack_deformations(fields, intensity)
                for name, made in zip(names, editor.edits(blocks), strict=True):
                    row = checked(editor, made)
                    rows.append({"image": image_id, "class": name, "blend": blend,
                                 "intensity": intensity, **row})  # fmt: skip
                    tiles.append((closeness(row, settings), image_id, name, row["reason"], made))
                    tiles = sorted(tiles, key=lambda tile: -tile[0])[: COLUMNS * ROWS]
    table = pd.DataFrame(rows)
    show(table)
    if arguments.sheet:
        arguments.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(tiles)).save(arguments.sheet)
    return check(
        [
            Threshold("images", len(table), LEAST, True),
            Threshold("images with a map that is not finite or leaves the photograph",
                int((~table["mapped"]).sum()), 0),
            Threshold("images whose far background changed", int((~table["untouched"]).sum()), 0),
            Threshold("images with pixels from farther than the face moves",
                int((~table["near"]).sum()), 0),
        ]
    )  # fmt: skip


def accepted(results, anatomy, size):
    """(image_id, Scene of the square crop) of every accepted photograph of a build."""
    settings = Settings(size=size)
    for path in sorted((results / "fits").glob("*/*.zarr")):
        for photograph in read_photographs(path):
            if photograph.fit.quality["accepted"]:
                photo = photograph.read(results, settings)
                yield photograph.image_id, photograph.align(photo, anatomy, settings)[1]


def checked(editor, made):
    """Figures of one Edit, the checks' outcome, and the rule that refuses it, if any."""
    figures, far = measure(editor, made), editor.lattice.far
    height, width = far.shape
    source = made.motion.source
    inside = (source >= 0).all() and (source <= [width - 1, height - 1]).all()
    reason = refusal(figures, editor.settings)
    return {
        **{name: figures[name] for name in BOUNDED},
        "mapped": bool(np.isfinite(source).all() and inside),
        "near": reach(source) <= SLACK * np.linalg.norm(made.motion.flow, axis=2).max() + 1,
        "untouched": np.array_equal(made.image[far], editor.scene.image[far]),
        "reason": "" if reason is None else reason[0],
    }


def reach(source):
    """How far the farthest pixel comes, pixels, by a map (H, W, 2)."""
    rows, columns = np.indices(source.shape[:2])
    return np.linalg.norm(source - np.stack([columns, rows], axis=2), axis=2).max()


def closeness(row, settings):
    """How near to a limit a row's figures come: above 1 it is refused."""
    return max(row[name] / max(getattr(settings, f"max_{name}"), 1e-9) for name in BOUNDED)


def show(table):
    """Print the distribution of what the gates check, and the refusals."""
    print("\nPer cent of the face, quantiles")
    shares = table.groupby("intensity")[list(BOUNDED)].quantile([0.5, 0.95, 0.99, 1.0])
    print((100 * shares).round(3).to_string())
    refused = table[table["reason"] != ""]
    rule = refused["reason"].str.extract(r"face (\w+),")[0].fillna("turned")
    print("\nRefused, by intensity, blend and rule; of each intensity and blend "
          f"{len(table) // table.groupby(['intensity', 'blend']).ngroups} images")  # fmt: skip
    counts = refused.groupby(["intensity", "blend", rule]).size()
    print(counts.to_string() if len(counts) else "none")
    print("by photograph:", refused["image"].value_counts().to_dict())


def picture(tiles):
    """The sheet of (closeness, image_id, class, reason, Edit), in their order."""
    shown = [
        Tile(made.image, f"{image_id} {name} {why or 'accepted'}", bool(why))
        for _, image_id, name, why, made in tiles
    ]
    shown += [Tile(None, "")] * (-len(shown) % COLUMNS)
    return draw_sheet([shown[i : i + COLUMNS] for i in range(0, len(shown), COLUMNS)], TILE_PX)


if __name__ == "__main__":
    sys.exit(main())
