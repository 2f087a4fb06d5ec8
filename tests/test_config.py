"""The typed configuration, its schema and its page."""

import json
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from affect4d.config import document
from affect4d.config.project import ConfigError, Project, load, schema

ROOT = Path(__file__).parents[1]


def test_the_committed_config_is_the_default():
    assert load(yaml.safe_load((ROOT / "config.yaml").read_text())) == Project()


def test_schema_and_page_are_generated_from_the_types():
    written = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert written == schema(), "run `make docs`"
    assert (ROOT / "docs/config.md").read_text() == document.page(), "run `make docs`"


def sections(model):
    yield model
    for info in model.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from sections(info.annotation)


def test_every_field_has_a_description_and_a_unit_and_nothing_else_is_allowed():
    for definition in [schema(), *schema()["$defs"].values()]:
        if definition.get("type") != "object":
            continue
        assert definition["additionalProperties"] is False, definition["title"]
        for name, entry in definition["properties"].items():
            # a section that is described by its own docstring says it once
            section = schema()["$defs"].get(entry.get("$ref", "").rpartition("/")[2], {})
            described = entry.get("description") or section.get("description")
            assert described, f"{definition['title']}.{name}"
            assert entry.get("unit"), f"{definition['title']}.{name}"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"neutrals": {"databases": {"pictures": {"adapter": "embedded"}}}}, ["pictures"]),
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


def test_every_mistake_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        load({"seeed": 1, "strict": "perhaps"})
    assert len(str(caught.value).splitlines()) == 2


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(ValueError, match="frozen"):
        load({}).strict = True
