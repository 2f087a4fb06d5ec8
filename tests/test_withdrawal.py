"""Withdrawal: nothing of a person is left in build or dataset, and no later build takes them in."""

import hashlib
import io
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.contexts import context
from support.neutral_databases import photograph
from support.small_results import DATABASE, KINDS, build_results
from typer.testing import CliRunner

from affect4d import audit, store
from affect4d.audit import plan_withdrawal
from affect4d.cli import app
from affect4d.config.dataset import Settings as DatasetSettings
from affect4d.config.neutrals import Database, Settings
from affect4d.dataset import publish_dataset
from affect4d.dataset.traces import Traces
from affect4d.neutrals.build import build_neutrals
from affect4d.neutrals.decisions import DecisionFile
from affect4d.neutrals.withdrawn import (
    Person,
    add_withdrawn,
    read_withdrawn,
    spellings,
    withdrawn_digest,
)
from affect4d.quarantine import BadInput

PEOPLE = (("ann", "bobby"), ("cyd", "dora", "x_ann", "bob"))  # bob is no part of bobby


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("withdrawal")
    (folder / "photo.jpg").write_bytes(b"jpeg")
    root = folder / "results"
    build_results(root, folder / "photo.jpg", PEOPLE)
    log = root / "logs/fitting/000.log"
    log.parent.mkdir(parents=True)
    log.write_text("ann1: accepted\n")
    (root / "report.html").write_text("pictures of everybody")
    return root


@pytest.fixture
def results(original, tmp_path):
    return shutil.copytree(original, tmp_path / "results")


def withdraw(folder, name, *more):
    call = ["dataset", "withdraw", name, str(folder), "--list", str(folder.parent / "list.txt")]
    return CliRunner().invoke(app, [*call, *more], env={"NO_COLOR": "1"})


def pixels_of(results, name):
    """Digests of a person's pixels: in the chunks, and as they are decoded from the shards."""
    shown = set()
    for chunk in sorted(results.glob("synthesis/*/*.zarr")):
        opened = store.open(chunk)
        subjects = opened.attributes["subjects"]
        shown |= {digest(opened["images"][i]) for i, who in enumerate(subjects) if who == name}
    return shown


def subjects_of(chunk):
    return store.open(chunk).attributes["subjects"]


def digest(content):
    return hashlib.sha256(np.ascontiguousarray(content).tobytes()).hexdigest()


def decoded(results):
    """Digests of the pixels of every image in the folder, wherever one is stored."""
    for path in results.rglob("*.parquet"):
        if "image" in pq.read_schema(path).names:
            for image in pd.read_parquet(path, columns=["image"])["image"]:
                yield digest(np.array(Image.open(io.BytesIO(image["bytes"]))))
    for manifest in results.glob("synthesis/*/*.manifest.json"):  # no other store can be opened
        chunk = manifest.with_name(manifest.name.replace(".manifest.json", ".zarr"))
        for array in ("images", "neutral"):
            yield from map(digest, store.open(chunk)[array][...])


def contents(folder):
    """Every file but compressed arrays, with the strings of Parquet tables as text."""
    for path in folder.rglob("*"):
        if path.is_file() and "/c/" not in path.as_posix():
            yield path, path.read_bytes()
            if path.suffix == ".parquet":
                table = pd.read_parquet(path)
                texts = table.select_dtypes(exclude="number").to_numpy().ravel()
                yield path, "\n".join(map(str, texts)).encode()


def publish_lossless(results):
    chunks = sorted((results / "synthesis" / DATABASE).glob("*.zarr"))
    settings = DatasetSettings(image_format="png", shard_rows=4, webdataset=True)
    publish_dataset(context(results, "dataset"), chunks, kinds=KINDS, settings=settings)


