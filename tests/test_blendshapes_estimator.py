"""Sparse localized components: constraints, invariances, edge cases."""

import warnings

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.small_components import CONSTRAINTS, TRIANGLES, VERTICES, fit, matched, planted

from affect4d.blendshapes import Geodesics
from affect4d.blendshapes.sparse_pca import SparseLocalizedPCA
from affect4d.blendshapes.steps import update_components, update_weights


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_planted_components_are_recovered(constraint):
    D, fields = planted(constraint, noise=0.02)
    cosine, which = matched(fit(D, constraint=constraint).components_, fields)
    assert sorted(which) == [0, 1, 2, 3, 4]
    assert cosine.min() >= 0.999


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_constraint_holds_exactly(constraint, dtype):
    D, _ = planted("signed", noise=0.1)
    weights = fit(D.astype(dtype), 7, constraint=constraint).weights_
    assert weights.dtype == dtype
    assert (np.abs(weights).max(0) == 1).all() and (weights.max(0) == 1).all()
    assert weights.min() >= (0 if constraint == "nonnegative" else -1)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_fit_is_not_below_the_pca_bound_of_its_rank(constraint):
    D, _ = planted(constraint, noise=0.3)
    model = fit(D, constraint=constraint)
    error = np.linalg.norm(D - model.inverse_transform(model.weights_)) ** 2
    bound = (np.linalg.svd(D, compute_uv=False)[5:] ** 2).sum()
    assert bound <= error < 1.2 * bound


@pytest.mark.parametrize("centre_updates", [0, 3, 20])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_objective_never_rises(constraint, centre_updates):
    D, _ = planted("signed", noise=0.5)
    model = fit(D, 8, constraint=constraint, centre_updates=centre_updates, tol=1e-9, sparsity=0.2)
    objective = np.array(model.objective_)
    assert len(objective) > 5
    assert (np.diff(objective) <= 1e-12 * objective[0]).all()


def test_the_objective_is_the_stated_one():
    D, _ = planted(noise=0.2)
    model = fit(D, centre_updates=0)
    geodesics = Geodesics(VERTICES, TRIANGLES, 45.0)
    penalty = sum(
        0.02
        * np.clip((geodesics.from_vertex(centre) - 10) / 35, 0, 1)
        @ np.linalg.norm(component, axis=1)
        for centre, component in zip(model.centres_, model.components_, strict=True)
    )
    fitted = ((D - model.inverse_transform(model.weights_)) ** 2).sum() / (2 * len(D))
    assert model.objective_[-1] == pytest.approx(fitted + penalty, rel=1e-9)


def test_duplicating_the_frames_changes_nothing():
    D, _ = planted(noise=0.2)
    once, thrice = fit(D, sparsity=0.3), fit(np.tile(D, (3, 1)), sparsity=0.3)
    assert np.allclose(once.components_, thrice.components_, atol=1e-9)
    assert np.allclose(once.objective_, thrice.objective_, rtol=1e-9)


@pytest.mark.parametrize(
    ("constraint", "noise", "frames"), [("nonnegative", 0.2, 60), ("signed", 0.02, 200)]
)
def test_permuting_frames_and_vertices_and_rotating_change_nothing(constraint, noise, frames):
    D, _ = planted(constraint, noise=noise, frames=frames)
    rng = np.random.default_rng(1)
    settings = {"constraint": constraint, "sparsity": 0.05}
    model = fit(D, **settings)
    frames, order = rng.permutation(len(D)), rng.permutation(len(VERTICES))
    rank = np.argsort(order)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = (D.reshape(len(D), -1, 3) @ rotation.T)[frames][:, order]
    other = fit(
        moved.reshape(len(D), -1),
        vertices=(VERTICES @ rotation.T)[order],
        triangles=rank[TRIANGLES][::-1],
        **settings,
    )
    assert np.array_equal(order[other.centres_], model.centres_)
    assert np.allclose(other.components_[:, rank], model.components_ @ rotation.T, atol=1e-10)
    assert np.allclose(other.weights_, model.weights_[frames], atol=1e-10)


