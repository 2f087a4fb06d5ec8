"""Sparse localized components: constraints, invariances, edge cases; the class job."""

import shutil
import warnings
from pathlib import Path

import igl
import numpy as np
import pandas as pd
import pytest
import small_gallery
from scipy.optimize import lsq_linear, minimize

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.blendshapes import Geodesics, SparseLocalizedPCA, read_class, sample
from affect4d.blendshapes.atlas import write_atlas
from affect4d.blendshapes.classes import fit_group
from affect4d.blendshapes.differences import Sequence, spread
from affect4d.blendshapes.steps import update_components, update_weights
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings
from affect4d.formats.quarantine import BadInput, Quarantine

VERTICES, TRIANGLES = small_gallery.patch()
CENTRES = np.array([66, 80, 220, 346, 374])
RADII = {"inner_radius": 10.0, "outer_radius": 45.0}
CONSTRAINTS = ["nonnegative", "signed"]


def planted(constraint="nonnegative", frames=60, noise=0.0, seed=0):
    """Frames (m, 3V) of five disjoint bumps, and the bumps."""
    rng = np.random.default_rng(seed)
    fields = small_gallery.bumps(VERTICES, CENTRES, 24, rng)
    weights = rng.beta(0.5, 1.0, size=(frames, len(CENTRES)))
    if constraint == "signed":
        weights *= rng.choice([-1, 1], size=weights.shape)
    D = weights @ fields.reshape(len(fields), -1)
    return D + noise * rng.normal(size=D.shape), fields


def fit(D, n_components=5, vertices=VERTICES, triangles=TRIANGLES, **parameters):
    parameters = {"sparsity": 0.02, **RADII, **parameters}
    return SparseLocalizedPCA(n_components, **parameters).fit(
        D, vertices=vertices, triangles=triangles
    )


def matched(found, expected):
    """For each expected field, its largest cosine with a found one, and which."""
    a = found.reshape(len(found), -1)
    b = expected.reshape(len(expected), -1)
    cosine = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    return np.abs(cosine).max(0), np.abs(cosine).argmax(0)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_planted_components_are_recovered(constraint):
    D, fields = planted(constraint, noise=0.02)
    cosine, which = matched(fit(D, constraint=constraint).components_, fields)
    assert sorted(which) == [0, 1, 2, 3, 4]
    assert cosine.min() > 0.99


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


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_objective_never_rises_while_the_centres_are_fixed(constraint):
    D, _ = planted("signed", noise=0.5)
    model = fit(D, 8, constraint=constraint, centre_updates=0, tolerance=1e-9, sparsity=0.2)
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


def test_permuting_frames_and_vertices_and_rotating_change_nothing():
    D, _ = planted(noise=0.2)
    rng = np.random.default_rng(1)
    model = fit(D)
    frames, order = rng.permutation(len(D)), rng.permutation(len(VERTICES))
    rank = np.argsort(order)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = (D.reshape(len(D), -1, 3) @ rotation.T)[frames][:, order]
    other = fit(
        moved.reshape(len(D), -1),
        vertices=(VERTICES @ rotation.T)[order],
        triangles=rank[TRIANGLES][::-1],
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

    found = np.zeros((3, 1, 3))
    for _ in range(20):
        update_components(found, W.T @ W / 30, (W.T @ x / 30)[:, None], penalty[:, None])
    best = minimize(loss, found.ravel() + 0.01, method="Powell", options={"ftol": 1e-14})
    assert loss(found.ravel()) <= best.fun + 1e-9


def test_all_frames_at_rest_give_no_component():
    with pytest.warns(UserWarning, match="0 components instead of 5"):
        model = fit(np.zeros((9, 3 * len(VERTICES))))
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
        ({"n_components": 0}, "n_components"),
    ],
)
def test_impossible_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        fit(planted()[0], **parameters)


def test_impossible_input_is_refused():
    D, _ = planted()
    with pytest.raises(ValueError, match="columns"):
        fit(D[:, :-3])
    with pytest.raises(ValueError, match="NaN"):
        fit(np.where(D[0, 0] == D, np.nan, D))
    with pytest.raises(ValueError, match="does not exist"):
        fit(D, triangles=TRIANGLES + 1)


def test_geodesics_are_exact_on_a_plane_and_near_exact_on_the_patch():
    flat = VERTICES * [1, 1, 0]
    from_corner = Geodesics(flat, TRIANGLES, 1e3).from_vertex(0)
    assert np.allclose(from_corner, np.linalg.norm(flat - flat[0], axis=1), rtol=0.02)
    none = np.empty(0, dtype=np.int64)
    exact = igl.exact_geodesic(
        VERTICES, TRIANGLES, np.array([220]), none, np.arange(len(VERTICES)), none
    )
    assert np.allclose(Geodesics(VERTICES, TRIANGLES, 1e3).from_vertex(220), exact, rtol=0.02)


