"""The guides of CONTRIBUTING.md: their code, as printed, adds a database and a stage."""

import re
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from support.contexts import context
from support.neutral_databases import build, photograph
from support.recorded import record

import affect4d
import affect4d.artifacts
import affect4d.config
from affect4d.artifacts import gallery, registry
from affect4d.config.neutrals import Database
from affect4d.neutrals import databases

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def printed(name):
    """The first indented block after the last line that names a file."""
    start = GUIDE.rindex(f"{name}`")
    block = re.search(r"\n\n((?:[ ]{4,}[^\n]*\n|\n)+)", GUIDE[start:])
    return textwrap.dedent(block[1]).strip() + "\n"


@pytest.fixture
def forget():
    """Modules of the guides are known to one test alone."""
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.startswith("affect4d.") and re.search(r"\b(mine|smiles)\b", name):
            sys.modules.pop(name)
            parent, _, child = name.rpartition(".")
            vars(sys.modules.get(parent, affect4d)).pop(child, None)


@pytest.fixture
def mine(tmp_path, monkeypatch, forget):
    """The adapter of the guide, among the others, and a folder laid out like its database."""
    folder = tmp_path / "adapters"
    folder.mkdir()
    for name in ("mine.py", "mine.yaml"):
        (folder / name).write_text(printed(f"databases/{name}"))
    monkeypatch.setattr(databases, "__path__", [*databases.__path__, str(folder)])
    root = tmp_path / "mine"
    for name in ("a.png", "b.png", "c.png"):
        photograph(root, name)
    return root


def find(root, tmp_path, index, **how):
    (root / "people.csv").write_text("image,person,expression\n" + index, **how)
    return build(tmp_path, Database(adapter="mine", root=str(root)))


def test_the_adapter_of_the_guide_accepts_who_is_neutral(mine, tmp_path):
    index = "a.png,Anna,neutral\nb.png,Béla,joy\nc.png,Cleo,neutral\n"
    accepted, rows = find(mine, tmp_path, index, encoding="utf-8-sig")
    assert list(accepted["subject"]) == ["anna", "cleo"] and not len(rows)


def test_the_adapter_of_the_guide_refuses_bad_rows_and_keeps_the_others(mine, tmp_path):
    index = "a.png,Anna,neutral\nb.png\n../x.png,Eve,neutral\ngone.png,Dan,neutral\n"
    accepted, rows = find(mine, tmp_path, index, encoding="utf-8")
    assert list(accepted["subject"]) == ["anna"]
    text = " ".join(rows["rule"])
    assert len(rows) == 3 and "no such file" in text and "person's name" in text


def test_an_image_of_two_rows_counts_once_and_of_two_people_not_at_all(mine, tmp_path):
    index = "a.png,Anna,neutral\na.png,Anna,neutral\nb.png,Béla,neutral\nb.png,Cleo,neutral\n"
    accepted, rows = find(mine, tmp_path, index, encoding="utf-8")
    assert list(accepted["subject"]) == ["anna"]
    assert list(rows["rule"]) == [
        "two entries name it; the first counts", "is given to two people, bela and cleo"
    ]  # fmt: skip


def test_the_stage_of_the_guide_writes_what_it_declares(tmp_path, monkeypatch, forget):
    for package, name, file in (
        (affect4d.config, "config", "config/smiles.py"),
        (affect4d.artifacts, "artifacts", "artifacts/smiles.py"),
        (affect4d, "", "smiles/build.py"),
    ):
        folder = tmp_path / "library" / name
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        path = folder / (file if not name else Path(file).name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(printed(f"affect4d/{file}"))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    for cache in (registry.stages, registry.artifacts, registry.files):
        cache.cache_clear()
    from affect4d.config.smiles import Settings
    from affect4d.smiles.build import build_smiles

    results = tmp_path / "results"
    frames = gallery.FRAMES.path(results)
    frames.parent.mkdir(parents=True)
    expressions = ["happiness", None, "fear", "happiness", "happiness"]
    table = pd.DataFrame({"subject": ["s1", "s1", "s2", "s1", "s3"], "expression": expressions})
    table.to_parquet(frames)
    record(results, frames)
    build_smiles(context(results, "smiles"), Settings())
    counts = pd.read_csv(results / "smiles/counts.csv")
    assert dict(zip(counts["subject"], counts["smiles"], strict=True)) == {
        "s1": 2,
        "s2": 0,
        "s3": 1,
    }
    assert list(counts) == registry.find_table("smiles/counts.csv").names
    assert "from affect4d.smiles.build import build_smiles" in printed("scripts/smiles.py")
    for cache in (registry.stages, registry.artifacts, registry.files):
        cache.cache_clear()