def test_the_same_input_gives_the_same_bytes():
    D, _ = planted(noise=0.2)
    D = D.astype(np.float32)
    assert fit(D).components_.tobytes() == fit(D).components_.tobytes()


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_transform_finds_the_weights_of_the_fit_and_inverts(constraint):
    D, _ = planted(constraint, noise=0.1)
    model = fit(D, constraint=constraint)
    assert np.allclose(model.transform(D), model.weights_, atol=1e-8)
    clean = model.inverse_transform(model.weights_)
    assert np.allclose(model.inverse_transform(model.transform(clean)), clean, atol=1e-6)


def test_a_larger_sparsity_leaves_more_vertices_at_rest():
    D, _ = planted(noise=0.3)
    support = [np.any(fit(D, sparsity=s).components_, axis=2).mean() for s in (0, 0.05, 0.5)]
    assert support[0] == 1 and support[0] > support[1] > support[2] > 0


def test_the_weight_step_is_the_box_constrained_minimiser():
    rng = np.random.default_rng(3)
    C = rng.normal(size=(6, 40))
    D = rng.normal(size=(10, 40)) + C.sum(0)
    for lower in (0.0, -1.0):
        weights = np.zeros((10, 6))
        update_weights(weights, C @ C.T, D @ C.T, lower)
        exact = [lsq_linear(C.T, d, (lower, 1), method="bvls", tol=1e-14).x for d in D]
        assert np.allclose(weights, exact, atol=1e-9)


def test_the_component_step_is_the_group_lasso_minimiser():
    rng = np.random.default_rng(4)
    W, x, penalty = rng.uniform(size=(30, 3)), rng.normal(size=(30, 3)) + 1, np.array([0.2, 0.5, 0])

    def loss(c):
        c = c.reshape(3, 3)
        return ((x - W @ c) ** 2).sum() / 60 + penalty @ np.linalg.norm(c, axis=1)

    found = np.zeros((1, 3, 3))
    for _ in range(20):
        update_components(found, W.T @ W / 30, (x.T @ W / 30)[None], penalty[None])
    best = minimize(loss, found[0].T.ravel() + 0.01, method="Powell", options={"ftol": 1e-14})
    assert loss(found[0].T.ravel()) <= best.fun + 1e-9


@pytest.mark.parametrize("zeros", [np.zeros, da.zeros])
def test_all_frames_at_rest_give_no_component(zeros):
    with pytest.warns(UserWarning, match="0 components instead of 5"):
        model = fit(zeros((9, 3 * len(VERTICES))))
    assert model.components_.shape == (0, len(VERTICES), 3)
    assert model.weights_.shape == (9, 0) and np.isfinite(model.objective_).all()
    assert not model.inverse_transform(model.transform(np.ones((2, 3 * len(VERTICES))))).any()


def test_fewer_frames_than_components_caps_them_with_a_warning():
    D, _ = planted(frames=3)
    with pytest.warns(UserWarning, match="3 components instead of 5"):
        assert fit(D).n_components_ == 3


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_more_components_than_the_rank_stay_finite_and_constrained(constraint):
    D = np.outer(np.linspace(0, 1, 30), planted()[1][0].ravel())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(D, 10, constraint=constraint)
    assert 1 <= model.n_components_ <= 10
    assert np.isfinite(model.components_).all() and (model.weights_.max(0) == 1).all()
    assert np.any(model.components_, axis=(1, 2)).all()
    assert np.abs(D - model.inverse_transform(model.weights_)).max() < 0.1


def test_a_penalty_no_motion_outweighs_drops_components_rather_than_break_the_constraint():
    D, _ = planted(noise=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(D, 8, sparsity=1e4, inner_radius=0.0, outer_radius=1e-3)
    assert np.isfinite(model.objective_).all()
    assert (model.weights_.max(0, initial=1) == 1).all()


def test_disconnected_unreferenced_and_degenerate_parts_do_not_disturb():
    D, fields = planted(noise=0.02)
    count = len(VERTICES)
    vertices = np.concatenate([VERTICES, VERTICES + 500, [[0, 0, 900], [1, 0, 0]]])
    triangles = np.concatenate([TRIANGLES, TRIANGLES + count, [[5, 5, 6], [7, 7, 7]]])
    D = np.hstack([D, np.zeros_like(D), np.zeros((len(D), 6))])
    model = fit(D, vertices=vertices, triangles=triangles)
    assert np.isfinite(model.components_).all() and not model.components_[:, count:].any()
    assert matched(model.components_[:, :count], fields)[0].min() > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"constraint": "positive"}, "constraint"),
        ({"inner_radius": 50.0}, "inner_radius"),
        ({"sparsity": -1.0}, "sparsity"),
        ({"sparsity": np.nan}, "sparsity"),
        ({"sparsity": np.inf}, "sparsity"),
        ({"outer_radius": np.inf}, "outer_radius"),
        ({"n_components": 0}, "n_components"),
        ({"n_components": 2.5}, "n_components"),
        ({"max_iter": 3.5}, "max_iter"),
        ({"centre_updates": -3}, "centre_updates"),
        ({"tol": np.nan}, "tol"),
        ({"tol": -1.0}, "tol"),
        ({"energy_tolerance": 1.0}, "energy_tolerance"),
    ],
)
def test_impossible_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(planted()[0], **parameters)


