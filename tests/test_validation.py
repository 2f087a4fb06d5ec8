"""Table 1: the patch, the split, the bases, the features, what is measured and what is said."""

import shutil

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from support import small_gallery
from support.recorded import record
from support.small_validation import CHUNK, SMALL, annotate, settings, table, validate

from affect4d import store
from affect4d.artifacts.validation import CEILING, DEPENDENT, MAIN, RIDGE, SHUFFLED
from affect4d.config.validation import Settings
from affect4d.quarantine import BadInput, Quarantine
from affect4d.registration.registered_sequence import RegisteredSequence
from affect4d.template.template import load_template
from affect4d.validation.basis import PRINCIPAL, SPARSE, Key, fit_bases, keys
from affect4d.validation.frames import Frames, require_usable
from affect4d.validation.patch import make_patch
from affect4d.validation.prepare import read_bases
from affect4d.validation.projections import Projections
from affect4d.validation.regression import Regression, fold_moments
from affect4d.validation.split import TEST, TRAIN
from affect4d.validation.study import LEAK, Experiment
from affect4d.validation.table import tabulate_reason


def test_the_patch_keeps_template_vertices_and_covers_the_inner_face():
    template = load_template()
    patch = make_patch(template.vertices, template.triangles, inner=template.inner, count=1000)
    assert 950 < len(patch.index) < 1300 and len(set(patch.index)) == len(patch.index)
    assert template.inner[patch.index].all()
    assert np.array_equal(template.vertices[patch.index], patch.vertices)
    assert set(np.unique(patch.triangles)) == set(range(len(patch.index)))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    small_gallery.build(root, subjects=8, length=60)
    annotate(root)
    return root


@pytest.fixture(scope="module")
def built(gallery, tmp_path_factory):
    root = shutil.copytree(gallery, tmp_path_factory.mktemp("built") / "results")
    assert not validate(root, settings(components=[3, 5, 84]), noise=0.1)
    return root


def test_table_1_says_what_was_measured_and_what_is_beyond_the_rank(built):
    found = table(built)
    main = found[found["model"] == MAIN]
    assert [tuple(row) for row in main[["basis", "basis_subjects", "components"]].to_numpy()] == [
        (key.kind, key.subjects, key.size) for key in keys([3, 5, 84])
    ]
    attained = store.open(built / "validation/basis.zarr").attributes["attained"]
    for row in main.itertuples():
        key = Key(row.basis, row.basis_subjects, int(row.components))
        if row.components == 84:
            assert row.status == f"beyond the rank: {attained[str(key)]} components attained"
            assert np.isnan(row.ccc_valence) and row.paper_ccc_valence == 0.63
        else:
            assert row.status == "ok" and np.isnan(row.paper_ccc_valence)
            assert row.ccc_valence_low <= row.ccc_valence <= row.ccc_valence_high
    five = main[main["components"] == 5]
    assert (five["ccc_valence"] > 0.7).all() and (five["ccc_arousal"] > 0.5).all()


def test_controls_stand_in_the_configured_basis(built):
    found = table(built)
    controls = found[~found["model"].isin([MAIN, CEILING])]
    assert sorted(set(zip(controls["model"], controls["components"], strict=True))) == sorted(
        (model, size) for model in (RIDGE, SHUFFLED, DEPENDENT) for size in (3.0, 5.0)
    )
    assert set(controls["basis"]) == {"sparse"} and set(controls["basis_subjects"]) == {"all"}
    assert set(controls.loc[controls["model"] == DEPENDENT, "status"]) == {LEAK}
    assert controls.filter(like="paper_").isna().all().all()


def test_the_ceiling_is_that_of_the_known_error(built):
    row = table(built).set_index("model").loc[CEILING]
    predicted = pd.read_parquet(built / "validation/predictions.parquet")
    for axis in ("valence", "arousal"):
        share = 1 - 0.1**2 / predicted[axis].var(ddof=0)
        assert row[f"ccc_{axis}"] == pytest.approx(np.sqrt(share), abs=1e-6)
        assert row[f"mse_{axis}"] == pytest.approx(0.01)
    # simulated: truth of that variance, annotated with that error, predicted as well as can be
    rng = np.random.default_rng(0)
    truth = rng.normal(0, np.sqrt(predicted["valence"].var(ddof=0) - 0.01), 400_000)
    noisy = truth + rng.normal(0, 0.1, len(truth))
    scaled = truth * noisy.std() / truth.std()
    best = 2 * np.cov(noisy, scaled)[0, 1] / (noisy.var() + scaled.var())
    assert row["ccc_valence"] == pytest.approx(best, abs=2e-3)


