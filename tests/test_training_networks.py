"""The networks and how they learn, in PyTorch's own environment (`make train` sets it up)."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from affect4d.validation.metrics import ccc

PYTHON = os.environ.get("AFFECT4D_TRAIN")
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not PYTHON, reason="AFFECT4D_TRAIN names no interpreter")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    command = [PYTHON, ROOT / "tests/training_run.py", tmp_path_factory.mktemp("training")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_published_network_has_the_published_size(done):
    assert done["parameters"][0] == pytest.approx(35.3e6, rel=0.002)
    assert done["parameters"][1] == pytest.approx(
        3.6e6, rel=0.02
    )  # convnext_atto has 3.4 without GRUs


def test_every_frame_of_every_sequence_is_read_at_any_size(done):
    assert done["shapes"] == [[2, 3, 2]] * 4


def test_the_loss_is_one_minus_the_mean_ccc_of_all_frames(done):
    read, labels = (np.array(done[name]).reshape(-1, 2) for name in ("read", "labels"))
    wanted = 1 - np.mean([ccc(labels[:, k], read[:, k]) for k in range(2)])
    assert done["loss"] == pytest.approx(wanted)


def test_weights_are_loaded_whole_or_the_backbone_alone(done):
    assert done["equal"] == [True, True]


def test_weights_with_code_or_of_another_network_are_refused(done):
    code, text, other = done["refused"]
    assert "cannot be read" in code and "cannot be read" in text
    assert "not this network's" in other


def test_a_killed_run_ends_as_an_undisturbed_one(done):
    assert done["resumed"] == done["undisturbed"]
    losses, _ = done["undisturbed"]
    assert len(losses) == 8 and len(set(losses)) > 1


def test_a_run_stops_early_with_the_best_network_and_killed_with_the_same(done):
    losses, _ = done["early"]
    steps, held_out = zip(*done["held_out"], strict=True)
    assert steps == tuple(range(len(losses))) and 5 < len(losses) < 60
    assert np.argmin(held_out) == len(losses) - 1 - 6  # the patience
    assert done["kept"] == pytest.approx(min(held_out), rel=1e-5)
    assert done["early_killed"] == done["early"]


def test_tensorboard_s_log_has_each_step_once_after_a_kill(done):
    steps, losses = zip(*done["logged"], strict=True)
    assert steps == tuple(range(8))
    assert losses == pytest.approx(done["undisturbed"][0], rel=1e-6)
    assert done["resumed_first"] == done["undisturbed"]
    assert [step for step, _ in done["logged_first"]] == list(range(8))


def test_finished_runs_stay_and_those_of_other_settings_or_data_are_refused(done):
    # 6 arms and 2 folds, reader and student; two more arms with few people
    assert done["runs"] == [14, 18] and done["kept_runs"]
    for problem in done["other_runs"]:
        assert "holds runs of other data or settings" in problem and "delete it" in problem


def test_what_pads_a_sequence_changes_nothing_before_it(done):
    assert done["padded"] < 1e-6 and done["unread"]
