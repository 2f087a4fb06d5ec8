"""The picture sheet: people beside what a build makes of them and their own real smiles."""

import cv2
import numpy as np
import readers_people as make

from affect4d.config.gallery import EXPRESSIONS
from affect4d.formats.images import write_image
from affect4d.synthesis.crop import square_around

PEOPLE, SIDE_PX, MARGIN = 12, 256, 0.25  # the margin is of the landmarks' extent
HEADING_PX = 26
ORDER = ("happiness", *(name for name in EXPRESSIONS if name != "happiness"))


def write_sheet(path, people, studio, targets, blend="warp"):
    """Write a sheet of 12 people: neutral, smile, the expressions, four places of the plane."""
    wanted = {name: targets[name] for name in (*ORDER, *map(make.place_name, make.PLACES))}
    chosen = np.linspace(0, len(people.names) - 1, min(PEOPLE, len(people.names))).astype(int)
    rows = []
    for number in chosen:
        around = square_around(people.neutral.landmarks[number], MARGIN, SIDE_PX)
        smiling = square_around(people.smiling.landmarks[number], MARGIN, SIDE_PX)
        images = studio.make(number, blend, wanted).images
        cells = [around.cut(people.photograph(number))]
        cells += [smiling.cut(people.photograph(number, smiling=True))]
        rows.append(np.hstack(cells + [around.cut(image) for image in images.values()]))
    heading = np.full((HEADING_PX, rows[0].shape[1], 3), 255, np.uint8)
    for column, text in enumerate(("neutral", "real smile", *wanted)):
        place = (SIDE_PX * column + 4, 18)
        cv2.putText(heading, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    write_image(path, np.vstack([heading, *rows]))
