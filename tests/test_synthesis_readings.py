"""What is read of a build's sample; the optional gate. The networks are a stub."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.contexts import context
from support.faces import chunk_of_people, write_atlas, write_expressions

from affect4d import store
from affect4d.artifacts.readers import READ, READINGS, STATED, SUMMARY
from affect4d.config.readers import Settings as ReadersSettings
from affect4d.config.synthesis import Settings
from affect4d.quarantine import BadInput
from affect4d.readers import environment, reading
from affect4d.readers.expected import GROUPS, quadrant
from affect4d.readers.motion import agreement
from affect4d.synthesis.readings import read_sample
from affect4d.template.anatomy import default_anatomy

STUB = Path(__file__).parent / "support" / "stub_readers.py"
SETTINGS = Settings(size=96)


@pytest.fixture
def readers(tmp_path, monkeypatch):
    """Readers that need no network, and a detector that finds the same face everywhere."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STUB}" "$2" "$3"\n')
    interpreter.chmod(0o755)
    monkeypatch.setenv(environment.VARIABLE, str(interpreter))
    monkeypatch.setattr(environment, "find_spec", lambda name: True)
    marks = np.random.default_rng(0).uniform(30, 60, (68, 2))
    monkeypatch.setattr(reading, "detect_landmarks", lambda image: marks)


def built(root):
    """A results folder with a chunk of one usable photograph."""
    write_expressions(root / "blendshapes/expressions.zarr")
    chunk_of_people(root, write_atlas(root / "atlas.zarr"), SETTINGS)
    return root


def read(root, **sample):
    read_sample(
        context(root, "readers"),
        [root / "synthesis/people/000.zarr"],
        anatomy=default_anatomy(),
        settings=ReadersSettings(**sample),
        synthesis=SETTINGS,
    )
    return pd.read_parquet(READINGS.path(root)), pd.read_csv(SUMMARY.path(root))


def test_a_photograph_its_images_and_the_expressions_are_read(tmp_path, readers):
    root = built(tmp_path / "results")
    table, summary = read(root)
    assert table.columns.tolist() == READINGS.names
    assert table["asked"].tolist() == ["photograph", "v-0.5_a+0.3", "v+0.5_a+0.5", "happiness"]
    assert table["image_id"].tolist() == [
        "people-a",
        "people-a-v-0.5_a+0.3",
        "people-a-v+0.5_a+0.5",
        "people-a-happiness",
    ]
    assert set(table["subject"]) == {"p1"} and set(table["neutral_image_id"]) == {"people-a"}
    assert table["rise"].isna().tolist() == [True, False, False, False]
    gain = table["probability_happiness"] - table.loc[0, "probability_happiness"]
    np.testing.assert_allclose(table["rise"][2:], gain[2:])
    assert table["rise"][1] == 0  # the stub knows neither anger nor disgust nor fear
    assert summary["group"].tolist() == [g for g in GROUPS if g in set(table["group"])]
    assert summary["images"].sum() == 4 and store.verify(READ.manifest(root)) == []
    before = READINGS.path(root).read_bytes()
    read(root)
    assert READINGS.path(root).read_bytes() == before
    small, _ = read(root, images=1)
    assert len(small) == 3 and set(small["image_id"]) < set(table["image_id"])


@pytest.mark.parametrize("absent", [True, False])
def test_without_readers_the_tables_are_empty_and_the_reason_is_stated(
    tmp_path, monkeypatch, readers, absent
):
    root = built(tmp_path / "results")
    if absent:
        monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "none"))
    table, summary = read(root) if absent else read(root, photographs=0)
    assert table.empty and summary.empty and table.columns.tolist() == READINGS.names
    stated = json.loads(STATED.path(root).read_text())
    assert stated["installed"] is not absent
    assert ("make face-readers" in stated["obstacle"]) == absent


def test_the_gate_leaves_out_what_is_not_read_as_its_label_asks(tmp_path, readers):
    def images(name, **gate):
        root = tmp_path / name
        settings = SETTINGS.model_copy(update=gate)
        out = chunk_of_people(root, write_atlas(root / "atlas.zarr"), settings)
        with (out / "quarantine/000.csv").open() as file:
            rules = [row["rule"] for row in csv.DictReader(file) if row["item"][:7] == "people-"]
        return store.open(out / "000.zarr").attributes["image_ids"], rules

    everything, none = images("off")
    assert len(everything) == 2 and not none
    assert images("low", min_read=-1.0) == (everything, [])
    left, rules = images("high", min_read=1.0)
    assert left == [] and len(rules) == 2
    assert "happiness, surprise gain" in rules[1]


def test_the_gate_needs_the_readers(tmp_path, monkeypatch):
    monkeypatch.setenv(environment.VARIABLE, str(tmp_path / "none"))
    settings = SETTINGS.model_copy(update={"min_read": 0.0})
    with pytest.raises(BadInput, match="make face-readers"):
        chunk_of_people(tmp_path, write_atlas(tmp_path / "atlas.zarr"), settings)


@pytest.mark.parametrize(
    ("point", "name"),
    [
        ((0.6, 0.2), "aroused, positive"),
        ((-0.6, 0.2), "aroused, negative"),
        ((-0.6, -0.2), "calm, negative"),
        ((0.6, -0.2), "calm, positive"),
        ((0.2, -0.2), "near the centre"),
    ],
)
def test_what_a_label_should_be_read_as(point, name):
    assert quadrant(*point) == name and GROUPS[name]


def test_motion_agrees_where_it_is_the_same_but_for_its_size():
    asked = np.random.default_rng(0).normal(size=(3, 68, 2))
    found = asked * np.array([2.0, -1.0, 0.0])[:, None, None]
    correlation, ratio = agreement(found, asked)
    np.testing.assert_allclose(correlation, [1, -1, np.nan])
    np.testing.assert_allclose(ratio, [2, 1, 0])
    assert np.isnan(agreement(asked, 0 * asked)[1]).all()
