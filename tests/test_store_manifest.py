"""Manifests: what makes an artifact current, and that nothing in one can change unseen."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affect4d import store


@pytest.fixture
def build(tmp_path):
    """A root with an outside file and a table built from it; returns a maker of provenances."""
    root = tmp_path / "results"
    (root / "stage").mkdir(parents=True)
    (tmp_path / "scan.obj").write_text("v 0 0 0")
    (root / "stage/table.csv").write_text("a,b\n1,2\n")

    def provenance(**changes):
        built = {
            "root": root, "rule": "stage", "item": "x", "inputs": [tmp_path / "scan.obj"],
            "settings": {"size": 3}, "code": "c0",
        }  # fmt: skip
        return store.Provenance(**{**built, **changes})

    store.record(root / "stage/table.manifest.json", [root / "stage/table.csv"], provenance())
    return root, provenance


def test_a_manifest_lists_files_and_provenance(build):
    root, _ = build
    manifest = store.read_manifest(root / "stage/table.manifest.json")
    assert manifest.artifact == "stage/table"
    assert (manifest.rule, manifest.item, manifest.code) == ("stage", "x", "c0")
    assert manifest.settings == {"size": 3}
    assert list(manifest.inputs) == [str(root.parent / "scan.obj")]
    assert {"python", "numpy", "zarr", "affect4d"} <= set(manifest.versions)
    file = manifest.files[0]
    assert (file.path, file.size) == ("table.csv", 8)
    assert file.sha256 == store.digest(root / "stage/table.csv")
    assert manifest.locate(file) == root / "stage/table.csv"


def test_the_bytes_are_canonical_and_hold_no_time_or_path(build):
    root, provenance = build
    path = root / "stage/table.manifest.json"
    first = path.read_bytes()
    store.record(path, [root / "stage/table.csv"], provenance())
    assert path.read_bytes() == first and first.endswith(b"}\n")
    assert str(root).encode() not in first.replace(str(root.parent / "scan.obj").encode(), b"")
    assert list(json.loads(first)) == sorted(json.loads(first))


def test_current_means_same_inputs_settings_code_and_files(build, monkeypatch):
    root, provenance = build
    path = root / "stage/table.manifest.json"
    assert store.is_current(path, provenance())
    for change in ({"settings": {"size": 4}}, {"code": "c1"}, {"item": "y"}, {"inputs": []}):
        assert not store.is_current(path, provenance(**change))
    monkeypatch.setattr(store.commit, "versions", lambda: {"numpy": "0"})
    assert not store.is_current(path, provenance())


@pytest.mark.parametrize(
    "name, content", [("scan.obj", "v 1 0 0"), ("results/stage/table.csv", "a")]
)
def test_changed_inputs_and_truncated_files_are_not_current(build, name, content):
    root, provenance = build
    (root.parent / name).write_text(content)
    assert not store.is_current(root / "stage/table.manifest.json", provenance())


def test_missing_files_inputs_and_manifests_are_not_current(build):
    root, provenance = build
    path = root / "stage/table.manifest.json"
    assert not store.is_current(root / "stage/other.manifest.json", provenance())
    (root / "stage/table.csv").unlink()
    assert not store.is_current(path, provenance())
    (root.parent / "scan.obj").unlink()
    assert not store.is_current(path, provenance())


def test_folders_are_recorded_with_all_below_them(build):
    root, provenance = build
    (root / "scans/s1/deep").mkdir(parents=True)
    (root / "scans/s1/deep/a.ply").write_bytes(b"ply")
    (root / "scans/s1/b.pts").write_bytes(b"")
    store.record(root / "up/s1.manifest.json", [root / "scans/s1"], provenance())
    manifest = store.read_manifest(root / "up/s1.manifest.json")
    assert [f.path for f in manifest.files] == ["../scans/s1/b.pts", "../scans/s1/deep/a.ply"]
    assert store.verify(root / "up/s1.manifest.json") == []


def test_a_missing_file_or_input_cannot_be_recorded(build):
    root, provenance = build
    with pytest.raises(store.StoreError, match="no such file"):
        store.record(root / "x.manifest.json", [root / "absent.csv"], provenance())
    with pytest.raises(store.StoreError, match="no such file"):
        store.record(root / "x.manifest.json", [], provenance(inputs=[root / "absent.csv"]))
    assert not (root / "x.manifest.json").exists()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_bit_of_a_manifest_is_detected(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "flip"
    path = folder / "a.manifest.json"
    if not path.exists():
        folder.mkdir()
        (folder / "a.txt").write_text("é")
        provenance = store.Provenance(folder, "rule", "é", [], {"a": [1.5, None, True]}, "c")
        store.record(path, [folder / "a.txt"], provenance)
        (folder / "original").write_bytes(path.read_bytes())
    original = (folder / "original").read_bytes()
    bit = data.draw(st.integers(0, 8 * len(original) - 1))
    flipped = bytearray(original)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    with pytest.raises(store.StoreError):
        store.read_manifest(path)


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"path": 3, "size": 1, "sha256": ""}]},
        {"files": [{"path": "a", "size": "1", "sha256": ""}]},
        {"files": [{"path": "a", "size": True, "sha256": ""}]},
        {"files": [{"path": "a", "size": -1, "sha256": ""}]},
        {"files": [{"path": "a\0b", "size": 1, "sha256": ""}]},
        {"files": [{"path": "a" * 300, "size": 1, "sha256": ""}]},
        {"files": [{"path": "", "size": 1, "sha256": ""}]},
        {"files": {}},
        {"files": ["a"]},
        {"inputs": ["a"]},
        {"inputs": {"a" * 300: ""}},
        {"inputs": {"a": None}},
        {"settings": []},
        {"rule": 1},
        {"artifact": 1},
        {"versions": {"numpy": 2}},
    ],
)
def test_a_manifest_of_wrong_types_with_a_valid_digest_is_refused(build, change):
    path = build[0] / "stage/table.manifest.json"
    content = json.loads(path.read_bytes()) | change
    del content["digest"]
    content["digest"] = hashlib.sha256(store.canonical(content)).hexdigest()
    path.write_bytes(store.canonical(content))
    with pytest.raises(store.StoreError, match="the manifest cannot be read"):
        store.read_manifest(path)


def test_an_extra_file_in_the_folder_of_an_artifact_is_detected(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    store.record(tmp_path / "folder.manifest.json", [folder], None)
    assert store.verify(tmp_path / "folder.manifest.json") == []
    (folder / "b.txt").write_text("b")
    (problem,) = store.verify(tmp_path / "folder.manifest.json")
    assert "b.txt" in problem and "not listed" in problem
