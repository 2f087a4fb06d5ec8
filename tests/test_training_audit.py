"""From a build and a real database to runs, and the audit of who was learned from."""

import json
import shutil

import pandas as pd
import pytest
from support.neutral_databases import a_clip, a_frame
from support.small_results import build_results

from affect4d.config.training import Settings
from affect4d.neutrals.withdrawn import Person, add_withdrawn
from affect4d.quarantine import BadInput
from affect4d.training import prepare
from affect4d.training.audit import audit_training, main
from affect4d.training.face_set import EXPRESSIONS, read_face_set
from affect4d.training.leaks import withdrawn_names

PEOPLE = (("ann", "bob"), ("null",))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A build of ann, bob and null, and clips of Ann, Bob and Eve, prepared in two folds."""
    root = tmp_path_factory.mktemp("world")
    (root / "photo.jpg").write_bytes(b"jpeg")
    (root / "config.yaml").write_text("")
    build_results(root / "results", root / "photo.jpg", PEOPLE)
    for number, actor in enumerate(("Ann", "Bob", "Eve"), 1):
        a_clip(root / "afew", f"{number:03d}", {"00000": a_frame(3, -2)}, actor=actor)
    prepared(root)
    return root


@pytest.fixture
def world(original, tmp_path):
    """A copy: what one test runs, and who withdraws in it, is nothing to the others."""
    return shutil.copytree(original, tmp_path, dirs_exist_ok=True)


def prepared(root):
    settings = Settings(real=str(root / "afew"), folds=2)
    prepare.prepare_training(root / "results", root / "training", settings)


def ran(root, name, learned, read, people="real"):
    """Write what a run learned from, {image: set}, and whom it was tested on."""
    run = root / "training/runs" / name
    run.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(learned.items(), columns=["image_id", "set"]).to_csv(run / "learned.csv")
    rows = [(people, image_id, "") for image_id in read]
    pd.DataFrame(rows, columns=["set", "image_id", "subject"]).to_csv(run / "read.csv")


def frame(number):
    return f"real_{number:03d}_00000"


OF_ANN, OF_NULL = "photos-ann1-v+0.3_a+0.3", "photos-null1-v-0.9_a+0.5"


def audited(root):
    *found, _ = audit_training(root / "results", root / "training")
    return found


def test_what_is_learned_from_and_tested_on_is_compared_by_lineage(world, capsys):
    ran(world, "fold0-augmented", {frame(2): "real", OF_NULL: "synthetic"}, [frame(1)])
    ran(world, "reader", {frame(1): "real"}, [OF_ANN], "published")
    assert audited(world) == []
    with pytest.raises(SystemExit) as ended:
        main([str(world / "results"), str(world / "training")])
    assert ended.value.code == 0
    assert "2 runs, 3 images learned from, 6 photographs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "learned", "line"),
    [
        ("fold0-augmented", {OF_ANN: "synthetic"}, f"{OF_ANN} shows ann"),
        ("fold0-real", {frame(1): "real"}, f"{frame(1)} shows ann"),
        ("fold0-synthetic", {"made_up": "synthetic"}, "made_up: no accepted photograph None"),
        ("reader", {OF_NULL: "synthetic"}, "learned from 1 synthesized images"),
    ],
)
def test_a_planted_leak_is_caught(world, name, learned, line, capsys):
    ran(world, name, learned, [frame(1)])
    assert audited(world) == [f"{name}: {line}"]
    with pytest.raises(SystemExit) as ended:
        main([str(world / "results"), str(world / "training")])
    assert ended.value.code == 1 and line in capsys.readouterr().out


def test_nobody_who_withdrew_is_learned_from_or_tested_on(world):
    ran(world, "fold0-augmented", {frame(2): "real", OF_NULL: "synthetic"}, [frame(3)])
    assert audited(world) == [] and withdrawn_names(world / "results") == set()
    for person in (("photos", "null"), ("elsewhere", "bob"), ("photos", "Eve")):
        add_withdrawn(world / "withdrawn.txt", Person(*person))
    one = "fold0-augmented: an image shows somebody who withdrew"
    assert audited(world) == [one, one, "fold0-augmented: is tested on somebody who withdrew"]
    (world / "withdrawn.txt").write_text("photos/null\n")
    prepared(world)
    for name in ("published", "added"):
        assert set(read_face_set(world / "training", name).table["subject"]) == {"ann", "bob"}
    assert not (pd.read_csv(world / "training/used.csv")["image_id"] == OF_NULL).any()
    (world / "withdrawn.txt").write_text("any/eve\n")
    prepared(world)
    assert set(read_face_set(world / "training", "real").table["subject"]) == {"ann", "bob"}
    assert json.loads((world / "training/settings.json").read_text())["folds"] == 2


def test_what_a_former_experiment_had_beside_it_is_gone(world):
    for name in ("london.npy", "london.csv", EXPRESSIONS):
        (world / "training" / name).write_text("former")
    prepared(world)
    assert not [path for path in (world / "training").iterdir() if path.read_bytes() == b"former"]


def test_an_experiment_without_a_finished_run_is_not_passed(world):
    with pytest.raises(BadInput, match="no run is finished"):
        audited(world)
