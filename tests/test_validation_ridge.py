"""Ridge regression from moments is scikit-learn's, and its penalty that of held-out subjects."""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from affect4d.validation.cca import joint_moments
from affect4d.validation.ridge import PENALTIES, MomentRidge


def data(count=240, columns=12, noise=1.0):
    rng = np.random.default_rng(0)
    X = rng.normal(2, 3, (count, columns)) * rng.uniform(0.1, 5, columns)
    Y = X @ rng.normal(size=(columns, 2)) + noise * rng.normal(size=(count, 2)) * 30
    return X, Y


def folds_of(X, Y, count=4):
    parts = zip(np.split(X, count), np.split(Y, count), strict=True)
    return [joint_moments(x, y) for x, y in parts]


def test_it_is_scikit_learns_ridge_on_standardised_columns():
    X, Y = data()
    model = MomentRidge().fit(folds_of(X, Y), X.shape[1])
    scaled = StandardScaler().fit(X)
    for target, penalty in enumerate(model.penalties_):
        oracle = Ridge(alpha=penalty * len(X)).fit(scaled.transform(X), Y[:, target])
        np.testing.assert_allclose(
            model.predict(X)[:, target], oracle.predict(scaled.transform(X)), rtol=1e-8
        )


def test_the_penalty_is_that_of_least_error_on_folds_held_out():
    X, Y = data(count=60, columns=25, noise=2.0)
    model = MomentRidge().fit(folds_of(X, Y, 3), X.shape[1])
    errors = np.zeros((len(PENALTIES), 2))
    for held in np.split(np.arange(60), 3):
        rest = np.setdiff1d(np.arange(60), held)
        scaled = StandardScaler().fit(X[rest])
        for row, penalty in enumerate(PENALTIES):
            oracle = Ridge(alpha=penalty * len(rest)).fit(scaled.transform(X[rest]), Y[rest])
            errors[row] += ((oracle.predict(scaled.transform(X[held])) - Y[held]) ** 2).sum(0)
    assert np.array_equal(model.penalties_, PENALTIES[errors.argmin(0)])
    assert (model.penalties_ > PENALTIES[0]).all()


def test_a_column_that_never_varies_has_no_weight():
    X, Y = data()
    X[:, 3] = 7.0
    model = MomentRidge().fit(folds_of(X, Y), X.shape[1])
    assert np.isfinite(model.predict(X)).all()
    assert np.abs(model.coefficients_[3]).max() < 1e-12 * np.abs(model.coefficients_).max()
