"""The split by subject, and the regression that keeps to it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from affect4d.affectspace import Grid
from affect4d.config.validation import Settings
from affect4d.quarantine import BadInput
from affect4d.random_streams import named_rng
from affect4d.validation.frames import Frames
from affect4d.validation.regression import Regression, evaluate
from affect4d.validation.search import sample_evenly, search_parameters
from affect4d.validation.split import TEST, chi_square, split_subjects

SMALL = {"gammas": [0.3], "costs": [1.0], "epsilons": [0.1], "bootstrap": 50}
SEARCHED = SMALL | {"gammas": [0.1, 1.0], "costs": [0.1, 1.0], "epsilons": [0.05, 0.2]}


def labelled(subjects, seed=0):
    """Subjects of different lengths, each about its own place in the plane."""
    rng = np.random.default_rng(seed)
    parts = []
    for index in range(subjects):
        count = rng.integers(20, 200)
        place = rng.uniform(-0.7, 0.7, 2)
        labels = np.clip(place + 0.15 * rng.normal(size=(count, 2)), -1, 1)
        parts.append(
            pd.DataFrame(labels, columns=["valence", "arousal"]).assign(subject=f"s{index}")
        )
    return pd.concat(parts, ignore_index=True)


def test_the_split_is_by_subject_and_depends_on_names_only():
    frames = labelled(12)
    split = split_subjects(frames, 0.25, 0)
    assert list(split.columns) == ["subject", "set"]
    assert split["subject"].tolist() == sorted(set(frames["subject"]))
    assert split["set"].value_counts().to_dict() == {"train": 9, "test": 3}
    assert split.equals(split_subjects(frames.sample(frac=1, random_state=0), 0.25, 0))
    many = labelled(40)
    assert not split_subjects(many, 0.25, 0).equals(split_subjects(many, 0.25, 1))


def held_share(frames, split):
    return frames["subject"].isin(split.loc[split["set"] == TEST, "subject"]).to_numpy()


def distance(frames, test, share):
    cell = Grid().assign(frames["valence"], frames["arousal"])
    return chi_square(
        np.bincount(cell[test], minlength=100)[None], np.bincount(cell, minlength=100), share
    )[0]


def test_the_test_set_spreads_over_the_plane_as_all_frames_do():
    frames = labelled(40)
    own = held_share(frames, split_subjects(frames, 0.2, 0))
    assert own.mean() == pytest.approx(0.2, abs=0.03)
    rng = np.random.default_rng(0)
    drawn = [
        distance(
            frames, frames["subject"].isin(rng.permutation(frames["subject"].unique())[:8]), 0.2
        )
        for _ in range(200)
    ]
    assert distance(frames, own, 0.2) < np.quantile(drawn, 0.01)


def test_chi_square_is_zero_for_the_share_itself_and_skips_empty_cells():
    whole = np.array([10.0, 0.0, 30.0])
    counts = np.array([[2.0, 0.0, 6.0], [8.0, 0.0, 0.0]])
    assert chi_square(counts, whole, 0.2) == pytest.approx([0, 36 / 2 + 6])


def test_a_split_needs_two_subjects_and_leaves_no_set_empty():
    frames = labelled(2)
    for share in (0.01, 0.99):
        assert set(split_subjects(frames, share, 0)["set"]) == {"train", "test"}
    with pytest.raises(ValueError, match="two subjects, not 1"):
        split_subjects(frames[frames["subject"] == "s0"], 0.5, 0)
    for wrong in (np.nan, 1.5):
        with pytest.raises(ValueError, match="1 labels lie outside"):
            split_subjects(frames.assign(valence=np.r_[wrong, frames["valence"][1:]]), 0.5, 0)


def observed(subjects=20, length=150, seed=0):
    """Frames whose labels the features carry up to noise; the attainable CCC is about .9."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(-1, 1, size=(subjects * length, 2))
    carried = labels + rng.normal(scale=0.25, size=labels.shape)
    mixing = rng.normal(size=(2, 10))
    features = np.tanh(carried @ mixing) + rng.normal(scale=0.1, size=(len(labels), 10))
    return Frames(features, labels, np.repeat([f"s{i:02d}" for i in range(subjects)], length))


def parts(frames, held=6):
    test = np.isin(frames.subjects, sorted(set(frames.subjects))[:held])
    return frames[~test], frames[test]


def test_carried_affect_is_found_on_unseen_subjects():
    row = evaluate(*parts(observed()), Settings(**SMALL), rng=named_rng(0, "t")).row
    for axis in ("valence", "arousal"):
        assert 0.8 < row[f"ccc_{axis}"] < 0.97
        assert row[f"ccc_{axis}_low"] < row[f"ccc_{axis}"] < row[f"ccc_{axis}_high"]


@pytest.mark.parametrize("seed", [0, 1])
def test_with_shuffled_labels_nothing_is_found(seed):
    frames = observed(subjects=30)
    labels = frames.labels[np.random.default_rng(seed).permutation(len(frames))]
    shuffled = Frames(frames.features, labels, frames.subjects)
    settings = Settings(**SMALL | {"gammas": [0.1, 1.0]})
    row = evaluate(*parts(shuffled, 8), settings, rng=named_rng(0, "t")).row
    assert abs(row["ccc_valence"]) < 0.05 and abs(row["ccc_arousal"]) < 0.05


