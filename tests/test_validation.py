"""Metrics, CCA, support vector regression and Table 1."""

import shutil

import numpy as np
import pandas as pd
import pytest
import small_gallery
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.cross_decomposition import CCA

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.formats.quarantine import BadInput, Quarantine
from affect4d.formats.template import load_template
from affect4d.validation import KernelSVR, LinearCCA, ccc, mse, pearson
from affect4d.validation.basis import make_patch
from affect4d.validation.build import build_validation, open_reader
from affect4d.validation.features import Reader
from affect4d.validation.metrics import bootstrap
from affect4d.validation.regression import Frames, Regression, evaluate
from affect4d.validation.split import split_subjects, stream
from affect4d.validation.table import prepare, tabulate

SMALL = {"gammas": [0.3], "costs": [1.0], "epsilons": [0.1], "bootstrap": 50, "vertices": 0}


def two_views(n=600, p=12, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) @ rng.normal(size=(p, p))
    Y = X @ rng.normal(size=(p, 2)) * 0.2 + noise * rng.normal(size=(n, 2))
    return X, Y


pairs = st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=30)


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


def test_metrics_of_constants_are_undefined_and_bad_shapes_refused():
    assert np.isnan(ccc([1, 1], [1, 1])) and np.isnan(pearson([1, 1], [1, 2]))
    assert ccc([1, 1], [1, 2]) == 0
    for y, p in (([], []), ([1, 2], [1]), ([[1]], [[1]])):
        with pytest.raises(ValueError, match="one length"):
            ccc(y, p)


def test_bootstrap_resamples_whole_subjects():
    rng = np.random.default_rng(0)
    y, groups = rng.normal(size=300), np.repeat(list("abcdef"), 50)
    p = y + rng.normal(size=300) * 0.3
    intervals = bootstrap(y, p, groups, 400, rng)
    assert intervals["ccc"][0] < ccc(y, p) < intervals["ccc"][1]
    assert intervals["mse"][0] < mse(y, p) < intervals["mse"][1]
    alone = bootstrap(y, p, np.full(300, "a"), 20, rng)
    assert alone["ccc"] == pytest.approx([ccc(y, p)] * 2)
    assert np.isnan(bootstrap(y, p, groups, 0, rng)["mse"]).all()


def test_cca_to_two_spans_the_least_squares_predictions():
    X, Y = two_views()
    variates = np.c_[np.ones(len(X)), LinearCCA(2).fit(X, Y).transform(X)]
    design = np.c_[np.ones(len(X)), X]
    least_squares = design @ np.linalg.lstsq(design, Y, rcond=None)[0]
    again = variates @ np.linalg.lstsq(variates, least_squares, rcond=None)[0]
    assert np.allclose(again, least_squares, atol=1e-9)


def test_cca_agrees_with_scikit_learn():
    X, Y = two_views()
    model = LinearCCA(2).fit(X, Y)
    ours = model.transform(X)
    theirs = CCA(2, max_iter=5000, tol=1e-12).fit(X, Y).transform(X)
    for column in range(2):
        assert abs(pearson(ours[:, column], theirs[:, column])) > 1 - 1e-6
        mapped = (Y - model.y_mean_) @ model.y_weights_[:, column]
        assert pearson(ours[:, column], mapped) == pytest.approx(model.correlations_[column])


def test_cca_variates_are_white_with_fixed_signs_and_survive_collinear_columns():
    X, Y = two_views()
    plain = LinearCCA(2).fit(X, Y)
    doubled = LinearCCA(2).fit(np.c_[X, X[:, :3], np.ones(len(X))], Y)
    variates = plain.transform(X)
    assert np.allclose(variates.T @ variates / len(X), np.eye(2), atol=1e-9)
    assert np.allclose(doubled.transform(np.c_[X, X[:, :3], np.ones(len(X))]), variates, atol=1e-6)
    assert np.allclose(LinearCCA(2).fit(-X, Y).transform(-X), variates, atol=1e-9)
    assert (plain.y_weights_[np.abs(plain.y_weights_).argmax(0), [0, 1]] > 0).all()


def test_cca_without_variance_is_refused():
    X, Y = two_views(50)
    with pytest.raises(ValueError, match="Y has no variance"):
        LinearCCA().fit(X, np.ones_like(Y))


