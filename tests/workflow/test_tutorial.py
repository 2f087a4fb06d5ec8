"""The tutorial's notebook, run from its first cell to its last."""

import json

import trimesh
from workflow_tree import ROOT, Tree

NOTEBOOK = ROOT / "docs/tutorial.ipynb"


def test_the_tutorial_leads_from_scans_to_a_face_for_other_programs(built, tmp_path):
    book = json.loads(NOTEBOOK.read_text())
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
    tree = Tree(tmp_path / "tree", code=built)
    script = tree.folder / "tutorial.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells))
    tree.run("python", script)
    folder = tree.folder / "build/tutorial"
    assert (folder / "results/report.html").exists() and (folder / "aroused.png").exists()
    (written,) = folder.glob("*.glb")
    assert len(trimesh.load(written, process=False).geometry) == 1