@pytest.mark.parametrize("name", ["ann", f"{DATABASE}/bob"])
def test_no_name_row_or_image_of_the_person_is_left_in_any_file(results, name):
    publish_lossless(results)
    person = name.rpartition("/")[2]
    theirs = pixels_of(results, person)
    chunks = {p for p in results.glob("synthesis/*/*.zarr") if person in subjects_of(p)}
    digests = {
        hashlib.sha256(content).hexdigest()
        for path, content in contents(results)
        if path.name == f"{person}1.png"
    }
    assert theirs & {*decoded(results)} and digests
    done = withdraw(results, name, "--yes")
    assert done.exit_code == 0, done.output
    assert f"of {DATABASE}/{person}" in done.stdout
    token = re.compile(rf"(?<![a-z]_){person}1".encode())  # x_ann is somebody else
    for path, content in contents(results):
        assert not token.search(content) and not token.search(path.name.encode()), path
        assert hashlib.sha256(content).hexdigest() not in digests, path
    assert not theirs & {*decoded(results)}
    assert not any(path.exists() for path in chunks) and len(chunks) == 1
    assert not (results / "report.html").exists()
    splits = pd.read_csv(results / "dataset/splits.csv")
    assert set(splits["subject"]) == {who for each in PEOPLE for who in each} - {person}
    assert (results.parent / "list.txt").read_text().endswith(f"{DATABASE}/{person}\n")


def test_the_dataset_that_is_left_is_valid_by_itself_and_everybody_else_is_unchanged(results):
    publish_lossless(results)
    before = pd.concat(map(pd.read_parquet, sorted(results.glob("dataset/data/*"))))
    alone = shutil.copytree(results / "dataset", results.parent / "alone")
    assert withdraw(alone, "ann", "--yes").exit_code == 0
    assert withdraw(results, "ann", "--yes").exit_code == 0
    for folder in (alone, results / "dataset"):
        check = ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"]
        assert subprocess.run(check, cwd=folder, check=False).returncode == 0
        after = pd.concat(map(pd.read_parquet, sorted(folder.glob("data/*"))))
        kept = before[before["subject"] != "ann"].sort_values("image_id", ignore_index=True)
        pd.testing.assert_frame_equal(after.sort_values("image_id", ignore_index=True), kept)
        text = (folder / "README.md").read_text()
        assert f"{(after['class'] >= 0).sum()} images of 5 subjects" in text
    assert (alone / "README.md").read_bytes() == (results / "dataset/README.md").read_bytes()


def test_the_rest_of_the_build_stays_and_the_audit_says_what_must_be_built_again(results):
    before = audit.audit_build(results)
    assert before.intact
    assert withdraw(results, "ann", "--yes").exit_code == 0
    assert (results / "synthesis" / DATABASE / "001.zarr").is_dir()
    assert (results / "registered/s1.manifest.json").exists()
    assert not (results / "synthesis" / DATABASE / "000.zarr").exists()
    verdict = audit.audit_build(results)
    assert not verdict.intact and "ann" not in verdict.text()
    assert {p.artifact for p in verdict.problems} >= {"dataset"}


def test_nobody_is_removed_without_being_asked_for(results):
    before = sorted((p, p.stat().st_mtime_ns) for p in results.rglob("*") if p.is_file())
    done = withdraw(results, "ann")
    assert done.exit_code == 2 and "--yes" in done.stderr and "written again" in done.stderr
    assert withdraw(results, "nobody", "--yes").exit_code == 1
    assert "every image rests on the scans" in withdraw(results, "s1", "--yes").stderr
    assert withdraw(results.parent, "ann", "--yes").exit_code == 2
    assert before == sorted((p, p.stat().st_mtime_ns) for p in results.rglob("*") if p.is_file())
    assert not (results.parent / "list.txt").exists()


def test_a_name_of_two_people_is_not_guessed(tmp_path, results):
    other = shutil.copytree(results / "dataset", tmp_path / "two")
    shard = next(other.glob("data/train*"))
    table = pq.read_table(shard)
    column = table.column_names.index("database")
    renamed = table.set_column(column, "database", [["elsewhere"] * len(table)])
    pq.write_table(renamed, other / "data/train-00001-of-00001.parquet")
    sums = [f"{store.digest(path)}  data/{path.name}\n" for path in other.glob("data/*")]
    (other / "SHA256SUMS").write_text("".join(sums))
    name = renamed["subject"][0].as_py()
    done = withdraw(other, name, "--yes")
    assert done.exit_code == 1 and f"elsewhere/{name}" in done.stderr


