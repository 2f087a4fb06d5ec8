"""Folds, leaks, sequences, arms and comparisons of the training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affect4d.config.training import Learning, Settings
from affect4d.quarantine import BadInput
from affect4d.training.arms import ARMS, Arm, Batches, hold_out
from affect4d.training.comparison import (
    ccc_of_classes,
    compare_arms,
    measure_arms,
    order_within_people,
)
from affect4d.training.face_set import FaceSet, read_face_set
from affect4d.training.folds import allowed, make_folds
from affect4d.training.leaks import check_leaks, people_behind
from affect4d.training.prepare import read_settings
from affect4d.training.sequences import Order, Walks, alter, filled, windows


def clips(people=6, clips=2, frames=7):
    rows = [
        (f"p{p}", f"{p}-{c}", f) for p in range(people) for c in range(clips) for f in range(frames)
    ]
    table = pd.DataFrame(rows, columns=["subject", "clip", "frame"])
    rng = np.random.default_rng(0)
    return table.assign(**{axis: rng.uniform(-1, 1, len(table)) for axis in ("valence", "arousal")})


def faces(table):
    """Images whose pixels are the number of their row, so that a batch says what it holds."""
    images = np.arange(len(table), dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 8, 8, 3), np.uint8
    )
    return FaceSet(images, table)


class TestFolds:
    def test_everyone_is_tested_once_and_folds_depend_on_names_and_seed_alone(self):
        table = clips(people=11)
        folds = make_folds(table, 5, seed=3)
        assert sorted(folds["subject"]) == sorted(table["subject"].unique())
        assert set(folds["fold"]) == set(range(5))
        shuffled = table.sample(frac=1, random_state=1)
        pd.testing.assert_frame_equal(make_folds(shuffled, 5, seed=3), folds)
        assert not make_folds(table, 5, seed=4).equals(folds)

    def test_names_that_are_one_person_once_normalised_are_in_one_fold(self):
        table = clips(people=6).replace({"subject": {"p0": "José Núñez", "p1": "jose  nunez"}})
        folds = make_folds(table, 5, seed=0)
        assert folds["subject"].tolist().count("jose_nunez") == 1 and len(folds) == 5

    def test_too_few_people_are_refused(self):
        with pytest.raises(BadInput, match="too few for 5 folds"):
            make_folds(clips(people=4), 5, seed=0)


class TestLeaks:
    people = people_behind(
        pd.DataFrame(
            {
                "database": "faces",
                "image_id": ["faces_1", "faces_2"],
                "subject": ["p1", "other"],
                "subject_name": ["P1", "Other"],
            }
        )
    )

    @staticmethod
    def published(subjects):
        return pd.DataFrame(
            {
                "image_id": ["one", "two"],
                "subject": subjects,
                "neutral_image_id": ["faces-faces_1", "faces-faces_2"],
            }
        )

    def used(self, published, folds):
        parts = [published[allowed(published, folds, k)].assign(fold=k) for k in range(5)]
        return pd.concat(parts)

    def test_nobody_trains_on_images_of_people_in_the_test_part(self):
        folds = make_folds(clips(), 5, seed=0)
        used = self.used(self.published(["P1", "other"]), folds)
        tested = folds.set_index("subject").loc["p1", "fold"]
        assert set(used.loc[used["image_id"] == "one", "fold"]) == set(range(5)) - {tested}
        assert set(used.loc[used["image_id"] == "two", "fold"]) == set(range(5))
        check_leaks(used, self.people, folds)

    def test_a_planted_leak_is_caught_although_the_dataset_names_another_person(self):
        folds = make_folds(clips(), 5, seed=0)
        used = self.used(self.published(["somebody", "other"]), folds)
        tested = folds.set_index("subject").loc["p1", "fold"]
        with pytest.raises(BadInput, match=f"1 images leak: fold {tested}: one shows p1"):
            check_leaks(used, self.people, folds)

    def test_an_image_without_lineage_is_a_leak_and_so_is_one_of_somebody_who_withdrew(self):
        folds = make_folds(clips(), 5, seed=0)
        used = self.published(["a", "b"]).assign(fold=0, neutral_image_id=["gone", "faces-faces_2"])
        with pytest.raises(BadInput, match="one: no accepted photograph gone"):
            check_leaks(used, self.people, folds)
        with pytest.raises(BadInput, match=r"2 images leak.*shows somebody who withdrew"):
            check_leaks(used, self.people, folds, gone={"other"})


class TestSequences:
    def test_a_sequence_never_crosses_clips_and_holds_each_frame_once_in_order(self):
        table = clips().sample(frac=1, random_state=0).reset_index(drop=True)
        found = windows(table, 3)
        rows = found[found >= 0]
        assert sorted(rows) == list(range(len(table)))
        for sequence in found:
            part = table.iloc[sequence[sequence >= 0]]
            assert part["clip"].nunique() == 1
            assert (np.diff(part["frame"]) == 1).all()

    def test_padding_is_filled_with_the_last_frame(self):
        given = np.array([[4, 5, -1], [7, -1, -1], [1, 2, 3]])
        assert filled(given).tolist() == [[4, 5, 5], [7, 7, 7], [1, 2, 3]]

    def test_a_walk_stays_with_one_person_and_moves_to_neighbouring_classes(self):
        grid = np.linspace(-0.9, 0.9, 10)
        table = pd.DataFrame(
            [(p, v, a) for p in "ab" for v in grid for a in grid],
            columns=["subject", "valence", "arousal"],
        )
        drawn = Walks(table, 6).draw(20, np.random.default_rng(0))
        points = table[["valence", "arousal"]].to_numpy()[drawn]
        steps = np.abs(np.diff(points, axis=1)).max(axis=2)
        assert (steps > 0.1).all() and (steps < 0.7).all()
        people = table["subject"].to_numpy()[drawn]
        assert (people == people[:, :1]).all() and set(people[:, 0]) == {"a", "b"}

    def test_an_order_passes_over_all_before_any_comes_again(self):
        order = Order(np.arange(5)[:, None], 0, "x")
        stream = order.take(0, 15)[:, 0].reshape(3, 5)
        assert (np.sort(stream) == np.arange(5)).all()
        assert len({tuple(row) for row in stream.tolist()}) > 1
        np.testing.assert_array_equal(order.take(7, 4)[:, 0], stream.ravel()[7:11])

    def test_classic_augmentation_alters_a_sequence_as_a_whole(self):
        frames = np.random.default_rng(0).integers(60, 190, (3, 2, 16, 16, 3), dtype=np.uint8)
        frames[:, 1] = frames[:, 0]
        altered = alter(frames, np.random.default_rng(1))
        assert altered.shape == frames.shape and altered.dtype == np.uint8
        np.testing.assert_array_equal(altered[:, 0], altered[:, 1])
        assert (altered[:, 0] != frames[:, 0]).any(axis=(1, 2, 3)).all()


class TestArms:
    settings = Settings(learning=Learning(sequence=3, batch=4))

    def batches(self, name):
        real = faces(clips(people=4))
        synthetic = faces(clips(people=2, clips=1, frames=9))
        return Batches(Arm(ARMS[name], real, synthetic, "fold 0"), self.settings)

    def test_arms_with_real_frames_share_them_step_by_step(self):
        first = {n: self.batches(n)(5) for n in ARMS if "real" in ARMS[n]}
        for frames, labels in first.values():
            np.testing.assert_array_equal(frames[:4], first["real"][0])
            np.testing.assert_array_equal(labels[:4], first["real"][1])
        assert {len(first[n][0]) for n in first if n != "real"} == {8}

    def test_the_control_differs_from_the_augmented_arm_in_labels_alone(self):
        (frames, labels), (same, others) = self.batches("augmented")(2), self.batches("shuffled")(2)
        np.testing.assert_array_equal(frames, same)
        np.testing.assert_array_equal(labels[:4], others[:4])
        assert (labels[4:] != others[4:]).mean() > 0.5

    def test_a_step_depends_on_nothing_but_its_number(self):
        used = self.batches("classic")
        used(0), used(3)
        for ours, fresh in zip(used(1), self.batches("classic")(1), strict=True):
            np.testing.assert_array_equal(ours, fresh)

    def test_the_synthetic_arm_holds_no_real_frame(self):
        frames, _ = self.batches("synthetic")(0)
        assert len(frames) == 8 and frames.max() < 18

    def test_what_is_held_out_is_the_same_people_in_all_arms_and_nobody_learns_from_them(self):
        held = {}
        for name in ARMS:
            given = self.arm(name)
            left, faces = hold_out(given, seed=1)
            held[name] = set(faces.table["subject"])
            for kind in ("real", "synthetic"):
                rest, all_ = getattr(left, kind).table, getattr(given, kind).table
                assert held[name].isdisjoint(rest["subject"]) and 0 < len(rest) < len(all_)
        assert len(held["real"]) == 2 and len(set(map(frozenset, held.values()))) == 1

    def test_nobody_is_held_out_where_nobody_would_be_left(self):
        given = replace(self.arm("augmented"), synthetic=faces(clips(people=1, clips=1)))
        with pytest.raises(BadInput, match=r"nobody left in its synthetic faces.*patience: 0"):
            hold_out(given, seed=1)

    @staticmethod
    def arm(name):
        real, synthetic = faces(clips(people=10, clips=1)), faces(clips(people=10, clips=1))
        return Arm(ARMS[name], real, synthetic, "fold 0")


class TestComparison:
    @staticmethod
    def reads(noise, seed):
        rng = np.random.default_rng(seed)
        subject = np.repeat([f"p{k}" for k in range(20)], 30)
        table = pd.DataFrame({"subject": subject, "fold": np.repeat(np.arange(5), 120)})
        for axis in ("valence", "arousal"):
            table[axis] = np.random.default_rng(0).normal(size=600)
            table[f"read_{axis}"] = table[axis] + noise * rng.normal(size=600)
        return table

    def test_a_better_arm_is_found_and_an_equal_one_is_not(self):
        arms = {name: self.reads(*each) for name, each in
                {"base": (1, 1), "same": (1, 2), "better": (0.5, 3)}.items()}  # fmt: skip
        found = compare_arms(arms, "base", seed=0).set_index("arm")
        for kind in ("", "fold_"):
            assert (found.loc["better", f"{kind}low"] > 0.05).all()
            assert (found.loc["same", f"{kind}low"] < 0).all()
            assert (found.loc["same", f"{kind}high"] > 0).all()

    def test_measures_are_those_of_the_validation(self):
        measured = measure_arms({"base": self.reads(0, 1)}, seed=0)
        assert measured["ccc"].tolist() == pytest.approx([1, 1])
        assert measured["mse"].tolist() == pytest.approx([0, 0])
        noisy = measure_arms({"base": self.reads(1, 1)}, seed=0)
        assert (noisy["ccc_low"] < noisy["ccc"]).all() and (noisy["ccc"] < noisy["ccc_high"]).all()
        assert (noisy["ccc_high"] - noisy["ccc_low"]).between(0.02, 0.3).all()

    def test_class_means_average_what_is_read_of_different_people(self):
        rng = np.random.default_rng(0)
        asked = np.linspace(-1, 1, 30)
        read = pd.DataFrame(
            {
                "subject": np.repeat([f"p{k}" for k in range(20)], 30),
                "class": np.tile(np.arange(30), 20),
                "valence": np.tile(asked, 20),
            }
        )
        read["read_valence"] = read["valence"] + rng.normal(0, 1, len(read))
        value, low, high = ccc_of_classes(read.drop(index=[3, 400]), "valence", seed=0)
        assert low < value < high and value > 0.85
        single = ccc_of_classes(read[read["subject"] == "p0"], "valence", seed=0)
        assert single[0] < 0.7

    def test_orders_within_people_see_through_what_differs_between_them(self):
        people = np.random.default_rng(0).normal(size=40)
        orders = order_within_people(people, people + 0.3, seed=0)
        assert orders["within"] == (1, 1, 1)
        assert 0.5 < orders["pooled"][0] < 0.75
        assert orders["pooled"][1] < orders["pooled"][0] < orders["pooled"][2]
        assert order_within_people(people, people, seed=0)["within"][0] == 0.5


def test_face_sets_are_read_as_they_were_written(tmp_path):
    written = faces(clips().assign(image_id="x"))
    written.write(tmp_path, "real")
    read = read_face_set(tmp_path, "real")
    np.testing.assert_array_equal(read.images, written.images)
    np.testing.assert_allclose(read.labels, written.labels)
    assert read.table["clip"].tolist() == written.table["clip"].tolist()


def test_settings_that_are_wrong_are_refused_by_name(tmp_path):
    file = tmp_path / "training.yaml"
    file.write_text("network: {width: 2}")
    with pytest.raises(BadInput, match=r"network\.width"):
        read_settings(file)
    file.write_text("layout: aff_wild2")
    with pytest.raises(BadInput, match="is not rendered"):
        read_settings(file)
    file.write_text("london: /data/london")
    assert read_settings(file) == Settings(london="/data/london")


def test_every_setting_is_in_the_page():
    page = (Path(__file__).parents[1] / "docs/training.md").read_text(encoding="utf-8")
    for name, part in Settings.model_fields.items():
        nested = getattr(part.annotation, "model_fields", {})
        for key in [f"{name}.{inner}" for inner in nested] or [name]:
            assert key in page or f"`.{key.split('.')[-1]}`" in page, key
