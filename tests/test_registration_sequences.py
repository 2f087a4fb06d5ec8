"""The chunk's job: sequences into stores, bad frames into quarantine, what is complete kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from support.registration_scans import Chunk, deform, scan_of

from affect4d import store
from affect4d.config.registration import Settings
from affect4d.formats.landmarks import read_landmarks, write_pts
from affect4d.formats.meshes import read_mesh, write_ply
from affect4d.interop.frame_texture import draw_skin
from affect4d.quarantine import BadInput
from affect4d.registration import FLAGS
from affect4d.registration.quality import flag_names
from affect4d.registration.track import sample_bilinear


@pytest.fixture(scope="module")
def scanned(tmp_path_factory, prepared, template):
    return Chunk(tmp_path_factory.mktemp("scanned"), prepared, template)


@pytest.fixture
def chunk(scanned, tmp_path):
    """The scans in a folder that the test may damage."""
    return scanned.copied(tmp_path)


def test_chunk_is_registered_and_resumed(chunk, template):
    assert chunk.run().empty
    sequence = chunk.sequence("s001_1_happiness")
    count = len(template.vertices)
    assert sequence["vertices"][...].shape == (4, count, 3)
    assert sequence["seen"][...].shape == (4, count)
    assert sequence["quality"][...].shape == (4, len(sequence.attributes["measures"]))
    assert sequence["flags"][...].tolist() == [0] * 4
    assert sequence.attributes["flag_names"] == list(FLAGS)
    assert sequence.attributes["is_neutral"] == [True, False, False, False]
    colour = sequence["colour"][...]
    x = template.vertices[template.inner, 0]
    assert np.corrcoef(colour[template.inner, 0], x)[0, 1] > 0.95
    listed = store.read_manifest(chunk.manifest).files
    assert len(listed) == 3

    manifest = chunk.root / "registered/s001_1_happiness.manifest.json"
    before, stamp = manifest.read_bytes(), manifest.stat().st_mtime_ns
    chunk.rows.loc[5, "expression"] = "surprise"
    chunk.run()
    assert manifest.stat().st_mtime_ns == stamp  # nothing of this sequence changed: kept
    assert chunk.sequence("s002_1_spontaneous0").attributes["expression"][1] == "surprise"
    (chunk.root / "registered/s001_1_happiness.manifest.json").unlink()
    chunk.run()
    assert manifest.read_bytes() == before


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-5000])


def _put_nan(path):
    mesh = read_mesh(path)
    mesh.vertices[10] = np.nan
    write_ply(path, mesh, None)


def _drop_last_point(path):
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-2], lines[-1]]) + "\n")


MALFORMED = {
    "truncated mesh": ("s001_1_happiness_0002.ply", _truncate, 1),
    "NaN vertices": ("s001_1_happiness_0002.ply", _put_nan, 1),
    "67 landmarks": ("s001_1_happiness_0002.pts", _drop_last_point, 1),
    "missing mesh": ("s001_1_happiness_0002.ply", Path.unlink, 1),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_bad_frame_goes_to_quarantine_and_the_rest_goes_on(chunk, case):
    name, damage, expected = MALFORMED[case]
    damage(chunk.folder / name)
    rows = chunk.run()
    assert len(rows) == expected and name in rows.file[0] and rows.rule[0] and rows.remedy[0]
    assert rows.item[0] == "s001_1_happiness_0002"
    assert len(chunk.sequence("s001_1_happiness")["flags"]) == 3
    assert len(chunk.sequence("s002_1_spontaneous0")["flags"]) == 4
    pd.testing.assert_frame_equal(chunk.run(), rows)  # kept sequences report theirs again
    with pytest.raises(BadInput, match=name):
        (chunk.root / "registered/s001_1_happiness.manifest.json").unlink()
        chunk.run(strict=True)


def test_missing_texture_goes_to_quarantine(chunk):
    (chunk.folder / "s001_1_happiness.png").unlink()
    rows = chunk.run()
    assert rows.item.tolist() == ["s001_1_happiness_0000", "s001_1_happiness"]
    assert rows.file.str.contains("s001_1_happiness.png").any()
    assert len(chunk.sequence("s002_1_spontaneous0")["flags"]) == 4


def test_sequence_without_neutral_goes_to_quarantine(chunk):
    chunk.rows["is_neutral"] &= chunk.rows.sequence != "s001_1_happiness"
    rows = chunk.run()
    assert rows.item.tolist() == ["s001_1_happiness"] and "neutral" in rows.rule[0]
    assert not (chunk.root / "registered/s001_1_happiness.zarr").exists()


def test_paths_out_of_the_results_go_to_quarantine(chunk):
    chunk.rows.loc[2, "mesh"] = "../../etc/scan.ply"
    rows = chunk.run()
    assert rows.item.tolist() == ["s001_1_happiness_0002"] and ".." in rows.remedy[0]


def test_empty_chunk_gives_an_empty_manifest(chunk):
    chunk.rows = chunk.rows.iloc[:0]
    assert chunk.run().empty
    assert chunk.manifest.is_file()


def test_a_scan_that_shows_nothing_of_the_face_goes_to_quarantine(chunk):
    path = chunk.folder / "s001_1_happiness_0001.ply"
    mesh = read_mesh(path)
    mesh.vertices[:] += 5000  # landmarks and mesh in different frames
    write_ply(path, mesh, None)
    rows = chunk.run()
    assert rows.item.tolist() == ["s001_1_happiness_0001"]
    assert "nothing of the face" in rows.rule[0] and path.name in rows.file[0]
    assert len(chunk.sequence("s001_1_happiness")["flags"]) == 3


def test_a_clean_neutral_frame_goes_before_a_flagged_one(chunk):
    chunk.rows.loc[chunk.rows.frame_id == "s001_1_happiness_0002", "is_neutral"] = True
    assert chunk.run().empty
    before = chunk.sequence("s001_1_happiness")["vertices"][...]
    path = chunk.folder / "s001_1_happiness_0000.pts"
    marks = read_landmarks(path, dimension=3)
    marks[[36, 39, 42, 45, 48]] += [25, 20, 0]
    write_pts(path, marks)
    assert chunk.run().empty
    sequence = chunk.sequence("s001_1_happiness")
    flagged = sequence["flags"][...] > 0
    assert flagged.tolist() == [True, False, False, False]
    neutral = sequence["vertices"].neutral
    np.testing.assert_allclose(neutral, sequence["vertices"][2], atol=0.01)
    after = sequence["vertices"][...]
    assert np.linalg.norm(after[1] - before[1], axis=1).mean() < 2.0


def test_a_sequence_in_metres_is_flagged_with_the_remedy(chunk, caplog):
    for path in chunk.folder.glob("s001_1_happiness_*.ply"):
        mesh = read_mesh(path)
        mesh.vertices[:] /= 1000
        write_ply(path, mesh, None)
        points = read_landmarks(path.with_suffix(".pts"), dimension=3)
        write_pts(path.with_suffix(".pts"), points / 1000)
    with caplog.at_level("WARNING", logger="affect4d"):
        assert chunk.run().empty
    assert "s001_1_happiness: 4 of 4 frames are flagged and left out: unit 4" in caplog.text
    assert "export the scan in millimetres" in caplog.text
    assert "s002" not in caplog.text


def test_one_frame_of_a_wild_size_does_not_flag_its_only_neighbour(chunk):
    for index in (2, 3):
        (chunk.folder / f"s001_1_happiness_000{index}.ply").unlink()
    path = chunk.folder / "s001_1_happiness_0001.pts"
    write_pts(path, np.random.default_rng(0).permutation(read_landmarks(path, dimension=3)))
    chunk.run()
    sequence = chunk.sequence("s001_1_happiness")
    flags = dict(zip(sequence.attributes["frame_ids"], sequence["flags"][...], strict=True))
    assert flags["s001_1_happiness_0000"] == 0


def test_a_frame_of_another_size_is_flagged(chunk):
    path = chunk.folder / "s001_1_happiness_0001"
    mesh = read_mesh(path.with_suffix(".ply"))
    mesh.vertices[:] *= 1.1
    write_ply(path.with_suffix(".ply"), mesh, None)
    write_pts(path.with_suffix(".pts"), 1.1 * read_landmarks(path.with_suffix(".pts"), dimension=3))
    assert chunk.run().empty
    sequence = chunk.sequence("s001_1_happiness")
    names = [flag_names(flags) for flags in sequence["flags"][...]]
    assert "scale" in names[1] and not any("scale" in names[other] for other in (0, 2, 3))


def test_without_texture_a_frame_of_who_is_unlike_the_template_is_a_change_of_the_neutral_face(
    template, registrar
):
    errors = []
    for seed in range(2):
        face = deform(template, seed)
        change = deform(template, seed, jaw=0.8) - face
        rest = template.vertices + 2.5 * (face - template.vertices)
        neutral = registrar.register(*scan_of(template, rest, seed, share=0.2))
        scan = scan_of(template, rest + change, seed + 50, share=0.2)
        # a neutral face of which no landmark is kept tells nothing of other frames
        unkept = replace(neutral.checked, keep=np.zeros_like(neutral.checked.keep))
        for one in (neutral, replace(neutral, checked=unkept)):
            frame = registrar.register(*scan, neutral=one)
            both = template.inner & frame.seen & neutral.seen
            found = (frame.vertices - neutral.vertices)[both]
            errors.append(np.linalg.norm(found - change[both], axis=1).mean())
    assert np.mean(errors[::2]) < 0.9 * np.mean(errors[1::2])


def test_a_frame_that_is_the_neutral_one_again_stays_where_it_is(template, registrar):
    scan = scan_of(template, deform(template, seed=4), seed=4, share=0.2)
    neutral = registrar.register(*scan)
    again = registrar.register(*scan, neutral=neutral)
    assert again.quality.flags(registrar.settings) == neutral.quality.flags(registrar.settings)
    both = registrar.template.inner & again.seen & neutral.seen
    away = np.linalg.norm(again.vertices - neutral.vertices, axis=1)[both]
    assert away.mean() < 0.05


@pytest.mark.parametrize("settings", [Settings(tracking=False), Settings(refinements=0)])
def test_without_tracking_or_refinement_every_frame_is_there(chunk, settings):
    assert chunk.run(settings=settings).empty
    assert chunk.sequence("s001_1_happiness")["flags"][...].tolist() == [0] * 4


def test_a_registered_frame_has_the_skin_of_its_scan(chunk, template, registrar):
    """The scan's texture is a ramp of x in red and of y in green: a colour is a place."""
    row = chunk.rows.iloc[1]
    truth = deform(template, seed=1, jaw=0.2)
    seen = np.ones(len(truth), dtype=bool)
    turned = Rotation.from_rotvec([0.1, 0.2, 0]).apply(truth).astype(np.float32)
    skin = draw_skin(row, chunk.root, registrar, registered=turned, seen=seen)
    height, width = skin.image.shape[:2]
    pixels = skin.uv * [width, -height] + [-0.5, height - 0.5]
    found = sample_bilinear(skin.image, *pixels.T)
    ramp = (truth[:, :2] / 250 + 0.5) * [256, -256] * 63 / 64 + [0, 256 * 63 / 64]
    away = np.abs(found[:, :2] - ramp)[registrar.template.inner]
    assert np.median(away) < 1 and np.quantile(away, 0.99) < 4  # a level is a millimetre
    assert (found[registrar.template.inner, 2] == 99).all()