def test_a_build_without_the_person_on_the_list(tmp_path):
    """Not even as a candidate; everybody else is chosen as before."""
    for name in ("p1", "p2", "p3"):
        photograph(tmp_path / "db", f"{name}.png")
    database = Database(adapter="folder", root=str(tmp_path / "db"))
    people = tmp_path / "withdrawn.txt"
    add_withdrawn(people, ("db", "p2"))
    add_withdrawn(people, ("elsewhere", "p1"))
    settings = Settings(databases={"db": database}, withdrawn=str(people))
    build_neutrals("db", settings, context(tmp_path / "results", "neutrals", item="db"))
    folder = tmp_path / "results/neutrals/db"
    assert set(pd.read_csv(folder / "accepted.csv")["subject"]) == {"p1", "p3"}
    assert set(pd.read_parquet(folder / "candidates.parquet")["subject_id"]) == {"p1", "p3"}
    assert "p2" not in "".join(p.read_text() for p in folder.glob("*.csv"))


def test_the_audit_finds_a_person_on_the_list(results, monkeypatch):
    people = results.parent / "withdrawn.txt"
    add_withdrawn(people, (DATABASE, "cyd"))
    monkeypatch.chdir(people.parent)
    verdict = audit.audit_build(results)
    found = {p.artifact for p in verdict.problems if "who withdrew" in p.what}
    assert found == {"dataset", f"neutrals/{DATABASE}/neutrals"}
    assert "1 people withdrew" in verdict.text()
    assert "cyd" not in "".join(p.what for p in verdict.problems)


def test_the_list_is_read_as_it_is_written(tmp_path):
    file = tmp_path / "list.txt"
    assert read_withdrawn(file) == set() and withdrawn_digest(file, "db") == ""
    add_withdrawn(file, ("db", "p1"))
    before = withdrawn_digest(file, "db")
    add_withdrawn(file, ("db", "p1"))
    assert withdrawn_digest(file, "db") == before and withdrawn_digest(file, "other") == ""
    file.write_text(file.read_text() + " other/p2  # asked by letter\n\n")
    assert read_withdrawn(file) == {("db", "p1"), ("other", "p2")}
    assert spellings(("db", "Jose\u0301 N")) >= {("db", "jose_n"), ("db", "Jos\u00e9 N")}
    file.write_text("p1\n")
    with pytest.raises(BadInput, match="database/subject"):
        read_withdrawn(file)


def test_logs_that_call_the_person_by_a_source_or_a_name_go(results):
    table = results / f"neutrals/{DATABASE}/accepted.csv"
    named = pd.read_csv(table)
    named["source"] = named["subject"] + "/1.png"
    named["subject_name"] = named["subject"].replace("ann", "Ann Lee")
    named.to_csv(table, index=False)
    manifest = table.with_name("neutrals.manifest.json")
    made = store.Provenance(results, "neutrals", "item", [], {}, "c0")
    store.record(manifest, [table.parent], made)
    logs = results / "logs"
    mine = [logs / "fitting/001.log", logs / "x.log", logs / f"neutrals/{DATABASE}.log"]
    others = logs / "fitting/002.log"
    mine[-1].parent.mkdir()
    mine[0].write_text("/photos/ann/1.png: a face is too small\n")
    mine[1].write_text("of 'Ann Lee'\n")
    mine[2].write_text("12 candidates\n")
    others.write_text("joann/1.png, x_ann/1.png, ann/1.png2, Joann Lee\n")
    done = withdraw(results, "ann", "--yes")
    assert done.exit_code == 0, done.output
    assert not any(path.exists() for path in mine) and others.exists()


def test_what_a_killed_audit_and_a_restored_archive_leave_goes(results):
    manifest = results / f"neutrals/{DATABASE}/neutrals.manifest.json"
    left = results / "left_out" / manifest.relative_to(results)
    left.parent.mkdir(parents=True)
    manifest.rename(left)
    shutil.rmtree(manifest.parent)
    journal = results / ".audit.journal"
    journal.write_text(f'["{manifest.parent}/images/ann1.png"]\n')
    plan = withdraw(results, "ann")
    assert "a seal of this build" in plan.stderr and left.exists() and journal.exists()
    assert withdraw(results, "ann", "--yes").exit_code == 0
    assert not left.exists() and not journal.exists()


