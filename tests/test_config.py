"""The typed configuration, its schema and its page."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
import yaml

from affect4d.artifacts.declaration import Artifact
from affect4d.artifacts.registry import artifacts, files
from affect4d.config import document, paths
from affect4d.config.project import ConfigError, Project, check_file, check_sources, load, schema
from affect4d.formats.content import read_yaml
from affect4d.store.build_root import CONTENT, MARKER

HEAVY = {"cv2", "dask", "matplotlib", "numba", "pandas", "pyarrow", "scipy", "sklearn", "zarr"}
ROOT = Path(__file__).parents[1]


def test_the_committed_config_is_the_default():
    assert load(yaml.safe_load((ROOT / "config.yaml").read_text())) == Project()


def test_schema_and_page_are_generated_from_the_types():
    written = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert written == schema(), "run `make docs`"
    assert (ROOT / "docs/config.md").read_text() == document.page(), "run `make docs`"


def database(**settings):
    """A configuration with one database, of the adapter folder."""
    return {"neutrals": {"databases": {"a": {"adapter": "folder", "root": "r", **settings}}}}


def is_number(entry):
    """Whether a property of the schema holds a number or several."""
    kinds = {kind.get("type") for kind in [entry, *entry.get("anyOf", [])]}
    return bool({"number", "integer"} & kinds) or ("items" in entry and is_number(entry["items"]))


def test_every_field_has_a_description_every_number_a_unit_and_nothing_else_is_allowed():
    complete = schema()
    for definition in [complete, *complete["$defs"].values()]:
        if definition.get("type") != "object":
            continue
        assert definition["additionalProperties"] is False, definition["title"]
        for name, entry in definition["properties"].items():
            # a section that is described by its own docstring says it once
            section = complete["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
            described = entry.get("description") or section.get("description")
            assert described, f"{definition['title']}.{name}"
            # a seed is a number without meaning
            assert bool(entry.get("unit")) == (is_number(entry) and name != "seed"), name


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"neutrals": {"databases": {"pictures": {"adapter": "embedded"}}}}, ["pictures"]),
        ({"neutrals": {"databases": {"quarantine": {"adapter": "embedded"}}}}, ["quarantine"]),
        ({"neutrals": {"databases": {"a" * 65: {"adapter": "embedded"}}}}, ["64 characters"]),
        (database(layout="fie"), ["neutrals.databases.a.layout", "did you mean 'fei'"]),
        (database(root=""), ["neutrals.databases.a.root", "one character"]),
        (database(root="/data/{b}"), ["neutrals.databases.a.root", "wildcard"]),
        (database(root="{results}/../x"), ["neutrals.databases.a.root", "that the build makes"]),
        (database(root="{results}/"), ["neutrals.databases.a.root", "one character"]),
        ({"template": {"mesh": "a{b}.obj"}}, ["template.mesh", "wildcard"]),
        ({"template": {"landmarks": "a\n.pts"}}, ["template.landmarks", "printable"]),
        ({"fitting": {"lsfm_model": "}.npz"}}, ["fitting.lsfm_model", "wildcard"]),
        (
            {"gallery": {"manifest": {"markup": "{m}.yaml"}}},
            ["gallery.manifest.markup", "wildcard"],
        ),
        ({"sythesis": {}}, ["sythesis", "did you mean 'synthesis'"]),
        ({"synthesis": {"intensty": 2}}, ["synthesis.intensty", "did you mean 'intensity'"]),
        ({"synthesis": {"intensity": "much"}}, ["synthesis.intensity", "number"]),
        ({"affectspace": {"bins": 1}}, ["affectspace.bins", "greater than or equal to 2"]),
        ({"results": "../elsewhere"}, ["results", "'..'"]),
        ({"results": "a b"}, ["results", "special"]),
    ],
)
def test_a_mistake_is_one_line_with_key_rule_and_remedy(config, words):
    with pytest.raises(ConfigError) as caught:
        load(config, "my.yaml")
    text = str(caught.value)
    assert "\n" not in text and text.startswith("my.yaml: ")
    for word in words:
        assert word in text


def test_names_of_databases_are_reserved_as_the_artifacts_are_declared(monkeypatch):
    assert {"quarantine", "pictures", "images", "model"} <= paths.reserved_database_names()
    declared = artifacts()
    for name in paths.reserved_database_names():
        assert any(name in artifact.pattern.split("/") for artifact in declared) or any(
            f"/{name}/" in file.pattern for file in files()
        )
    sheets = Artifact("synthesis/sheets", "sheets", rules=("sheets",))
    monkeypatch.setattr(paths, "artifacts", lambda: (*declared, sheets))
    with pytest.raises(ConfigError, match="sheets"):
        load({"neutrals": {"databases": {"sheets": {"adapter": "embedded"}}}})


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working directory, with a home folder, sources and folders of other programs."""
    for name in ("home", "work/.git/objects", "work/docs", "work/scans/1", "work/photos", "other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("work/docs/index.md", "work/.git/HEAD", "work/scans.csv", "work/file", "other/a"):
        (tmp_path / name).touch()
    (tmp_path / "work/link").symlink_to(tmp_path / "home")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ("/", "working directory"),
        ("//", "working directory"),
        (".", "working directory"),
        ("./", "working directory"),
        ("{}", "working directory"),
        ("{}/work/", "working directory"),
        ("{}/home", "home folder"),
        ("link", "home folder"),
        (".git", "hidden folder .git"),
        (".git/objects", "hidden folder .git"),
        (".snakemake/results", "hidden folder .snakemake"),
        ("docs", "none of a build"),
        ("{}/other", "none of a build"),
        ("file", "this is a file"),
        ("scans", "gallery.manifest.root"),
        ("scans/results", "gallery.manifest.root"),
        ("photos/1/2", "neutrals.databases.a.root"),
        (str(Path(paths.__file__).parents[2]), "workflow's code"),
        (str(Path(paths.__file__).parents[2] / "rules"), "workflow's code"),
        (str(Path(paths.__file__).parents[3]), "workflow's code"),
    ],
)
def test_results_never_lie_where_other_files_do(workplace, results, words):
    manifest = {"root": "scans", "table": "scans.csv"}
    config = {"gallery": {"manifest": manifest}, **database(root="photos")}
    with pytest.raises(ConfigError) as caught:
        load({"results": results.format(workplace), **config})
    text = str(caught.value)
    assert text.startswith("config.yaml: results: ") and words in text and "\n" not in text


