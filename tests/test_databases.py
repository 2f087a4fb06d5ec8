"""Databases as their owners ship them: what adapters find, accept, and refuse."""

import json
import os
import shutil
import unicodedata

import pandas as pd
import pytest
from support.contexts import context
from support.database_chain import CLASSES, replace_detector, run_chain
from support.database_layouts import WRITERS, put, write_database
from typer.testing import CliRunner

from affect4d.cli import app
from affect4d.config.neutrals import Database, Settings
from affect4d.dataset.splits import assign_splits
from affect4d.fitting.storage import read_fits
from affect4d.neutrals import loading
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.database_report import check_database
from affect4d.neutrals.databases.search import find_candidates
from affect4d.quarantine import Quarantine


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    """A detector that finds the embedded face in every picture, and no look at the evidence."""
    replace_detector(monkeypatch.setattr)


def find(root, adapter, **settings):
    quarantine = Quarantine("neutrals")
    database = Database(adapter=adapter, root=str(root), **settings)
    return find_candidates("db", database, results=root, quarantine=quarantine), quarantine.rows


def build(results, root, adapter, **settings):
    databases = {"db": Database(adapter=adapter, root=str(root))}
    build_neutrals("db", Settings(databases=databases, **settings), context(results, "neutrals"))
    folder = results / "neutrals/db"
    return pd.read_csv(folder / "accepted.csv", dtype=str), pd.read_parquet(
        folder / "candidates.parquet"
    )


def short(subjects):
    """Ids without the digests of names that are not ASCII, or of images."""
    return {"id_" if subject.startswith("id_") else subject for subject in subjects}


SCANNED = ("bu3dfe", "kf_itw", "bosphorus")


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_is_found_accepted_fitted_and_synthesized(tmp_path, prepared, name):
    root = tmp_path / "root"
    expected = write_database(name, root)
    found, rows = find(root, name)
    assert (len(found), len(rows)) == (expected.candidates, expected.refused), rows
    usable = [c for c in found if c.is_neutral and not c.unwanted]
    assert len(usable) == expected.neutral
    assert short(c.subject_id for c in usable) == expected.subjects
    assert {c.landmarks_by for c in usable} == {expected.by}
    counts = run_chain(tmp_path, root, name, prepared if name in SCANNED else None)
    folder = tmp_path / "neutrals/db"
    accepted = pd.read_csv(folder / "accepted.csv", dtype=str)
    table = pd.read_parquet(folder / "candidates.parquet")
    assert short(accepted["subject"]) == expected.subjects
    assert len(accepted) == len({c.subject_id for c in usable})
    assert set(table["image_id"][table["reason"] == ""]) == set(accepted["image_id"])
    assert counts["fitted"] == counts["accepted"] == len(accepted)
    assert (accepted["scan"].fillna("") != "").eq(name in SCANNED).all()
    for fit in read_fits(tmp_path / "fits/db/000.zarr") if name in SCANNED else ():
        assert fit.quality["error_model"] < 0.01  # a camera explains it, nothing was fitted
    assert counts["images"] > 0
    assert counts["images"] + counts["refused"] == CLASSES * counts["fitted"]


def people_of(results, root, adapter, person):
    """The split and the true person of every image that is used."""
    accepted, _ = build(results, root, adapter, max_per_subject=9, max_images=99, min_spacing=1,
                        min_difference=0)  # fmt: skip
    rows = accepted.assign(database="db")
    splits = assign_splits(rows, validation=0.3, test=0.3, seed=1).set_index("subject")["split"]
    return pd.DataFrame(
        {"person": accepted["source"].map(person), "split": accepted["subject"].map(splits),
         "subject": accepted["subject"]}
    )  # fmt: skip


def check_nobody_in_two_splits(rows, people):
    assert rows["person"].nunique() == people
    assert (rows.groupby("person")["split"].nunique() == 1).all()
    assert (rows.groupby("subject")["person"].nunique() == 1).all()


def test_in_face_place_one_person_under_several_numbers_is_one(tmp_path):
    root = tmp_path / "root"
    names = ["AF0301_1100_00F.jpg", "af0301_1100_00F.JPG", "AM0301_1100_00F.jpg"]
    names += [f"CF{n:04d}_1100_00F.jpg" for n in range(6)]
    for number, name in enumerate(names):
        put(root / f"part {number}" / name, number)
    rows = people_of(tmp_path, root, "face_place", lambda path: path.split("/")[1][:6].upper())
    check_nobody_in_two_splits(rows, 8)


def test_in_afew_va_one_actor_in_several_spellings_is_one(tmp_path):
    root = tmp_path / "root"
    actors = ["José Núñez", "JOSE  NUNEZ", "jose_nunez", "Jose\u0301 Nun\u0303ez", "Анна", "Иван"]
    actors += ["花子", "Ann", "Bob", "Cleo"]
    for number, actor in enumerate(actors, 1):
        folder = root / f"{number:03d}"
        put(folder / "00000.png", number)
        frames = {"00000": {"valence": 0, "arousal": 0}}
        content = {"actor": actor, "video_id": folder.name, "frames": frames}
        (folder / f"{folder.name}.json").write_text(json.dumps(content, ensure_ascii=False))
    rows = people_of(tmp_path, root, "afew_va", lambda path: max(int(path[:3]), 4))
    check_nobody_in_two_splits(rows, 7)