def test_a_person_of_many_photographs_is_recognised_by_one_pass():
    names = frozenset(f"aff_wild_{number:04d}" for number in range(3000))
    traces = Traces(Person("wild", "p"), names | {"bob/1.png", "wild_001", "aff_wild_29"})
    held = (
        "wild-aff_wild_0007-v+0.1_a-0.3",
        "wild_001.png",
        "/photos/bob/1.png",
        "'aff_wild_2999'",
    )
    others = ("aff_wild_3000", "x_wild_001", "other-wild_001", "aff_wild_00071", "kbob/1.png")
    assert all(map(traces.is_named, held)) and not any(map(traces.is_named, others))
    assert len(traces._beginnings) == 3
    assert not Traces(Person("wild", "p"), frozenset()).is_named("wild")


@pytest.mark.parametrize("listed", ["P2", "p2"])
def test_no_problem_warning_or_log_of_a_build_names_who_withdrew(tmp_path, caplog, listed):
    for name in ("p1", "P2", "p3"):
        photograph(tmp_path / "db", f"{name}.png")
    for name in ("p1-b", "P2-b"):
        (tmp_path / f"db/{name}.png").write_bytes(b"no picture")
        (tmp_path / f"db/{name}.pts").write_text("no points")
    shutil.copy(tmp_path / "db/P2.png", tmp_path / "db/P2.jpg")
    decisions = tmp_path / "decisions.csv"
    DecisionFile(decisions).append("Anna", [("db_p2", "reject"), ("db_p1", "accept")])
    database = Database(adapter="folder", root=str(tmp_path / "db"), decisions=str(decisions))
    people = tmp_path / "withdrawn.txt"
    people.write_text(f"db/{listed}\ndb/p2-b\ndb/qq\nnowhere/p1\n")
    settings = Settings(databases={"db": database}, withdrawn=str(people))
    with caplog.at_level("WARNING"):
        build_neutrals("db", settings, context(tmp_path / "results", "neutrals", item="db"))
    folder = tmp_path / "results/neutrals/db"
    written = "".join(p.read_text() for p in folder.glob("*.csv")) + caplog.text
    assert "p2" not in written.lower().replace(str(tmp_path).lower(), "") and "qq" not in written
    assert "p1-b" in written and "2 people on it are in no database" in caplog.text
    assert set(pd.read_parquet(folder / "candidates.parquet")["subject_id"]) >= {"p1", "p3"}


def test_the_list_is_that_of_the_builds_settings(results, monkeypatch):
    project = results.parent
    (project / "config.yaml").touch()
    chunk = next(results.glob("synthesis/*/*.manifest.json"))
    assert plan_withdrawal(results, "ann").default_list() == project / "withdrawn.txt"

    def state(manifest, name):
        path = results / f"extra/{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        neutrals = {"neutrals": {"withdrawn": name}}
        made = store.Provenance(results, "neutrals", "item", [chunk], neutrals, "c0")
        store.record(results / manifest, [path], made)

    dataset = results / "dataset.manifest.json"
    stated = store.read_manifest(dataset).settings["neutrals"]
    assert "withdrawn" not in stated
    state("extra/a.manifest.json", "gone.txt")
    with pytest.raises(BadInput, match=r"gone\.txt.*withdrawn\.txt.*--list"):
        plan_withdrawal(results, "ann").default_list()


def test_a_build_of_one_person_loses_its_dataset(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    build_results(tmp_path / "results", tmp_path / "photo.jpg", (("ann",),))
    assert withdraw(tmp_path / "results", "ann", "--yes").exit_code == 0
    assert not (tmp_path / "results/dataset/data").exists()


def test_a_list_is_replaced_as_a_whole(tmp_path, monkeypatch):
    file = tmp_path / "list.txt"
    add_withdrawn(file, ("db", "p1"))
    inode = file.stat().st_ino
    add_withdrawn(file, ("db", "p2"))
    assert file.stat().st_ino != inode and len(read_withdrawn(file)) == 2
