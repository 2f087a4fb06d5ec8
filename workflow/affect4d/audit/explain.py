"""Explain an image: from its id back to class, frames, scans, photograph, settings and versions.

An image_id comes from outside: it is looked up in the tables, no path is ever made of it.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affect4d import store
from affect4d.audit import lineage
from affect4d.audit.lineage import Build
from affect4d.store import Manifest, Store, StoreError
from affect4d.store.manifest import SUFFIX

_FRAMES_SHOWN = 12
_FRAME_COLUMNS = (
    "frame_id",
    "subject",
    "sequence",
    "valence",
    "arousal",
    "mesh",
    "texture",
    "landmarks",
)


class UnknownImage(LookupError):
    """No synthesis chunk holds the image; `str()` is one line with a remedy."""


@dataclass(frozen=True)
class Explanation:
    """Where an image comes from.

    Attributes
    ----------
    record : dict of JSON values
        image_id, label, class, quality, photograph, fit, frames, frames_folder (what the frames'
        files are relative to), steps, versions.
    """

    record: dict[str, Any]

    def text(self) -> str:
        """The record for people: indented lines, long lists cut."""
        record = dict(self.record)
        frames, folder = record.pop("frames"), record.pop("frames_folder")
        lines = [line for key, value in record.items() for line in _lines(key, value)]
        if frames:
            lines.append(f"frames behind the mean: {len(frames)}, files in {folder}")
            for frame in frames[:_FRAMES_SHOWN]:
                where = f"valence {frame['valence']:+.2f}, arousal {frame['arousal']:+.2f}"
                lines.append(f"  {frame['frame_id']} ({where}): {frame['mesh']}")
            if len(frames) > _FRAMES_SHOWN:
                lines.append(f"  and {len(frames) - _FRAMES_SHOWN} more: --json lists them all")
        return "\n".join(lines)


def explain(results: Path, image_id: str) -> Explanation:
    """Walk the lineage of one image of the dataset, synthesized or neutral.

    Raises
    ------
    UnknownImage
        No chunk holds it.
    StoreError
        An artifact on the way is damaged or missing.
    """
    build = lineage.load(results)
    artifact, chunk, row, photograph = _find(build, image_id)
    record: dict[str, Any] = {"image_id": image_id, "artifact": f"{artifact}.zarr"}
    behind = [artifact]
    frames: list[dict] = []
    if row is not None:
        index = int(chunk["class"][row])
        name = chunk.attributes["classes"][index]
        kept = store.open(build.root / "blendshapes" / f"{name}.zarr").attributes
        frames = _frames(build, kept["frame_ids"])
        behind.append(f"blendshapes/{name}")
        record |= _label(chunk, row) | {"class": _class(index, name, kept)}
    database = chunk.attributes["database"]
    fit = _fit(build, artifact, photograph["image_id"])
    behind.insert(1, fit["artifact"].removesuffix(".zarr"))
    record["photograph"] = _photograph(build, database, photograph)
    record["fit"] = fit
    record["frames"] = frames
    record["frames_folder"] = str(_frames_folder(build))
    return Explanation(record | _steps(build, behind))


def _find(build: Build, image_id: str) -> tuple[str, Store, int | None, dict]:
    """The chunk that holds the image, its row (None: it is a neutral image), its photograph."""
    known: list[str] = []
    for name in build.manifests:
        artifact = name.removesuffix(SUFFIX)
        path = build.root / f"{artifact}.zarr"
        if not artifact.startswith("synthesis/") or not path.is_dir():
            continue
        chunk = store.open(path)
        attributes = chunk.attributes
        ids = attributes["image_ids"]
        neutral = [f"{attributes['database']}-{p['image_id']}" for p in attributes["photographs"]]
        if image_id in ids:
            row = ids.index(image_id)
            photograph = attributes["photographs"][int(chunk["photograph"][row])]
            return artifact, chunk, row, photograph
        if image_id in neutral:
            return artifact, chunk, None, attributes["photographs"][neutral.index(image_id)]
        known += [*ids, *neutral]
    near = difflib.get_close_matches(image_id, known, n=1, cutoff=0)
    remedy = f"did you mean {near[0]}?" if near else "synthesize images first"
    raise UnknownImage(f"{image_id}: no image has this image_id; {remedy}")


def _label(chunk: Store, row: int) -> dict:
    return {
        "label": {name: float(chunk[name][row]) for name in ("valence", "arousal")},
        "sample": int(chunk["sample"][row]),
        "quality": _named(chunk.attributes["quality"], chunk["quality"][row]),
    }


def _class(index: int, name: str, kept: dict) -> dict:
    return {
        "index": index,
        "name": name,
        "median_valence": kept["median_valence"],
        "median_arousal": kept["median_arousal"],
        "frames": len(kept["frame_ids"]),
        "neutral_frames": sum(map(len, kept["neutral_frame_ids"].values())),
    }


def _photograph(build: Build, database: str, photograph: dict) -> dict:
    """The neutral image: its copy in the build, and the file in the database it was copied from."""
    accepted = pd.read_csv(build.root / "neutrals" / database / "accepted.csv", dtype=str)
    row = accepted.set_index("image_id").loc[photograph["image_id"]]
    return {"database": database, **photograph, **row.to_dict()}


def _manifest(build: Build, artifact: str) -> Manifest:
    name = artifact + SUFFIX
    if name in build.unreadable:
        raise build.unreadable[name]
    if name not in build.manifests:
        raise StoreError(build.root / name, "is missing", "run `affect4d audit`")
    return build.manifests[name]


def _fit(build: Build, artifact: str, image_id: str) -> dict:
    """The fit of a photograph, from the store that the chunk was built from."""
    inputs = _manifest(build, artifact).inputs
    source = next(name for name in inputs if name.startswith("fits/"))
    name = source.removesuffix(SUFFIX) + ".zarr"
    fits = store.open(build.root / name)
    row = fits.attributes["image_ids"].index(image_id)
    return {
        "artifact": name,
        "camera": _named(fits.attributes["camera"], fits["camera"][row]),
        "quality": _named(fits.attributes["quality"], fits["quality"][row]),
    }


def _frames(build: Build, frame_ids: list[str]) -> list[dict]:
    """The gallery's rows of the frames, with their files, in the order of `frame_ids`."""
    table = pd.read_parquet(
        build.root / "gallery" / "frames.parquet",
        columns=list(_FRAME_COLUMNS),
        filters=[("frame_id", "in", frame_ids)],
    )
    table = table.set_index("frame_id", drop=False).loc[frame_ids]
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _frames_folder(build: Build) -> Path:
    """The folder that the frames' files are relative to; the results folder if it built them."""
    settings = _manifest(build, "gallery/frames").settings
    return build.root / settings.get("files_root", "")