def test_predictions_are_those_of_the_models_that_are_kept(built):
    """By the arrays alone, as somebody without this software would."""
    models = store.open(built / "validation/models.zarr")
    key = Key(*(models.attributes[name] for name in ("kind", "subjects", "size")))
    assert str(key) == models.attributes["chosen"]
    predicted = pd.read_parquet(built / "validation/predictions.parquet")
    parts = []
    for name in predicted["sequence"].drop_duplicates():
        stored = store.open(built / f"validation/features/{name}.zarr")
        own = predicted[predicted["sequence"] == name]
        assert list(stored.attributes["frame_ids"]) == own["frame_id"].tolist()
        parts.append(stored[str(key)][...])
    kept = {
        name: models[f"{key}_{name}"][...]
        for name in ("canonical_weights", "canonical_mean")
    }  # fmt: skip
    X = (np.concatenate(parts) - kept["canonical_mean"]) @ kept["canonical_weights"]
    for axis in ("valence", "arousal"):
        support, dual, bias, chosen = (
            models[f"{key}_{axis}_{name}"][...]
            for name in ("support", "dual", "bias", "gamma_cost_epsilon")
        )
        distance = ((X[:, None] - support) ** 2).sum(2)
        expected = np.exp(-chosen[0] * distance) @ dual[:, 0] + bias
        np.testing.assert_allclose(predicted[f"predicted_{axis}"], expected, atol=1e-8)


def test_a_second_run_repeats_every_byte(built, gallery, tmp_path):
    root = shutil.copytree(gallery, tmp_path / "results")
    validate(root, settings(components=[3, 5, 84]), noise=0.1)
    assert contents(root) == contents(built)


def contents(root, *patterns):
    """{path: bytes} of what was built, without the manifests, which hold paths and times."""
    found = [p for pattern in patterns or ["**/*"] for p in (root / "validation").glob(pattern)]
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(found)
        if path.is_file() and not path.name.endswith(".manifest.json")
    }


def fitted(root):
    """All that a test subject must leave no trace in: models and bases of the training subjects."""
    models = store.open(root / "validation/models.zarr")
    basis = store.open(root / "validation/basis.zarr")
    arrays = {f"models/{name}": models[name][...] for name in models.keys()}  # noqa: SIM118
    arrays |= {f"basis/{name}": basis[name][...] for name in basis.keys()}  # noqa: SIM118
    return {name: values.tobytes() for name, values in arrays.items() if "train_only" in name}


def test_nothing_of_a_test_subject_is_in_what_is_fitted(gallery, built, tmp_path):
    """Test subjects' faces and labels change places in time: what is fitted stays, byte for byte.

    Their histograms, which the split is stratified by, stay as they are.
    """
    root = shutil.copytree(gallery, tmp_path / "results")
    split = pd.read_csv(built / "validation/split.csv")
    test = set(split.loc[split["set"] == TEST, "subject"])
    rng = np.random.default_rng(0)
    labels = pd.read_parquet(root / "affectspace/frames.parquet")
    for name, own in labels[labels["subject"].isin(test)].groupby("sequence"):
        path = root / f"registered/{name}.zarr"
        stored = store.open(path)
        faces = stored["vertices"][...]
        turned = faces[rng.permutation(len(faces))] + rng.normal(0, 1, (len(faces), 1, 3))
        store.write(
            path,
            {"vertices": store.Vertices(turned, faces[0]), "flags": stored["flags"][...]},
            stored.attributes,
            provenance=store.Provenance(root, "registration", name),
        )
        columns = ["valence", "arousal"]
        labels.loc[own.index, columns] = own[columns].to_numpy()[rng.permutation(len(own))]
    labels.to_parquet(root / "affectspace/frames.parquet", index=False)
    record(root, root / "affectspace/frames.parquet")
    validate(root, settings(components=[3, 5, 84]), noise=0.1)
    assert (root / "validation/split.csv").read_bytes() == (
        built / "validation/split.csv"
    ).read_bytes()
    before, after = fitted(built), fitted(root)
    assert len(before) > 40 and before == after
    one, other = (pd.read_parquet(r / "validation/predictions.parquet") for r in (built, root))
    assert not np.allclose(one["predicted_valence"], other["predicted_valence"])
    everybody = {"**/sparse_all_3_components/**/*"}
    assert contents(root, *everybody) != contents(built, *everybody)


