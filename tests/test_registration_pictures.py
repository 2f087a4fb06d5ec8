"""Pictures and tables of the registration: what they say of quality rows that are known here."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.contexts import context
from support.recorded import record

from affect4d import store
from affect4d.config.registration import Settings
from affect4d.formats.landmarks import write_pts
from affect4d.formats.meshes import Mesh, write_ply
from affect4d.registration import FLAGS, MEASURES
from affect4d.registration.pictures import write_pictures
from affect4d.registration.quality_summary import (
    SEQUENCES_SHOWN,
    draw_heat_maps,
    flag_table,
    heat_map_tables,
    read_quality,
    worst_frames,
    worst_sequences,
)
from affect4d.registration.reference_scan import register_real_scan

LANDMARKS, UNSEEN = 1, 8  # bits of FLAGS


def write_sequence(folder, name, residuals, flags, quarantined=(), vertices=None):
    """A registered sequence whose frames have these landmark residuals (mm) and flags."""
    count = len(residuals)
    quality = np.zeros((count, len(MEASURES)), np.float32)
    quality[:, MEASURES.index("landmark_residual")] = residuals
    quality[:, MEASURES.index("seen")] = 0.9
    quality[:, MEASURES.index("jitter")] = [np.nan, *[0.5] * (count - 1)]
    if vertices is None:
        vertices = np.zeros((4, 3), np.float32)
    arrays = {
        "vertices": store.Vertices(np.stack([vertices] * count), vertices),
        "seen": np.ones((count, len(vertices)), bool),
        "quality": quality,
        "flags": np.array(flags, np.uint16),
    }
    attributes = {
        "measures": list(MEASURES),
        "flag_names": list(FLAGS),
        "subject": name.split("_")[0],
        "frame_ids": [f"{name}/{index}" for index in range(count)],
        "expression": ["surprise"] * count,
        "is_neutral": [index == 0 for index in range(count)],
        "is_apex": [index == count - 1 for index in range(count)],
        "quarantined": [[item, "f", "r", "m"] for item in quarantined],
    }
    store.write(folder / f"{name}.zarr", arrays, attributes, provenance=None)


@pytest.fixture
def folder(tmp_path):
    registered = tmp_path / "registered"
    registered.mkdir()
    write_sequence(registered, "s1_a", [2.0, 4.0, 3.0], [0, 0, LANDMARKS], ["s1_a/9"])
    write_sequence(registered, "s1_b", [9.0, 1.0], [0, 0])
    write_sequence(registered, "s2_a", [2.5, 2.5], [LANDMARKS | UNSEEN, UNSEEN])
    return registered


def test_one_row_per_sequence_with_its_worst_frame(folder):
    quality = read_quality(folder).set_index("sequence")
    assert list(quality.index) == ["s1_a", "s1_b", "s2_a"]
    first = quality.loc["s1_a"]
    assert (first.subject, first.frames, first.flagged, first.quarantined) == ("s1", 3, 1, 1)
    assert first.landmark_residual == pytest.approx(3.0)
    assert first.jitter == pytest.approx(0.5)
    assert first["flags"] == {"landmarks": 1}
    # a frame with a flag is worse than one of greater residual without
    assert (first.worst_id, first.worst_residual) == ("s1_a/2", 3.0)
    assert quality.loc["s1_b"].worst_id == "s1_b/0" and quality.loc["s1_b"].worst_flags == ()
    assert quality.loc["s2_a"].worst_flags == ("landmarks", "unseen")


def test_a_residual_that_is_no_number_is_the_worst(folder):
    write_sequence(folder, "s3_a", [50.0, np.nan], [0, 0])
    quality = read_quality(folder)
    assert quality.set_index("sequence").loc["s3_a"].worst_id == "s3_a/1"
    unflagged = worst_frames(quality, 4)
    assert list(unflagged["sequence"]) == ["s1_a", "s2_a", "s3_a", "s1_b"]


def test_worst_frames_and_sequences_come_in_the_stated_order(folder):
    quality = read_quality(folder)
    assert list(worst_frames(quality, 2)["sequence"]) == ["s1_a", "s2_a"]
    table = worst_sequences(quality)
    assert list(table["sequence"]) == ["s2_a", "s1_a", "s1_b"]
    assert list(table["share flagged"]) == pytest.approx([1.0, 1 / 3, 0.0])
    assert list(table["flags (frames)"]) == ["landmarks 1, unseen 2", "landmarks 1", ""]


def test_counts_of_flags(folder):
    table = flag_table(read_quality(folder), Settings()).set_index("flag")
    assert list(table.index) == [*FLAGS, "any"]
    assert table.loc["landmarks", ["frames", "sequences"]].tolist() == [2, 2]
    assert table.loc["unseen", ["frames", "sequences"]].tolist() == [2, 1]
    assert table.loc["any", "share"] == pytest.approx(3 / 7)
    assert table.loc["jitter", "frames"] == 0


def test_cells_are_subjects_by_sequences(folder):
    residual, _, flagged = heat_map_tables(read_quality(folder)).values()
    assert list(residual.index) == ["s1", "s2"] and list(residual.columns) == ["a", "b"]
    assert residual.loc["s1"].tolist() == pytest.approx([3.0, 5.0])
    assert np.isnan(residual.loc["s2", "b"])
    assert flagged.loc["s2", "a"] == 1.0


def large_quality(subjects, each, unlike):
    """Rows of a gallery with `each` sequences a subject, whose names are `unlike` or recur."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "sequence": f"s{s:03d}_{s * each + k if unlike else k}",
            "subject": f"s{s:03d}",
            "frames": 200,
            "flagged": int(rng.integers(0, 20)),
            "quarantined": 0,
            "flags": {"landmarks": 3},
            "worst_id": f"{s}/{k}",
            "worst_index": 0,
            "worst_flags": ("landmarks",),
            "worst_residual": 3.0,
            "posed": False,
        }
        for s in range(subjects)
        for k in range(each)
    ]
    measures = ["landmark_residual", "similarity_residual", "seen", "jitter"]
    return pd.DataFrame(rows).join(pd.DataFrame(rng.random((len(rows), 4)), columns=measures))


