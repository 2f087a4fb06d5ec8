"""Canonical correlation analysis in closed form, and the exact moments it is made of."""

from fractions import Fraction

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import CCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from affect4d.validation import pearson
from affect4d.validation.cca import LinearCCA, joint_moments
from affect4d.validation.moments import MAX_FRAMES, Moments

FITTED = (
    "x_weights_", "y_weights_", "x_loadings_", "y_loadings_", "x_mean_", "y_mean_", "correlations_",
)  # fmt: skip


def two_views(n=600, p=12, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    Y = X @ rng.normal(size=(p, 2)) * 0.2 + noise * rng.normal(size=(n, 2))
    return X, Y


@parametrize_with_checks([LinearCCA(1)])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def least_squares(X, Y):
    design = np.c_[np.ones(len(X)), X]
    return design @ np.linalg.lstsq(design, Y, rcond=None)[0]


@pytest.mark.parametrize(("n", "p"), [(600, 12), (5000, 200), (250, 200)])
def test_cca_to_two_spans_the_least_squares_predictions(n, p):
    X, Y = two_views(n, p)
    oracle = least_squares(X, Y)
    again = least_squares(LinearCCA(2).fit(X, Y).transform(X), oracle)
    assert np.abs(again - oracle).max() < 1e-8 * oracle.std()


def test_cca_agrees_with_scikit_learn():
    X, Y = two_views()
    model = LinearCCA(2).fit(X, Y)
    ours, own = model.transform(X, Y)
    theirs = CCA(2, max_iter=5000, tol=1e-12).fit(X, Y).transform(X)
    for column in range(2):
        assert abs(pearson(ours[:, column], theirs[:, column])) > 1 - 1e-8
        assert pearson(ours[:, column], own[:, column]) == pytest.approx(
            model.correlations_[column], abs=1e-10
        )


def test_variates_are_white_with_fixed_signs_and_survive_collinear_columns():
    X, Y = two_views()
    plain = LinearCCA(2).fit(X, Y)
    more = np.c_[X, X[:, :3], np.ones(len(X))]
    doubled = LinearCCA(2).fit(more, Y)
    variates = plain.transform(X)
    assert np.allclose(variates.T @ variates / len(X), np.eye(2), atol=1e-9)
    assert np.allclose(doubled.transform(more), variates, atol=1e-7)
    assert np.allclose(LinearCCA(2).fit(-X, Y).transform(-X), variates, atol=1e-9)
    assert np.allclose(LinearCCA(2).fit(X * 1e6 + 1e8, Y).transform(X * 1e6 + 1e8), variates)
    assert (plain.y_weights_[np.abs(plain.y_weights_).argmax(0), [0, 1]] > 0).all()


def test_the_inverse_is_the_least_squares_estimate_of_the_views():
    X, Y = two_views()
    model = LinearCCA(2).fit(X, Y)
    variates, own = model.transform(X, Y)
    x_back, y_back = model.inverse_transform(variates, own)
    assert np.allclose(x_back, least_squares(variates, X), atol=1e-9)
    assert np.allclose(y_back, Y, atol=1e-9)  # two variates hold all of two columns
    assert np.array_equal(model.inverse_transform(variates), x_back)
    assert np.allclose(model.transform(x_back), variates, atol=1e-9)
    slope = np.cov(np.c_[variates, X].T, bias=True)[2:, :2]
    assert np.allclose(model.x_loadings_, slope, atol=1e-9)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_any_chunks_in_any_order_give_the_same_bits(data):
    X, Y = two_views(400, 6, seed=data.draw(st.integers(0, 99)))
    X = X.astype(data.draw(st.sampled_from([np.float32, np.float64])))
    X *= 10.0 ** np.arange(-9, 9, 3)  # chunks whose largest numbers lie on different levels
    X[data.draw(st.integers(0, 399)), 2] *= 1e5
    Y[:100] = 0
    whole = LinearCCA(2).fit(X, Y)
    cuts = sorted(data.draw(st.sets(st.integers(1, 399), max_size=12)))
    edges = [0, *cuts, 400]
    order = data.draw(st.permutations(range(len(edges) - 1)))
    moments, streamed = None, LinearCCA(2)
    for index in order:
        rows = slice(edges[index], edges[index + 1])
        part = joint_moments(X[rows], Y[rows])
        moments = part if moments is None else part.merge(moments)
        streamed.partial_fit(X[rows], Y[rows])
    merged = LinearCCA(2).fit_moments(moments, 6)
    blocks = (tuple(np.diff(edges).tolist()), -1)
    lazy = LinearCCA(2).fit(da.from_array(X, blocks), da.from_array(Y, 100))
    shuffled = np.random.default_rng(0).permutation(400)
    for other in (merged, streamed, lazy, LinearCCA(2).fit(X[shuffled], Y[shuffled])):
        for name in FITTED:
            assert getattr(other, name).tobytes() == getattr(whole, name).tobytes()


exact = st.integers(-(2**19), 2**19).map(lambda number: number / 1024)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(exact, exact), min_size=1, max_size=20))
def test_moments_are_rounded_once(rows):
    values = np.array(rows)
    numbers = [[Fraction(number) for number in row] for row in rows]
    means = [sum(column) / len(rows) for column in zip(*numbers, strict=True)]
    cross = sum(a * b for a, b in numbers) / len(rows) - means[0] * means[1]
    moments = Moments.of(values)
    assert np.allclose(moments.mean, [float(mean) for mean in means], rtol=1e-15, atol=0)
    assert moments.covariance[0, 1] == pytest.approx(float(cross), rel=1e-15, abs=0)


