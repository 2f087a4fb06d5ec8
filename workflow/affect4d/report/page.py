"""`report.html`: one self-contained page on what a build made and how far to trust it."""

from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import yaml

from affect4d import store
from affect4d.plurals import plural
from affect4d.provenance.lineage import load_build
from affect4d.provenance.recorded_settings import stated_settings
from affect4d.report import sections

# Each section's template and variable: its anchor and its title in the contents.
_CONTENTS = {
    "affectspace": ("plane", "The plane"),
    "registration": ("registration", "Registration"),
    "blendshapes": ("blendshapes", "Blendshapes"),
    "validation": ("table1", "Table 1"),
    "synthesis": ("faces", "Faces"),
    "dataset": ("dataset", "Dataset"),
    "readers": ("readers", "Readers"),
    "quarantine": ("quarantine", "Quarantine"),
    "audit": ("audit", "Audit"),
    "run_times": ("times", "Run times"),
    "versions": ("versions", "Versions"),
}


def write_report(root: Path, out: Path, *, config: dict[str, Any], audit: dict[str, Any]) -> None:
    """Build the page.

    Parameters
    ----------
    root : the results folder
    out : path of the page
    config : the complete configuration; the page prints what the artifacts state of its sections
    audit : the audit's record: whole, artifacts, text
    """
    images = sections.read_images(root)
    page = render(
        "page",
        source=config["gallery"]["source"],
        version=metadata.version("affect4d"),
        commit=sections.read_commit(),
        contents=_CONTENTS,
        facts=sections.count_facts(root, images),
        affectspace=sections.read_affectspace(root),
        registration=sections.read_registration(root),
        blendshapes=sections.read_blendshapes(root),
        validation=sections.read_validation(root),
        synthesis=sections.read_synthesis(root, images),
        dataset=sections.read_dataset(images),
        readers=sections.read_readers(root),
        quarantine=sections.read_quarantine(root),
        audit=audit,
        run_times=sections.read_run_times(root),
        versions=sections.read_versions(),
        config=yaml.safe_dump(stated_settings(load_build(root), config), sort_keys=True),
    )
    with store.atomic(out) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in; a value that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("affect4d.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["plural"] = plural
    return environment.get_template(f"{template}.html.j2").render(values)
