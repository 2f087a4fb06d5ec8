"""The conda file against the pip pins, and what rules ask of a cluster."""

import re
import runpy
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def pins(lines):
    """{name: version} of lines `name==version`."""
    matches = (re.match(r"([A-Za-z0-9._-]+)==(\S+)", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", m[1]).lower(): m[2] for m in matches if m}


def in_file(name):
    return pins((ROOT / "envs" / name).read_text().splitlines())


def test_the_conda_file_has_the_pins_of_the_pip_files_and_no_others():
    content = yaml.safe_load((ROOT / "envs/pipeline.yaml").read_text())
    lines = next(part["pip"] for part in content["dependencies"] if isinstance(part, dict))
    conda, direct = pins(lines), in_file("pipeline.txt")
    assert len(conda) == len(lines) > 100
    assert direct.items() <= conda.items()
    assert conda.items() <= (in_file("constraints.txt") | direct).items()


def test_the_conda_file_is_what_its_script_prints():
    script = runpy.run_path(str(ROOT / "envs/conda.py"))
    assert (ROOT / "envs/pipeline.yaml").read_text() == script["conda_file"]()


def test_a_job_that_failed_asks_for_more_at_its_next_attempt():
    rules = [path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk"))]
    asked = re.findall(r"(?:mem_mb|runtime)=(.*)", "\n".join(rules))
    assert len(asked) > 40
    others = [value for value in asked if not re.fullmatch(r"grown\(\d+\),", value)]
    assert others == ["neutrals_memory,"]
    assert re.search(
        r"def neutrals_memory\(wildcards, attempt\):.*return attempt \* ", "".join(rules), re.S
    )
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    assert profile["retries"] >= 1