def curved(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    return X, np.tanh(X[:, 0]) + 0.3 * X[:, 1] ** 2 + 0.2 * rng.standard_t(3, size=n)


def test_exact_and_nystroem_regression_agree():
    X, y = curved(1500)
    new, truth = curved(1000, seed=1)
    exact = KernelSVR("exact", gamma=0.5).fit(X, y).predict(new)
    approximate = KernelSVR("nystroem", gamma=0.5).fit(X, y).predict(new)
    assert np.abs(exact - approximate).mean() < 0.02
    assert abs(ccc(truth, exact) - ccc(truth, approximate)) < 0.005
    assert ccc(truth, exact) > 0.8


def test_regression_takes_several_targets_and_chooses_its_method():
    X, y = curved(300)
    model = KernelSVR(exact_limit=200).fit(X, np.c_[y, -y])
    assert model.method_ == "nystroem" and model.predict(X).shape == (300, 2)
    assert np.allclose(model.predict(X)[:, 0], -model.predict(X)[:, 1], atol=1e-3)
    assert KernelSVR().fit(X, y).method_ == "exact"
    with pytest.raises(ValueError, match="exact_limit"):
        KernelSVR("exact", exact_limit=200).fit(X, y)
    with pytest.raises(ValueError, match="method"):
        KernelSVR("fast").fit(X, y)


def test_regression_of_a_constant_is_that_constant():
    X, _ = curved(100)
    for method in ("exact", "nystroem"):
        assert np.allclose(KernelSVR(method).fit(X, np.full(100, 0.3)).predict(X), 0.3, atol=0.11)


def test_the_split_is_by_subject_and_depends_on_names_only():
    names = [f"s{i}" for i in range(12)]
    split = split_subjects(names, 0.25, 0)
    assert split["part"].value_counts().to_dict() == {"train": 9, "test": 3}
    assert split.equals(split_subjects(names[::-1] * 2, 0.25, 0))
    assert not split.equals(split_subjects(names, 0.25, 1))
    assert split_subjects(names[:2], 0.01, 0)["part"].tolist().count("test") == 1
    with pytest.raises(ValueError, match="two subjects"):
        split_subjects(names[:1], 0.5, 0)


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
    row = evaluate(*parts(observed()), Settings(**SMALL), stream(0, "t"))
    for axis in ("valence", "arousal"):
        assert 0.8 < row[f"ccc_{axis}"] < 0.97
        assert row[f"ccc_{axis}_low"] < row[f"ccc_{axis}"] < row[f"ccc_{axis}_high"]


@pytest.mark.parametrize("seed", [0, 1])
def test_with_shuffled_labels_nothing_is_found(seed):
    frames = observed(subjects=30)
    labels = frames.labels[np.random.default_rng(seed).permutation(len(frames))]
    shuffled = Frames(frames.features, labels, frames.subjects)
    row = evaluate(*parts(shuffled, 8), Settings(**SMALL | {"gammas": [0.1, 1.0]}), stream(0, "t"))
    assert abs(row["ccc_valence"]) < 0.05 and abs(row["ccc_arousal"]) < 0.05


def test_nothing_of_the_test_subjects_reaches_the_fit():
    train, test = parts(observed(subjects=10, length=60))
    settings = Settings(**SMALL | {"gammas": [0.1, 1.0]})
    model = Regression(settings, stream(0, "t")).fit(train)
    before = model.predict(test.features)
    assert np.array_equal(before[:10], model.predict(test.features[:10]))
    again = Regression(settings, stream(0, "t")).fit(train).predict(test.features)
    assert np.array_equal(before, again)
    with pytest.raises(ValueError, match="both parts"):
        evaluate(train, train, settings, stream(0, "t"))


def test_the_patch_keeps_template_vertices_and_covers_the_inner_face():
    template = load_template()
    patch = make_patch(template.vertices, template.triangles, template.inner, 1000)
    assert 950 < len(patch.index) < 1300 and len(set(patch.index)) == len(patch.index)
    assert template.inner[patch.index].all()
    assert np.array_equal(template.vertices[patch.index], patch.vertices)
    assert set(np.unique(patch.triangles)) == set(range(len(patch.index)))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    small_gallery.build(root, subjects=6, length=60)
    build_affectspace(
        root / "gallery/frames.parquet",
        root / "registered",
        root / "affectspace",
        PlaneSettings(),
        Quarantine("affectspace"),
    )
    return root


def reader(root, settings, quarantine=None):
    quarantine = quarantine or Quarantine("validation")
    return open_reader(root, small_gallery.template(), settings, BlendshapeSettings(), quarantine)


@pytest.mark.parametrize("basis", ["sparse", "pca"])
def test_table_1_says_what_was_measured_and_what_is_beyond_the_rank(gallery, tmp_path, basis):
    settings = Settings(components=[3, 5, 84], basis=basis, **SMALL)
    split, frames, attained = prepare(reader(gallery, settings), settings, 0)
    table = tabulate(split, frames, attained, settings, 0).set_index("components")
    assert attained[5] == 5 and attained[84] < 84
    assert table.loc[5, "ccc_valence"] > 0.7 and table.loc[5, "ccc_arousal"] > 0.5
    assert f"{attained[84]} components" in table.loc[84, "status"]
    assert np.isnan(table.loc[84, "ccc_valence"]) and table.loc[84, "paper_ccc_valence"] == 0.63
    assert np.isnan(table.loc[5, "paper_ccc_valence"])


def test_a_basis_of_training_subjects_sees_no_test_subject(gallery):
    settings = Settings(components=[3], **SMALL)
    apexes = {}
    for choice in ("all", "train_only"):
        chosen = settings.model_copy(update={"basis_subjects": choice})
        source = reader(gallery, chosen)
        split, frames, _ = prepare(source, chosen, 0)
        apexes[choice] = frames[3].features
        assert set(source.apexes()[1]) == set(split["subject"])
    assert not np.array_equal(apexes["all"], apexes["train_only"])


def test_the_job_writes_table_split_and_figure_and_repeats_its_bytes(gallery):
    contents = []
    for _ in range(2):
        files = build_validation(
            gallery,
            small_gallery.template(),
            Settings(components=[3], **SMALL),
            BlendshapeSettings(),
            0,
            Quarantine("validation"),
        )
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"table1.csv", "split.csv", "table1.png", "quarantine.csv"}
    split = pd.read_csv(gallery / "validation/split.csv")
    assert split["frames"].sum() == 360 and set(split["part"]) == {"train", "test"}


