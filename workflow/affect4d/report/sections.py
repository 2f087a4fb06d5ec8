"""What the page's sections show: pictures and tables that the packages wrote, laid out."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

import affect4d
from affect4d import store
from affect4d.artifacts import (
    affectspace,
    blendshapes,
    readers,
    registration,
    synthesis,
    validation,
)
from affect4d.artifacts.dataset import DATASET, RENDERED, SHARD
from affect4d.artifacts.reading import open_file, read_file
from affect4d.artifacts.statuses import FLAGGED, INTERPOLATED, OK, USED
from affect4d.blendshapes.targets import Atlas
from affect4d.config.blendshapes import TARGETS, Settings
from affect4d.formats.images import decode_image
from affect4d.formats.own_tables import read_csv
from affect4d.plotting.montage import contact_sheet
from affect4d.plurals import plural
from affect4d.provenance.lineage import load_build
from affect4d.report.table1 import controls_table, main_table
from affect4d.store.commit import versions
from affect4d.system_files import find_files

QUARANTINE_ROWS = 50  # shown one by one, so that the page stays one that a browser opens at once
PEOPLE_SHOWN = 8  # as many as fit beside one another on the page
# The classes of the paper's Fig. 5 as (valence, arousal); the nearest class that has data is shown.
LEVELS = [(0.3, 0.1), (0.7, 0.3), (0.9, 0.7), (0.3, 0.9), (-0.5, 0.7), (-0.7, 0.3), (-0.7, -0.3)]
PAIR = (0.8, 0.5)  # the class of its Fig. 4
_CHECKOUT = Path(affect4d.__file__).parents[2]  # of the repository, unless installed elsewhere
_MEDIA_TYPES = {".png": "png", ".jpg": "jpeg", ".webp": "webp"}
_QUARANTINE = ["stage", "item", "file", "rule", "remedy"]
# Rows of Table 1 as in the paper; the others are controls.
_MAIN_MODEL = "cca + svr"

Section = dict[str, Any]


def count_facts(root: Path, images: pd.DataFrame) -> list[tuple[str, str]]:
    """The figures at the top of the page: value and meaning."""
    seconds = sum(row["seconds"] for row in read_run_times(root))
    newest = max(path.stat().st_mtime for path in find_files(root, "**/*.manifest.json"))
    classes = pd.read_parquet(open_file(affectspace.CLASSES.path(root)), columns=["status"])
    frames = pd.read_parquet(open_file(affectspace.FRAMES.path(root)), columns=["status"])
    synthesized = images[images["class"] >= 0]
    return [
        _fact(len(frames), "frame in the gallery", "frames in the gallery"),
        (f"{(classes['status'] == 'ok').sum()} of {len(classes)}", "classes with a model"),
        _fact(synthesized["neutral_image_id"].nunique(), "neutral face"),
        _fact(len(synthesized), "synthesized image"),
        _fact(len(_quarantine_rows(root)), "row in quarantine", "rows in quarantine"),
        (f"{seconds / 60:.1f} min", "of computing, summed over jobs"),
        (f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%d %H:%M}", "last artifact written (UTC)"),
    ]


def _fact(count: int, one: str, many: str = "") -> tuple[str, str]:
    return f"{count:,}", plural(count, one, many)


def read_affectspace(root: Path) -> Section:
    """Histogram of the annotations, and frames by status."""
    frames = pd.read_parquet(open_file(affectspace.FRAMES.path(root)), columns=["status"])
    counts = frames["status"].value_counts()
    return {
        "pictures": read_pictures(affectspace.AFFECT_SPACE.manifest(root)),
        "used": int(counts.get(USED, 0)),
        "flagged": int(counts.get(FLAGGED, 0)),
        "status": _html(counts.rename_axis("status").reset_index(name="frames")),
    }


def read_registration(root: Path) -> Section:
    """Pictures, their captions, and the tables of flags and of the worst sequences."""
    tables = (registration.FLAG_TABLE, registration.SEQUENCE_TABLE)
    flags, sequences = (pd.read_csv(open_file(table.path(root))) for table in tables)
    by_flag = flags.set_index("flag")
    return {
        "pictures": read_pictures(registration.PICTURES.manifest(root)),
        "captions": json.loads(read_file(registration.CAPTIONS.path(root))),
        "flagged": int(by_flag.loc[registration.ANY_FLAG, "frames"]),
        "flags": _html(flags),
        "sequences": _html(sequences),
    }


def read_blendshapes(root: Path) -> Section:
    """Pictures (of the mean faces only, where no class has a model) and what captions state."""
    return {
        "pictures": read_pictures(blendshapes.PICTURES.manifest(root)),
        "figures": json.loads(read_file(blendshapes.PICTURES_STATED.path(root))),
        "target": TARGETS[_stated_target(root)],
        "faces": _count_faces(root),
    }


def _count_faces(root: Path) -> dict[str, int]:
    """How many classes have a face on the plane, how many an interpolated one, how many none."""
    status = Atlas(blendshapes.ATLAS.path(root)).status
    shown, interpolated = (status.count(one) for one in (OK, INTERPOLATED))
    return {
        "shown": shown + interpolated,
        "interpolated": interpolated,
        "none": len(status) - shown - interpolated,
    }


def _stated_target(root: Path) -> str:
    """The setting `blendshapes.target`, as the atlas was built with it."""
    stated = store.read_manifest(blendshapes.ATLAS.manifest(root)).settings
    return Settings.model_validate(stated.get("blendshapes", {})).target


def read_validation(root: Path) -> Section:
    """Pictures (none where nothing could be measured), Table 1 and its controls for reading."""
    table = pd.read_csv(open_file(validation.TABLE1.path(root)))
    is_main = table["model"] == _MAIN_MODEL
    return {
        "pictures": read_pictures(validation.VALIDATION.manifest(root)),
        "main": main_table(table[is_main]),
        "controls": controls_table(table[~is_main]),
    }


def read_synthesis(root: Path, images: pd.DataFrame) -> Section:
    """Neutral faces beside synthesized ones, and the contact sheet of both blends."""
    # photographs of people before rendered ones, one neutral image per subject
    neutral = images[images["class"] < 0].sort_values(["kind", "image_id"])
    people = neutral.drop_duplicates(["database", "subject"]).head(PEOPLE_SHOWN)
    pairs, levels = [], []
    for _, person in people.iterrows():
        made = images[images["neutral_image_id"] == person["image_id"]]
        made = made[made["class"] >= 0]
        if len(made):
            pairs.append([_decode(person), _decode(_nearest(made, PAIR))])
            levels.append([pairs[-1][0], *(_decode(_nearest(made, point)) for point in LEVELS)])
    return {
        "pairs": _data_uri(contact_sheet([list(row) for row in zip(*pairs, strict=True)]), "jpeg"),
        "levels": _data_uri(contact_sheet(levels), "jpeg"),
        "has_rendered": bool((people["kind"] == RENDERED).any()),
        "pair_at": PAIR,
        "levels_at": LEVELS,
        "pictures": read_pictures(synthesis.PICTURES.manifest(root)),
        "figures": json.loads(read_file(synthesis.PICTURES_STATED.path(root))),
    }


def read_dataset(images: pd.DataFrame) -> Section:
    """People and images of the dataset by split, database and kind; images by quadrant."""
    people = images["database"] + "/" + images["subject"]
    rows = images.assign(person=people)[images["class"] >= 0]
    groups = rows.groupby(["split", "database", "kind"])
    counts = groups.agg(people=("person", "nunique"), images=("image_id", "size")).reset_index()
    names = rows[["valence", "arousal"]].ge(0)
    quadrants = pd.crosstab(
        names["valence"].map({True: "positive", False: "negative"}),
        names["arousal"].map({True: "aroused", False: "calm"}),
    )
    named = quadrants.rename_axis(index="valence", columns=None).reset_index()
    return {"counts": _html(counts), "quadrants": _html(named)}


def read_readers(root: Path) -> Section:
    """What networks of others read of a sample, by expression and quadrant, and what is stated."""
    return {
        "summary": _html(pd.read_csv(open_file(readers.SUMMARY.path(root)))),
        "stated": json.loads(read_file(readers.STATED.path(root))),
    }


def read_quarantine(root: Path) -> Section:
    """How often each rule was broken, and the first rows of all quarantine tables."""
    rows = _quarantine_rows(root)
    # numbers differ from file to file; the rule is the same
    rule = rows["rule"].str.replace(r"[-+]?\d+(\.\d+)?", "#", regex=True)
    counts = rows.assign(rule=rule).groupby(["stage", "rule", "remedy"]).size()
    table = counts.rename("rows").reset_index().sort_values("rows", ascending=False)
    shown = rows.head(QUARANTINE_ROWS)
    return {"counts": _html(table), "rows": _html(shown), "shown": len(shown), "total": len(rows)}


def read_run_times(root: Path) -> list[dict[str, Any]]:
    """By rule, longest first: jobs, wall-clock seconds and their share of the longest, peak MB."""
    rows = []
    folder = root / "benchmarks"
    for path in find_files(folder, "**/*.tsv"):
        table = pd.read_csv(path, sep="\t")
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append((rule, table["s"].sum(), pd.to_numeric(table["max_rss"], "coerce").max()))
    grouped = (
        pd.DataFrame(rows, columns=["rule", "seconds", "MB"])
        .groupby("rule")
        .agg(jobs=("seconds", "size"), seconds=("seconds", "sum"), peak_MB=("MB", "max"))
        .sort_values("seconds", ascending=False)
    )
    grouped["share"] = grouped["seconds"] / grouped["seconds"].max()
    records: list[dict[str, Any]] = grouped.reset_index().to_dict("records")
    return records


def read_versions() -> Markup:
    """The packages whose version can change a build's bytes."""
    return _html(pd.DataFrame(versions().items(), columns=["package", "version"]))


