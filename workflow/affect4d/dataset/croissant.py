"""`croissant.json`: the dataset's files and columns in MLCommons' Croissant 1.0 vocabulary."""

from pathlib import Path
from typing import Any

from affect4d import store
from affect4d.artifacts.declaration import Column
from affect4d.dataset.columns import schema_org_type
from affect4d.system_files import find_files

CITATION = (
    "Kollias, Cheng, Pantic, Zafeiriou: Photorealistic Facial Synthesis in the Dimensional Affect "
    "Space. ECCV Workshops, 2018."
)

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe(
    folder: Path,
    columns: list[Column],
    *,
    name: str,
    description: str,
    licence: str,
    version: str,
    published: str,
) -> dict[str, Any]:
    """The metadata of the dataset in `folder`; its `data/*.parquet` must be there.

    Returns
    -------
    dict
        JSON-LD: every shard with its sha256, one record set whose fields are the columns.
    """
    shards = list(find_files(folder / "data", "*.parquet"))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "license": licence,
        "citeAs": CITATION,
        "version": version,
        "datePublished": published,
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
    }
