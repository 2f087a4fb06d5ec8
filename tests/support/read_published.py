"""Open what a build publishes with independent libraries and print what they read, as JSON.

Run by the interpreter of `make readers`, which has none of this project's code:
python read_published.py RESULTS
"""

import json
import os
import sys
from itertools import islice
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import datasets
import mlcroissant
from rocrate.rocrate import ROCrate

RECORDS = 3


def hugging_face(folder: Path, cache: Path) -> dict:
    """The splits, the features, and one decoded image."""
    splits = datasets.load_dataset(str(folder), cache_dir=str(cache))
    row = splits["train"][0]
    return {
        "rows": {name: len(split) for name, split in splits.items()},
        "image_ids": sorted(name for split in splits.values() for name in split["image_id"]),
        "features": {name: str(kind) for name, kind in splits["train"].features.items()},
        "size": row["image"].size,
        "mode": row["image"].mode,
    }


def croissant(folder: Path) -> dict:
    """The record sets, and the first records of the first."""
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    name = dataset.metadata.record_sets[0].id
    records = list(islice(dataset.records(record_set=name), RECORDS))
    return {
        "errors": sorted(dataset.metadata.ctx.issues.errors),
        "record_set": name,
        "fields": sorted(field.rsplit("/", 1)[-1] for field in records[0]),
        "records": len(records),
    }


def crate(folder: Path) -> dict:
    """The root dataset's name, the published files among those that it describes, and actions."""
    described = ROCrate(str(folder))
    entities = described.get_entities()
    files = [entity.id for entity in entities if "File" in entity.type]
    return {
        "name": described.root_dataset.get("name"),
        "published": sorted(name for name in files if name.startswith("dataset/")),
        "actions": sum("CreateAction" in entity.type for entity in entities),
    }


if __name__ == "__main__":
    results, cache = map(Path, sys.argv[1:3])
    print(
        json.dumps(
            {
                "datasets": hugging_face(results / "dataset", cache),
                "mlcroissant": croissant(results / "dataset"),
                "rocrate": crate(results),
            }
        )
    )
