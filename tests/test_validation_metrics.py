"""CCC, MSE and Pearson's correlation, and their intervals over resampled subjects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from affect4d.validation import ccc, mse, pearson
from affect4d.validation.metrics import bootstrap

pairs = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=30)


@settings(deadline=None)  # the machine may be busy
@given(pairs)
def test_metrics_agree_with_their_definitions(values):
    y, p = np.array(values).T
    sxy = np.mean(y * p) - y.mean() * p.mean()
    scatter = np.var(y) + np.var(p) + (y.mean() - p.mean()) ** 2
    if scatter > 1e-6:
        assert ccc(y, p) == pytest.approx(2 * sxy / scatter, abs=1e-7)
        assert abs(ccc(y, p)) <= 1 + 1e-12
    assert mse(y, p) == pytest.approx(sum((a - b) ** 2 for a, b in values) / len(values))
    if min(np.std(y), np.std(p)) > 1e-3:
        assert pearson(y, p) == pytest.approx(pearsonr(y, p)[0], abs=1e-6)


def test_ccc_falls_with_bias_and_scale_where_pearson_does_not():
    y = np.linspace(-1, 1, 50)
    assert ccc(y, y) == pytest.approx(1) and pearson(y, y / 2 + 1) == pytest.approx(1)
    assert ccc(y, y + 0.5) < 1 and ccc(y, y / 2) == pytest.approx(0.8)
    assert ccc(y, -y) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("measure", "y", "p", "said"),
    [
        (ccc, [1, 1], [1, 1], "both are the same constant"),
        (pearson, [1, 1], [1, 2], "constant annotations"),
        (pearson, [1, 2], [0.1, 0.1], "constant predictions"),
        *[(measure, [], [], "one length") for measure in (ccc, mse, pearson)],
        *[(measure, [1, 2], [1], "one length") for measure in (ccc, mse, pearson)],
        *[(measure, [[1]], [[1]], "one length") for measure in (ccc, mse, pearson)],
        *[(measure, [0, np.nan], [0, 1], "1 of 2 annotations") for measure in (ccc, mse, pearson)],
        *[(measure, [0, 1], [np.inf] * 2, "2 of 2 predictions") for measure in (ccc, mse, pearson)],
    ],
)
def test_what_cannot_be_compared_is_refused(measure, y, p, said):
    with pytest.raises(ValueError, match=said):
        measure(y, p)


def test_ccc_with_a_constant_that_is_not_both_is_zero():
    assert ccc([1, 1], [1, 2]) == 0 and ccc([1, 2], [3, 3]) == 0


def observed(subjects, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(subjects), rng.integers(1, 60, subjects))
    y = rng.uniform(-1, 1, len(groups))
    return y, 0.7 * y + rng.normal(scale=0.3, size=len(y)) + 0.1 * np.sin(groups), groups


def test_intervals_are_those_of_frames_gathered_subject_by_subject():
    y, p, groups = observed(9)
    intervals = bootstrap(y, p, groups, resamples=300, rng=np.random.default_rng(4))
    rows = [np.flatnonzero(groups == group) for group in range(9)]
    drawn = np.random.default_rng(4).integers(9, size=(300, 9))
    gathered = [np.concatenate([rows[group] for group in draw]) for draw in drawn]
    for name, measure in (("ccc", ccc), ("mse", mse), ("pearson", pearson)):
        values = [measure(y[rows], p[rows]) for rows in gathered]
        assert intervals[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-12)


def test_intervals_do_not_depend_on_the_order_of_frames_or_the_scale_of_the_mean():
    y, p, groups = observed(20)
    order = np.random.default_rng(1).permutation(len(y))
    one, two, far = (
        bootstrap(*arrays, resamples=500, rng=np.random.default_rng(0))
        for arrays in (
            (y, p, groups),
            (y[order], p[order], groups[order]),
            (y + 1e4, p + 1e4, groups),
        )
    )
    for name in one:
        assert one[name] == pytest.approx(two[name], abs=1e-12)
        assert one[name] == pytest.approx(far[name], abs=1e-8)


def test_one_subject_has_no_spread_and_no_resamples_no_interval():
    y, p, _ = observed(9)
    rng = np.random.default_rng(0)
    alone = bootstrap(y, p, np.full(len(y), "a"), resamples=20, rng=rng)
    assert alone["ccc"] == pytest.approx([ccc(y, p)] * 2)
    assert np.isnan(bootstrap(y, p, np.full(len(y), "a"), resamples=0, rng=rng)["mse"]).all()
    single = bootstrap([0.1, 0.5, -0.3], [0.2, 0.3, 0.0], list("aab"), resamples=100, rng=rng)
    assert all(np.isfinite(bounds).all() for bounds in single.values())
    with pytest.raises(ValueError, match="2 groups for 3 frames"):
        bootstrap([0.1, 0.5, -0.3], [0.2, 0.3, 0.0], list("ab"), resamples=100, rng=rng)


def test_constant_predictions_have_a_ccc_of_zero_and_no_pearson():
    y, _, groups = observed(9)
    ends = bootstrap(y, np.full(len(y), 0.3), groups, resamples=100, rng=np.random.default_rng(0))
    assert ends["ccc"] == pytest.approx((0, 0), abs=1e-12) and np.isnan(ends["pearson"]).all()


def test_resamples_never_touch_frames_again(monkeypatch):
    y, p, groups = observed(20)
    sizes = []

    def counted(values, *others, count=np.bincount, **named):
        sizes.append(len(values))
        return count(values, *others, **named)

    monkeypatch.setattr(np, "bincount", counted)
    passes = []
    for resamples in (100, 10_000):
        sizes.clear()
        bootstrap(y, p, groups, resamples=resamples, rng=np.random.default_rng(0))
        passes.append(sizes.count(len(y)))
        assert sorted(sizes) == sorted([len(y)] * passes[-1] + [20 * resamples])
    assert passes == [6, 6]
