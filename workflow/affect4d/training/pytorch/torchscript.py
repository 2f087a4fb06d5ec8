"""Runs a TorchScript network in PyTorch's environment: torchscript.py MODEL GIVEN.npy READ.npy.

It imports nothing of affect4d.
"""

import sys

import numpy as np
import torch

BATCH = 32  # images at once


def main(model: str, given: str, read: str) -> None:
    """Read the images of one file, write what the network gives into another."""
    network = torch.jit.load(model, map_location="cpu").eval()
    inputs = torch.from_numpy(np.load(given, allow_pickle=False))
    with torch.inference_mode():
        np.save(read, torch.cat([network(part) for part in inputs.split(BATCH)]).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