def test_impossible_input_is_refused():
    D, _ = planted()
    with pytest.raises(ValueError, match=r"D is 60x\d+, where the mesh has"):
        fit(D[:, :-3])
    with pytest.raises(ValueError, match=r"D is 60x3x\d+, where"):
        fit(da.from_array(D.reshape(60, -1, 3).transpose(0, 2, 1), chunks=(7, -1, -1)))
    with pytest.raises(ValueError, match="does not exist"):
        fit(D, triangles=TRIANGLES + 1)
    with pytest.raises(ValueError, match="no frames"):
        fit(da.zeros((0, D.shape[1])))


def test_geodesics_of_another_mesh_or_too_short_are_refused():
    D, _ = planted()
    parameters = {"vertices": VERTICES, "triangles": TRIANGLES}
    model = SparseLocalizedPCA(5, outer_radius=45.0, inner_radius=10.0)
    for geodesics in (
        Geodesics(VERTICES, TRIANGLES, 44.0),
        Geodesics(2 * VERTICES, TRIANGLES, 45.0),
        Geodesics(VERTICES, TRIANGLES[1:], 45.0),
    ):
        with pytest.raises(ValueError, match="geodesics"):
            model.fit(D, geodesics=geodesics, **parameters)
    shared = model.fit(D, geodesics=Geodesics(VERTICES, TRIANGLES, 45.0), **parameters)
    assert np.array_equal(shared.components_, fit(D, sparsity=0.15).components_)


def test_a_fit_that_was_cut_short_says_so():
    D, _ = planted(noise=0.5)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        fit(D, max_iter=2, tol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        fit(D, max_iter=200)


@pytest.mark.parametrize("lazy", [np.asarray, lambda D: da.from_array(D, chunks=(7, -1))])
@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (-np.inf, "inf")])
def test_a_value_that_is_not_finite_is_refused_by_name(lazy, value, what):
    D, _ = planted()
    D[41, 17] = value
    with pytest.raises(ValueError, match=f"{what} in frame 41, column 17"):
        fit(lazy(D))


def test_the_support_does_not_depend_on_the_number_of_frames():
    support = []
    for frames, seed in ((500, 1), (6000, 2)):
        D, fields = planted(frames=frames, noise=0.3, weights_seed=seed)
        model = fit(D, sparsity=0.1)
        assert matched(model.components_, fields)[0].min() > 0.9
        support.append(np.any(model.components_, axis=2).mean())
    assert support[0] < 0.5 and support[1] == pytest.approx(support[0], rel=0.1)


def test_components_come_by_falling_energy_with_a_positive_largest_weight():
    D, _ = planted("signed", noise=0.1)
    model = fit(D, constraint="signed")
    energy = (model.components_**2).sum((1, 2)) * (model.weights_**2).sum(0)
    assert (np.diff(energy) <= 0).all()
    assert (model.weights_.max(0) == 1).all()