def test_a_gallery_without_apexes_is_refused_in_one_line(gallery):
    frames = pd.read_parquet(gallery / "affectspace/frames.parquet")
    spontaneous = frames[frames["sequence"].str.contains("spontaneous")]
    patch = make_patch(*small_gallery.patch(), None, 0)
    source = Reader(
        gallery / "registered", spontaneous, patch, "given", 1, Quarantine("validation")
    )
    with pytest.raises(BadInput, match="apex"):
        prepare(source, Settings(components=[3], **SMALL), 0)


def test_a_gallery_without_apexes_gets_a_table_that_says_so(tmp_path):
    small_gallery.build(tmp_path, subjects=3, length=20)
    frames = pd.read_parquet(tmp_path / "gallery/frames.parquet")
    for path in (tmp_path / "registered").glob("*.zarr"):
        if "spontaneous" not in path.name:
            shutil.rmtree(path)
            store.manifest_of(path).unlink()
    kept = frames[frames["task"] == "spontaneous"].assign(status="used", **{"class": 0})
    (tmp_path / "affectspace").mkdir()
    kept.to_parquet(tmp_path / "affectspace/frames.parquet", index=False)
    quarantine = Quarantine("validation")
    settings = Settings(components=[2, 84])
    build_validation(
        tmp_path, small_gallery.template(), settings, BlendshapeSettings(), 0, quarantine
    )
    table = pd.read_csv(tmp_path / "validation/table1.csv")
    assert table["status"].str.contains("span no basis").all()
    assert table[["ccc_valence", "mse_arousal"]].isna().all().all()
    assert table["paper_ccc_valence"].tolist()[1] == 0.63
    assert [row.item for row in quarantine.rows] == ["table1"]
    with pytest.raises(BadInput, match="span no basis"):
        build_validation(
            tmp_path, small_gallery.template(), settings, BlendshapeSettings(), 0,
            Quarantine("validation", strict=True),
        )  # fmt: skip