def test_a_mean_far_from_zero_costs_no_accuracy():
    values = np.random.default_rng(0).integers(-500, 500, (1000, 3)) / 1024.0
    assert np.array_equal(Moments.of(values).covariance, Moments.of(values + 2.0**18).covariance)


def test_moments_refuse_what_would_overflow_or_does_not_fit():
    moments = Moments.of(np.ones((2, 3)))
    with pytest.raises(ValueError, match="3 columns do not merge with 2"):
        moments.merge(Moments.of(np.ones((2, 2))))
    with pytest.raises(ValueError, match="overflow"):
        moments.merge(Moments(MAX_FRAMES, moments.levels, moments.sums, moments.products))


def test_partial_fit_waits_until_both_views_vary():
    X, Y = two_views(50)
    Y[:30] = 0.5
    model = LinearCCA().partial_fit(X[:1], Y[:1]).partial_fit(X[1:30], Y[1:30])
    assert not hasattr(model, "x_weights_")
    with pytest.raises(ValueError, match="not fitted"):
        model.transform(X)
    assert np.array_equal(
        model.partial_fit(X[30:], Y[30:]).x_weights_, LinearCCA().fit(X, Y).x_weights_
    )
    with pytest.raises(ValueError, match="11 features"):
        model.partial_fit(X[:, :11], Y)


def broken(values):
    values = values.copy()
    values[7, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("components", "change", "said"),
    [
        (2, lambda X, Y: (X, np.ones_like(Y)), "Y has no variance"),
        (2, lambda X, Y: (np.ones_like(X), Y), "X has no variance"),
        (3, lambda X, Y: (X, Y), "n_components=3 is not within 1 and 2"),
        (0, lambda X, Y: (X, Y), "n_components=0"),
        (2, lambda X, Y: (broken(X), Y), "X contains NaN"),
        (2, lambda X, Y: (X, broken(Y)), "Y contains NaN"),
        (2, lambda X, Y: (X, Y[:-1]), "inconsistent numbers of samples"),
        (2, lambda X, Y: (X[:1], Y[:1]), "n_samples=1"),
        (2, lambda X, Y: (X[:0], Y[:0]), "0 sample"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_bad_views_are_refused_in_one_line(components, change, said, lazy):
    X, Y = change(*two_views(50))
    if lazy:
        X, Y = da.from_array(X), da.from_array(Y)
    with pytest.raises(ValueError, match=said):
        LinearCCA(components).fit(X, Y)


def test_one_constant_label_leaves_one_variate():
    X, Y = two_views()
    Y[:, 0] = 0.25
    model = LinearCCA(2).fit(X, Y)
    assert model.n_components_ == 1 and model.transform(X).shape == (600, 1)
    assert abs(model.correlations_[0] - abs(pearson(Y[:, 1], least_squares(X, Y)[:, 1]))) < 1e-10


def test_more_columns_than_frames_fit_perfectly_and_say_so():
    X, Y = two_views(20, 30)
    assert LinearCCA(2).fit(X, Y).correlations_ == pytest.approx([1, 1])
