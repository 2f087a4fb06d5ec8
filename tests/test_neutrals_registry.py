"""Adapters and layouts: names, messages, modules that are none."""

import sys

import pytest
import yaml
from pydantic import ValidationError
from support.neutral_databases import build, find, photograph

from affect4d.config import document
from affect4d.config.neutrals import Database, Settings
from affect4d.config.project import ConfigError, load, schema
from affect4d.database_adapters import adapter_names, layout_file, load_adapter
from affect4d.neutrals import databases
from affect4d.neutrals.candidates import (
    make_image_id,
    normalise,
)
from affect4d.quarantine import BadInput


def test_names_are_safe():
    assert normalise("  Çelik,  ÖMER ") == "celik_omer"
    assert make_image_id("db", "../a b") == "db_..-a-b"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("clip: '('\n", "clip"),
        ("clip: [\n", "not YAML"),
        ("colour: red\n", "afew_va.yaml"),
    ],
)
def test_a_broken_layout_file(tmp_path, text, rule):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=rule):
        find(tmp_path, "afew_va", str(path))


def test_an_unknown_layout_names_the_known(tmp_path):
    with pytest.raises(ValidationError, match=r"known here: .*afew_va, .*fei, .*folder"):
        find(tmp_path, "folder", "xm2vts")


def test_settings_refuse_a_folder_without_root():
    with pytest.raises(ValidationError, match="`root` is needed"):
        Database(adapter="folder")
    with pytest.raises(ValidationError):
        Settings(databases={"Bad Name": Database(adapter="embedded")})
    with pytest.raises(ValidationError, match="`root` is not used"):
        Database(adapter="embedded", root="photographs")


TOY = """
import json

from affect4d.neutrals.candidates import Candidate, make_image_id, normalise
from affect4d.neutrals.databases.layout import Layout
from affect4d.database_adapters import Adapter, Source


class ToyLayout(Layout):
    index: str


def find_toy(source: Source[ToyLayout]) -> list[Candidate]:
    people = json.loads((source.root / source.layout.index).read_text())
    return [
        Candidate(
            database=source.name,
            subject_id=normalise(person),
            image_id=make_image_id(source.name, person),
            path=source.root / image,
            source=image,
            frame=0,
            is_neutral=True,
            evidence="listed in the index",
            landmarks_path=(source.root / image).with_suffix(".pts"),
        )
        for person, image in people.items()
    ]


ADAPTER = Adapter(ToyLayout, find_toy)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An adapter of one module and one layout file, found as those of the package are."""
    folder = tmp_path / "adapters"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    (folder / "toy.yaml").write_text("index: people.json\n")
    monkeypatch.setattr(databases, "__path__", [*databases.__path__, str(folder)])
    yield "toy"
    sys.modules.pop(f"{databases.__name__}.toy", None)


class TestRegistry:
    def test_a_module_and_a_layout_file_are_an_adapter(self, toy, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1.png")
        photograph(root, "2.png")
        (root / "people.json").write_text('{"Anna": "1.png", "Béla": "2.png"}')
        project = load({"neutrals": {"databases": {"db": {"adapter": toy, "root": str(root)}}}})
        accepted, rows = build(tmp_path, project.neutrals.databases["db"])
        assert list(accepted["subject"]) == ["anna", "bela"]
        assert len(rows) == 0

    def test_a_person_without_a_name_is_left_out(self, toy, tmp_path):
        root = tmp_path / "photographs"
        photograph(root, "1.png")
        photograph(root, "2.png")
        (root / "people.json").write_text('{"Anna": "1.png", "--": "2.png"}')
        found, rows = find(root, toy)
        assert [c.subject_id for c in found] == ["anna"]
        assert len(rows) == 1 and "or splits would leak" in rows[0].remedy

    def test_an_adapter_is_in_schema_page_and_messages(self, toy):
        names = adapter_names()
        assert names == sorted(names) and {"afew_va", "embedded", "folder", toy} <= set(names)
        assert schema()["$defs"]["Database"]["properties"]["adapter"]["enum"] == names
        assert ", ".join(f"`{name}`" for name in names) in document.page()
        with pytest.raises(ConfigError) as caught:
            load({"neutrals": {"databases": {"db": {"adapter": "toi", "root": "x"}}}})
        text = str(caught.value)
        assert "neutrals.databases.db.adapter: " in text and "did you mean 'toy'?" in text
        assert all(name in text for name in names)

    def test_without_a_layout_file_a_module_is_no_adapter(self, toy, tmp_path):
        (tmp_path / "adapters" / "toy.yaml").unlink()
        assert toy not in adapter_names()
        with pytest.raises(ValidationError, match=r"no such adapter among .*afew_va.*no toy.yaml"):
            Database(adapter=toy, root="x")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("import no_such_package", "No module named 'no_such_package'"),
            ("from affect4d.quarantine import Nothing", "cannot import name 'Nothing'"),
            ("def find(:", "invalid syntax"),
            ("1 / 0", "ZeroDivisionError"),
            ("", "defines no `ADAPTER"),
            ("ADAPTER = 'toy'", "defines no `ADAPTER"),
        ],
    )
    def test_a_module_that_is_no_adapter_is_one_line(self, toy, tmp_path, text, words):
        (tmp_path / "adapters" / "toy.py").write_text(text)
        with pytest.raises(ConfigError) as caught:
            load({"neutrals": {"databases": {"db": {"adapter": toy, "root": "x"}}}})
        line = str(caught.value)
        assert "\n" not in line and "toy.py: " in line and words in line

    def test_every_adapter_reads_its_default_layout(self):
        for name in adapter_names():
            content = yaml.safe_load(layout_file(name).read_text())
            load_adapter(name).layout.model_validate(content)
