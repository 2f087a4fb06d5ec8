"""What a build publishes opens with libraries that share no code with it, as the README promises.

AFFECT4D_READERS names their interpreter (`make readers`); the tests skip where it is not set.
"""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

READERS = os.environ.get("AFFECT4D_READERS")
SCRIPT = Path(__file__).parents[1] / "support" / "read_published.py"
pytestmark = pytest.mark.skipif(not READERS, reason="AFFECT4D_READERS is not set")


@pytest.fixture(scope="module")
def read(built, tmp_path_factory):
    """What the readers read of the small build."""
    command = [str(READERS), str(SCRIPT), str(built.results), str(tmp_path_factory.mktemp("cache"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def shards(built):
    """The published rows, without the images, as Arrow reads them."""
    paths = sorted((built.results / "dataset/data").glob("*.parquet"))
    names = [name for name in pq.read_schema(paths[0]).names if name != "image"]
    return pd.concat([pd.read_parquet(path, columns=names) for path in paths])


def test_datasets_reads_every_row_of_every_split(read, shards):
    found = read["datasets"]
    assert found["image_ids"] == sorted(shards["image_id"])
    assert found["rows"] == shards["split"].value_counts().to_dict()


def test_datasets_knows_the_type_of_every_column_and_decodes_images(read, shards):
    found = read["datasets"]
    assert set(found["features"]) == {"image", *shards}
    assert found["features"]["image"].startswith("Image(")
    assert found["features"]["valence"] == "Value('float64')"
    assert found["mode"] == "RGB" and found["size"][0] == found["size"][1]


def test_mlcroissant_validates_the_metadata_and_reads_records_with_every_field(read, shards):
    found = read["mlcroissant"]
    assert found["errors"] == [] and found["records"] > 0
    assert found["fields"] == sorted(["image", *shards])


def test_rocrate_reads_the_crate_with_every_published_file(read, built):
    found = read["rocrate"]
    folder = built.results / "dataset"
    files = [f"dataset/{p.relative_to(folder)}" for p in folder.rglob("*") if p.is_file()]
    assert set(files) <= set(found["published"]) and found["actions"] > 0
