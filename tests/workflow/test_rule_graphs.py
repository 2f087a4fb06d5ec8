"""Which rule uses what another one made: held to a list per kind of configuration.

A changed list is a changed workflow: look at it, then copy what the failing test shows.
"""

import re
from pathlib import Path

import pandas as pd
import pytest
from workflow_tree import Tree

FOLDER = Path(__file__).with_name("rule_graphs")


def edges(tree):
    """One line "RULE -> RULE" per edge of the rule graph."""
    text = tree.snakemake("--rulegraph", "dot").stdout
    label = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', text, re.MULTILINE))
    found = re.findall(r"^\s*(\d+) -> (\d+)", text, re.MULTILINE)
    return sorted(f"{label[start]} -> {label[end]}" for start, end in found)


def own_data(folder):
    """A configuration with a table of the user's own and one database."""
    (folder / "photos").mkdir(parents=True)
    (folder / "photos/one.jpg").touch()
    columns = ("subject", "session", "sequence", "frame", "mesh", "texture", "landmarks")
    labels = ("valence", "arousal", "expression", "is_apex", "is_neutral")
    row = dict.fromkeys((*columns, *labels), "1")
    pd.DataFrame([row]).to_csv(folder / "scans.csv", index=False)
    manifest = {"root": str(folder), "table": str(folder / "scans.csv")}
    database = {"adapter": "folder", "root": str(folder / "photos")}
    return {
        "gallery": {"source": "manifest", "manifest": manifest},
        "neutrals": {"databases": {"mine": database}},
    }


@pytest.mark.parametrize("name", ["default", "own_data", "adapted"])
def test_the_rule_graph_is_the_one_that_was_looked_at(name, tmp_path):
    configs = {
        "default": {},
        "own_data": own_data(tmp_path / "data"),
        "adapted": {"template": {"adapt_people": 4}},
    }
    found = edges(Tree(tmp_path / "tree", configs[name]))
    assert found == (FOLDER / f"{name}.txt").read_text().splitlines(), "\n".join(found)
