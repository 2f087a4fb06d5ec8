"""The morphable model: learnt from registered sequences, or read from an LSFM file."""

import os
import signal
import subprocess

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.spatial.transform import Rotation
from support.contexts import context
from support.recorded import record

from affect4d import store
from affect4d.config.fitting import Settings, chunk_names
from affect4d.fitting.chunks import (
    assign_chunk,
    build_model,
    fit_chunk,
    fit_images,
    read_table,
)
from affect4d.fitting.learning import gather_faces, identity_modes, learn_model, principal_modes
from affect4d.fitting.lsfm import read_lsfm
from affect4d.fitting.storage import read_fits, read_model, write_model
from affect4d.formats import named_arrays
from affect4d.formats.images import write_image
from affect4d.formats.landmarks import write_pts
from affect4d.geometry.similarity import Similarity
from affect4d.quarantine import BadInput
from affect4d.store import Provenance
from affect4d.template.ibug68 import MIRROR
from affect4d.template.template import make_template


@pytest.fixture(scope="module")
def template():
    """A bumpy half cylinder of 600 vertices with 68 landmarks on it."""
    angle, height = np.meshgrid(np.linspace(-1.4, 1.4, 30), np.linspace(-90, 90, 20))
    radius = 80 + 8 * np.cos(3 * angle) * np.cos(height / 30)
    vertices = np.stack([radius * np.sin(angle), height, radius * np.cos(angle)], -1)
    grid = np.arange(600).reshape(20, 30)
    corners = [grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]]
    a, b, c, d = (corner.ravel() for corner in corners)
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    landmarks = vertices.reshape(-1, 3)[np.linspace(0, 599, 68).astype(int)]
    return make_template(vertices.reshape(-1, 3), triangles, landmarks)


def write_sequence(folder, name, subject, faces, neutral, apex=(), task="posed", flagged=()):
    count = len(faces)
    store.write(
        folder / f"{name}.zarr",
        {
            "vertices": store.Vertices(np.asarray(faces, np.float32), faces[0].astype(np.float32)),
            "flags": np.array([k in flagged for k in range(count)], dtype=np.uint8),
        },
        {
            "subject": subject,
            "task": task,
            "is_neutral": [k in neutral for k in range(count)],
            "is_apex": [k in apex for k in range(count)],
        },
    )
    return folder / f"{name}.zarr"


@pytest.fixture(scope="module")
def sequences(template, tmp_path_factory):
    """Eight people that differ by two modes, each with one posed and one spontaneous sequence."""
    folder = tmp_path_factory.mktemp("results") / "registered"
    random = np.random.default_rng(0)
    y = template.vertices[:, 1:2]
    shapes = [np.sin(y / 25) * [0, 0, 1], np.cos(y / 40) * [0, 1, 0]]
    smile = np.exp(-((y + 40) ** 2) / 300) * [0, 3, 1]
    paths = []
    for k in range(8):
        face = template.vertices + sum(
            w * s for w, s in zip(random.normal(size=2), shapes, strict=True)
        )
        posed = [face, face + 0.5 * smile, face + smile]
        paths.append(write_sequence(folder, f"s{k}_posed", f"s{k}", posed, {0}, {2}))
        spontaneous = [face, face + 2 * smile]
        paths.append(
            write_sequence(folder, f"s{k}_free", f"s{k}", spontaneous, {0}, {1}, "spontaneous")
        )
    return paths


def test_learns_identity_and_expression(sequences, template):
    model = learn_model(sequences, template, Settings())
    deviations = np.sqrt((model.identity**2).sum((1, 2)))
    assert np.all(np.diff(deviations) < 0)
    assert (deviations[2:] < 0.1 * deviations[0]).all()
    assert deviations[1] > 0.2 * deviations[0]
    smile = model.expression[0] / np.linalg.norm(model.expression[0])
    y = template.vertices[:, 1:2]
    truth = np.exp(-((y + 40) ** 2) / 300) * [0, 3, 1]
    assert abs((smile * truth).sum() / np.linalg.norm(truth)) > 0.99
    assert np.linalg.norm(model.mean - template.vertices, axis=1).max() < 3


def test_a_trait_of_one_side_is_as_likely_on_the_other(template):
    vertices = template.vertices
    on_left = np.exp(-(((vertices - vertices[215]) / 25) ** 2).sum(1))[:, None] * [0, 0, 4.0]
    neutrals = {f"s{k}": vertices + weight * on_left for k, weight in enumerate((1, 2, 3))}
    mean, modes = identity_modes(neutrals, template, 10)
    other_side = np.arange(600).reshape(20, 30)[:, ::-1].ravel()
    np.testing.assert_allclose(mean[other_side] * [-1, 1, 1], mean, atol=1e-3)
    mirrored = (modes[:, other_side] * [-1, 1, 1]).reshape(len(modes), -1)
    flat = modes.reshape(len(modes), -1)
    assert len(modes) >= 2
    np.testing.assert_allclose(mirrored.T @ mirrored, flat.T @ flat, atol=1e-3)


