"""A class's distribution of weights, and the faces drawn from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm, spearmanr
from sklearn.covariance import ledoit_wolf
from support import small_gallery

from affect4d import store
from affect4d.blendshapes import ClassModel, WeightDistribution, read_class, sample
from affect4d.blendshapes.model import NUDGE, model_arrays
from affect4d.blendshapes.weights import shrunk_covariance

RHO = 0.7


def weights_of(count, seed=0, correlation=RHO):
    """Weights (count, 3) as a fit gives them: many zeros, maximum 1; the first two correlated."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal((count, 3))
    normal[:, 1] = correlation * normal[:, 0] + np.sqrt(1 - correlation**2) * normal[:, 1]
    weights = np.maximum(norm.cdf(normal) ** 2 - [0, 0.05, 0.2], 0)
    return weights / weights.max(0)


def distribution_of(weights):
    return WeightDistribution.fit(weights, np.arange(len(weights)))


def model_of(weights, constraint="nonnegative"):
    vertices, _ = small_gallery.patch()
    rng = np.random.default_rng(1)
    centres = np.linspace(0, len(vertices) - 1, weights.shape[1] + 2)[1:-1].astype(int)
    components = small_gallery.bumps(vertices, centres, 24, rng)
    mean = np.tensordot(weights.mean(0), components, 1).astype(np.float32)
    distribution = distribution_of(weights)
    return ClassModel(mean, components, weights, distribution, constraint)


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_draws_stay_in_the_box_of_any_weights(count, components, seed, signed):
    rng = np.random.default_rng(seed)
    weights = np.maximum(rng.normal(0.3, 0.5, (count, components)), -1 if signed else 0)
    weights /= max(np.abs(weights).max(), 1e-3)
    drawn = distribution_of(weights).draw(rng, 200)
    assert np.isfinite(drawn).all()
    assert (drawn >= weights.min(0)).all() and (drawn <= weights.max(0)).all()


@pytest.mark.parametrize("count", [8, 60, 2000])
def test_draws_have_the_margins_of_the_class(count):
    weights, size = weights_of(count), 20_000
    drawn = distribution_of(weights).draw(np.random.default_rng(1), size)
    # the interpolated distribution is within 1 / count and a level's width of the frames' own;
    # 1.95 / sqrt(size) is the Kolmogorov-Smirnov bound at a level of .001
    bound = 1 / count + 0.01 + 1.95 / np.sqrt(size)
    for own, found in zip(weights.T, drawn.T, strict=True):
        places = np.concatenate([own, found])
        share = [(values[:, None] <= places).mean(0) for values in (own, found)]
        assert np.abs(share[0] - share[1]).max() <= bound


def test_zeros_are_as_frequent_as_in_the_class():
    weights = weights_of(500)
    drawn = distribution_of(weights).draw(np.random.default_rng(2), 20_000)
    expected = (weights == 0).mean(0)
    assert expected.max() > 0.3
    np.testing.assert_allclose((drawn == 0).mean(0), expected, rtol=0, atol=0.02)


def test_draws_have_the_rank_correlation_of_the_class():
    weights = weights_of(2000)
    drawn = distribution_of(weights).draw(np.random.default_rng(3), 20_000)
    own, found = spearmanr(weights).statistic, spearmanr(drawn).statistic
    assert own[0, 1] > 0.6
    np.testing.assert_allclose(found, own, rtol=0, atol=0.05)


def test_few_frames_are_trusted_less():
    """Correlation that eight independent frames show by chance shrinks; that of many stays."""
    chance, kept = [], []
    for seed in range(40):
        few = distribution_of(weights_of(8, seed, correlation=0)).correlation[0, 1]
        chance.append((few, np.corrcoef(weights_of(8, seed, correlation=0).T)[0, 1]))
        kept.append(distribution_of(weights_of(1000, seed)).correlation[0, 1])
    shrunk, raw = np.abs(chance).mean(0)
    assert shrunk < 0.6 * raw
    assert np.mean(kept) == pytest.approx(RHO, abs=0.06)