def test_geodesics_end_at_the_limit_and_are_symmetric():
    geodesics = Geodesics(VERTICES, TRIANGLES, 30.0)
    distance = geodesics.from_vertex(220)
    assert np.isinf(distance).any() and distance[np.isfinite(distance)].max() <= 30
    assert distance[225] == pytest.approx(geodesics.from_vertex(225)[220])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small gallery with classes of a 4 x 4 grid, fitted."""
    root = tmp_path_factory.mktemp("results")
    small_gallery.build(root, subjects=4, length=40)
    plane(root)
    run(root)
    return root


@pytest.fixture
def copied(built, tmp_path):
    """A copy of `built` to change."""
    return Path(shutil.copytree(built, tmp_path / "results"))


def plane(root, **settings):
    settings = PlaneSettings(bins=4, min_frames=3, min_subjects=2, **settings)
    files = build_affectspace(
        root / "gallery/frames.parquet",
        root / "registered",
        root / "affectspace",
        settings,
        Quarantine("affectspace"),
    )
    store.record(root / "affectspace/affectspace.manifest.json", files, None)


def run(root, quarantine=None, workers=1, **settings):
    """Fit all classes; return when each class's manifest was written."""
    fit_group(
        0,
        root,
        small_gallery.template(),
        Settings(**{"outer_radius": 45.0, "components": 3, **settings}),
        quarantine or Quarantine("blendshapes"),
        lambda item, inputs, extra: store.Provenance(
            root, "blendshapes", item, inputs, settings | extra
        ),
        workers,
    )
    manifests = (root / "blendshapes").glob("v*.manifest.json")
    return {path.name: path.stat().st_mtime_ns for path in manifests}


