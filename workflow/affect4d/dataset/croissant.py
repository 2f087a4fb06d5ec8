"""`croissant.json`: the dataset's files, columns, lineage and terms of use in Croissant 1.1.

MLCommons, Croissant Format Specification 1.1: lineage in W3C's PROV-O, terms of use as an ODRL
offer. Of each image the neutral one that it was derived from is a column.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from affect4d import store
from affect4d.artifacts.dataset import READ, RENDERED
from affect4d.artifacts.declaration import Column
from affect4d.dataset.columns import schema_org_type
from affect4d.dataset.facts import (
    CITATION,
    GALLERIES,
    INTENDED,
    PROHIBITED,
    Facts,
    Source,
    list_sources,
)
from affect4d.system_files import find_files

_CROISSANT = (
    "annotation", "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "excludes",
    "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "readLines", "recordSet",
    "references", "regex", "repeated", "replace", "samplingRate", "sdVersion", "separator",
    "source", "subField", "transform", "unArchive", "value",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in _CROISSANT},
}
_SPECIFICATIONS = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_RESEARCH = "duo:0000042"  # "general research use" of the Data Use Ontology
_SCANS, _SYNTHESIS, _SOFTWARE = "lineage/scans", "lineage/synthesis", "lineage/affect4d"


def describe(
    folder: Path, columns: list[Column], rows: pd.DataFrame, *, facts: Facts
) -> dict[str, Any]:
    """The metadata of the dataset in `folder`; its `data/*.parquet` must be there.

    Parameters
    ----------
    folder : of the dataset
    columns : of its shards
    rows : of the dataset
    facts : what its card states beside what follows from the rows

    Returns
    -------
    dict
        JSON-LD: every shard with its sha256, one record set whose fields are the columns, what the
        dataset was derived from and by what, and what it may be used for.
    """
    settings = facts.settings
    sources = list_sources(rows, settings)
    shards = list(find_files(folder / "data", "*.parquet"))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _SPECIFICATIONS,
        "name": settings.name,
        "description": "Face images with valence and arousal, synthesized from neutral images. "
        + settings.licence_note,
        "license": settings.licence,
        "citeAs": CITATION,
        "version": settings.version,
        "datePublished": settings.published,
        **_lineage(sources, facts),
        **_terms(sources, settings.licence_note),
        "distribution": [
            *(_file(folder, shard) for shard in shards),
            {
                "@type": "cr:FileSet",
                "@id": "shards",
                "name": "shards",
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "key": {"@id": "images/image_id"},
                "field": [_field(column) for column in columns],
            }
        ],
    }


def _lineage(sources: list[Source], facts: Facts) -> dict[str, Any]:
    """What the dataset was derived from, and by what."""
    databases = [
        {
            "@id": f"lineage/{source.database}",
            "@type": "prov:Entity",
            "rdfs:label": f"neutral images of {source.subjects} people, database {source.database} "
            f"({source.kind})",
            "license": source.licence,
        }
        for source in sources
    ]
    label = GALLERIES[facts.gallery]
    scans = {"@id": _SCANS, "@type": "prov:Entity", "rdfs:label": f"annotated 4D scans: {label}"}
    software = {"@id": _SOFTWARE, "@type": "prov:SoftwareAgent", "rdfs:label": "affect4d"}
    settings = "; ".join(f"{name}: {value}" for name, value in sorted(facts.synthesis.items()))
    activity = {
        "@id": _SYNTHESIS,
        "@type": "prov:Activity",
        "rdfs:label": "the deformation of each class was imposed on each neutral image",
        "rdfs:comment": f"blendshapes.target: {facts.target}; synthesis: {settings}",
        "prov:used": [{"@id": part["@id"]} for part in (*databases, scans)],
        "prov:wasAssociatedWith": software,
    }
    return {"prov:wasDerivedFrom": [*databases, scans], "prov:wasGeneratedBy": activity}


def _terms(sources: list[Source], note: str) -> dict[str, Any]:
    """What the dataset may be used for, for people (RAI) and for machines (ODRL)."""
    offer = {
        "@id": "terms",
        "@type": ["CreativeWork", "odrl:Offer"],
        "rdfs:label": "terms of use",
        "odrl:permission": {
            "@type": "odrl:Permission",
            "odrl:action": {"@id": _RESEARCH, "rdfs:label": "general research use"},
            "odrl:duty": {"@type": "odrl:Duty", "rdfs:label": note},
        },
        "odrl:prohibition": [
            {
                "@type": "odrl:Prohibition",
                "odrl:action": {"@type": "odrl:Action", "rdfs:label": what},
            }
            for what in PROHIBITED
        ],
    }
    real = [source for source in sources if source.kind != RENDERED]
    return {
        "usageInfo": offer,
        "rai:dataUseCases": INTENDED,
        "rai:dataLimitations": [f"Not for {what}." for what in PROHIBITED],
        "rai:personalSensitiveInformation": [
            f"Faces of {source.subjects} people ({source.database}): {source.consent}."
            for source in real
        ]
        or ["None: nobody on the images is a real person."],
    }


def _id(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def _file(folder: Path, file: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": _id(folder, file),
        "name": file.name,
        "contentUrl": _id(folder, file),
        "contentSize": f"{file.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": store.digest(file),
    }


def _field(column: Column) -> dict[str, Any]:
    source: dict[str, Any] = {"fileSet": {"@id": "shards"}, "extract": {"column": column.name}}
    if column.type == "image":
        source["transform"] = {"jsonPath": "bytes"}
    unit = f" Unit: {column.unit}." if column.unit else ""
    return {
        "@type": "cr:Field",
        "@id": f"images/{column.name}",
        "name": column.name,
        "description": column.description + unit,
        "dataType": schema_org_type(column),
        "source": source,
        **dict(_field_lineage(column.name)),
    }


def _field_lineage(name: str) -> Iterator[tuple[str, Any]]:
    """Where the values of a column come from, where that is not the synthesis."""
    if name == "neutral_image_id":
        yield "equivalentProperty", "prov:wasDerivedFrom"
    elif name in ("valence", "arousal"):
        yield "prov:wasDerivedFrom", {"@id": _SCANS}
    elif name in READ.values():
        agent = {"@type": "prov:SoftwareAgent", "rdfs:label": "networks of others (fer, dlib)"}
        yield "prov:wasAttributedTo", agent