def test_with_a_frame_a_person_it_is_ledoit_and_wolfs_covariance():
    scores = np.random.default_rng(6).standard_normal((30, 7))
    expected, _ = ledoit_wolf(scores, assume_centered=True)
    found = shrunk_covariance(scores, np.arange(30))
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@given(st.integers(2, 30), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_same_people_seen_again_are_trusted_no_more(people, components, times, seed):
    scores = np.random.default_rng(seed).standard_normal((people, components))
    once = shrunk_covariance(scores, np.arange(people))
    again = shrunk_covariance(np.repeat(scores, times, axis=0), np.repeat(np.arange(people), times))
    np.testing.assert_allclose(again, once, rtol=1e-10, atol=1e-12)


def test_a_single_margin_is_the_stated_distribution():
    weights = np.linspace(0, 1, 51)[:, None]
    drawn = distribution_of(weights).draw(np.random.default_rng(4), 5000)
    assert kstest(drawn[:, 0], "uniform").pvalue > 0.01


def test_the_same_seed_gives_the_same_face_and_another_another():
    model = model_of(weights_of(30))
    first, again, other = (sample(model, seed) for seed in ([0, 3, 1], [0, 3, 1], [0, 3, 2]))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.array_equal(first, sample(model, np.random.default_rng([0, 3, 1])))
    assert first.dtype == np.float32


def test_samples_average_to_the_mean_of_the_class():
    model, rng = model_of(weights_of(60)), np.random.default_rng(5)
    faces = np.mean([sample(model, rng) for _ in range(4000)], axis=0)
    spread = np.sqrt(np.mean([(sample(model, rng) - model.mean) ** 2 for _ in range(200)], axis=0))
    assert np.abs(faces - model.mean).max() < 4 * spread.max() / np.sqrt(4000)


@pytest.mark.parametrize("count", [6, 60])
def test_no_sample_is_a_frame_of_the_class(count):
    weights = weights_of(count)
    model, rng = model_of(weights), np.random.default_rng(6)
    frames = np.stack([model.deformation(w) for w in weights]).reshape(count, -1)
    faces = np.stack([sample(model, rng) for _ in range(300)]).reshape(300, -1)
    to_frames = np.linalg.norm(faces[:, None] - frames, axis=2).min(1)
    between = np.linalg.norm(frames[:, None] - frames, axis=2) + np.diag(np.full(count, np.inf))
    assert to_frames.min() > 0
    # a draw is about as far from the nearest frame as that frame is from its own nearest
    assert np.median(to_frames) > 0.5 * np.median(between.min(1))


CORNERS = [
    [[1, 0], [1, 0], [1, 0.0], [0, 1], [0.5, 0.5]],
    [[1, 0], [1, 0], [1, 0.0], [0, 1], [0, 1]],
    [[1, 1], [1, 1], [1, 1], [0, 0.0]],
    [[0.4, 0], [0.4, 0], [0.4, 0], [1.0, 0], [0, 1], [0, 1]],
]


@pytest.mark.parametrize("weights", CORNERS)
def test_weights_that_frames_repeat_are_not_drawn_and_the_mean_stays_as_stated(weights):
    weights = np.array(weights)
    model, rng = model_of(weights), np.random.default_rng(9)
    drawn = model.distribution.draw(np.random.default_rng(9), 3000)
    often = (drawn[:, None] == weights).all(2).any(1) & drawn.any(1)
    assert often.mean() > 0.1
    frames = np.stack([model.deformation(w) for w in weights if w.any()])
    faces = np.stack([sample(model, rng) for _ in range(3000)])
    assert min(np.abs(frames - face).max((1, 2)).min() for face in faces[:300]) > 1e-6
    lengths = np.abs(model.components).sum(0)
    bound = often.mean() * NUDGE / 2 * lengths + 4 * faces.std(0) / np.sqrt(3000)
    assert (np.abs(faces.mean(0) - model.mean) <= bound + 1e-6).all()


def test_where_weights_do_not_vary_the_only_face_is_the_mean():
    model = model_of(np.ones((4, 2)))
    assert np.array_equal(sample(model, 0), model.mean)


@given(st.integers(2, 200), st.integers(1, 6), st.floats(0.1, 0.95), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_correlation_is_one_whatever_the_ties(count, components, zeros, seed):
    rng = np.random.default_rng(seed)
    weights = np.maximum(rng.normal(size=(count, components)) - norm.ppf(zeros), 0)
    weights = np.repeat(weights, 2, axis=1)  # each twice: correlation one
    correlation = distribution_of(weights).correlation
    assert np.abs(correlation).max() <= 1 + 1e-12
    scores = np.abs(np.diag(correlation) - 1).max()
    assert scores == 0


def test_intensity_scales_the_motion_of_every_vertex():
    model = model_of(weights_of(30))
    full = sample(model, 7)
    assert np.array_equal(sample(model, 7, intensity=0), np.zeros_like(full))
    np.testing.assert_allclose(sample(model, 7, intensity=0.5), 0.5 * full, rtol=1e-6)
    np.testing.assert_allclose(sample(model, 7, intensity=2.0), 2 * full, rtol=1e-6)


def test_what_is_stored_is_what_is_drawn_from(tmp_path):
    weights = weights_of(30).astype(np.float32)
    model = model_of(weights)
    arrays = model_arrays(model.mean, model.components, weights, subjects=np.arange(len(weights)))
    store.write(tmp_path / "a.zarr", arrays, {"constraint": "nonnegative"}, provenance=None)
    assert np.array_equal(sample(read_class(tmp_path / "a.zarr"), 8), sample(model, 8))


def test_a_class_without_components_gives_its_mean():
    model = model_of(weights_of(5)[:, :0])
    still = ClassModel(np.ones((3, 3), np.float32), np.empty((0, 3, 3)), *(
        np.empty((5, 0)), model.distribution, "nonnegative"
    ))  # fmt: skip
    assert np.array_equal(sample(still, 0), still.mean)


def test_weights_that_are_all_the_same_stay_so():
    drawn = distribution_of(np.ones((4, 2))).draw(np.random.default_rng(0), 10)
    assert (drawn == 1).all()
