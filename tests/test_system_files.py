"""What operating systems put into folders is no data of any source, and no damage anywhere."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affect4d import audit, store
from affect4d.config.neutrals import Database
from affect4d.formats.landmarks import write_pts
from affect4d.gallery.draft import draft_table
from affect4d.neutrals.databases.search import find_candidates
from affect4d.pipeline.results_folder import claim_results
from affect4d.quarantine import Quarantine
from affect4d.store.build_root import is_root
from affect4d.store.manifest import manifest_of
from affect4d.system_files import find_files, is_hidden, is_system_file
from affect4d.template.template import load_template

NAMES = (
    "._a.obj", "._", ".DS_Store", "Thumbs.db", "thumbs.DB", "desktop.ini", "Desktop.ini", "Icon\r",
    "ehthumbs.db", ".nfs00000000023a", ".directory", "._\n",
)  # fmt: skip
FOLDERS = ("__MACOSX", ".Trash-1000", "@eaDir", ".Spotlight-V100", "$RECYCLE.BIN", ".AppleDouble")


def scatter(root, suffixes=()):
    """System files in every folder below the root; how many."""
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        for name in NAMES:
            (folder / name).write_bytes(b"\0\5\x16\7 nothing")
        for each in FOLDERS:
            (folder / each).mkdir()
            for path in [path for path in folder.iterdir() if path.suffix in suffixes]:
                shutil.copy(path, folder / each)
            (folder / each / "._x.manifest.json").write_text("{}")
        for path in [path for path in folder.iterdir() if path.is_file()]:
            (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7 nothing")


@pytest.mark.parametrize("name", [*NAMES, *FOLDERS])
def test_names_of_systems(name):
    assert is_system_file(name) and is_hidden(f"anna/{name}/scan.obj")


@pytest.mark.parametrize("name", ["a.obj", "Thumbs.db.obj", "_a", ".zarray", "icon", "DS_Store"])
def test_other_names(name):
    assert not is_system_file(name)


@given(st.text().filter(lambda text: "/" not in text and "\0" not in text))
def test_every_name_after_the_mark_of_a_resource_fork_is_one(name):
    assert is_system_file(f"._{name}")


def test_what_is_hidden_in_a_source():
    assert is_hidden(".git/a.png") and is_hidden("a/.b/c.png") and is_hidden(".a.png")
    assert not is_hidden("a.b/c.png") and not is_hidden("./a/../c.png")


def test_lists_leave_them_out(tmp_path):
    (tmp_path / "b").mkdir()
    wanted = [tmp_path / "a.csv", tmp_path / "b/c.csv"]
    for path in wanted:
        path.write_text("")
    scatter(tmp_path, (".csv",))
    assert list(find_files(tmp_path, "**/*.csv")) == wanted


def test_a_draft_of_a_folder_copied_from_a_mac_is_that_of_the_folder(tmp_path):
    folder = tmp_path / "scans/anna/s1"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        for suffix in ("obj", "pts", "png"):
            (folder / f"talk_{number:03d}.{suffix}").write_text("")
    before = draft_table(tmp_path / "scans")
    scatter(tmp_path / "scans", (".obj", ".pts", ".png"))
    after = draft_table(tmp_path / "scans")
    assert after.rows == before.rows and after.renumbered == after.ignored == []


def test_a_database_copied_from_a_mac_is_that_of_the_folder(tmp_path):
    (tmp_path / "anna").mkdir()
    for name in ("anna/a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
        write_pts((tmp_path / name).with_suffix(".pts"), load_template().landmarks[:, :2])

    def found():
        quarantine = Quarantine("neutrals")
        database = Database(adapter="folder", root=str(tmp_path))
        candidates = find_candidates("mine", database, results=tmp_path, quarantine=quarantine)
        return [each.source for each in candidates], quarantine.rows

    assert found() == (["anna/a.png", "b.jpg"], [])
    scatter(tmp_path, (".png", ".jpg", ".pts"))
    assert found() == (["anna/a.png", "b.jpg"], [])


def test_a_build_with_them_is_whole_and_nothing_of_it_is_deleted(small_build, tmp_path):
    results = shutil.copytree(small_build, tmp_path, dirs_exist_ok=True) / "results"
    scatter(results)
    verdict = audit.audit_build(results)
    assert verdict.intact and verdict.problems == ()
    stores = [path for path in find_files(results, "**/*.zarr") if manifest_of(path).exists()]
    for path in stores:
        assert store.verify(path) == []
        opened = store.open(path)
        for name in opened:
            opened[name][...]
    before = sorted(results.rglob("*"))
    assert audit.invalidate(results, verdict) == []
    assert sorted(results.rglob("*")) == before


def test_a_folder_that_holds_nothing_else_is_a_new_results_folder(tmp_path):
    for name in (*NAMES, ".DS_Store"):
        (tmp_path / name).write_bytes(b"")
    claim_results(tmp_path)
    assert is_root(tmp_path)


def test_they_do_not_enter_a_manifest(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "a.csv").write_text("a")
    scatter(folder)
    store.record(tmp_path / "made.manifest.json", [folder], None)
    (listed,) = store.read_manifest(tmp_path / "made.manifest.json").files
    assert listed.path == "made/a.csv"