def test_in_aff_wild_a_persons_videos_are_joined_by_the_users_table(tmp_path):
    root = tmp_path / "root"
    tracks = {"1": "Anna", "2": "ANNA", "3": "Bela", "3_left": "Cleo", "4": "Dan", "5": "Eve"}
    for number, track in enumerate(tracks):
        for axis in ("valence", "arousal"):
            path = root / f"annotations/train/{axis}/{track}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("0\n0\n")
        for frame in (0, 1):
            put(root / f"cropped/{track}/{frame}.jpg", number + frame, marked=False)
    table = "video,subject\n" + "".join(f"{track},{name}\n" for track, name in tracks.items())
    (root / "subjects.csv").write_text(table)
    person = {track: name.lower() for track, name in tracks.items()}
    rows = people_of(tmp_path, root, "aff_wild", lambda path: person[path.split("/")[1]])
    check_nobody_in_two_splits(rows, 5)


def test_one_folder_per_person_with_equal_names_in_any_script(tmp_path):
    root = tmp_path / "root"
    people = ["Anna", "Béla", "Be\u0301la/", "Анна", "Иван", "花子", "李雷", "a b", "a-c"]
    for number, person in enumerate(people):
        for name in ("1.jpg", "neutral.jpg"):
            put(root / person.strip("/") / name, number)
    rows = people_of(
        tmp_path, root, "folder_per_person",
        lambda path: unicodedata.normalize("NFC", path.split("/")[0]),
    )  # fmt: skip
    check_nobody_in_two_splits(rows, 8)


PLANTED = {
    "a name that fits no pattern": "its name does not match",
    "an empty file": "the file is empty",
    "a link out of the folder": "leads out of",
    "a pipe in place of an image": "it is no regular file",
    "a linked folder": "it is a link to a folder",
    "one image in upper and lower case": "has the same image_id",
    "a folder unpacked twice": "it is a copy of",
    "a row of an image that is absent": "there is no image 'asian/gone.jpg'",
    "a row with two people": "says otherwise of asian/AF0302_1100_00F.jpg",
    "a row without a person": "the subject '' is empty",
    "a name in another encoding": "its name is not UTF-8",
    "an archive that is not unpacked": "an archive that is not unpacked",
    "a download that broke off": "a download that is not complete",
    "landmarks without their image": "landmarks without an image",
    "a person who only smiles": "people without a neutral image",
    "a file of nothing known": "names that matched nothing",
}


def plant_faults(root, outside):
    """A part of Face Place with every fault of PLANTED."""
    for number in range(1, 5):
        put(root / f"asian/AF030{number}_1100_00F.jpg", number)
    good = root / "asian/AF0301_1100_00F.jpg"
    put(root / "asian/AF0301_1100_00F copy.jpg", 9)
    (root / "asian/AF0305_1100_00F.jpg").write_bytes(b"")
    put(outside / "AF0306_1100_00F.jpg", 6)
    (root / "asian/AF0306_1100_00F.jpg").symlink_to(outside / "AF0306_1100_00F.jpg")
    os.mkfifo(root / "asian/AF0307_1100_00F.jpg")
    (root / "hispanic").symlink_to(outside, target_is_directory=True)
    put(root / "asian/AF0304_1100_00F.JPG", 8)
    (root / "asian2/asian").mkdir(parents=True)
    for name in ("AF0303_1100_00F.jpg", "AF0303_1100_00F.pts"):
        shutil.copy(root / "asian" / name, root / "asian2/asian" / name)
    rows = ["asian/gone.jpg,Anna", "asian/AF0302_1100_00F.jpg,Anna",
            "asian/AF0302_1100_00F.jpg,Bela", "asian/AF0303_1100_00F.jpg,"]  # fmt: skip
    (root / "subjects.csv").write_text("\n".join(["image,subject", *rows]) + "\n")
    shutil.copy(good, root / os.fsdecode(b"asian/AF0308_1100_00F\xff.jpg"))
    (root / "caucasian.zip").write_bytes(b"PK\3\4")
    (root / "multiracial.zip.part").write_bytes(b"PK\3\4")
    (root / "asian/AF0309_1100_00F.pts").write_text("version: 1\n")
    put(root / "asian/AM0310_1200_00F.jpg", 10)
    (root / "list.xls").write_bytes(b"\xd0\xcf\x11\xe0")


def test_check_names_every_planted_fault(tmp_path, monkeypatch):
    root = tmp_path / "root"
    plant_faults(root, tmp_path / "outside")
    monkeypatch.setattr(loading, "read_photograph", lambda *given: pytest.fail("opened"))
    done = CliRunner().invoke(app, ["check", "face_place", str(root)])
    assert done.exit_code == 1, done.output
    missing = [fault for fault, words in PLANTED.items() if words not in done.stdout]
    assert not missing, done.stdout
    assert "CC BY-NC-SA" in done.stdout and "neutral, as wanted" in done.stdout


def test_check_finds_nothing_wrong_in_good_layouts(tmp_path):
    for name in ("face_place", "folder_per_person", "afew"):
        root = tmp_path / name
        write_database(name, root)
        faults = check_database(name, root).faults
        counted = {"fewer images than published", "people without a neutral image as wanted"}
        assert {fault.rule for fault in faults} <= counted


@pytest.mark.parametrize("name", WRITERS)
def test_check_knows_every_file_of_a_layout(tmp_path, name):
    expected = write_database(name, tmp_path)
    report = check_database(name, tmp_path)
    assert len(report.candidates) == expected.candidates
    assert report.about is None or report.about.licence
    assert not [fault for fault in report.faults if "matched nothing" in fault.rule]


def test_check_refuses_what_is_no_adapter_and_no_folder(tmp_path):
    assert "did you mean 'multi_pie'?" in CliRunner().invoke(
        app, ["check", "multipie", str(tmp_path)], env={"COLUMNS": "400", "NO_COLOR": "1"}
    ).stderr  # fmt: skip
    done = CliRunner().invoke(app, ["check", "fei", str(tmp_path / "none")])
    assert done.exit_code == 2 and "no such folder" in done.stderr
