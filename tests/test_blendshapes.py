"""The class job: models of each class, what is fitted again, sequences without neutral frames."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import small_gallery
from support.contexts import context
from support.recorded import record

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.blendshapes import classes, compression, read_class, sample
from affect4d.blendshapes.atlas import build_atlas
from affect4d.blendshapes.classes import ClassFitter, fit_group, record_models
from affect4d.blendshapes.differences import subsample_by_subject
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings
from affect4d.quarantine import BadInput, Quarantine
from affect4d.registration.registered_sequence import RegisteredSequence

VERTICES, _ = small_gallery.patch()


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


PLANE = PlaneSettings(bins=4, min_frames=3, min_subjects=2)


def plane(root, **settings):
    build_affectspace(context(root, "affectspace"), PLANE.model_copy(update=settings))


def run(root, quarantine=None, workers=1, plane=PLANE, **settings):
    """Fit all classes; return when each class's manifest was written."""
    fitter = ClassFitter(
        context(
            root,
            "blendshapes",
            quarantine=quarantine or Quarantine("blendshapes"),
            settings={"affectspace": plane.model_dump()} | settings,
            workers=workers,
        ),
        small_gallery.template(),
        settings=Settings(**{"outer_radius": 45.0, "components": 3, **settings}),
        plane=plane,
    )
    fit_group(fitter, 0)
    manifests = (root / "blendshapes").glob("v*.manifest.json")
    return {path.name: path.stat().st_mtime_ns for path in manifests}


def test_a_class_that_does_not_fit_into_memory_is_read_by_blocks(copied, tmp_path, monkeypatch):
    """The same mean, and components that differ by what the tolerance allows."""
    again = Path(shutil.copytree(copied, tmp_path / "again"))
    monkeypatch.setattr(classes, "BLOCK_BYTES", 1)
    monkeypatch.setattr(compression, "BLOCK_BYTES", 1)
    run(again, energy_tolerance=1e-4)
    for path in (copied / "blendshapes").glob("v*.zarr"):
        inside, outside = store.open(path), store.open(again / "blendshapes" / path.name)
        np.testing.assert_allclose(outside["mean"][...], inside["mean"][...], atol=1e-5)
        assert inside.attributes["lost_energy_mm2"] == 0
        whole = np.concatenate([w["weights"][...] @ w["components"][...].reshape(
            len(w["components"]), -1) for w in (inside, outside)]).reshape(2, -1)  # fmt: skip
        assert np.linalg.norm(whole[0] - whole[1]) < 0.05 * np.linalg.norm(whole[0])
        assert outside.attributes["fitted_frame_ids"] == inside.attributes["fitted_frame_ids"]


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
            sequence = RegisteredSequence(built / f"registered/{of[frame_id]}.zarr")
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
    build_atlas(context(root, "atlas"), vertex_count=len(VERTICES), groups=1)
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
    record(copied, copied / "gallery/frames.parquet")
    plane(copied)
    after = run(copied)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert 1 <= len(changed) <= 2 and "v-0.75_a-0.75.manifest.json" in changed


def test_a_class_that_no_longer_suffices_loses_its_model(copied):
    table = copied / "affectspace/classes.parquet"
    pd.read_parquet(table).assign(status="insufficient").to_parquet(table)
    record(copied, table)
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


def test_the_plane_decides_whether_there_is_a_model_not_what_is_in_it(copied):
    before = run(copied)
    strict = Quarantine("blendshapes", strict=True)
    most = pd.read_parquet(copied / "affectspace/classes.parquet")["count"].max()
    after = run(copied, strict, plane=PlaneSettings(bins=4, min_frames=most, min_subjects=2))
    assert 1 <= len(after) < len(before) and len(strict.rows) == len(before) - len(after)
    assert after == {name: before[name] for name in after}


def test_a_coarser_plane_leaves_nothing_of_the_finer_one(copied):
    folder = copied / "blendshapes"
    for job in ("7", "expressions"):
        record_models(context(copied, "blendshapes"), job, [], item=job)
    plane(copied, bins=2)
    run(copied)
    table = pd.read_parquet(copied / "affectspace/classes.parquet")
    assert len({path.name for path in folder.glob("v*.zarr")} - set(table["name"] + ".zarr")) > 3
    build_atlas(context(copied, "atlas"), vertex_count=len(VERTICES), groups=1)
    kept = sorted(path.name for path in folder.glob("v*"))
    wanted = table[table["status"] == "ok"]["name"]
    assert kept == sorted([*(wanted + ".zarr"), *(wanted + ".manifest.json")])
    for place, suffix in (("chunks", ".manifest.json"), ("quarantine", ".csv")):
        jobs = {path.name for path in (folder / place).iterdir()}
        assert jobs == {f"0{suffix}", f"expressions{suffix}"}
    for name in wanted:
        assert store.open(folder / f"{name}.zarr").attributes["name"] == name


def test_a_class_that_neutral_meshes_leave_with_too_few_frames_or_people_has_no_model(copied):
    """Rule 5 holds of the frames that a model would be made of."""
    for path in sorted((copied / "registered").glob("*_spontaneous.zarr"))[1:]:
        without_neutral(path)
    quarantine = Quarantine("blendshapes")
    assert not run(copied, quarantine)
    rows = [row for row in quarantine.rows if row.item.startswith("v")]
    table = pd.read_parquet(copied / "affectspace/classes.parquet")
    assert {row.item for row in rows} == set(table[table["status"] == "ok"]["name"])
    assert all("of 1 people" in row.rule or "of 0 people" in row.rule for row in rows)
    assert all("neutral" in row.remedy and "min_subjects" in row.remedy for row in rows)


def test_the_neutral_mesh_is_that_of_the_chosen_method(built):
    table = pd.read_parquet(built / "gallery/frames.parquet")
    sequence = RegisteredSequence(built / "registered/s000_1_spontaneous.zarr")
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
    taken = subsample_by_subject(frames, 10)
    assert taken["subject"].value_counts().to_dict() == {"a": 5, "b": 5}
    again = subsample_by_subject(frames.sample(frac=1, random_state=0), 10)
    assert set(again["frame_id"]) == set(taken["frame_id"])
    assert subsample_by_subject(frames, 50) is frames
