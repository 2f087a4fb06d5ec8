"""Tables 2 and 3 of an experiment whose networks read what the test says."""

import numpy as np
import pandas as pd
import pytest

from affect4d.config.training import Learning, Settings
from affect4d.quarantine import BadInput
from affect4d.training import audit
from affect4d.training.arms import ARMS, MEANING
from affect4d.training.face_set import read_prepared
from affect4d.training.report import PAPER, main, write_report

PEOPLE, FRAMES = 8, 10
# standard deviation of what an arm's network adds to the truth; the control's is the baseline's
ERRORS = {"real": 0.9, "repeated": 0.8, "classic": 0.6, "augmented": 0.2, "shuffled": 0.8,
          "synthetic": 0.9}  # fmt: skip
SETTINGS = Settings(real="/data/mine", folds=2, people=[3], learning=Learning(steps=12))


def reads(rng, names, people, error):
    """What a network reads of images of people, wrong by so much."""
    table = pd.DataFrame({"set": "real", "image_id": names, "subject": people})
    for axis in ("valence", "arousal"):
        table[axis] = rng.uniform(-1, 1, len(table))
        table[f"read_{axis}"] = table[axis] + error * rng.normal(size=len(table))
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished experiment of two folds; one run stopped early."""
    root = tmp_path_factory.mktemp("experiment")
    (root / "settings.json").write_text(SETTINGS.model_dump_json())
    for fold in range(SETTINGS.folds):
        people = np.repeat([f"p{fold}{n}" for n in range(PEOPLE)], FRAMES)
        for name, error in [
            *ERRORS.items(), ("repeated-people3", 0.9), ("augmented-people3", 0.2)
        ]:  # fmt: skip
            run = root / "runs" / f"fold{fold}-{name}"
            run.mkdir(parents=True)
            rng = np.random.default_rng([fold, 5])  # arms read the same frames
            names = [f"{fold}-{n}" for n in range(len(people))]
            reads(rng, names, people, error).to_csv(run / "read.csv", index=False)
            steps = 6 if (fold, name) == (1, "classic") else 12
            losses = pd.DataFrame({"loss": np.linspace(1, 0.1, 12)[:steps]})
            losses.to_csv(run / "losses.csv", index_label="step")
    images = [f"i{n}" for n in range(24)]
    subjects = np.repeat(["a", "b", "c"], 8)
    london = pd.DataFrame({"image_id": ["x_03", "x_08", "y_03", "y_08"], "subject": list("xxyy")})
    for name in ("reader", "student"):
        (root / "runs" / name).mkdir()
        table = reads(np.random.default_rng(1), images, subjects, 0.1).assign(set="published")
        smiles = london.assign(set="london", read_valence=[0.1, 0.5, 0.55, 0.6])
        pd.concat([table, smiles]).to_csv(root / "runs" / name / "read.csv", index=False)
    published = pd.DataFrame({"image_id": images, "class": list(range(8)) * 3})
    published.assign(kind="photograph").to_csv(root / "published.csv", index=False)
    london.assign(smiles=london["image_id"].str.endswith("08")).to_csv(root / "london.csv")
    return root


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (None, "no experiment is prepared in it; run `make train`"),
        ("{", "are no settings of an experiment"),
        (SETTINGS.model_dump_json(), "its run fold0-real is not finished"),
    ],
)
def test_a_folder_without_an_experiment_is_one_line(tmp_path, settings, words):
    if settings:
        (tmp_path / "settings.json").write_text(settings)
    commands = [(main, [str(tmp_path)])]
    if settings != SETTINGS.model_dump_json():
        commands.append((audit.main, [str(tmp_path), str(tmp_path)]))
    for command, arguments in commands:
        with pytest.raises(SystemExit) as caught:
            command(arguments)
        said = str(caught.value)
        assert said.startswith("affect4d: ") and words in said and "\n" not in said


def test_a_folder_that_cannot_be_read_is_said_to_be_so(tmp_path):
    (tmp_path / "settings.json").mkdir()
    with pytest.raises(BadInput, match=r"settings.json: cannot be read \(Is a directory\)"):
        read_prepared(tmp_path)


@pytest.fixture(scope="module")
def text(folder):
    return write_report(folder)


@pytest.mark.parametrize(
    ("name", "measure", "data"), [("table2", "pearson", "AFEW-VA"), ("table3", "ccc", "Aff-Wild")]
)
def test_a_table_has_the_paper_s_rows_and_every_arm_each_with_its_data(
    folder, text, name, measure, data
):
    table = pd.read_csv(folder / f"{name}.csv").set_index("group")
    paper = table.index.str.endswith(PAPER)
    assert (table["data"][paper] == data).all() and paper.sum() >= 2
    assert list(table.index[~paper]) == [MEANING[arm] for arm in ARMS]
    assert table["data"][~paper].str.contains("/data/mine.*16 people, 160 frames, 2 folds").all()
    ours = table[~paper]
    for axis in ("valence", "arousal"):
        value = ours[f"{measure}_{axis}"]
        assert (ours[f"{measure}_{axis}_low"] < value).all()
        assert (value < ours[f"{measure}_{axis}_high"]).all()
        assert value.idxmax() == MEANING["augmented"]
    # MSE on AFEW-VA's scale: 100 times that on [-1, 1]
    scale = 100 if measure == "pearson" else 1
    assert ours["mse_valence"][MEANING["repeated"]] == pytest.approx(0.64 * scale, rel=0.2)
    assert "shuffled labels (control)" in text


def test_the_gain_is_found_and_the_control_gains_nothing(folder, text):
    found = pd.read_csv(folder / "differences.csv").set_index(["arm", "axis"])
    assert (found.loc["augmented", "low"] > 0).all()
    assert (found.loc["shuffled", ["difference", "low", "high"]] == 0).all(axis=None)
    people = pd.read_csv(folder / "people.csv", dtype={"people": str})
    assert people["people"].tolist() == ["3", "3", "all", "all"]
    assert (people["difference"] > 0).all()


def test_curves_are_means_over_the_folds_that_were_still_learning(folder, text):
    curves = pd.read_csv(folder / "curves.csv").set_index("arm")
    assert list(curves) == ["2", "4", "6", "8", "10", "12"]
    np.testing.assert_allclose(curves.loc[MEANING["classic"]], curves.loc[MEANING["real"]])
    assert (np.diff(curves.loc[MEANING["real"]]) < 0).all()


def test_readers_are_compared_with_what_was_asked_and_with_smiles(folder, text):
    found = pd.read_csv(folder / "readings.csv").set_index(["network", "measure"])["value"]
    read = found.xs("trained on real frames only")
    assert read["CCC of valence asked and read, photograph images, 3 people"] > 0.9
    smile = "AUC of valence, smile over neutral, 2 real people"
    assert read[f"{smile}, within"] == 1 and read[f"{smile}, pooled"] == 0.75
