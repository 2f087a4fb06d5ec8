"""What the dataset says: one fault planted in its rows, pictures and lists, and named.

Each fault has a manifest that lists it, as a program that writes wrong content would.
"""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.planted_faults import assert_found, record_again

from affect4d import store
from affect4d.audit.published import compare_rows


def rewrite(results, change):
    """Change the rows of the dataset's only shard with rows, and its own lists accordingly."""
    path = sorted((results / "dataset/data").glob("*.parquet"))[0]
    table = pq.read_table(path)
    changed = change(table.to_pandas())
    arrays = pa.Table.from_pandas(changed, table.schema, preserve_index=False)
    pq.write_table(arrays, path, row_group_size=100)
    record_again(results, "dataset")
    return path.relative_to(results).as_posix()


def shown(row, **change):
    """A change of one row."""

    def apply(rows):
        for name, value in change.items():
            rows.loc[row, name] = value
        return rows

    return apply


ROWS = [
    (shown(1, image_id="eve"), "dataset/data", "eve occurs 1 times in place of 0"),
    (shown(1, valence=0.0), "dataset/data", "has another valence, by the chunks"),
    (shown(1, subject="eve"), "dataset/data", "has another subject, by the chunks"),
    (lambda rows: rows.iloc[[0, 0, *range(2, len(rows))]], "dataset/data", "occurs 2 times"),
    (lambda rows: rows.iloc[1:], "dataset/data", "the table has 5 rows in place of 6"),
    (shown(1, split="test"), None, "is not of the split train"),
    (shown(0, valence=0.5), None, "has a label and no class"),
    (shown(1, valence=None), None, "has a label and no class"),
    (shown(1, arousal=1.5), None, "a value is above 1"),
    (shown(0, neutral_image_id="x"), None, "is made from another image"),
    (shown(1, kind="painted"), None, "a value is none of photograph, rendered"),
]


@pytest.mark.parametrize(("change", "file", "said"), ROWS)
def test_a_row_that_no_chunk_has_is_named(results, change, file, said):
    shard = rewrite(results, change)
    assert_found(results, "dataset", file or shard, said)


@pytest.mark.parametrize("fault", ["nonsense", "another size", "another name"])
def test_a_picture_that_does_not_open_as_stated_is_named(results, fault):
    def spoil(rows):
        for row, image in rows["image"].items():
            if fault == "nonsense":
                image["bytes"] = image["bytes"][:40]
            elif fault == "another size":
                file = io.BytesIO()
                Image.new("RGB", (9, 8)).save(file, "PNG")
                image["bytes"] = file.getvalue()
            else:
                image["path"] = "other.jpg"
            rows.at[row, "image"] = image
        return rows

    shard = rewrite(results, spoil)
    said = {"nonsense": "does not open", "another size": "8 x 9", "another name": "other.jpg"}
    assert_found(results, "dataset", shard, said[fault])


@pytest.mark.parametrize("name", ["SHA256SUMS", "croissant.json"])
def test_the_datasets_own_lists_are_held_to_its_manifest(results, name):
    path = results / "dataset" / name
    text = path.read_text()
    sha = store.digest(next((results / "dataset/data").glob("*.parquet")))
    assert sha in text
    path.write_text(text.replace(sha, "0" * 64))
    record_again(results, "dataset")
    assert_found(results, "dataset", f"dataset/{name}", "says of data/train-00000-of-00001.parquet")


ROW = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3))


@settings(deadline=None)
@given(st.lists(ROW, max_size=12), st.lists(ROW, max_size=12))
def test_the_images_that_differ_are_those_whose_rows_are_not_the_same(made, published):
    columns = ["image_id", "class"]
    parts = [
        [pd.DataFrame(side[i::2], columns=columns) for i in (0, 1)] for side in (made, published)
    ]
    found = compare_rows(columns, made=lambda: parts[0], published=lambda: parts[1])
    differing = {image_id for image_id, _ in found}
    assert ("the table" in differing) == (len(made) != len(published))
    sides = [
        [sorted(row for row in side if row[0] == key) for side in (made, published)]
        for key in "abcdefgh"
    ]
    differing -= {"the table"}
    assert differing == {key for key, (a, b) in zip("abcdefgh", sides, strict=True) if a != b}


def test_of_many_images_that_differ_some_are_named_and_the_others_counted():
    rows = pd.DataFrame({"image_id": [f"i{n}" for n in range(50)], "class": 0})
    other = rows.assign(**{"class": 1})
    parts = {"made": lambda: [rows], "published": lambda: [other]}
    *named, (last, _) = compare_rows(["image_id", "class"], **parts)
    assert len(named) == 20 and {what for _, what in named} == {"has another class"}
    assert last == "30 more images"


def test_a_missing_value_is_the_same_whatever_its_bits():
    odd = np.array([0xFFF8000000000001], np.uint64).view(np.float64)
    sides = [pd.DataFrame({"image_id": ["a"], "valence": value}) for value in (odd, [np.nan])]
    parts = {"made": lambda: sides[:1], "published": lambda: sides[1:]}
    assert not list(compare_rows(["image_id", "valence"], **parts))