@pytest.mark.parametrize("unlike", [False, True])
def test_a_large_gallery_stays_small_on_the_page(unlike):
    quality = large_quality(180, 17, unlike)
    tables = heat_map_tables(quality)
    assert {table.shape for table in tables.values()} == {(180, 17)}
    content = draw_heat_maps(tables)
    with Image.open(io.BytesIO(content)) as picture:
        assert max(picture.size) <= 2000
    assert len(content) < 600_000
    assert len(worst_sequences(quality)) == SEQUENCES_SHOWN
    assert len(worst_frames(quality, 8)) == 8


def test_the_real_scan_is_registered_and_drawn(registrar):
    real = register_real_scan(registrar)
    assert 0.05 < real.residual < 0.7
    assert real.seen > 0.9
    for raw, registered in zip(real.raw, real.registered, strict=True):
        shown = (raw.min(2) < 250) & (registered.min(2) < 250)
        assert shown.mean() > 0.25
        # the same colours at the same places, but for the hair, which the template has not
        assert np.abs(raw[shown].astype(int) - registered[shown]).mean() < 12
        assert np.ptp(raw[shown].astype(int), axis=1).mean() > 15  # skin, not clay


@pytest.fixture
def build(tmp_path, registrar):
    """Two sequences of two frames whose scans are the template, turned away and far off."""
    template = registrar.template
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    folder = tmp_path / "gallery/scans/c0"
    folder.mkdir(parents=True)
    (tmp_path / "registered").mkdir()
    rows = []
    for name in ("s1_a", "s2_a"):
        write_sequence(
            tmp_path / "registered", name, [2, 1], [LANDMARKS, 0], vertices=template.vertices
        )
        for index in range(2):
            stem = f"gallery/scans/c0/{name}{index}"
            vertices = (template.vertices @ turn.T + 300).astype(np.float32)
            mesh = Mesh(vertices, template.triangles, None, None)
            write_ply(tmp_path / f"{stem}.ply", mesh)
            write_pts(tmp_path / f"{stem}.pts", template.landmarks @ turn.T + 300)
            rows.append((f"{name}/{index}", f"{stem}.ply", f"{stem}.pts"))
    table = pd.DataFrame(rows, columns=["frame_id", "mesh", "landmarks"])
    table.to_csv(tmp_path / "gallery/scans/c0.csv", index=False)
    record(tmp_path, tmp_path / "gallery/scans/c0.csv")
    return tmp_path


def draw(build, registrar):
    """The folder of pictures, and what their captions state."""
    write_pictures(context(build, "registration_pictures"), scans=build, registrar=registrar)
    folder = build / "registration/pictures"
    return folder, json.loads((folder / "pictures.json").read_text())


def halves_of(path):
    """The left and right half of a raw scan beside its registered mesh."""
    with Image.open(path) as picture:
        array = np.array(picture).astype(int)
    half = array.shape[1] // 2
    return array[:, :half], array[:, half:]


def test_raw_scans_are_shown_in_the_pose_of_their_registered_mesh(build, registrar):
    folder, captions = draw(build, registrar)
    assert len(captions["worst"]) == 2
    for shown in captions["worst"]:
        raw, registered = halves_of(folder / shown["picture"])
        assert (raw.min(2) < 240).mean() > 0.3
        assert np.abs(raw - registered).mean() < 3
        assert "landmarks · landmark residual 2.00 mm" in shown["caption"]
    assert "4 frames of 2 sequences and 2 subjects" in captions["overview"]
    assert captions["strip"] == "s1_a, frames 0, 1"


def test_pictures_and_tables_are_one_artifact_with_the_same_bytes_every_time(build, registrar):
    folder, _ = draw(build, registrar)
    assert store.verify(folder) == []
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before) == 4 + 2 + 2 + 1 + 1  # pictures, worst frames, tables, captions, list
    draw(build, registrar)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    table = pd.read_csv(folder / "flags.csv").set_index("flag")
    assert table.loc["landmarks", ["frames", "sequences"]].tolist() == [2, 2]


def test_a_scan_that_is_gone_leaves_a_blank_and_a_word_on_why(build, registrar):
    Path(build / "gallery/scans/c0/s1_a0.ply").unlink()
    folder, captions = draw(build, registrar)
    first, second = captions["worst"]
    raw, registered = halves_of(folder / first["picture"])
    assert raw.min() > 240 and registered.min() < 200
    assert "the scan cannot be shown" in first["caption"] and "s1_a0.ply" in first["caption"]
    assert "cannot be shown" not in second["caption"]