def content(value):
    """Bytes of all that an object holds, attribute by attribute."""
    if isinstance(value, np.ndarray | np.generic):
        return repr(value.dtype), value.shape, value.tobytes()
    if isinstance(value, list | tuple):
        return tuple(content(item) for item in value)
    if dataclasses.is_dataclass(value):
        return content([getattr(value, field.name) for field in dataclasses.fields(value)])
    if hasattr(value, "__dict__"):
        return tuple((name, content(item)) for name, item in sorted(vars(value).items()))
    return repr(value)


@pytest.mark.parametrize("method", ["exact", "nystroem"])
def test_nothing_of_the_test_subjects_reaches_the_fit(method):
    frames = observed(subjects=10, length=60)
    settings = Settings(**SEARCHED | {"regressor": method})
    train, test = parts(frames)
    rng = np.random.default_rng(0)
    held = np.isin(frames.subjects, test.subjects)
    order = np.arange(len(frames))
    order[held] = rng.permutation(order[held])
    moved = Frames(frames.features[order] + 3.0 * held[:, None], frames.labels, frames.subjects)
    fitted = content(Regression(settings).fit(train))
    assert fitted == content(Regression(settings).fit(moved[~held]))
    assert str(Settings) not in str(fitted) and "machines_" in str(fitted)
    changed = Frames(train.features, np.roll(train.labels, 1, axis=0), train.subjects)
    assert fitted != content(Regression(settings).fit(changed))


def test_predictions_of_a_frame_do_not_depend_on_the_others():
    train, test = parts(observed(subjects=10, length=60))
    model = Regression(Settings(**SMALL)).fit(train)
    assert np.allclose(
        model.predict(test.features)[:10], model.predict(test.features[:10]), atol=1e-12
    )


def test_the_search_chooses_what_serves_unseen_subjects():
    frames = observed(length=100)
    settings = Settings(gammas=[0.3, 300.0], costs=[1.0, 1e-6], epsilons=[0.1, 5.0])
    right = (0.3, 1.0, 0.1)
    chosen = search_parameters(frames, 1.0, settings)
    assert [choice.parameters for choice in chosen] == [right] * 2
    assert all(0.8 < choice.ccc < 0.97 for choice in chosen)
    few = frames[sample_evenly(frames.subjects, 200)]
    assert [choice.parameters for choice in search_parameters(few, 10.0, settings)] == [right] * 2
    alone = search_parameters(frames[:100], 1.0, settings)
    assert [choice.parameters for choice in alone] == [right] * 2
    assert all(np.isnan(choice.ccc) for choice in alone)


def test_the_sample_of_the_search_is_spread_over_subjects_and_time():
    subjects = np.array(["a"] * 1000 + ["b"] * 10 + ["c"] * 501, dtype=object)
    rows = sample_evenly(subjects, 300)
    assert pd.Series(subjects[rows]).value_counts().to_dict() == {"a": 100, "c": 100, "b": 10}
    assert np.array_equal(rows, np.unique(rows)) and set(np.diff(rows[:100])) == {10}
    assert np.array_equal(sample_evenly(subjects, 10**6), np.arange(len(subjects)))
    assert len(sample_evenly(subjects, 1)) == 3


def test_a_subject_with_one_frame_is_fitted_and_tested():
    frames = observed(subjects=8, length=60)
    kept = np.r_[0, 60, 120:480]  # s00 and s01 keep one frame each
    few = frames[kept]
    test = np.isin(few.subjects, ["s00", "s02", "s03"])
    row = evaluate(few[~test], few[test], Settings(**SEARCHED), rng=named_rng(0, "t")).row
    assert all(np.isfinite(value) for value in row.values())


def nan_features(train, test):
    train.features[5, 2] = np.nan


def nan_labels(train, test):
    test.labels[5:7, 1] = np.nan


def constant_labels(train, test):
    train.labels[:, 1] = 0.25


def constant_test(train, test):
    test.labels[:, 0] = 0.25


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (nan_features, r"1 training frames have weights that are not finite.*subject s06"),
        (nan_labels, r"2 test frames have labels that are not finite.*subject s00"),
        (constant_labels, "arousal is constant over the training set"),
        (constant_test, "valence is constant over the test set"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_one_line(spoil, said):
    train, test = parts(observed(subjects=10, length=20))
    spoil(train, test)
    with pytest.raises(BadInput, match=said):
        evaluate(train, test, Settings(**SMALL), rng=named_rng(0, "t"))


def test_sets_that_are_empty_too_small_or_overlap_are_refused():
    train, test = parts(observed(subjects=10, length=20))
    settings = Settings(**SMALL)
    with pytest.raises(BadInput, match="the test set is empty"):
        evaluate(train, test[:0], settings, rng=named_rng(0, "t"))
    with pytest.raises(BadInput, match="the training set is empty"):
        evaluate(train[:0], test, settings, rng=named_rng(0, "t"))
    with pytest.raises(BadInput, match="10 training frames do not outnumber 10 components"):
        evaluate(train[:10], test, settings, rng=named_rng(0, "t"))
    with pytest.raises(ValueError, match="both sets"):
        evaluate(train, train, settings, rng=named_rng(0, "t"))
