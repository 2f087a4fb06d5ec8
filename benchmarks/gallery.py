"""The embedded gallery in figures: classes covered, and the CCC that a perfect reader could reach.

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
    every = [
        take
        for subject in people
        for take in takes(project.gallery.synthetic, subject, project.seed)
        if take.task == "spontaneous"
    ]
    said = np.concatenate([take.annotation for take in every])
    who = np.repeat([take.subject for take in every], [len(take.annotation) for take in every])
    grid = Grid(project.affectspace.bins)
    held = pd.DataFrame({"class": grid.assign(*said.T), "subject": who}).groupby("class")
    enough = (held.size() >= project.affectspace.min_frames) & (
        held["subject"].nunique() >= project.affectspace.min_subjects
    )
    print(f"{len(people)} people, {len(every)} spontaneous sequences, {len(said)} annotated frames")
    print(f"{enough.sum()} of {len(grid)} classes have enough frames of enough people")
    top = ceiling(np.concatenate([take.affect for take in every]), said)
    print(f"linear CCC ceiling of one frame: valence {top[0]:.3f}, arousal {top[1]:.3f}")


if __name__ == "__main__":
    main()
