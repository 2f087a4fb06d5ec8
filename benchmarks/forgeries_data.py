"""The forgeries of `forgeries.py`: data of a build changed as somebody would who gains by it."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.rewritten_manifests import replace_file

from affect4d import store
from affect4d.config.dataset import Settings
from affect4d.dataset.shards import image_encoder

Forge = Callable[[Path], object]
Edit = Callable[[str, dict], None]


@dataclass(frozen=True)
class Forgery:
    """What is done, to which parts (their names start like that), and how manifests lie."""

    name: str
    parts: str
    forge: Forge | None = None
    edit: Edit | None = None


def only(pattern: str, root: Path, number: int = 0) -> Path:
    return sorted(root.glob(pattern))[number]


def table(pattern: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Forge:
    """Change a table, CSV or Parquet."""

    def forge(root: Path) -> None:
        path = only(pattern, root)
        if path.suffix == ".csv":
            rows = change(pd.read_csv(path, keep_default_na=False, dtype=str))
            replace_file(path, rows.to_csv(index=False, lineterminator="\n").encode())
            return
        old = pq.read_table(path)
        changed = change(old.to_pandas())
        path.unlink()
        new = pa.Table.from_pandas(changed, old.schema, preserve_index=False)
        pq.write_table(new, path, row_group_size=100)

    return forge


def shards(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Forge:
    return lambda root: [
        table(path.relative_to(root).as_posix(), change)(root)
        for path in sorted(root.glob("dataset/data/*.parquet"))
    ]


def array(pattern: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Forge:
    """Change an array of a store that is neither an image nor a quantised sequence."""

    def forge(root: Path) -> None:
        path = only(pattern, root)
        stored, manifest = store.open(path), store.manifest_of(path)
        content, kept = manifest.read_bytes(), {}
        for each in stored:
            values = stored[each][...]
            if f"{each}_neutral" in stored:
                values = store.Vertices(values, stored[f"{each}_neutral"][...])
            elif each == "images":
                values = store.Images(values, "neutral", "photograph")
            elif each == "neutral":
                values = store.Images(values)
            kept[each] = values
        hidden = [each for each in kept if each.endswith("_neutral") and each[:-8] in kept]
        for each in hidden:
            del kept[each]
        old = stored[name][...]
        new = change(old)
        if isinstance(kept[name], store.Vertices):
            new = store.Vertices(new, stored[f"{name}_neutral"][...])
        elif isinstance(kept[name], store.Images):
            new = store.Images(new, *(("neutral", "photograph") if name == "images" else ()))
        kept[name] = new
        for file in (manifest, *path.rglob("*")):
            if file.is_file():
                file.unlink()
        shutil.rmtree(path)
        store.write(path, kept, stored.attributes)
        manifest.unlink()
        manifest.write_bytes(content)

    return forge


def lie(artifact: str, **fields: object) -> Edit:
    """Let one manifest state other fields; those that are dictionaries are updated."""

    def edit(name: str, content: dict) -> None:
        if name == artifact:
            for key, value in fields.items():
                content[key] = {**content[key], **value} if isinstance(value, dict) else value

    return edit


def swap_stores(first: str, second: str) -> Forge:
    """Give two sequences each other's registered vertices."""

    def forge(root: Path) -> None:
        paths = [root / f"{name}.zarr/vertices" for name in (first, second)]
        spare = root / "spare"
        shutil.move(paths[0], spare)
        shutil.move(paths[1], paths[0])
        shutil.move(spare, paths[1])

    return forge


def swap_pictures(rows: pd.DataFrame) -> pd.DataFrame:
    people = rows["subject"].unique()[:2]
    if len(people) < 2:  # a shard with one person stays as it is
        return rows
    places = [np.flatnonzero(rows["subject"] == person) for person in people]
    for a, b in zip(*places, strict=False):
        first, second = rows["image"].iloc[a], rows["image"].iloc[b]
        rows.at[rows.index[a], "image"] = {**first, "bytes": second["bytes"]}
        rows.at[rows.index[b], "image"] = {**second, "bytes": first["bytes"]}
    return rows


