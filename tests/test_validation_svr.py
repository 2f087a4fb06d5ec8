"""Support vector regression: the exact solver and the primal on finite features."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from affect4d.validation import ccc
from affect4d.validation.primal import THINNED_ROWS, minimise
from affect4d.validation.svr import KernelSVR, fit_kernel, kernel_features, predict_from_kernel


def curved(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, np.tanh(X[:, 0]) + 0.3 * X[:, 1] ** 2 + 0.2 * rng.standard_t(3, size=n)


@parametrize_with_checks([KernelSVR("exact"), KernelSVR("nystroem")])
def test_it_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("gamma", "C", "epsilon"),
    [(0.1, 0.1, 0.05), (0.5, 1.0, 0.1), (1.0, 10.0, 0.2), ("scale", 1.0, 0.0)],
)
def test_exact_and_nystroem_regression_agree(gamma, C, epsilon):
    X, y = curved(2500)
    new, truth = curved(1500, seed=1)
    exact, approximate = (
        KernelSVR(method, gamma=gamma, C=C, epsilon=epsilon).fit(X, y).predict(new)
        for method in ("exact", "nystroem")
    )
    assert np.abs(exact - approximate).mean() < 0.01
    assert abs(ccc(truth, exact) - ccc(truth, approximate)) < 0.001
    assert ccc(truth, exact) > 0.8


def objective(Z, y, weights, *, C, epsilon):
    loss = np.maximum(np.abs(y - Z.astype(float) @ weights) - epsilon, 0).sum()
    return 0.5 * weights[:-1] @ weights[:-1] + C * loss


@pytest.mark.parametrize("n", [400, 2 * THINNED_ROWS + 1])
@pytest.mark.parametrize(("C", "epsilon"), [(0.01, 0.1), (1.0, 0.3)])
def test_the_minimum_is_within_its_bound_of_every_other(n, C, epsilon):
    # Of a convex function no nearby point is lower if none along random directions is.
    X, y = curved(n)
    Z = kernel_features(fit_kernel(X, 0.5, 20, seed=0), X)
    weights = minimise(Z, y, C=C, epsilon=epsilon)
    minimum = objective(Z, y, weights, C=C, epsilon=epsilon)
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1, 1):
        for _ in range(10):
            other = weights + size * rng.normal(size=len(weights))
            assert minimum <= objective(Z, y, other, C=C, epsilon=epsilon) * (1 + 1e-4)


def test_all_rows_reproduce_the_kernel_and_its_features_stay_finite():
    X, _ = curved(60)
    kernel = fit_kernel(X, 0.5, 60, seed=0)
    Z = kernel_features(kernel, X).astype(float)
    assert np.array_equal(Z[:, -1], np.ones(60)) and Z.shape[1] <= 61
    assert np.allclose(Z[:, :-1] @ Z[:, :-1].T, rbf_kernel(X, gamma=0.5), atol=1e-5)
    weights = np.random.default_rng(0).normal(size=(Z.shape[1], 2))
    assert np.allclose(predict_from_kernel(kernel, X, weights), Z @ weights, atol=1e-4)
    one = np.ones((1, 2))
    same = fit_kernel(np.repeat(one, 50, axis=0), 0.5, 10, seed=0)
    products = kernel_features(same, X)[:, :-1] @ kernel_features(same, one)[0, :-1]
    assert np.allclose(products, rbf_kernel(X, one, gamma=0.5)[:, 0], atol=1e-5)


def test_regression_takes_several_targets_and_chooses_its_method():
    X, y = curved(300)
    model = KernelSVR(exact_limit=200).fit(X, np.c_[y, -y])
    assert model.method_ == "nystroem" and model.predict(X).shape == (300, 2)
    assert np.allclose(model.predict(X)[:, 0], -model.predict(X)[:, 1], atol=1e-3)
    one = KernelSVR("nystroem").fit(X, y).predict(X)
    assert np.array_equal(one, KernelSVR("nystroem").fit(X, y).predict(X))
    assert np.allclose(one, model.predict(X)[:, 0], atol=1e-12)
    assert KernelSVR().fit(X, y).method_ == "exact"


def test_gamma_scale_is_scikit_learns():
    X, y = curved(200)
    X *= 3
    assert KernelSVR().fit(X, y).gamma_ == pytest.approx(1 / (2 * X.var()))
    assert KernelSVR().fit(X, y).machines_[0]._gamma == pytest.approx(1 / (2 * X.var()))
    assert KernelSVR("nystroem").fit(np.ones((20, 2)), y[:20]).gamma_ == 1


@pytest.mark.parametrize("method", ["exact", "nystroem"])
def test_regression_of_a_constant_is_that_constant(method):
    X, _ = curved(100)
    assert np.allclose(KernelSVR(method).fit(X, np.full(100, 0.3)).predict(X), 0.3, atol=0.11)


def test_outliers_pull_less_than_on_least_squares():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(2000, 1))
    y = X[:, 0] + 0.05 * rng.normal(size=2000)
    y[:200] += 5
    robust = KernelSVR("nystroem", gamma=1.0).fit(X, y).predict(X)[200:]
    assert np.abs(robust - X[200:, 0]).mean() < 0.1
    squared = LinearRegression().fit(X, y).predict(X)[200:]
    assert np.abs(squared - X[200:, 0]).mean() > 0.4


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"method": "exact", "exact_limit": 50}, "beyond exact_limit=50; use nystroem"),
        ({"method": "fast"}, "method is one of"),
        ({"gamma": -1.0}, "gamma is 'scale' or positive"),
        ({"gamma": "auto"}, "gamma is 'scale' or positive"),
        ({"C": 0.0}, "C=0.0 must be positive"),
        ({"epsilon": -0.1}, "epsilon=-0.1 not negative"),
        ({"n_components": 0}, "n_components is a positive integer"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, said):
    X, y = curved(60)
    with pytest.raises(ValueError, match=said):
        KernelSVR(**parameters).fit(X, y)


def test_frames_that_are_not_finite_are_refused():
    X, y = curved(60)
    X[3, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        KernelSVR().fit(X, y)
    with pytest.raises(ValueError, match="y contains"):
        KernelSVR().fit(np.nan_to_num(X), np.full(60, np.inf))