def test_results_may_be_new_empty_or_a_build(workplace):
    for name in ("empty", "build/neutrals", "interrupted/logs", "hidden/.snakemake"):
        (workplace / "work" / name).mkdir(parents=True)
    (workplace / "work/build/notes.txt").touch()
    (workplace / "elsewhere").mkdir()
    (workplace / "work/results").symlink_to(workplace / "elsewhere")
    (workplace / "work/started").mkdir()
    (workplace / "work/started" / MARKER).write_bytes(CONTENT)
    with pytest.raises(ConfigError, match="lies in another build"):
        load({"results": "started/new"})
    names = [
        "started",
        "new",
        "empty",
        "build",
        "interrupted",
        "hidden",
        "results",
        f"{workplace}/scratch/b",
    ]
    for name in names:
        assert load({"results": name, **database(root="photos")}).results == name


YAML = {
    "deep": "seed: " + 40_000 * "[" + 40_000 * "]",
    "deep mappings": "".join(" " * level + "a:\n" for level in range(500)),
    "large": "seed: 0 # " + "x" * (1 << 20),
    "many": "seed: [" + "1," * 30_000 + "]",
    "aliases": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
    "itself": "seed: &a [*a]",
    "twice": "seed: 1\nseed: 2",
    "twice below": "synthesis: {size: 64, size: 65}",
    "tab": "seed:\n\t- 1",
    "tag": "seed: !!python/object/apply:os.getcwd []",
    "timestamp": "seed: !!timestamp x",
    "documents": "seed: 1\n---\nseed: 2",
    "digits": "seed: " + 5000 * "9",
    "key": "? {a: 1}\n: 1",
    "null": "seed: 1\0",
    "list": "- 1",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_a_file_is_refused_before_its_values_are_made(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    tracemalloc.start()
    with pytest.raises(ConfigError) as caught:
        check_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64e6  # bytes: some times the largest file that is read
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line and len(line) < 500


def test_a_file_of_another_kind_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin.yaml").write_bytes("results: é".encode("latin-1"))
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "latin.yaml", tmp_path / "absent"):
        with pytest.raises(ConfigError):
            check_file(path)


def test_anchors_merges_json_and_byte_order_marks_are_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("\ufeffa: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a")
    assert read_yaml(path, "file")["b"] == {"x": 1, "y": 2}
    for text, has_keys in (
        ('{"seed": 1}', True),
        ("", False),
        ("# nothing\n", False),
        ("{}", False),
    ):
        path.write_text(text)
        assert check_file(path) is has_keys
    assert check_file(ROOT / "config.yaml")


def test_a_wrong_value_that_aliases_repeat_is_shown_in_short():
    value = ["x"]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(ConfigError, match="valid integer"):
        load({"seed": value})


def test_every_mistake_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        load({"seeed": 1, "strict": "perhaps"})
    assert len(str(caught.value).splitlines()) == 2


def test_the_configuration_is_read_without_heavy_libraries():
    code = "import sys; from affect4d.config.project import load; load({}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert not HEAVY & set(loaded.stdout.split())


def test_missing_and_empty_folders_are_named_with_their_keys(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.DS_Store").touch()
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans/a.ply").touch()
    table = {"root": str(tmp_path / "scans"), "table": str(tmp_path / "none.csv")}
    bases = {"a": {"adapter": "folder", "root": str(tmp_path / "empty")}}
    project = {"gallery": {"manifest": table}, "neutrals": {"databases": bases}}
    with pytest.raises(ConfigError) as caught:
        check_sources(load(project), "my.yaml")
    assert str(caught.value).startswith("my.yaml: neutrals.databases.a.root: ")
    assert "is empty" in str(caught.value) and "\n" not in str(caught.value)
    project["gallery"]["source"] = "manifest"  # its table counts where it is the source
    with pytest.raises(ConfigError, match=r"gallery\.manifest\.table.*no such file"):
        check_sources(load(project), "my.yaml")
    check_sources(load({}))


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(ValueError, match="frozen"):
        load({}).strict = True