def test_no_subject_is_in_two_sets_and_every_used_frame_is_in_one(built):
    split = pd.read_csv(built / "validation/split.csv")
    assert not split["subject"].duplicated().any() and set(split["set"]) == {TRAIN, TEST}
    assert split["frames"].sum() == 480
    predicted = pd.read_parquet(built / "validation/predictions.parquet")
    assert set(predicted["subject"]) == set(split.loc[split["set"] == TEST, "subject"])
    assert len(predicted) == split.loc[split["set"] == TEST, "frames"].sum()


def test_a_sequence_whose_inputs_are_the_same_is_not_projected_again(gallery, tmp_path, caplog):
    root = shutil.copytree(gallery, tmp_path / "results")
    validate(root, settings(components=[3]))
    features = root / "validation/features"
    before = {path.name: path.stat().st_mtime_ns for path in features.glob("*.manifest.json")}
    assert len(before) == 8
    labels = pd.read_parquet(root / "affectspace/frames.parquet")
    first = labels["subject"] == "s000"
    labels.loc[labels[first & (labels["status"] == "used")].index[0], "status"] = "flagged"
    labels.to_parquet(root / "affectspace/frames.parquet", index=False)
    record(root, root / "affectspace/frames.parquet")
    validate(root, settings(components=[3]))
    after = {path.name: path.stat().st_mtime_ns for path in features.glob("*.manifest.json")}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"s000_1_spontaneous.manifest.json"}


@pytest.mark.parametrize("kind", [SPARSE, PRINCIPAL])
def test_bases_are_kept_as_they_were_fitted(built, kind):
    bases, index = read_bases(built / "validation/basis.zarr")
    stored = store.open(built / "validation/basis.zarr")
    assert len(index) == len(stored["vertices"][...])
    patch = make_patch(*small_gallery.patch(), inner=None, count=0)
    rng = np.random.default_rng(1)
    D = (rng.normal(size=(30, 5)) @ rng.normal(size=(5, 3 * len(index)))).astype(np.float32)
    fresh = fit_bases(D, patch, [3, 5], kind=kind, sparsity=0.01)
    for size, basis in fresh.items():
        assert len(basis) == size
        described = basis.project(D) @ basis.components + basis.mean
        if kind == PRINCIPAL and size == 5:
            np.testing.assert_allclose(described, D, atol=1e-3)
            np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(5), atol=1e-4)
    three, five = (bases[Key(kind, "all", size)] for size in (3, 5))
    if kind == PRINCIPAL:
        assert np.array_equal(three.components, five.components[:3])


def test_blocks_of_features_make_no_difference(built, monkeypatch):
    whole = Projections(built, [CHUNK]).frames(Key(PRINCIPAL, "all", 5))
    monkeypatch.setattr("affect4d.validation.projections.BLOCK_FRAMES", 100)
    monkeypatch.setattr("affect4d.validation.projections.MAX_HELD_BYTES", 0)
    parts = Projections(built, [CHUNK]).frames(Key(PRINCIPAL, "all", 5))
    assert whole.features.numblocks[0] == 1 and parts.features.numblocks[0] > 3
    one, other = (Regression(settings()).fit(frames).arrays() for frames in (whole, parts))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_fold_moments_are_those_of_each_fold():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(300, 4)), rng.normal(size=(300, 2))
    subjects = np.repeat([f"s{k}" for k in range(6)], 50)
    frames = Frames(da.from_array(X, chunks=(70, 4)), Y, subjects)
    folds = fold_moments(frames, 3)
    assert [fold.count for fold in folds] == [100, 100, 100]
    assert sum(fold.mean * fold.count for fold in folds) == pytest.approx(
        np.concatenate([X, Y], axis=1).sum(0), abs=1e-9
    )


def test_a_gallery_without_apexes_gets_a_table_that_says_so(gallery, tmp_path):
    root = shutil.copytree(gallery, tmp_path / "results")
    for path in (root / "registered").glob("*.zarr"):
        if "spontaneous" not in path.name:
            shutil.rmtree(path)
            store.manifest_of(path).unlink()
    made = [store.manifest_of(path) for path in sorted((root / "registered").glob("*.zarr"))]
    manifest = root / f"registered/chunks/{CHUNK}.manifest.json"
    store.record(manifest, made, store.Provenance(root, "registration", CHUNK))
    rows = validate(root, settings(components=[2, 84]))
    found = table(root)
    assert found["status"].str.contains("span no basis").all()
    assert found[["ccc_valence", "mse_arousal"]].isna().all().all()
    assert {row.item for row in rows} == {"table1"}
    assert not (root / "validation/models.zarr").exists()
    with pytest.raises(BadInput, match="span no basis"):
        validate(root, settings(components=[2, 84]), strict=True)


