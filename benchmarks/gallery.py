"""Figures of the embedded gallery: classes covered, and the highest CCC that can be reached.

python benchmarks/gallery.py
"""

import numpy as np
import pandas as pd

from affect4d.affectspace import Grid
from affect4d.config.gallery import subjects
from affect4d.config.project import Project
from affect4d.gallery.synthetic.affect import ceiling
from affect4d.gallery.synthetic.sequences import takes


def main():
    project = Project()
    people = subjects(project.gallery)
    recorded = [
        take
        for subject in people
        for take in takes(project.gallery.synthetic, subject, project.seed)
        if take.task == "spontaneous"
    ]
    annotated = np.concatenate([take.annotation for take in recorded])
    subjects_of = np.repeat(
        [take.subject for take in recorded], [len(take.annotation) for take in recorded]
    )
    grid = Grid(project.affectspace.bins)
    table = pd.DataFrame({"class": grid.assign(*annotated.T), "subject": subjects_of})
    held = table.groupby("class")
    enough = (held.size() >= project.affectspace.min_frames) & (
        held["subject"].nunique() >= project.affectspace.min_subjects
    )
    print(f"{len(people)} people, {len(recorded)} spontaneous sequences")
    print(f"{len(annotated)} annotated frames")
    print(f"{enough.sum()} of {len(grid)} classes have enough frames of enough people")
    highest = ceiling(np.concatenate([take.affect for take in recorded]), annotated)
    print(f"highest linear CCC of one frame: valence {highest[0]:.3f}, arousal {highest[1]:.3f}")


if __name__ == "__main__":
    main()