def read_commit() -> str:
    """The commit of the checkout that this code lies in, `+` for changes since; "" outside one."""
    git = shutil.which("git")
    if git is None or not (_CHECKOUT / ".git").exists():
        return ""
    command = [git, "-C", str(_CHECKOUT), "describe", "--always", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read_images(root: Path) -> pd.DataFrame:
    """The rows of the published dataset, with the encoded images."""
    files = _listed(DATASET.manifest(root))
    shards = [path for path in files if path.suffix == Path(SHARD.pattern).suffix]
    return pd.concat([pd.read_parquet(open_file(path)) for path in shards], ignore_index=True)


def read_pictures(manifest: Path) -> dict[str, str]:
    """The pictures of an artifact as data URIs, by file name without suffix."""
    return {
        path.stem: _data_uri(read_file(path), _MEDIA_TYPES[path.suffix])
        for path in _listed(manifest)
        if path.suffix in _MEDIA_TYPES
    }


def _listed(manifest: Path) -> list[Path]:
    """The files of an artifact, in the order of their names."""
    listed = store.read_manifest(manifest)
    return [listed.locate(file) for file in listed.files]


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:image/{media_type};base64,{base64.b64encode(content).decode()}"


def _html(table: pd.DataFrame) -> Markup:
    table = table.rename(columns=lambda name: name.replace("_", " "))
    return Markup(table.to_html(index=False, border=0, na_rep="", float_format="{:.3f}".format))


def _decode(row: "pd.Series[Any]") -> NDArray[np.uint8]:
    """The picture (H, W, 3) of a row of the dataset."""
    return decode_image(row["image"]["bytes"], row["image_id"])


def _nearest(rows: pd.DataFrame, point: tuple[float, float]) -> "pd.Series[Any]":
    """The row whose label is nearest to (valence, arousal)."""
    distance = np.hypot(rows["valence"] - point[0], rows["arousal"] - point[1])
    return rows.loc[distance.idxmin()]


def _quarantine_rows(root: Path) -> pd.DataFrame:
    """Every quarantine table of the build, in one; the gallery's collects those of its chunks."""
    build = load_build(root)
    paths = [
        *find_files(build.root, "**/quarantine.csv"),
        *find_files(build.root, "**/quarantine/*.csv"),
    ]
    # what no manifest lists is no part of the build, and for the audit to name
    listed = [path for path in dict.fromkeys(paths) if build.relative(path) in build.owners]
    tables = [read_csv(open_file(path)) for path in listed]
    # a sequence without a neutral frame is reported by every group of classes that uses it
    rows = pd.concat([pd.DataFrame(columns=_QUARANTINE), *tables], ignore_index=True)
    return rows[_QUARANTINE].drop_duplicates(ignore_index=True)
