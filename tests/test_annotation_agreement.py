"""Annotators who differ: an axis left out, agreement as it was said, clips without change."""

import numpy as np
import pytest

from affect4d.annotation.agreement import cronbach_alpha, icc_2k, mean_ccc
from affect4d.annotation.files import COLUMNS, merge_folder, write_samples
from affect4d.annotation.merging import merge_tracks
from affect4d.annotation.tracks import Track, read_track

FPS = 25.0
TIME = np.arange(1000) / FPS  # 40 s, the last frame is 999


def truth(time=TIME):
    return np.stack([0.6 * np.sin(0.9 * time), 0.6 * np.sin(1.3 * time + 1)], axis=1)


def said(seed, gain=1.0, offset=0.0):
    noise = np.random.default_rng(seed).normal(0, 0.02, (len(TIME), 2))
    return Track(TIME, np.clip(gain * truth() + offset + noise, -1, 1))


def merge(tracks):
    return merge_tracks(tracks, {}, fps=FPS, min_correlation=0.3)


def asleep(track, values):
    return Track(track.time, np.stack([track.values[:, 0], values], axis=1))


@pytest.mark.parametrize(
    ("rule", "spread"), [("moved by less than 0.02", 5e-4), ("correlates by less than 0.3", 0.1)]
)
def test_who_is_asleep_on_one_axis_is_left_out_on_it_alone(rule, spread):
    noise = np.random.default_rng(9).normal(0, spread, len(TIME))
    tracks = {"anna": said(1), "ben": said(2), "chloe": asleep(said(3), 0.1 + noise)}
    merged = merge({"clip": tracks})
    chloe = merged.annotators["chloe"]
    assert chloe.excluded == "" and list(chloe.left_out) == ["arousal"]
    assert chloe.left_out["arousal"].startswith(rule)
    for person in merged.annotators.values():
        np.testing.assert_allclose(person.gain, 1, atol=0.05)
    middle = merged.track.set_index("frame").loc[100:900]
    for axis, (label, count) in enumerate((("valence", 3), ("arousal", 2))):
        np.testing.assert_allclose(middle[label], truth()[100:901, axis], atol=0.1)
        rows = merged.agreement[merged.agreement["axis"] == label]
        assert (rows["annotators"] == count).all()


def test_an_axis_of_one_annotator_alone_is_not_merged():
    tracks = {"anna": said(1), "ben": asleep(said(2), np.full(len(TIME), 0.1))}
    merged = merge({"clip": tracks})
    assert merged.track["valence"].notna().all() and merged.track["arousal"].isna().all()
    assert set(merged.agreement["axis"]) == {"valence"}


def test_agreement_is_that_of_what_was_said_and_noise_that_of_the_merged_track():
    tracks = {"anna": said(1), "ben": said(2, 0.3, 0.6), "chloe": said(3, 0.5, -0.6)}
    merged = merge({"clip": tracks})
    ratings = np.stack([track.values for track in tracks.values()], axis=2)
    for axis, row in enumerate(merged.agreement.drop_duplicates("axis").to_dict("records")):
        assert row["icc_2k"] == pytest.approx(icc_2k(ratings[:, axis]), abs=0.02)
        assert row["ccc"] == pytest.approx(mean_ccc(ratings[:, axis]), abs=0.02)
        assert row["alpha"] == pytest.approx(cronbach_alpha(ratings[:, axis]), abs=0.02)
        assert row["icc_2k"] < 0.9 and row["noise"] < 0.05


def test_over_all_sequences_the_same_annotators_are_compared():
    by_clip = {"a": ("anna", "ben"), "b": ("anna", "ben"), "c": ("chloe", "anna")}
    offsets = {"anna": 0.0, "ben": 0.0, "chloe": 0.4}
    tracks = {
        clip: {name: said([*name.encode()], offset=offsets[name]) for name in names}
        for clip, names in by_clip.items()
    }
    overall = merge(tracks).agreement.query("sequence == 'all'")
    assert (overall["icc_2k"] > 0.98).all()
    assert (overall["frames"] < 2 * len(TIME) + 1).all()