def test_a_class_model_is_the_mean_and_components_of_its_frames(built):
    root = built
    classes = pd.read_parquet(root / "affectspace/classes.parquet")
    frames = pd.read_parquet(root / "affectspace/frames.parquet")
    name = classes.loc[classes["status"] == "ok", "name"].iloc[0]
    stored = store.open(root / f"blendshapes/{name}.zarr")
    index = classes.loc[classes["name"] == name, "class"].iloc[0]
    members = frames[frames["class"] == index]
    assert stored.attributes["frame_ids"] == members["frame_id"].tolist()
    expected = []
    for row in members.itertuples():
        sequence = store.open(root / f"registered/{row.sequence}.zarr")["vertices"][...]
        expected.append(sequence[row.frame] - sequence[:2].mean(0))
    assert np.allclose(stored["mean"][...], np.mean(expected, axis=0), atol=1e-4)
    model = read_class(root / f"blendshapes/{name}.zarr")
    assert (model.weights.max(0) == 1).all()
    faces = [sample(model, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert np.array_equal(faces[0], faces[1]) and not np.array_equal(faces[0], faces[2])
    assert np.abs(faces[0]).max() < 2 * np.abs(expected).max()


def test_the_mean_is_that_of_all_frames_however_few_are_fitted(built, copied, monkeypatch):
    monkeypatch.setattr("affect4d.blendshapes.classes.BLOCK_FRAMES", 4)
    run(copied, max_frames=3)
    for path in (built / "blendshapes").glob("v*.zarr"):
        whole, few = store.open(path), store.open(copied / "blendshapes" / path.name)
        assert sorted(whole.attributes["fitted_frame_ids"]) == sorted(whole.attributes["frame_ids"])
        assert len(few.attributes["fitted_frame_ids"]) == len(few["weights"]) == 3
        assert few.attributes["frame_ids"] == whole.attributes["frame_ids"]
        np.testing.assert_allclose(few["mean"][...], whole["mean"][...], rtol=0, atol=1e-5)


def test_each_row_of_the_weights_belongs_to_its_frame(built):
    for path in (built / "blendshapes").glob("v*.zarr"):
        stored = store.open(path)
        of = dict(zip(stored.attributes["frame_ids"], stored.attributes["sequences"], strict=True))
        models = np.tensordot(stored["weights"][...], stored["components"][...], 1)
        for row, frame_id in enumerate(stored.attributes["fitted_frame_ids"]):
            sequence = Sequence(built / f"registered/{of[frame_id]}.zarr")
            difference = sequence.differences(sequence.rows([frame_id]), [0, 1])
            # Its weights are the best in the box, so no other frame's describe it better.
            error = np.linalg.norm(models - difference, axis=(1, 2))
            assert error[row] <= error.min() * 1.0001


def test_the_number_of_reading_threads_changes_no_byte(built, copied):
    shutil.rmtree(copied / "blendshapes")
    run(copied, workers=3)
    manifests = list((built / "blendshapes").glob("v*.manifest.json"))
    assert manifests
    for path in manifests:
        assert (copied / "blendshapes" / path.name).read_bytes() == path.read_bytes()


def test_samples_scatter_about_the_mean_of_the_class(built):
    root = built
    path = next((root / "blendshapes").glob("v*.zarr"))
    model, rng = read_class(path), np.random.default_rng(0)
    faces = np.mean([sample(model, rng) for _ in range(500)], axis=0)
    assert np.abs(faces - model.mean).max() < 0.5


def test_the_atlas_holds_every_class(built):
    root = built
    classes = pd.read_parquet(root / "affectspace/classes.parquet")
    path = root / "blendshapes/atlas.zarr"
    write_atlas(path, root / "blendshapes", classes, len(VERTICES), None)
    atlas = store.open(path)
    assert atlas["mean"].shape == (16, len(VERTICES), 3)
    ok = classes["status"].to_numpy() == "ok"
    assert ok.any() and np.array_equal(np.any(atlas["mean"][...], axis=(1, 2)), ok)
    assert np.array_equal(atlas["count"][...] > 0, ok)
    medians = classes[["median_valence", "median_arousal"]].to_numpy()
    assert np.allclose(atlas["median"][...], medians, equal_nan=True)
    assert np.array_equal(atlas["status"][...] == atlas.attributes["statuses"].index("ok"), ok)


def test_only_classes_that_change_are_fitted_again(copied):
    table = pd.read_parquet(copied / "gallery/frames.parquet")
    before = run(copied)
    assert run(copied) == before
    first = table["valence"].between(0.5, 1).idxmax()
    table.loc[first, ["valence", "arousal"]] = -0.75
    table.to_parquet(copied / "gallery/frames.parquet", index=False)
    plane(copied)
    after = run(copied)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert 1 <= len(changed) <= 2 and "v-0.75_a-0.75.manifest.json" in changed


def test_a_class_that_no_longer_suffices_loses_its_model(copied):
    table = copied / "affectspace/classes.parquet"
    pd.read_parquet(table).assign(status="insufficient").to_parquet(table)
    assert not run(copied)
    assert not list((copied / "blendshapes").glob("v*"))


def without_neutral(path):
    sequence = store.open(path)
    arrays = {
        "vertices": store.Vertices(sequence["vertices"][...], sequence["vertices"][0]),
        "flags": sequence["flags"][...],
    }
    frames = len(sequence["flags"])
    store.write(path, arrays, sequence.attributes | {"is_neutral": [False] * frames})


def test_a_sequence_without_neutral_is_quarantined_and_the_rest_goes_on(copied):
    without_neutral(copied / "registered/s001_1_spontaneous.zarr")
    quarantine = Quarantine("blendshapes")
    assert run(copied, quarantine)
    assert [row.item for row in quarantine.rows] == ["s001_1_spontaneous"]
    with pytest.raises(BadInput, match="neutral"):
        run(copied, Quarantine("blendshapes", strict=True))
    quarantine = Quarantine("blendshapes")
    run(copied, quarantine, neutral="first")
    assert not quarantine.rows


def test_the_neutral_mesh_is_that_of_the_chosen_method(built):
    table = pd.read_parquet(built / "gallery/frames.parquet")
    sequence = Sequence(built / "registered/s000_1_spontaneous.zarr")
    own = table[table["sequence"] == "s000_1_spontaneous"]
    assert sequence.neutral_rows("given", 1, own).tolist() == [0, 1]
    assert sequence.neutral_rows("first", 1, own).tolist() == [0]
    nearest = np.hypot(own["valence"], own["arousal"]).argsort()[:4]
    assert sequence.neutral_rows("mean_nearest_zero", 4, own).tolist() == sorted(nearest)
    assert sequence.neutral_rows("mean_nearest_zero", 4, own[:0]).tolist() == [0, 1]
    sequence.flags[0] = 1
    assert sequence.neutral_rows("given", 1, own).tolist() == [1]
    assert sequence.neutral_rows("first", 1, own).tolist() == [1]


def test_frames_are_spread_over_the_subjects_whatever_their_order():
    frames = pd.DataFrame(
        {"frame_id": [f"f{i}" for i in range(50)], "subject": ["a"] * 45 + ["b"] * 5}
    )
    taken = spread(frames, 10)
    assert taken["subject"].value_counts().to_dict() == {"a": 5, "b": 5}
    again = spread(frames.sample(frac=1, random_state=0), 10)
    assert set(again["frame_id"]) == set(taken["frame_id"])
    assert spread(frames, 50) is frames