def test_mirror_images_of_a_template_that_lies_elsewhere_are_the_same(template):
    turn = Rotation.from_euler("y", 10, degrees=True).as_matrix()

    def moved(points):
        return points @ turn.T + [40, 5, -3]

    marks = (template.landmarks + template.landmarks[MIRROR] * [-1, 1, 1]) / 2
    elsewhere = make_template(moved(template.vertices), template.triangles, moved(marks))
    on_left = np.exp(-(((template.vertices - template.vertices[215]) / 25) ** 2).sum(1))
    neutrals = {
        f"s{k}": template.vertices + weight * on_left[:, None] * [0, 0, 4.0]
        for k, weight in enumerate((1, 2, 3))
    }
    mean, modes = identity_modes(neutrals, template, 10)
    there = identity_modes({n: moved(face) for n, face in neutrals.items()}, elsewhere, 10)
    np.testing.assert_allclose(there[0], moved(mean), atol=1e-2)
    flat, others = (
        (each @ side).reshape(len(each), -1)
        for each, side in ((modes, turn.T), (there[1], np.eye(3)))
    )
    np.testing.assert_allclose(others.T @ others, flat.T @ flat, atol=1e-2)


def test_only_posed_apexes_count_and_neutrals_join_by_subject(sequences):
    neutrals, apexes = gather_faces(sequences)
    assert sorted(neutrals) == [f"s{k}" for k in range(8)]
    assert len(apexes) == 8


def test_learning_ignores_the_order_of_sequences(sequences, template):
    one = learn_model(sequences, template, Settings())
    other = learn_model(sequences[::-1], template, Settings())
    assert one.identity.tobytes() == other.identity.tobytes()


def test_one_subject_is_no_identity_model(sequences, template):
    with pytest.raises(BadInput, match="1 subjects with neutral frames"):
        learn_model(sequences[:2], template, Settings())


def test_principal_modes_carry_the_samples_deviation():
    random = np.random.default_rng(0)
    field = random.normal(size=(1, 50, 3))
    weights = random.normal(size=(200, 1, 1)) * 2.5
    modes = principal_modes(weights * field, 5, centred=True)
    assert len(modes) == 1
    assert np.linalg.norm(modes[0]) == pytest.approx(
        weights.std(ddof=1) * np.linalg.norm(field), rel=1e-5
    )


def lsfm_fields(template, modes=3, seed=0):
    """An LSFM model of the template in micrometres, turned and shifted."""
    random = np.random.default_rng(seed)
    moved = Similarity(1000.0, np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]]), np.ones(3) * 5e4)
    flat = random.normal(size=(template.vertices.size, modes))
    return {
        "mean": moved.apply(template.vertices).ravel(),
        "components": np.linalg.qr(flat)[0],
        "eigenvalues": np.array([9e6, 4e6, 1e6])[:modes],
        "trilist": template.triangles,
        "n_training_samples": 100,
    }


def write_lsfm(path, fields):
    savemat(path, fields) if path.suffix == ".mat" else np.savez(path, **fields)
    return path


@pytest.mark.parametrize("suffix", [".mat", ".npz"])
def test_reads_an_lsfm_model_into_the_templates_frame(template, tmp_path, suffix):
    path = write_lsfm(tmp_path / f"all_all_all{suffix}", lsfm_fields(template))
    mean, identity = read_lsfm(path, template, 2)
    np.testing.assert_allclose(mean, template.vertices, atol=1e-3)
    assert identity.shape == (2, len(mean), 3)
    np.testing.assert_allclose(np.linalg.norm(identity, axis=(1, 2)), [3.0, 2.0], rtol=1e-5)


def test_an_lsfm_model_replaces_the_identities(sequences, template, tmp_path):
    path = write_lsfm(tmp_path / "model.npz", lsfm_fields(template))
    model = learn_model(sequences, template, Settings(lsfm_model=str(path)))
    assert len(model.identity) == 3
    assert len(model.expression) >= 1


def _without(name):
    return lambda fields: fields.pop(name)


def _with(name, change):
    return lambda fields: fields.update({name: change(fields[name])})