def grey_pictures(rows: pd.DataFrame) -> pd.DataFrame:
    _, encode = image_encoder(Settings())
    grey = encode(np.full((256, 256, 3), 128, np.uint8))
    return rows.assign(image=[{**image, "bytes": grey} for image in rows["image"]])


def one_picture(rows: pd.DataFrame) -> pd.DataFrame:
    rows.at[rows.index[0], "image"] = {
        **rows["image"].iloc[0],
        "bytes": rows["image"].iloc[1]["bytes"],
    }
    return rows


def move_person(root: Path) -> None:
    """A person of the test split goes to the training split; splits.csv says so."""
    path = root / "dataset/splits.csv"
    people = pd.read_csv(path, dtype=str, keep_default_na=False)
    person = people.loc[people["split"] == "test", ["database", "subject"]].iloc[0]
    moved = (people[["database", "subject"]] == person).all(axis=1)
    replace_file(
        path, people.assign(split=people["split"].mask(moved, "train")).to_csv(index=False).encode()
    )
    source, target = (only(f"dataset/data/{split}-*", root) for split in ("test", "train"))
    tables = [pq.read_table(each) for each in (source, target)]
    rows = tables[0].to_pandas()
    theirs = (rows[["database", "subject"]] == person).all(axis=1)
    together = pd.concat([tables[1].to_pandas(), rows[theirs].assign(split="train")])
    for file, content in ((source, rows[~theirs]), (target, together)):
        file.unlink()
        new = pa.Table.from_pandas(content, tables[0].schema, preserve_index=False)
        pq.write_table(new, file, row_group_size=100)


def other_photograph(root: Path) -> None:
    images = sorted(root.glob("neutrals/*/images/*.png"))
    replace_file(images[0], images[1].read_bytes())