@settings(max_examples=15, deadline=None)
@given(
    frames=st.integers(1, 12),
    count=st.integers(1, 6),
    constraint=st.sampled_from(CONSTRAINTS),
    dtype=st.sampled_from([np.float32, np.float64]),
    scale=st.sampled_from([1e-6, 1.0, 1e4]),
    seed=st.integers(0, 2**16),
)
def test_any_frames_keep_the_constraint(frames, count, constraint, dtype, scale, seed):
    D = np.random.default_rng(seed).normal(scale=scale, size=(frames, 3 * len(VERTICES)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = fit(D.astype(dtype), count, constraint=constraint, max_iter=4)
    weights = model.weights_
    assert weights.shape[1] <= min(frames, count)
    assert (weights.max(0, initial=1) == 1).all() and (np.abs(weights) <= 1).all()
    assert constraint == "signed" or (weights >= 0).all()
    assert np.isfinite(model.components_).all() and np.isfinite(model.objective_).all()


def test_a_warm_start_goes_on_where_the_last_fit_stopped():
    D, _ = planted("signed", noise=0.5)
    parameters = {"centre_updates": 1, "sparsity": 0.2, "tol": 1e-7}
    whole = fit(D, 8, max_iter=12, **parameters)
    model = fit(D, 8, max_iter=6, warm_start=True, **parameters)
    model.fit(D, vertices=VERTICES, triangles=TRIANGLES)
    assert model.objective_ == pytest.approx(whole.objective_[6:], rel=1e-5)
    assert sorted(model.centres_) == sorted(whole.centres_)
    model.max_iter = 500
    model.fit(D, vertices=VERTICES, triangles=TRIANGLES)
    last = model.objective_[-1]
    model.fit(D, vertices=VERTICES, triangles=TRIANGLES)
    assert model.n_iter_ <= 2 and model.objective_[-1] <= last * (1 + 1e-9)


def test_a_warm_start_takes_other_frames_but_no_other_mesh():
    D, _ = planted(noise=0.1)
    model = fit(D[:40], warm_start=True)
    model.fit(D[10:], vertices=VERTICES, triangles=TRIANGLES)
    assert model.weights_.shape == (50, 5) and (model.weights_.max(0) == 1).all()
    with pytest.raises(ValueError, match="warm_start"):
        model.fit(D[:, :-3], vertices=VERTICES[:-1], triangles=TRIANGLES[:2])


def test_a_warm_start_keeps_the_number_of_components():
    D, _ = planted(noise=0.1)
    model = fit(D, warm_start=True).set_params(n_components=8)
    with pytest.raises(ValueError, match="last fit was of 5 components, not 8"):
        model.fit(D, vertices=VERTICES, triangles=TRIANGLES)


def test_a_warm_start_after_frames_at_rest_is_a_cold_one():
    D, _ = planted(noise=0.1)
    with pytest.warns(UserWarning, match="no more motion"):
        model = fit(0 * D, warm_start=True)
    assert model.n_components_ == 0
    model.fit(D, vertices=VERTICES, triangles=TRIANGLES)
    assert np.array_equal(model.components_, fit(D).components_)


class OnAStrip(SparseLocalizedPCA):
    """Takes any features: each moves a vertex of a strip of triangles along one axis."""

    def __init__(self, n_components=2, constraint="signed", max_iter=50, warm_start=False):
        super().__init__(
            n_components, constraint, sparsity=0.0, max_iter=max_iter, warm_start=warm_start
        )

    def fit(self, X, y=None):
        X = self._spread(X)
        count = X.shape[1] // 3 if isinstance(X, np.ndarray) and X.ndim == 2 else 3
        vertices = np.array([[i, i % 2, 0.0] for i in range(count)]).reshape(-1, 3)
        triangles = np.arange(max(count - 2, 0))[:, None] + np.arange(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # data of fewer than n_components directions
            return super().fit(X, vertices=vertices, triangles=triangles)

    def fit_transform(self, X, y=None):
        return self.fit(X).weights_

    def transform(self, X):
        return super().transform(self._spread(X))

    @staticmethod
    def _spread(X):
        if hasattr(X, "tocsr") or np.asarray(X).ndim != 2 or np.asarray(X).shape[1] == 0:
            return X
        X = np.asarray(X)
        wide = np.zeros((len(X), 3 * X.shape[1]), X.dtype)
        wide[:, ::3] = X
        return wide


def expected_failures(estimator):
    reason = "n_features_in_ counts coordinates, three for each vertex the test's data move"
    assert isinstance(estimator, SparseLocalizedPCA)
    return dict.fromkeys(["check_n_features_in", "check_n_features_in_after_fitting"], reason)


@parametrize_with_checks([OnAStrip()], expected_failed_checks=expected_failures)
def test_it_keeps_to_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)