@pytest.mark.parametrize(
    ("break_it", "rule"),
    [
        (_without("eigenvalues"), "lacks the fields eigenvalues"),
        (_with("mean", lambda m: m[:-3]), "has 599 vertices, the template 600"),
        (_with("trilist", lambda t: t[::-1, [0, 2, 1]] + 1), "triangles are not the template's"),
        (_with("trilist", lambda t: t[:-1]), "triangles are not the template's"),
        (_with("components", lambda c: c.T), "components of shape"),
        (_with("components", lambda c: c[:, :2]), "components of shape"),
        (_with("components", lambda c: c * np.nan), "components holds other than finite"),
        (_with("eigenvalues", lambda e: -e), "an eigenvalue is not positive"),
        (_with("mean", lambda m: np.full(m.shape, "x")), "mean holds other than finite"),
        (_with("mean", lambda m: m * 1e300), "its mean is not the face of the template"),
        (_with("mean", lambda m: np.ones(m.shape)), "its mean is not the face of the template"),
        (_with("mean", lambda m: m * np.r_[50, m[1:] * 0 + 1]), "its mean is not the face"),
        (_with("trilist", lambda t: t + 0.5), "triangles are not the template's"),
        (_with("components", lambda c: c * 2), "a component is no unit column"),
        (_with("eigenvalues", lambda e: e * 1e90), "an eigenvalue is too large"),
    ],
)
@pytest.mark.parametrize("suffix", [".mat", ".npz"])
def test_refuses_a_broken_lsfm_model(template, tmp_path, break_it, rule, suffix):
    fields = lsfm_fields(template)
    break_it(fields)
    with pytest.raises(BadInput, match=rule):
        read_lsfm(write_lsfm(tmp_path / f"broken{suffix}", fields), template, 3)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.mat", b"no matlab file at all, but long enough to have a header" * 4, "cannot be read"),
        ("a.npz", b"PK no archive", "cannot be read"),
        ("a.pkl", b"", "unknown model format '.pkl'"),
        ("a.mat", None, "does not exist"),
        ("a.npz", None, "does not exist"),
    ],
)
def test_refuses_what_is_no_model_file(template, tmp_path, name, content, rule):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=rule):
        read_lsfm(tmp_path / name, template, 3)