def flip(*columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        for name in columns:
            values = pd.to_numeric(rows[name])
            rows[name] = -values
        return rows

    return change


def better_predictions(rows: pd.DataFrame) -> pd.DataFrame:
    for axis in ("valence", "arousal"):
        rows[f"predicted_{axis}"] = (rows[f"predicted_{axis}"] + rows[axis]) / 2
    return rows


def forgeries(root: Path) -> list[Forgery]:
    """All of them, for the build at `root`."""
    sequences = [
        path.name.removesuffix(".manifest.json")
        for path in sorted(root.glob("registered/*_spontaneous0.manifest.json"))
    ][:2]
    first, second = (f"registered/{name}" for name in sequences)
    flagged = next(
        f"registered/{path.stem}"
        for path in sorted(root.glob("registered/*.zarr"))
        if np.any(store.open(path)["flags"])
    )
    model = only("blendshapes/v*.zarr", root).name.removesuffix(".zarr")
    chunk = only("synthesis/*/*.zarr", root).relative_to(root).as_posix()
    database, number = chunk.split("/")[1], chunk.split("/")[2].removesuffix(".zarr")
    fits, images = f"fits/{database}/{number}", f"image:{database}-"
    scans = only("gallery/scans/*.csv", root).name.split(".")[0]
    columns = pq.read_schema(only("dataset/data/*.parquet", root)).names
    quality = next(name for name in columns if name.startswith("quality_"))
    features = f"validation/features/{sequences[0]}"
    weights = sorted(store.open(root / f"{features}.zarr"))[0]
    meshes = f"gallery/scans/{scans}/*/*.ply"
    card = "dataset/README.md"
    grey = lambda values: np.full_like(values, 128)  # noqa: E731
    return [
        Forgery("pictures of two subjects swapped in the shards", "dataset", shards(swap_pictures)),
        Forgery("all published pictures grey", "dataset", shards(grey_pictures)),
        Forgery(
            "one published picture is another's",
            "dataset",
            table("dataset/data/train-*", one_picture),
        ),
        Forgery("a person moved from test to train", "dataset", move_person),
        Forgery(
            "published quality columns",
            "dataset",
            shards(lambda rows: rows.assign(**{quality: np.float32(0)})),
        ),
        Forgery("published valence", "dataset", shards(flip("valence"))),
        Forgery("published kind", "dataset", shards(lambda rows: rows.assign(kind="photograph"))),
        Forgery(
            "rows left out of a shard",
            "dataset",
            table("dataset/data/train-*", lambda rows: rows.iloc[5:]),
        ),
        Forgery(
            "licence in the card",
            "dataset",
            lambda root: replace_file(
                root / card,
                (root / card).read_bytes().replace(b"license: other", b"license: mit"),
            ),
        ),
        Forgery(
            "Table 1, row of the chosen basis",
            "validation/models",
            table("validation/table1.csv", lambda rows: rows.assign(ccc_valence="0.990000")),
        ),
        Forgery(
            "Table 1, intervals only",
            "validation/models",
            table(
                "validation/table1.csv",
                lambda rows: rows.assign(ccc_valence_low=rows["ccc_valence"]),
            ),
        ),
        Forgery(
            "predictions",
            "validation/models",
            table("validation/predictions.parquet", better_predictions),
        ),
        Forgery(
            "split of the validation",
            "validation/b",
            table(
                "validation/split.csv", lambda rows: rows.assign(set=rows["set"].to_numpy()[::-1])
            ),
        ),
        Forgery("a neutral photograph is another person's", "neutrals/", other_photograph),
        Forgery("registered vertices of two people swapped", first, swap_stores(first, second)),
        Forgery(
            "flags of a registration cleared",
            flagged,
            array(f"{flagged}.zarr", "flags", np.zeros_like),
        ),
        Forgery(
            "annotations at the source",
            "gallery/annotations",
            table("gallery/annotations.csv", flip("valence")),
        ),
        Forgery(
            "labels in the gallery",
            "gallery/frames",
            table("gallery/frames.parquet", flip("valence")),
        ),
        Forgery(
            "labels in the affect space",
            "affectspace/",
            table("affectspace/frames.parquet", flip("arousal")),
        ),
        Forgery(
            "medians of classes",
            "affectspace/",
            table("affectspace/classes.parquet", flip("median_valence")),
        ),
        Forgery(
            "a class's mean",
            f"blendshapes/{model}",
            array(f"blendshapes/{model}.zarr", "mean", lambda v: v * 2),
        ),
        Forgery(
            "a class's components",
            f"blendshapes/{model}",
            array(f"blendshapes/{model}.zarr", "components", lambda v: v * 2),
        ),
        Forgery(
            "medians of the atlas",
            "blendshapes/atlas",
            array("blendshapes/atlas.zarr", "median", lambda v: -v),
        ),
        Forgery("cameras of fits", fits, array(f"{fits}.zarr", "camera", lambda v: v * 1.01)),
        Forgery(
            "identities of fits", fits, array(f"{fits}.zarr", "identity", lambda v: v[::-1].copy())
        ),
        Forgery("pictures of a chunk grey", images, array(chunk, "images", grey)),
        Forgery("quality of a chunk", images, array(chunk, "quality", np.zeros_like)),
        Forgery(
            "features of a sequence",
            features,
            array(f"{features}.zarr", weights, lambda v: v * 2),
        ),
        Forgery(
            "a raw scan",
            f"gallery/scans/{scans}",
            lambda root: replace_file(only(meshes, root), only(meshes, root, 1).read_bytes()),
        ),
        Forgery(
            "settings in a manifest",
            "affectspace/",
            edit=lie("affectspace/affectspace", settings={"affectspace": {"bins": 11}}),
        ),
        Forgery(
            "code in a manifest", "blendshapes/atlas", edit=lie("blendshapes/atlas", code="0" * 16)
        ),
        Forgery(
            "versions in a manifest",
            "gallery/frames",
            edit=lie("gallery/frames", versions={"numpy": "0.0"}),
        ),
        Forgery(
            "rule in a manifest", "gallery/frames", edit=lie("gallery/frames", rule="affectspace")
        ),
    ]
