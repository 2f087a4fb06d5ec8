"""Read a published dataset by every format it has and print what each says of every image, as JSON.

Run by the interpreter of `make readers`, which has none of this project's code:
python read_everywhere.py DATASET CACHE
"""

import hashlib
import json
import math
import os
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import datasets
import mlcroissant
import rdflib
import webdataset


def described(image_id, row, content):
    """[image_id, class, valence, split, sha256] of an image."""
    valence = row["valence"]
    missing = valence is None or math.isnan(valence)
    digest = hashlib.sha256(content).hexdigest()
    return [image_id, row["class"], None if missing else valence, row["split"], digest]


def by_datasets(folder, cache, *, streaming):
    """Loaded, or streamed."""
    splits = datasets.load_dataset(str(folder), cache_dir=str(cache), streaming=streaming)
    for split in splits.values():
        for row in split.cast_column("image", datasets.Image(decode=False)):
            yield described(row["image_id"], row, row["image"]["bytes"])


def by_webdataset(folder):
    """Sample by sample."""
    urls = sorted(map(str, (folder / "webdataset").glob("*.tar")))
    for sample in webdataset.WebDataset(urls, shardshuffle=False, empty_check=False):
        about = json.loads(sample["json"])
        for row in about["images"]:
            row |= {"split": about["split"]}
            yield described(row["image_id"], row, sample[row["file"]])


def by_croissant(folder):
    """Record by record."""
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    name = dataset.metadata.record_sets[0].id
    for record in dataset.records(record_set=name):
        row = {key.rsplit("/", 1)[-1]: value for key, value in record.items()}
        row |= {"split": text(row["split"]), "class": int(row["class"])}
        yield described(text(row["image_id"]), row, content_of(row["image"]))


def lineage(folder):
    """What Croissant says the dataset was derived from, by whom, and what it is not for (RDF)."""
    graph = rdflib.Graph().parse(folder / "croissant.json", format="json-ld")
    prov, odrl = (rdflib.Namespace(f"http://www.w3.org/ns/{n}") for n in ("prov#", "odrl/2/"))
    label = rdflib.RDFS.label
    dataset = graph.value(predicate=rdflib.RDF.type, object=rdflib.SDO.Dataset)
    activity = graph.value(dataset, prov.wasGeneratedBy)
    entities = set(graph.objects(dataset, prov.wasDerivedFrom))
    offer = graph.value(dataset, rdflib.SDO.usageInfo)
    metadata = mlcroissant.Dataset(jsonld=folder / "croissant.json").metadata
    return {
        "version": metadata.ctx.conforms_to.value,
        "issues": [*metadata.ctx.issues.errors, *metadata.ctx.issues.warnings],
        "derived": sorted(str(graph.value(each, label)) for each in entities),
        "used": entities == set(graph.objects(activity, prov.used)),
        "by": str(graph.value(graph.value(activity, prov.wasAssociatedWith), label)),
        "prohibited": sorted(
            str(graph.value(graph.value(each, odrl.action), label))
            for each in graph.objects(offer, odrl.prohibition)
        ),
    }


def text(value):
    """Text that may come as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def content_of(image):
    """The bytes of an image that may have been opened."""
    return image if isinstance(image, bytes) else image.fp.getvalue()


if __name__ == "__main__":
    dataset, cache = map(Path, sys.argv[1:3])
    found = {
        "datasets": by_datasets(dataset, cache, streaming=False),
        "streamed": by_datasets(dataset, cache, streaming=True),
        "webdataset": by_webdataset(dataset),
        "mlcroissant": by_croissant(dataset),
    }
    print(json.dumps({name: sorted(rows) for name, rows in found.items()}))
    print(json.dumps(lineage(dataset)))