def test_one_subject_is_refused_in_one_line(gallery, tmp_path):
    root = shutil.copytree(gallery, tmp_path / "results")
    labels = pd.read_parquet(root / "affectspace/frames.parquet")
    labels.loc[labels["subject"] != "s000", "status"] = "unannotated"
    labels.to_parquet(root / "affectspace/frames.parquet", index=False)
    record(root, root / "affectspace/frames.parquet")
    rows = validate(root, settings(components=[2]))
    assert "1 subjects have used frames" in rows[0].rule and "more people" in rows[0].remedy
    assert len(pd.read_csv(root / "validation/split.csv")) == 0


def test_a_subject_of_one_frame_is_counted(gallery, tmp_path):
    root = shutil.copytree(gallery, tmp_path / "results")
    labels = pd.read_parquet(root / "affectspace/frames.parquet")
    own = labels[(labels["subject"] == "s003") & (labels["status"] == "used")]
    labels.loc[own.index[1:], "status"] = "flagged"
    labels.to_parquet(root / "affectspace/frames.parquet", index=False)
    record(root, root / "affectspace/frames.parquet")
    assert not validate(root, settings(components=[3]))
    split = pd.read_csv(root / "validation/split.csv").set_index("subject")
    assert split.loc["s003", "frames"] == 1
    assert table(root).set_index("model").loc[MAIN, "status"].eq("ok").all()


def frames_of(labels, columns=3, subjects=None):
    rng = np.random.default_rng(0)
    X = da.from_array(rng.normal(size=(len(labels), columns)), chunks=(10, columns))
    if subjects is None:
        subjects = np.array([f"s{row % 4}" for row in range(len(labels))])
    return Frames(X, np.asarray(labels, float), subjects)


def test_what_cannot_be_fitted_is_refused_by_name():
    rng = np.random.default_rng(1)
    labels = rng.uniform(-1, 1, (40, 2))
    with pytest.raises(BadInput, match="40 training frames do not outnumber 40 components"):
        Regression(settings()).fit(frames_of(labels, columns=40))
    constant = labels * [0, 1]
    with pytest.raises(BadInput, match="valence is constant over the training set"):
        Regression(settings()).fit(frames_of(constant))
    missing = labels.copy()
    missing[7, 1] = np.nan
    with pytest.raises(BadInput, match=r"1 training frames have labels that are not finite.*s3"):
        Regression(settings()).fit(frames_of(missing))
    with pytest.raises(BadInput, match="the test set is empty"):
        require_usable(frames_of(labels[:0]), "test")
    frames = frames_of(labels)
    X = np.array(frames.features)
    X[3, 1] = np.nan
    with pytest.raises(BadInput, match="1 training frames have weights that are not finite"):
        Regression(settings()).fit(Frames(da.from_array(X), frames.labels, frames.subjects))


def test_constant_annotations_leave_a_row_that_says_so(built, gallery, tmp_path):
    root = shutil.copytree(built, tmp_path / "results")
    labels = pd.read_parquet(root / "affectspace/frames.parquet").assign(arousal=0.25)
    labels.to_parquet(root / "affectspace/frames.parquet", index=False)
    record(root, root / "affectspace/frames.parquet")
    projections = Projections(root, [CHUNK])
    split = pd.read_csv(root / "validation/split.csv")
    attained = store.open(root / "validation/basis.zarr").attributes["attained"]
    study = Experiment(
        projections, split, attained, settings=settings(components=[3, 5]), seed=0
    ).run()
    said = {row["status"] for row in study.rows if row["model"] == MAIN}
    assert said == {"arousal is constant over the test set"} and study.chosen is None


def test_a_frame_that_is_not_finite_is_named(gallery, tmp_path, monkeypatch):
    root = shutil.copytree(gallery, tmp_path / "results")
    differences = RegisteredSequence.differences

    def broken(self, rows, *others):
        D = differences(self, rows, *others)
        if "s001" in self.path.name:
            D[4] = np.nan
        return D

    monkeypatch.setattr(
        "affect4d.registration.registered_sequence.RegisteredSequence.differences", broken
    )
    rows = validate(root, settings(components=[3]))
    assert [row.item for row in rows] == ["s001_1_spontaneous"]
    assert "frame s001_1_spontaneous_0004 is not finite" in rows[0].rule
    assert table(root).set_index("model").loc[MAIN, "status"].eq("ok").all()


def test_where_nothing_is_measured_every_row_has_the_reason():
    found = tabulate_reason(Settings(components=[2, 84], **SMALL), "for a reason")
    assert set(found["status"]) == {"for a reason"} and len(found) == 9
    assert found.loc[found["components"] == 84, "paper_ccc_valence"].eq(0.63).all()
    assert Quarantine("validation").rows == []
