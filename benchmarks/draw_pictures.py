"""The pictures of the README, from a build of the embedded gallery.

python benchmarks/draw_pictures.py --results results
"""

import argparse
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from affect4d.synthesis.sheet import GAP, PAPER

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
PEOPLE = ("photographs-photographs_hopper", "photographs-photographs_takeo")
PLACES = [(0.3, 0.1), (0.7, 0.3), (0.9, 0.7), (0.3, 0.9), (-0.5, 0.7), (-0.7, 0.3), (-0.7, -0.3)]
REAL = 4  # photographs, the first of a build's sheet: two rows each
WIDTH = 1560  # pixels


def main():
    """Write levels.jpg, plane.jpg and sheet.jpg."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="a build's")
    results = parser.parse_args().results
    images = pd.concat(map(pd.read_parquet, sorted(results.glob("dataset/data/*.parquet"))))
    _write("levels", _levels(images[images["sample"] < 0]), WIDTH)
    with Image.open(results / "blendshapes" / "pictures" / "mean_faces.png") as plane:
        _write("plane", plane, 900)
    stated = pd.read_json(results / "synthesis" / "pictures" / "pictures.json", typ="series")
    with Image.open(results / "synthesis" / "pictures" / "sheet.jpg") as sheet:
        share = REAL / len(stated["photographs"])
        _write("sheet", sheet.crop((0, 0, sheet.width, round(share * sheet.height))), WIDTH)


def _levels(images):
    """One row per person: the neutral photograph, then the classes nearest to some places."""
    rows = []
    for person in PEOPLE:
        neutral = images[images["image_id"] == person].iloc[0]
        own = images[(images["neutral_image_id"] == person) & (images["class"] >= 0)]
        apart = [np.hypot(own["valence"] - v, own["arousal"] - a).argmin() for v, a in PLACES]
        rows.append([neutral["image"], *own.iloc[apart]["image"]])
    tiles = [[Image.open(io.BytesIO(cell["bytes"])) for cell in row] for row in rows]
    side = tiles[0][0].width + GAP
    picture = Image.new("RGB", (side * len(tiles[0]) - GAP, side * len(tiles) - GAP), PAPER)
    for row, line in enumerate(tiles):
        for column, tile in enumerate(line):
            picture.paste(tile, (side * column, side * row))
    return picture


def _write(name, picture, width):
    picture = picture.convert("RGB")
    size = (width, round(picture.height * width / picture.width))
    picture.resize(size, Image.Resampling.LANCZOS).save(FOLDER / f"{name}.jpg", quality=85)


if __name__ == "__main__":
    main()
