"""Which share of a training run's time goes into making batches: does the loader starve it?

    PYTHONPATH=workflow build/train/bin/python benchmarks/training_wait.py build/training

Takes the first fold's arm `augmented` of a prepared experiment, in PyTorch's environment, and
times what makes the batches of some steps beside the steps themselves.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

STEPS = 20


def main():
    """Print the share, and frames per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that affect4d.training.prepare wrote")
    given = parser.parse_args()
    import torch

    from affect4d.config.training import Settings
    from affect4d.training.arms import ARMS, Arm, Batches
    from affect4d.training.face_set import read_face_set
    from affect4d.training.pytorch.learning import Run, train

    torch.set_num_threads(1)
    settings = Settings.model_validate_json((given.folder / "settings.json").read_text("utf-8"))
    learning = settings.learning.model_copy(update={"steps": STEPS})
    settings = settings.model_copy(update={"learning": learning})
    real, added = (read_face_set(given.folder, name) for name in ("real", "added"))
    batches = Batches(Arm(ARMS["augmented"], real, added, "wait"), settings)
    spent, frames = [], []

    def timed(step):
        start = time.perf_counter()
        batch = batches(step)
        spent.append(time.perf_counter() - start)
        frames.append(batch[0].shape[0] * batch[0].shape[1])
        return batch

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        train(replace(Run(0, batches, Path(scratch, "checkpoint.pt")), batch=timed), settings)
    total = time.perf_counter() - start
    print(f"{STEPS} steps, {sum(frames)} frames: {sum(frames) / total:.0f} frames per second")
    print(f"waiting for batches: {100 * sum(spent) / total:.2f} % of the time")


if __name__ == "__main__":
    sys.exit(main())