def _steps(build: Build, behind: list[str]) -> dict:
    """Settings and code of each rule on the way, nearest first, and the packages' versions."""
    names = [artifact + SUFFIX for artifact in behind]
    every = names + [above for name in names for above in build.ancestors(name)]
    steps: dict[str, dict] = {}
    versions: dict[str, set[str]] = {}
    for name in dict.fromkeys(every):
        manifest = _manifest(build, name.removesuffix(SUFFIX))
        about = {"artifact": manifest.artifact, "settings": manifest.settings}
        steps.setdefault(manifest.rule, about | {"code": manifest.code})
        for package, version in manifest.versions.items():
            versions.setdefault(package, set()).add(version)
    shown = {package: ", ".join(sorted(found)) for package, found in sorted(versions.items())}
    return {"steps": steps, "versions": shown}


def _named(names: list[str], values: Any) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}


def _lines(key: str, value: Any, indent: str = "") -> list[str]:
    """A record as indented lines `key: value`."""
    if isinstance(value, dict) and value:
        below = [line for k, v in value.items() for line in _lines(str(k), v, indent + "  ")]
        return [f"{indent}{key}:", *below]
    if isinstance(value, float):
        value = f"{value:.6g}"
    if isinstance(value, list):
        value = ", ".join(map(str, value[:_FRAMES_SHOWN])) + (" ..." * (len(value) > _FRAMES_SHOWN))
    return [f"{indent}{key}: {value}"]
