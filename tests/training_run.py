"""Checks of the networks and of learning, run by PyTorch's interpreter: training_run.py FOLDER.

It imports nothing of the tests. One JSON object is printed; test_training_networks.py says what its
numbers have to be.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from affect4d.config.training import Learning, Network, Settings
from affect4d.quarantine import BadInput
from affect4d.training.arms import ARMS, Arm, Batches, hold_out
from affect4d.training.face_set import FaceSet
from affect4d.training.pytorch.experiment import run_experiment
from affect4d.training.pytorch.learning import Run, ccc_loss, read_sequences, train
from affect4d.training.pytorch.networks import load_weights, make_network
from affect4d.training.sequences import windows

SMALL = Network(backbone="vgg", width=0.03, size=32)
SETTINGS = Settings(
    network=SMALL, learning=Learning(sequence=4, batch=2, steps=8, checkpoint_every=3, rate=1e-3)
)


def main(folder):
    torch.set_num_threads(1)
    shown = networks() | losses() | weights(folder) | resumed(folder) | padded()
    shown |= stopped(folder) | {"logged": logged(folder / "killed")}
    shown |= {"logged_first": logged(folder / "first")}
    print(json.dumps(shown | experiment(folder / "experiment")))


def networks():
    published = make_network(Network(backbone="vgg", width=1, size=96))
    sizes = [sum(each.numel() for each in published.parameters())]
    sizes += [
        sum(e.numel() for e in make_network(Network(width=1, backbone="convnext")).parameters())
    ]
    shapes = [
        list(make_network(Network(backbone=name, size=size))(clips(size)).shape)
        for name in ("vgg", "convnext")
        for size in (32, 50)
    ]
    return {"parameters": sizes, "shapes": shapes}


def clips(size):
    return torch.zeros((2, 3, size, size, 3), dtype=torch.uint8)


def losses():
    rng = np.random.default_rng(0)
    read, labels = rng.normal(size=(2, 5, 4, 2))
    loss = ccc_loss(torch.from_numpy(read), torch.from_numpy(labels)).item()
    return {"read": read.tolist(), "labels": labels.tolist(), "loss": loss}


def weights(folder):
    network = make_network(SMALL)
    tensors = {name: tensor + 1 for name, tensor in network.state_dict().items()}
    save_file(tensors, folder / "whole.safetensors")
    backbone = {n: t for n, t in tensors.items() if n.startswith("backbone.")}
    torch.save(backbone, folder / "backbone.pt")
    torch.save({"code": Path}, folder / "code.pt")
    (folder / "text.safetensors").write_text("no tensors")
    equal = []
    for file in ("whole.safetensors", "backbone.pt"):
        loaded = make_network(SMALL)
        load_weights(loaded, folder / file)
        wanted = tensors if file.startswith("whole") else backbone
        equal.append(all(torch.equal(loaded.state_dict()[n], t) for n, t in wanted.items()))
    refused = []
    other = make_network(Network(backbone="vgg", width=0.06, size=32))
    for file, target in (
        ("code.pt", network),
        ("text.safetensors", network),
        ("backbone.pt", other),
    ):
        try:
            load_weights(target, folder / file)
        except BadInput as problem:
            refused.append(str(problem))
    return {"equal": equal, "refused": refused}


def faces():
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "subject": np.repeat(["a", "b"], 12),
            "clip": np.repeat(["1", "2", "3", "4"], 6),
            "frame": np.tile(np.arange(6), 4),
            "valence": rng.uniform(-1, 1, 24),
            "arousal": rng.uniform(-1, 1, 24),
        }
    )
    return FaceSet(rng.integers(0, 255, (24, 32, 32, 3), dtype=np.uint8), table)


def run(folder, stop=None, settings=SETTINGS):
    """The losses and what is read; stopped before a step as a kill would."""
    arm, held = hold_out(Arm(ARMS["augmented"], faces(), faces(), "test"), settings.seed)
    batches = Batches(arm, settings)
    folder.mkdir(exist_ok=True)

    def batch(step):
        if step == stop:
            raise KeyboardInterrupt
        return batches(step)

    held_out = (held, windows(held.table, 4)) if settings.learning.patience else None
    network, losses = train(Run(5, batch, folder / "checkpoint.pt", held_out), settings)
    read = read_sequences(network, faces().images, windows(faces().table, 4))
    return [losses, read.tolist()]


def killed(folder, settings=SETTINGS, stop=5):
    """As `run`, killed before a step and begun again."""
    try:
        run(folder, stop=stop, settings=settings)
    except KeyboardInterrupt:
        torch.manual_seed(99)  # another process's generator
    return run(folder, settings=settings)


def resumed(folder):
    done = {"undisturbed": run(folder / "undisturbed"), "resumed": killed(folder / "killed")}
    return done | {"resumed_first": killed(folder / "first", stop=2)}  # before a checkpoint


def stopped(folder):
    """A run that stops early, undisturbed and killed, with the loss of its network on held-out."""
    learning = Learning(sequence=4, batch=2, steps=60, checkpoint_every=1, rate=1e-2, patience=6)
    settings = SETTINGS.model_copy(update={"learning": learning})
    names = {"early": run, "early_killed": killed}
    done = {name: do(folder / name, settings=settings) for name, do in names.items()}
    return done | {"held_out": logged(folder / "early", "held_out"), **on_held_out(done)}


def on_held_out(done):
    """The loss of what the kept network reads of the held-out person."""
    _, held = hold_out(Arm(ARMS["augmented"], faces(), faces(), "test"), SETTINGS.seed)
    mine = faces().table["subject"].isin(set(held.table["subject"])).to_numpy()
    read = torch.tensor(np.array(done["early"][1])[mine])
    return {"kept": ccc_loss(read, torch.from_numpy(held.labels)).item()}


def logged(folder, name="loss"):
    """Steps and values of a scalar in TensorBoard's log."""
    events = EventAccumulator(str(folder)).Reload().Scalars(name)
    return [[event.step, event.value] for event in events]


