"""`report.html`: one self-contained page on what a build made and how far to trust it."""

import base64
import io
import json
import logging
from importlib.resources import files
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup
from PIL import Image

from affect4d import store
from affect4d.config.gallery import Settings as GallerySettings
from affect4d.config.gallery import files_root
from affect4d.config.registration import Settings
from affect4d.plotting import montage as figures
from affect4d.registration import pictures as registration
from affect4d.registration.sequences import load_registrar
from affect4d.report import blendshapes, validation
from affect4d.store.commit import versions
from affect4d.synthesis import illustrate

log = logging.getLogger(__name__)

QUARANTINE_ROWS = 50
PEOPLE_SHOWN = 8
# the classes of Fig. 5, as places in the plane; the nearest class that has data is shown
LEVELS = [(0.3, 0.1), (0.7, 0.3), (0.9, 0.7), (0.3, 0.9), (-0.5, 0.7), (-0.7, 0.3), (-0.7, -0.3)]
PAIR = (0.8, 0.5)


def write_report(root, out, template, config, audit):
    """Build the page.

    Parameters
    ----------
    root : Path, the results folder
    out : Path of the page
    template : Template
    config : dict, the whole configuration
    audit : dict with whole, artifacts, text
    """
    root = Path(root)
    classes = pd.read_parquet(root / "affectspace" / "classes.parquet")
    frames = pd.read_parquet(root / "affectspace" / "frames.parquet")
    images = _read_images(root / "dataset")
    quarantine = _read_quarantine(root)
    times = _read_times(root / "benchmarks")
    registered = registration.section(
        root,
        files_root(GallerySettings(**config["gallery"]), root),
        load_registrar(root / "registration" / "template.zarr", Settings(**config["registration"])),
    )
    models, shape = blendshapes.section(root), validation.section(root)
    pictures = {
        "histogram": _uri((root / "affectspace" / "histogram.png").read_bytes()),
        "pairs": _uri(_pairs(images)),
        "levels": _uri(_levels(images)),
        "times": _uri(figures.bars(times.index, times["seconds"], "seconds, summed over jobs")),
    }
    synthesized = images[images["class"] >= 0]
    page = _template().render(
        source=config["gallery"]["source"],
        contents=[
            ("plane", "The plane"),
            ("registration", "Registration"),
            ("blendshapes", "Blendshapes"),
            ("table1", "Table 1"),
            ("faces", "Faces"),
            ("quarantine", "Quarantine"),
            ("audit", "Audit"),
            ("times", "Run times"),
            ("versions", "Versions"),
        ],
        facts=[
            (f"{len(frames):,}", "frames in the gallery"),
            (f"{(classes['status'] == 'ok').sum()} of {len(classes)}", "classes with a model"),
            (synthesized["neutral_image_id"].nunique(), "neutral faces"),
            (f"{len(synthesized):,}", "synthesized images"),
            (len(quarantine), "rows in quarantine"),
        ],
        audit=audit,
        pictures=pictures,
        registration={
            "pictures": {name: _uri(content) for name, content in registered["pictures"].items()},
            "tables": {name: _html(table) for name, table in registered["tables"].items()},
            "captions": registered["captions"],
            "worst": [(_uri(content), caption) for content, caption in registered["worst"]],
        },
        blendshapes={
            "pictures": {name: _uri(content) for name, content in models["pictures"].items()},
            "captions": models["captions"],
        },
        tables={
            "status": _status(frames),
            "quarantine": _quarantine_counts(quarantine),
            "quarantine_rows": _html(quarantine.head(QUARANTINE_ROWS)),
            "times": _html(times.reset_index()),
            "versions": _html(pd.DataFrame(versions().items(), columns=["package", "version"])),
        },
        validation={
            "pictures": {name: _uri(content) for name, content in shape["pictures"].items()},
            "main": _html(shape["main"]),
            "controls": _html(shape["controls"]),
        },
        sheet=_sheet(root / "synthesis" / "pictures"),
        table1_note=_TABLE1_NOTE,
        pairs_caption=f"the class nearest to valence {PAIR[0]}, arousal {PAIR[1]}",
        levels_caption="nearest to (valence, arousal) "
        + ", ".join(f"({v}, {a})" for v, a in LEVELS),
        quarantine_shown=min(QUARANTINE_ROWS, len(quarantine)),
        quarantine_count=len(quarantine),
        config=yaml.safe_dump(config, sort_keys=True),
    )
    with store.atomic(Path(out)) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


