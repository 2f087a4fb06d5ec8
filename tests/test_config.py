"""The typed configuration, its schema and its page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from affect4d.config import document
from affect4d.config.project import ConfigError, Project, load, schema

HEAVY = {"cv2", "dask", "matplotlib", "numba", "pandas", "pyarrow", "scipy", "sklearn", "zarr"}
ROOT = Path(__file__).parents[1]


def test_the_committed_config_is_the_default():
    assert load(yaml.safe_load((ROOT / "config.yaml").read_text())) == Project()


def test_schema_and_page_are_generated_from_the_types():
    written = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert written == schema(), "run `make docs`"
    assert (ROOT / "docs/config.md").read_text() == document.page(), "run `make docs`"


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


def test_the_configuration_is_read_without_heavy_libraries():
    code = "import sys; from affect4d.config.project import load; load({}); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert not HEAVY & set(loaded.stdout.split())


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(ValueError, match="frozen"):
        load({}).strict = True