def experiment(folder):
    """Runs of two folds: begun again, with more arms, and with other settings or data."""
    folder.mkdir()
    real = faces()
    real.table["image_id"] = [f"i{number}" for number in range(len(real))]
    made = FaceSet(real.images, real.table.drop(columns=["clip", "frame"]))
    for name, each in {"real": real, "published": made, "added": made}.items():
        each.write(folder, name)
    folds = pd.DataFrame({"subject": ["a", "b"], "fold": [0, 1]})
    folds.to_csv(folder / "folds.csv", index=False)
    used = made.table.assign(fold=1 - made.table["subject"].map({"a": 0, "b": 1}))
    used.to_csv(folder / "used.csv", index=False)
    settings = SETTINGS.model_copy(update={"folds": 2, "people": []})
    begin(folder, settings)
    first = written(folder)
    begin(folder, settings.model_copy(update={"people": [1]}))
    again = written(folder)
    refused = []
    other = SETTINGS.learning.model_copy(update={"steps": 9})
    refused.append(begin(folder, settings.model_copy(update={"learning": other})))
    (folder / "added.csv").write_text((folder / "added.csv").read_text().replace("i0", "j0"))
    refused.append(begin(folder, settings))
    return {
        "runs": [len(first), len(again)],
        "kept_runs": all(again[name] == time for name, time in first.items()),
        "other_runs": refused,
    }


def begin(folder, settings):
    """The refusal of an experiment of these settings, if it is refused."""
    (folder / "settings.json").write_text(settings.model_dump_json())
    try:
        run_experiment(folder, workers=1)
    except BadInput as problem:
        return str(problem)
    return None


def written(folder):
    """When each run's readings were written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("runs/*/read.csv")}


def padded():
    torch.manual_seed(0)
    network, images = make_network(SMALL), faces().images
    whole = read_sequences(network, images[:6], np.array([[0, 1, 2, 3, 4, 5]]))
    short = read_sequences(network, images[:6], np.array([[0, 1, 2, 3, -1, -1]]))
    return {
        "padded": float(abs(whole[:4] - short[:4]).max()),
        "unread": np.isnan(short[4:]).all().item(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