def test_agreement_of_still_ratings_is_not_defined():
    for ratings in (np.full((9, 3), 0.1), np.tile([0.1, 0.3, 0.7], (9, 1))):
        assert np.isnan([icc_2k(ratings), cronbach_alpha(ratings)]).all()
    assert np.isnan(mean_ccc(np.full((9, 3), 0.1)))
    one_moves = np.stack([np.full(9, 0.1), np.full(9, 0.1), np.linspace(0, 1, 9)], axis=1)
    assert mean_ccc(one_moves) == pytest.approx(0)


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_a_clip_in_which_nobody_moves_is_merged_with_the_others(offset):
    still = {
        name: Track(TIME, np.full((len(TIME), 2), 0.1 + k * offset))
        for k, name in enumerate(("anna", "ben"))
    }
    merged = merge({"clip": {"anna": said(1), "ben": said(2)}, "still": still})
    assert set(merged.track["sequence"]) == {"clip", "still"}
    measures = merged.agreement.set_index("sequence")
    assert measures.loc["still", ["icc_2k", "alpha"]].isna().all(axis=None)
    assert measures.loc["all", ["icc_2k", "ccc", "alpha"]].notna().all(axis=None)


@pytest.mark.parametrize("count", [1000, 1004])  # 1003 / 25 * 25 is less than 1003
def test_a_clip_has_the_frames_that_were_shown(count):
    time = np.arange(count) / FPS
    same = {name: Track(time, truth(time)) for name in ("anna", "ben")}
    assert merge({"clip": same}).track["frame"].tolist() == list(range(count))


ELAN = """<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER>
<TIER TIER_ID="{axis}">{annotations}</TIER></ANNOTATION_DOCUMENT>"""


def write_elan(path, axis, spans):
    slots, annotations = "", ""
    for k, (begin, end, value) in enumerate(spans):
        for name, time in (("b", begin), ("e", end)):
            slots += f'<TIME_SLOT TIME_SLOT_ID="{name}{k}" TIME_VALUE="{time * 1000:.0f}"/>'
        annotations += (
            f'<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="b{k}" TIME_SLOT_REF2="e{k}">'
            f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ELAN.format(slots=slots, axis=axis, annotations=annotations))


def test_annotations_of_elan_hold_from_begin_to_end_and_nothing_between_them(tmp_path):
    path = tmp_path / "anna.eaf"
    write_elan(path, "valence", [(20, 25, 0.5), (0, 10, -0.8), (10, 20, 0.8), (30, 31, 0.5)])
    time = np.array([0, 5, 9.99, 10, 15, 20, 22, 25, 27, 29.9, 30, 30.5, 31])
    expected = [-0.8, -0.8, -0.8, 0.8, 0.8, 0.5, 0.5, *[np.nan] * 3, 0.5, 0.5, np.nan]
    np.testing.assert_array_equal(read_track(path, fps=FPS).at(time)[:, 0], expected)


def test_axes_in_files_of_their_own_keep_their_times(tmp_path):
    """Of anna, valence in one annotation per 10 s, and arousal every 40 ms."""
    levels = (-0.8, 0.8, 0.2, -0.4)
    spans = [(10 * k, 10 * k + 10, value) for k, value in enumerate(levels)]
    steps = np.repeat(levels, 250)
    arousal = truth()[:, 1]
    for name in ("anna", "ben"):
        write_elan(tmp_path / f"in/clip/{name}.valence.eaf", "valence", spans)
        rows = [[t, None, a] for t, a in zip(TIME.tolist(), arousal.tolist(), strict=True)]
        write_samples(tmp_path / f"in/clip/{name}.arousal.csv", COLUMNS, rows)
    merged = merge_folder(tmp_path / "in", tmp_path / "out.csv", fps=FPS, min_correlation=0.3)
    np.testing.assert_allclose(merged.track["valence"], steps, atol=1e-4)
    np.testing.assert_allclose(merged.track["arousal"], arousal, atol=1e-4)
