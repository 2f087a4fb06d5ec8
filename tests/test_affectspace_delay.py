"""The delay of annotations: estimated from what faces show, and taken out of the labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect4d.affectspace.delay import STEP, AnnotatedMotion, compensate, estimate_delays
from affect4d.config.gallery import Settings, Synthetic, subjects
from affect4d.gallery.synthetic.noise import smooth_noise
from affect4d.gallery.synthetic.sequences import takes
from affect4d.random_streams import named_rng


def sequences(delays, length=40, noise=0.1, seed=0):
    """Motion that follows affect along a mixing of its own, annotated late and with errors."""
    rng = named_rng(seed, "delays")
    mixing, made = rng.normal(size=(2, 30)), []
    for delay in delays:
        time = np.arange(length, dtype=float)
        knots = rng.uniform(-0.8, 0.8, (2, 9))
        at = np.linspace(0, length, 9)
        affect = np.stack([np.interp(time, at, k) for k in knots], axis=1)
        said = np.stack([np.interp(time - delay, at, k) for k in knots], axis=1)
        motion = affect @ mixing + noise * rng.normal(size=(length, 30))
        made.append(AnnotatedMotion(time, motion, said + 0.05 * rng.normal(size=said.shape)))
    return made


@given(st.floats(0.5, 2.5), st.floats(0, 1), st.sampled_from([3.0, 8.0]), st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_no_delay_is_preferred_where_faces_start_at_rest_and_do_not_show_all(
    middle, unseen, correlation, seed
):
    rng, length = named_rng(seed, "from rest"), 30
    time, mixing, made = np.arange(float(length)), rng.normal(size=(2, 30)), []
    true = middle + rng.uniform(-0.5, 0.5, 24)
    for delay in true:
        shown, hidden = (smooth_noise(rng, length, correlation, channels=2) for _ in "ab")
        growth = np.minimum(time / 9, 1)[:, None]
        motion = growth * shown @ mixing + 0.3 * rng.normal(size=(length, 30))
        felt = growth * (shown + unseen * hidden)
        said = np.stack([np.interp(time - delay, time, axis) for axis in felt.T], axis=1)
        made.append(AnnotatedMotion(time, motion, said))
    found = estimate_delays(made, 3.0)
    assert np.median(np.abs(found - true)) <= 0.5 and abs(np.mean(found - true)) <= 0.35


@pytest.mark.parametrize("delay", [0.0, 1.0, 2.5])
def test_a_common_delay_is_found(delay):
    found = estimate_delays(sequences([delay] * 12), 4.0)
    assert np.abs(np.median(found) - delay) <= STEP
    assert np.abs(found - delay).max() <= 4 * STEP


def test_each_sequence_gets_its_own():
    true = np.linspace(0.5, 3.0, 16)
    found = estimate_delays(sequences(true), 4.0)
    assert np.corrcoef(found, true)[0, 1] > 0.9


def test_without_motion_to_go_by_nothing_is_shifted():
    assert estimate_delays([], 3.0).size == 0
    assert (estimate_delays(sequences([1.0] * 3), 0.0) == 0).all()
    assert (estimate_delays(sequences([1.0], length=4), 3.0) == 0).all()


def test_of_the_embedded_gallery_the_true_delay_is_found_and_labels_come_closer():
    spontaneous = [
        take
        for subject in subjects(Settings())
        for take in takes(Synthetic(), subject, 0)
        if take.task == "spontaneous"
    ]
    shown = [take.affect for take in spontaneous]

    def scanned(seed):
        rng = named_rng(seed, "scanner")
        return [
            AnnotatedMotion(
                np.arange(len(take.units), dtype=float),
                take.units + 0.2 * rng.normal(size=take.units.shape),
                take.annotation,
            )
            for take in spontaneous
        ]

    # reactions of .2 to .5 s at 3 Hz: 1.05 frames in the middle, the mean of 72 sequences'
    # .03 beside it; were annotations not brought to the same variance, it would be .1 less
    means = [np.mean(estimate_delays(scanned(seed), 3.0)) for seed in range(8)]
    assert abs(np.mean(means) - 1.05) <= 0.06
    seen = scanned(0)
    found = estimate_delays(seen, 3.0)

    def error(delays):
        pairs = zip(seen, delays, shown, strict=True)
        return np.nanmean(np.concatenate([(s.delayed(d) - a) ** 2 for s, d, a in pairs]))

    assert error(found) < 0.5 * error(np.zeros(len(found)))


def table(values, delay):
    frames = pd.DataFrame({"sequence": "q", "frame": range(len(values)), "valence": values})
    return compensate(frames.assign(arousal=frames["valence"] / 2), {"q": delay})


@given(st.floats(0.25, 3.0), st.floats(-0.1, 0.1), st.floats(-0.3, 0.3))
def test_a_linear_course_is_shifted_exactly(delay, slope, start):
    values = start + slope * np.arange(7)
    moved = table(values, delay)
    kept = ~moved["is_late"]
    np.testing.assert_allclose(moved["valence"][kept], (values + slope * delay)[kept], atol=1e-12)
    assert moved.loc[~kept, ["valence", "arousal"]].isna().all(axis=None)
    assert kept.sum() == 7 - int(np.ceil(delay))


def test_an_annotation_outside_the_plane_stays_and_reaches_no_other_frame():
    moved = table([0.1, 0.1, 1.4, 0.1, 0.1], 1.0)
    assert moved["valence"].tolist()[:4:2] == pytest.approx([0.1, 1.4])
    assert moved["valence"][3] == pytest.approx(0.1)
    # the second frame's annotation is the one outside, the last one's would come after the end
    assert moved["valence"].isna().tolist() == [False, True, False, False, True]
    assert moved["is_late"].tolist() == [False, True, False, False, True]


def test_no_label_is_invented_where_an_annotation_is_missing():
    moved = table([0.1, 0.2, np.nan, 0.4, 0.5], 0.5)
    assert moved["valence"].isna().tolist() == [False, True, True, False, True]
    # the frame without an annotation of its own is reported, its neighbour is not
    assert moved["is_late"].tolist() == [False, True, False, False, True]


def test_without_a_delay_the_table_is_as_it_was():
    moved = table([0.1, np.nan, 0.3], 0.0)
    assert moved["valence"].tolist()[::2] == [0.1, 0.3] and not moved["is_late"].any()
