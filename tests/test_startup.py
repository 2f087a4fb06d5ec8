"""What every job of a cluster does before its work: parsing without heavy imports."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAVY = {"numba", "scipy", "cv2", "skimage", "matplotlib", "sklearn", "pandas", "dask", "zarr"}


def loaded(statements):
    """The packages that are loaded after some import statements, in a process of its own."""
    code = f"import sys\n{statements}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_parsing_the_workflow_loads_no_heavy_library():
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
    found = [re.findall(r"^from affect4d.*$", file.read_text(), re.MULTILINE) for file in files]
    imports = [line for lines in found for line in lines]
    assert len(imports) > 10
    assert not HEAVY & loaded("\n".join([*imports, "load({})"]))


def test_the_command_line_loads_nothing_before_a_command_runs():
    assert not (HEAVY | {"numpy", "pyarrow"}) & loaded("import affect4d.cli")


def test_only_what_fits_or_measures_loads_scikit_learn():
    """It takes longer to load than most jobs take to compute."""
    packages = ("audit", "blendshapes", "dataset", "report", "synthesis", "validation")
    imports = [f"import affect4d.{package}" for package in packages]
    assert "sklearn" not in loaded("\n".join(imports))
