"""Annotators joined: delays, scales, who is left out, agreement, and what is written."""

import numpy as np
import pandas as pd
import pytest
from support.annotators import DELAYS, FPS, curve, follow, person, target
from typer.testing import CliRunner

from affect4d.annotation.agreement import cronbach_alpha, icc_2k, mean_ccc
from affect4d.annotation.files import COLUMNS, write_samples
from affect4d.annotation.merging import merge_tracks, reaction_time
from affect4d.annotation.tracks import Track
from affect4d.cli import app
from affect4d.validation.metrics import ccc


def test_five_annotators_recover_the_curve_and_their_delays_and_the_sleeper_is_left_out():
    tracks = {
        f"clip{number}": {name: person(name, number, name == "eve") for name in DELAYS}
        for number in range(2)
    }
    reactions = {name: reaction_time(follow(target(), DELAYS[name]), target(), FPS)
                 for name in ("anna", "ben", "dev")}  # fmt: skip
    merged = merge_tracks(tracks, reactions, fps=FPS, min_correlation=0.3)
    assert merged.annotators["eve"].excluded.startswith("correlates by less than 0.3")
    for name in set(DELAYS) - {"eve"}:
        assert merged.annotators[name].excluded == ""
        assert merged.annotators[name].delay == pytest.approx(DELAYS[name], abs=0.04)
    for number, (_, rows) in enumerate(merged.track.groupby("sequence")):
        truth = curve(rows["frame"].to_numpy() / FPS, number)
        for k, axis in enumerate(("valence", "arousal")):
            assert ccc(rows[axis], truth[:, k]) >= 0.97
    overall = merged.agreement[merged.agreement["sequence"] == "all"]
    assert (overall["annotators"] == 4).all()
    assert overall["noise"].between(0.01, 0.03).all()  # tremor of .03 in four people: .015
    assert (overall["icc_2k"] > 0.97).all() and (overall["alpha"] > 0.97).all()


def test_without_a_calibration_delays_are_against_each_other():
    tracks = {"clip": {name: person(name) for name in DELAYS}}
    merged = merge_tracks(tracks, {}, fps=FPS, min_correlation=0.3)
    delays = {name: merged.annotators[name].delay for name in DELAYS}
    mean = np.mean(list(DELAYS.values()))
    assert delays == {name: pytest.approx(DELAYS[name] - mean, abs=0.04) for name in DELAYS}


def test_who_never_moves_is_left_out_and_two_are_needed():
    still = Track(np.arange(0, 40, 0.04), np.full((1000, 2), 0.1))
    said = {"anna": person("anna"), "ben": person("ben"), "eve": still}
    merged = merge_tracks({"clip": said}, {}, fps=FPS, min_correlation=0.3)
    assert merged.annotators["eve"].excluded == "moved by less than 0.02"
    del said["ben"]
    with pytest.raises(ValueError, match="1 of 2 annotators remain"):
        merge_tracks({"clip": said}, {}, fps=FPS, min_correlation=0.3)


def test_one_axis_alone_can_be_annotated():
    tracks = {"clip": {name: person(name) for name in ("anna", "ben", "chloe")}}
    for track in tracks["clip"].values():
        track.values[:, 1] = np.nan
    merged = merge_tracks(tracks, {}, fps=FPS, min_correlation=0.3)
    assert merged.track["arousal"].isna().all() and merged.track["valence"].notna().all()
    assert set(merged.agreement["axis"]) == {"valence"}


SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_agreement_is_the_textbook_s():
    """Shrout & Fleiss (1979), Table 4: ICC(2,k) .62, ICC(3,k), which is alpha, .91."""
    assert icc_2k(SHROUT_FLEISS) == pytest.approx(0.62, abs=5e-3)
    assert cronbach_alpha(SHROUT_FLEISS) == pytest.approx(0.91, abs=5e-3)
    k = 4
    items, total = SHROUT_FLEISS.var(0, ddof=1).sum(), SHROUT_FLEISS.sum(1).var(ddof=1)
    assert cronbach_alpha(SHROUT_FLEISS) == pytest.approx(k / (k - 1) * (1 - items / total))
    assert mean_ccc(np.stack([np.arange(5.0)] * 3, 1)) == pytest.approx(1)


def test_reaction_time_is_that_of_the_calibration():
    for delay in (0.1, 0.35, 0.8):
        assert reaction_time(follow(target(), delay), target(), FPS) == pytest.approx(
            delay, abs=0.02
        )


def test_merge_writes_the_gallery_s_columns(tmp_path):
    for name in ("anna", "ben", "chloe"):
        track = person(name)
        rows = np.column_stack([track.time, track.values]).tolist()
        write_samples(tmp_path / "in/clip" / f"{name}.csv", COLUMNS, rows)
    write_samples(tmp_path / "in/clip/dev.part.csv", COLUMNS, [[0, 0, 0]])  # not finished
    out = tmp_path / "merged.csv"
    done = CliRunner().invoke(app, ["annotations", "merge", str(tmp_path / "in"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "anna: delay" in done.output and "dev" not in done.output and "ICC(2,k)" in done.output
    table = pd.read_csv(out)
    assert list(table) == ["sequence", "frame", "valence", "arousal", "annotators"]
    assert set(table["sequence"]) == {"clip"} and (table["annotators"] >= 2).all()
    assert len(pd.read_csv(tmp_path / "merged_annotators.csv")) == 3
    assert set(pd.read_csv(tmp_path / "merged_agreement.csv")["sequence"]) == {"all", "clip"}
    empty = CliRunner().invoke(app, ["annotations", "merge", str(tmp_path / "none")])
    assert empty.exit_code == 1 and "holds no track" in empty.output