_TABLE1_NOTE = (
    "CCA, SVR and what is chosen for them see training subjects only; a basis is spanned by the "
    "apex frames of all subjects, as in the paper, or of the training subjects only (train_only). "
    "Intervals are 95 % bootstrap intervals over test subjects. The paper's columns were measured "
    "on 4DFAB, other people and other annotations than this gallery's: they are shown for "
    "comparison of shape, not as a target."
)


def _template():
    text = files("affect4d.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)


def _uri(content):
    starts = {"png": b"\x89PNG", "webp": b"RIFF"}
    kind = next((kind for kind, start in starts.items() if content.startswith(start)), "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _html(table):
    return Markup(table.to_html(index=False, border=0, na_rep="", float_format="{:.3f}".format))


def _read_images(folder):
    parts = [pd.read_parquet(path) for path in sorted((folder / "data").glob("*.parquet"))]
    return pd.concat(parts, ignore_index=True)


def _picture(row):
    with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
        return np.array(image.convert("RGB"))


def _nearest(rows, place):
    distance = np.hypot(rows["valence"] - place[0], rows["arousal"] - place[1])
    return rows.loc[distance.idxmin()]


def _sheet(folder):
    """The contact sheet that its own room drew, and its caption; empty where there is none."""
    stated = json.loads((folder / illustrate.STATED).read_text(encoding="utf-8"))
    if not stated["photographs"]:
        return {"picture": "", "caption": ""}
    caption = (
        f"{stated['doubted']} of the pictures are refused: their captions are red and say why. "
        f"{stated['empty']} places have no data around them."
    )
    return {"picture": _uri((folder / illustrate.SHEET).read_bytes()), "caption": caption}


def _people(images):
    """One neutral image a subject, photographs of people before rendered ones."""
    neutral = images[images["class"] < 0].sort_values(["kind", "image_id"])
    return neutral.drop_duplicates("subject").head(PEOPLE_SHOWN)


def _of(images, neutral):
    return images[(images["neutral_image_id"] == neutral["image_id"]) & (images["class"] >= 0)]


def _pairs(images):
    people = [row for _, row in _people(images).iterrows() if len(_of(images, row))]
    top = [_picture(row) for row in people]
    bottom = [_picture(_nearest(_of(images, row), PAIR)) for row in people]
    return figures.contact_sheet([top, bottom])


def _levels(images):
    rows = []
    for _, neutral in _people(images).iterrows():
        mine = _of(images, neutral)
        if len(mine):
            rows.append([_picture(neutral), *(_picture(_nearest(mine, place)) for place in LEVELS)])
    return figures.contact_sheet(rows)


def _status(frames):
    counts = frames["status"].value_counts().rename_axis("status").reset_index(name="frames")
    return _html(counts)


def _read_quarantine(root):
    """Every quarantine table of the build, in one; the gallery's collects those of its chunks."""
    paths = sorted(root.rglob("quarantine.csv")) + sorted(root.rglob("quarantine/*.csv"))
    columns = ["stage", "item", "file", "rule", "remedy"]
    tables = [pd.read_csv(path, dtype=str) for path in dict.fromkeys(paths)]
    # a sequence without a neutral frame is found by every group of classes that wants it
    every = pd.concat([pd.DataFrame(columns=columns), *tables], ignore_index=True)
    return every[columns].drop_duplicates(ignore_index=True)


def _quarantine_counts(quarantine):
    if quarantine.empty:
        return ""
    # numbers differ from file to file; the rule is the same
    rule = quarantine["rule"].str.replace(r"[-+]?\d+(\.\d+)?", "#", regex=True)
    counts = quarantine.assign(rule=rule).groupby(["stage", "rule", "remedy"]).size()
    return _html(counts.rename("rows").reset_index().sort_values("rows", ascending=False))


def _read_times(folder):
    """Wall-clock seconds and greatest memory of every rule, from Snakemake's benchmark files."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        table = pd.read_csv(path, sep="\t")
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append((rule, table["s"].sum(), pd.to_numeric(table["max_rss"], "coerce").max()))
    table = pd.DataFrame(rows, columns=["rule", "seconds", "MB"])
    grouped = table.groupby("rule").agg(
        jobs=("seconds", "size"), seconds=("seconds", "sum"), peak_MB=("MB", "max")
    )
    return grouped.sort_values("seconds", ascending=False)
