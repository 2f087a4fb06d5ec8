"""`affect4d audit-model`: planted biases are found, none is found where there is none."""

import io
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from affect4d.artifacts.dataset import PHOTOGRAPH
from affect4d.cli import app
from affect4d.quarantine import BadInput
from affect4d.training.model_audit import (
    compare_groups,
    holm,
    measure_people,
    permutation_p,
    welch_interval,
)
from affect4d.training.model_reading import read_images

PEOPLE, CLASSES = 24, 20
GROUPS = pd.DataFrame(
    {"sex": ["f", "m"] * (PEOPLE // 2), "ancestry": ["x", "y", "z"] * (PEOPLE // 3)},
    index=[f"p{number:02d}" for number in range(PEOPLE)],
)


def asked():
    """Every person in every class."""
    plane = np.random.default_rng(0).uniform(-1, 1, (CLASSES, 2))
    return pd.DataFrame(
        {
            "subject": np.repeat(GROUPS.index, CLASSES),
            "class": np.tile(np.arange(CLASSES), PEOPLE),
            "valence": np.tile(plane[:, 0], PEOPLE),
            "arousal": np.tile(plane[:, 1], PEOPLE),
        }
    )


def reads(rng):
    """An unbiased reader: errors of its own for each person and each image."""
    table = asked()
    return pd.DataFrame(
        {
            axis: table[axis] + rng.normal(0, 0.1, PEOPLE).repeat(CLASSES)
            + rng.normal(0, 0.2, len(table))
            for axis in ("valence", "arousal")
        }
    )  # fmt: skip


def audit(read):
    return compare_groups(measure_people(asked(), read), GROUPS, seed=0)


class TestBias:
    def test_a_shift_on_one_group_is_found_where_it_was_planted(self):
        read = reads(np.random.default_rng(1))
        read.loc[(asked()["subject"].map(GROUPS["ancestry"]) == "y"), "valence"] += 0.3
        found = audit(read)
        assert found["group"].iloc[0] == "y"
        planted = found.query("group == 'y' and measure == 'valence: level'").iloc[0]
        assert planted["attribute"] == "ancestry" and planted["p_holm"] < 0.01
        assert planted["low"] < 0.3 < planted["high"]
        elsewhere = found[found["measure"].str.startswith("arousal")]
        assert planted["p_holm"] < elsewhere["p_holm"].min()

    def test_a_reader_made_worse_on_one_group_is_found_by_its_errors(self):
        read = reads(np.random.default_rng(2))
        hit = (asked()["subject"].map(GROUPS["sex"]) == "m").to_numpy()
        read.loc[hit, "arousal"] += np.random.default_rng(3).normal(0, 0.5, hit.sum())
        worst = audit(read).iloc[0]
        assert (worst["attribute"], worst["measure"]) == ("sex", "arousal: error")
        assert worst["difference"] < 0 and worst["p_holm"] < 0.01

    def test_an_unbiased_reader_is_accused_no_more_often_than_stated(self):
        repetitions = 200
        lowest = [audit(reads(np.random.default_rng([4, k])))["p_holm"].min() for k in range(200)]
        accused = int((np.array(lowest) < 0.05).sum())
        # so many or more would come up in one of 1,000 such tests if the rate were 5 %
        assert accused <= stats.binom.isf(0.001, repetitions, 0.05)

    def test_classes_that_not_everyone_shows_do_not_count(self):
        table, read = asked(), reads(np.random.default_rng(5))
        read.loc[(table["subject"] == "p00") & (table["class"] == 3), "valence"] = 100
        kept = ~((table["subject"] == "p01") & (table["class"] == 3)).to_numpy()
        people = measure_people(table[kept], read[kept].reset_index(drop=True))
        assert people.loc["p00", "valence: level"] < 1


def test_the_permutation_is_that_of_scipy():
    rng = np.random.default_rng(0)
    values, member = rng.normal(size=(30, 2)), np.arange(30) < 12
    values[member, 1] += 0.8
    ours = permutation_p(values, member, rng)
    for column, p in zip(values.T, ours, strict=True):
        wanted = stats.permutation_test(
            (column[member], column[~member]),
            lambda a, b, axis: a.mean(axis) - b.mean(axis),
            n_resamples=9999, vectorized=True, rng=1,
        ).pvalue  # fmt: skip
        assert p == pytest.approx(wanted, abs=0.03)


def test_the_interval_is_that_of_scipy():
    ours, others = np.random.default_rng(0).normal([[0], [1]], size=(2, 9))
    wanted = stats.ttest_ind(ours, others[:6], equal_var=False).confidence_interval(0.95)
    assert welch_interval(ours, others[:6]) == pytest.approx(tuple(wanted))
    assert welch_interval(np.ones(3), np.zeros(2)) == (1, 1)


def test_what_differs_by_rounding_alone_is_no_difference():
    values = 0.3 + 1e-16 * np.arange(20)[:, None] * [1, 2]
    p = permutation_p(values, np.arange(20) < 10, np.random.default_rng(0))
    assert (p == 1).all()


def test_holm_is_as_in_the_textbook():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def field(number, value):
    """One field of a protocol buffer, as ONNX files are made of."""
    if isinstance(value, int):
        return bytes([number << 3]) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value):
    head = bytes([value & 127 | (128 if value > 127 else 0)])
    return head + (varint(value >> 7) if value > 127 else b"")


def onnx(side):
    """A network that gives the mean red and the mean blue of images (N, 3, side, side)."""

    def tensor(name, array):
        sizes = b"".join(field(1, n) for n in array.shape)
        kind = 1 if array.dtype == np.float32 else 7
        return field(5, sizes + field(2, kind) + field(8, name) + field(9, array.tobytes()))

    def shaped(name, *sizes):
        shape = b"".join(
            field(1, field(2, s) if isinstance(s, str) else field(1, s)) for s in sizes
        )
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    def node(kind, *inputs, output):
        given = b"".join(field(1, name) for name in inputs)
        return field(1, given + field(2, output) + field(4, kind))

    weights = np.array([[1, 0], [0, 0], [0, 1]], np.float32)
    graph = (
        node("GlobalAveragePool", "image", output="pooled")
        + node("Flatten", "pooled", output="flat")
        + node("MatMul", "flat", "weights", output="read")
        + field(2, "means")
        + tensor("weights", weights)
        + field(11, shaped("image", "N", 3, side, side))
        + field(12, shaped("read", "N", 2))
    )
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def test_an_onnx_network_reads_images(tmp_path):
    (tmp_path / "means.onnx").write_bytes(onnx(16))
    images = np.random.default_rng(0).integers(0, 255, (40, 16, 16, 3), dtype=np.uint8)
    wanted = (images.mean((1, 2)) - 128) / 128
    np.testing.assert_allclose(
        read_images(tmp_path / "means.onnx", images), wanted[:, [0, 2]], atol=1e-5
    )
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(BadInput, match="OpenCV cannot run it"):
        read_images(tmp_path / "broken.onnx", images)


@pytest.mark.skipif(
    "AFFECT4D_TRAIN" not in os.environ, reason="AFFECT4D_TRAIN names no interpreter"
)
def test_a_torchscript_network_reads_images(tmp_path):
    code = "import torch, sys; torch.jit.save(torch.jit.script(torch.nn.Flatten()), sys.argv[1])"
    command = [os.environ["AFFECT4D_TRAIN"], "-c", code, tmp_path / "flat.pt"]
    subprocess.run(command, check=True)
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    read = read_images(tmp_path / "flat.pt", images)
    np.testing.assert_allclose(read, (images.transpose(0, 3, 1, 2).reshape(3, -1) - 128.0) / 128)
    (tmp_path / "broken.pt").write_bytes(b"no network")
    with pytest.raises(BadInput, match="PyTorch cannot run it"):
        read_images(tmp_path / "broken.pt", images)


def published(root, rng):
    """A dataset whose images are redder on the second half of its people."""
    table = asked().assign(kind=PHOTOGRAPH, database="faces", neutral_image_id="n")
    table["image_id"] = [f"image{number:04d}" for number in range(len(table))]
    level = 100 + 40 * (table["subject"] >= "p12") + rng.normal(0, 3, len(table))
    images = []
    for grey in level:
        file = io.BytesIO()
        Image.fromarray(np.full((16, 16, 3), [grey, 90, 90], np.uint8)).save(file, "png")
        images.append({"bytes": file.getvalue(), "path": "x.png"})
    folder = root / "dataset" / "data"
    folder.mkdir(parents=True)
    table.assign(image=images).to_parquet(folder / "train-00000-of-00001.parquet")


def test_the_command_says_what_differs_and_so_does_its_exit_code(tmp_path):
    published(tmp_path, np.random.default_rng(0))
    (tmp_path / "means.onnx").write_bytes(onnx(16))
    groups = GROUPS.assign(half=["a"] * 12 + ["b"] * 12)
    command = ["audit-model", str(tmp_path / "means.onnx"), str(tmp_path), "--size", "16"]
    command += ["--out", str(tmp_path / "table.csv"), "--groups", str(tmp_path / "groups.csv")]
    groups.to_csv(tmp_path / "groups.csv", index_label="subject")
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 2, ran.output
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["attribute"].iloc[0] == "half"
    planted = table.query("attribute == 'half' and measure == 'valence: level'").iloc[0]
    assert planted["difference"] == pytest.approx(-40 / 128, abs=0.01)
    groups[["sex"]].to_csv(tmp_path / "groups.csv", index_label="subject")
    assert CliRunner().invoke(app, command).exit_code == 0
    (tmp_path / "groups.csv").write_text("name,sex\np00,f\n")
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 1 and "lacks `subject`" in ran.output