@pytest.mark.parametrize("suffix", [".mat", ".npz"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_refuses_a_truncated_model(template, tmp_path, suffix, share):
    path = tmp_path / f"whole{suffix}"
    fields = lsfm_fields(template)
    if suffix == ".mat":
        savemat(path, fields, do_compression=True)
    else:
        np.savez_compressed(path, **fields)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(BadInput):
        read_lsfm(path, template, 3)


def test_a_reader_that_is_killed_or_out_of_memory_or_time_is_one_line(template, tmp_path):
    fields = lsfm_fields(template)
    content = bytearray(write_lsfm(tmp_path / "a.mat", fields).read_bytes())
    content[177] = 229  # the type of the first array's numbers: scipy's reader ends by a signal
    (tmp_path / "wild.mat").write_bytes(content)
    content = write_lsfm(tmp_path / "a.npz", fields).read_bytes()
    assert b"(1800, 3), }        " in content
    (tmp_path / "wide.npz").write_bytes(
        content.replace(b"(1800, 3), }        ", b"(10000000000, 300),}")
    )
    limits = Settings(lsfm_model_mb=256)
    for name in ("wild.mat", "wide.npz"):
        with pytest.raises(BadInput, match=r"cannot be read|256 MB"):
            read_lsfm(tmp_path / name, template, 3, settings=limits)
    done = subprocess.CompletedProcess([], -signal.SIGXCPU)
    assert "more than 7 s" in named_arrays._refusal("a", done, 7).rule


def test_only_regular_files_are_models(template, tmp_path):
    os.mkfifo(tmp_path / "pipe.mat")
    (tmp_path / "device.npz").symlink_to("/dev/zero")
    (tmp_path / "loop.mat").symlink_to("loop.mat")
    (tmp_path / "folder.npz").mkdir()
    for name in ("pipe.mat", "device.npz", "loop.mat", "folder.npz", "x" * 300 + ".npz", "a\0.mat"):
        with pytest.raises(BadInput):
            read_lsfm(tmp_path / name, template, 3)


def test_never_unpickles(template, tmp_path):
    fields = lsfm_fields(template) | {"mean": np.array([{"a": 1}], dtype=object)}
    np.savez(tmp_path / "pickled.npz", **fields)
    with pytest.raises(BadInput, match="cannot be read as a model"):
        read_lsfm(tmp_path / "pickled.npz", template, 3)


def provenance(root):
    return Provenance(root, "fitting", "x", [], {}, "0")


def test_jobs_from_registered_chunks_to_fits(sequences, template, tmp_path):
    registered = sequences[0].parent
    chunk = registered / "chunks" / "c0.manifest.json"
    manifests = [store.manifest_of(path) for path in sequences]
    chunk.parent.mkdir()
    store.record(chunk, manifests, provenance(registered.parent))
    model_path = tmp_path / "fits" / "model.zarr"
    run = context(tmp_path, "fitting")
    build_model(run, [chunk], template, settings=Settings())
    model = read_model(model_path)

    images = tmp_path / "neutrals"
    images.mkdir()
    landmarks = model.mean[model.landmark_vertices, :2] * [1, -1] + 150
    for name in ("a", "b"):
        write_image(images / f"{name}.png", np.zeros((300, 300, 3), np.uint8))
    write_pts(images / "a.pts", landmarks)
    (images / "b.pts").write_text("version: 1\nn_points: 67\n{\n" + "1 1\n" * 67 + "}\n")
    accepted = pd.DataFrame(
        {
            "image_id": ["d_b", "d_a", "d_c"],
            "subject": ["b", "a", "c"],
            "path": ["neutrals/b.png", "neutrals/a.png", "../c.png"],
            "landmarks": ["neutrals/b.pts", "neutrals/a.pts", "neutrals/a.pts"],
        }
    )
    (images / "d").mkdir()
    accepted.to_csv(images / "d" / "accepted.csv", index=False)
    record(tmp_path, images / "d" / "accepted.csv")
    path = tmp_path / "fits" / "d" / "000.zarr"
    settings = Settings(chunks=1)
    fit_chunk(run, "d", "000", settings=settings)
    assert store.open(path).attributes["image_ids"] == ["d_a"]
    assert len(read_fits(path)) == 1
    assert [(row.item, "67" in row.rule) for row in run.quarantine.rows] == [
        ("d_b", True),
        ("d_c", False),
    ]
    table = path.parent / "quarantine" / "000.csv"
    assert store.verify(table.with_suffix(".manifest.json")) == []
    assert list(read_table(table)["item"]) == ["d_b", "d_c"]
    with pytest.raises(BadInput, match="68"):
        fit_chunk(context(tmp_path, "fitting", strict=True), "d", "000", settings=settings)


@pytest.mark.parametrize(("name", "value"), [("MAX_BATCH", 2), ("MAX_BATCH_BYTES", 1)])
def test_batches_change_nothing(sequences, template, tmp_path, monkeypatch, name, value):
    model = learn_model(sequences, template, Settings())
    write_model(tmp_path / "fits" / "model.zarr", model, None)
    face = model.mean[model.landmark_vertices, :2] * [1, -1] + 150
    write_image(tmp_path / "a.png", np.zeros((300, 300, 3), np.uint8))
    rows = []
    for k in range(5):
        write_pts(tmp_path / f"{k}.pts", face * (1 + 0.05 * k))
        rows.append((f"i{k}", f"s{k}", "a.png", f"{k}.pts"))
    images = pd.DataFrame(rows, columns=["image_id", "subject", "path", "landmarks"])
    fits = []
    for folder in ("one", "other"):
        path = tmp_path / folder / "000.zarr"
        fit_images(context(tmp_path, "fitting"), images, path, settings=Settings())
        fits.append(read_fits(path))
        assert store.open(path).attributes["image_ids"] == list(images["image_id"])
        monkeypatch.setattr(f"affect4d.fitting.chunks.{name}", value)
    for one, other in zip(*fits, strict=True):
        np.testing.assert_allclose(one.vertices, other.vertices, atol=1e-3)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_every_image_is_assigned_to_one_chunk():
    accepted = pd.DataFrame({"image_id": [f"i{k}" for k in (4, 2, 0, 3, 1)]})
    names = chunk_names(Settings(chunks=2))
    parts = [list(assign_chunk(accepted, name, names)["image_id"]) for name in names]
    assert parts == [["i0", "i2", "i4"], ["i1", "i3"]]


def test_flagged_frames_teach_nothing(template, tmp_path):
    face = template.vertices
    wild = face + np.float32(40)
    path = write_sequence(
        tmp_path, "s1_anger", "s1", np.array([face, face + 1, wild, wild]), [0, 2], [1, 3],
        flagged=[2, 3],
    )  # fmt: skip
    neutrals, apexes = gather_faces([path])
    np.testing.assert_allclose(neutrals["s1"], face, atol=0.02)
    np.testing.assert_allclose(apexes, np.ones_like(face)[None], atol=0.02)
