"""The published dataset: rows, splits, pixels, card, checksums, equal bytes."""

import io
import json
import shutil
import subprocess

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape
from PIL import Image
from support.contexts import context
from support.small_results import KINDS, NAMES, readings_of, write_chunk
from typer.testing import CliRunner

from affect4d import store
from affect4d.artifacts.dataset import MEASURES, READ, SPLITS
from affect4d.cli import app
from affect4d.config.dataset import Settings
from affect4d.config.synthesis import Settings as SynthesisSettings
from affect4d.dataset import card, publish_dataset
from affect4d.dataset.columns import all_columns
from affect4d.dataset.facts import Facts, list_sources
from affect4d.dataset.rows import add_readings, collect_rows
from affect4d.dataset.splits import assign_splits
from affect4d.quarantine import BadInput
from affect4d.report.page import render
from affect4d.store import groups
from affect4d.synthesis.quality import EYE_PROBLEM, METRICS, NEUTRALISED


@pytest.fixture(scope="module")
def chunks(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    return [
        write_chunk(root, "photos", 0, ["ann", "bob"]),
        write_chunk(root, "photos", 1, ["cyd"]),
        write_chunk(root, "synthetic", 2, ["p1", "p2", "p3"]),
    ]


@pytest.fixture(scope="module")
def build(chunks, tmp_path_factory):
    """A function that publishes the chunks under given settings and returns the folder."""

    def run(**settings):
        root = chunks[0].parents[2]
        out = tmp_path_factory.mktemp("out") / "dataset"
        inputs = tuple(store.manifest_of(chunk) for chunk in chunks)
        fields = {"item": "dataset", "inputs": inputs, "settings": settings, "code": "c"}
        run_context = context(root, "dataset", **fields)
        publish_dataset(run_context, chunks, kinds=KINDS, settings=Settings(**settings), out=out)
        return out

    return run


@pytest.fixture(scope="module")
def dataset(build):
    return build(image_format="png", shard_rows=4)


@pytest.fixture(scope="module")
def table(dataset):
    return pd.concat(pd.read_parquet(path) for path in sorted(dataset.glob("data/*.parquet")))


def pixels(image):
    return np.array(Image.open(io.BytesIO(image["bytes"])))


def test_every_synthesized_image_and_every_neutral_is_a_row_once(table):
    assert table["image_id"].is_unique
    assert (table["class"] >= 0).sum() == 10 and (table["class"] < 0).sum() == 6
    assert set(table["neutral_image_id"]) == set(table.loc[table["class"] < 0, "image_id"])
    assert set(table.loc[table["database"] == "synthetic", "kind"]) == {"rendered"}


def test_what_was_read_of_an_image_is_in_its_row_and_nothing_elsewhere(table, chunks, tmp_path):
    columns = list(READ.values())
    assert table[columns].isna().all(axis=None)  # this build has no readings
    rows = collect_rows({str(path): store.open(path) for path in chunks}, KINDS)
    read = readings_of(chunks)
    joined = add_readings(rows, read).set_index("image_id")
    assert len(joined) == len(rows)
    first, second = read["image_id"]
    assert joined.loc[second, columns].tolist() == ["neutral", 0.2, 0.3, 0.9]
    assert joined.loc[first, "read_expression"] == "neutral"
    assert joined.drop([first, second])[columns].isna().all(axis=None)


def test_labels_and_pixels_are_those_of_the_stores(table, chunks):
    rows = table.set_index("image_id")
    for path in chunks:
        chunk = store.open(path)
        for i, image_id in enumerate(chunk.attributes["image_ids"]):
            row = rows.loc[image_id]
            assert row["class"] == chunk["class"][i] and row["valence"] == chunk["valence"][i]
            assert row["quality_folded"] == chunk["quality"][i, 1]
            np.testing.assert_array_equal(pixels(row["image"]), chunk["images"][i])
        for i, photograph in enumerate(chunk.attributes["photographs"]):
            row = rows.loc[f"{chunk.attributes['database']}-{photograph['image_id']}"]
            np.testing.assert_array_equal(pixels(row["image"]), chunk["neutral"][i])
    neutral = rows[rows["class"] < 0]
    assert neutral[["valence", "arousal", "quality_folded"]].isna().all(axis=None)
    assert set(neutral["class_name"]) == {"neutral"}


def test_no_subject_is_in_two_splits_and_all_splits_have_some(table, dataset):
    assert (table.groupby(["database", "subject"])["split"].nunique() == 1).all()
    listed = pd.read_csv(dataset / "splits.csv").set_index(["database", "subject"])
    assert set(listed["split"]) == set(SPLITS)
    assert listed["images"].sum() == len(table)
    for row in table.itertuples():
        assert listed.loc[(row.database, row.subject), "split"] == row.split


def test_shards_are_named_as_hugging_face_expects_and_not_too_long(dataset):
    names = sorted(path.name for path in dataset.glob("data/*.parquet"))
    for split in SPLITS:
        of_split = [name for name in names if name.startswith(f"{split}-")]
        count = len(of_split)
        assert of_split == [f"{split}-{n:05d}-of-{count:05d}.parquet" for n in range(count)]
    assert "train-00003-of-00004.parquet" in names  # four people of two or three images
    people = []
    for path in dataset.glob("data/*.parquet"):
        shown = pd.read_parquet(path, columns=["database", "subject"])
        assert 0 < len(shown) <= 4
        people += shown.drop_duplicates().itertuples(index=False, name=None)
    assert len(people) == len(set(people)) == 6  # nobody is in two shards
    metadata = pq.read_schema(dataset / "data" / names[0]).metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert features["valence"] == {"dtype": "float64", "_type": "Value"}
    assert features["class"] == {"names": list(NAMES), "_type": "ClassLabel"}


def test_croissant_lists_every_shard_with_its_digest_and_every_column(dataset, table):
    metadata = json.loads((dataset / "croissant.json").read_text())
    listed = {f["contentUrl"]: f["sha256"] for f in metadata["distribution"] if "sha256" in f}
    shards = {p.relative_to(dataset).as_posix(): store.digest(p) for p in dataset.glob("data/*")}
    assert listed == shards
    assert [f["name"] for f in metadata["recordSet"][0]["field"]] == list(table.columns)


def test_sha256sum_accepts_the_checksums_and_they_cover_every_file(dataset):
    check = subprocess.run(
        ["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=dataset, check=False
    )
    assert check.returncode == 0
    listed = {line.split("  ")[1] for line in (dataset / "SHA256SUMS").read_text().splitlines()}
    files = {p.relative_to(dataset).as_posix() for p in dataset.rglob("*") if p.is_file()}
    assert files - listed == {"SHA256SUMS"} and listed <= files


def test_the_card_states_counts_and_where_the_data_are(dataset):
    _, header, text = (dataset / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(header)
    paths = [files["path"] for files in about["configs"][0]["data_files"]]
    assert all(list(dataset.glob(path)) for path in paths) and len(paths) == 3
    assert "10 images of 6 subjects" in text.replace("\n", " ")
    assert "| `v-0.9_a+0.5` | -0.880 | +0.510 | 6 |" in text
    assert "median valence and arousal" in text
    assert "8 x 8 pixels, PNG (lossless): the square around the 68 landmarks" in text
    assert "as strong as in the scans" in text and "![People" in text and "@inproceedings" in text
    assert "Images of kind `rendered`" in text and "surface. Folds are shaded" in text
    assert "| photos | as its owners state it | as its owners state it |" in text
    assert about["annotations_creators"] == ["machine-generated"]
    assert about["source_datasets"] == ["extended|other-photos", "original"]
    info = about["dataset_info"]
    in_train = sum(pq.read_metadata(path).num_rows for path in dataset.glob("data/train-*"))
    assert info["splits"][0] == {"name": "train", "num_examples": in_train}
    assert [feature["name"] for feature in info["features"]][:2] == ["image", "image_id"]
    assert "| +0.5 | 6 |" in text and "No frame of the source databases" in text
    assert "between 1 and 2 synthesized ones" in text.replace("\n", " ")
    assert (dataset / "preview.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_card_and_croissant_follow_the_settings(chunks, build):
    licences = {"photos": "CC0", "synthetic": "rendered here"}
    consent = {"photos": "they signed"}
    folder = build(licences=licences, consent=consent, version="1.2.0", published="2026-05-04")
    text, croissant = ((folder / n).read_text() for n in ("README.md", "croissant.json"))
    assert "| photos | CC0 | they signed |" in text and "Version 1.2.0, 2026-05-04." in text
    about = json.loads(croissant)
    assert (about["version"], about["datePublished"]) == ("1.2.0", "2026-05-04")
    stated = [each.get("license") for each in about["prov:wasDerivedFrom"]]
    assert stated == [*licences.values(), None]  # the scans have none
    assert about["rai:personalSensitiveInformation"] == ["Faces of 3 people (photos): they signed."]
    faces = {"class": [-1, 3, -1], "database": ["d", "d", "e"], "kind": "photograph"}
    sources = list_sources(pd.DataFrame(faces | {"subject": ["p", "p", "q"]}), Settings())
    # nothing could be made of q, whose photograph is published
    assert [(s.database, s.subjects, s.images) for s in sources] == [("d", 1, 1), ("e", 1, 0)]
    said = {
        intensity: card.render_card(
            pd.DataFrame(
                {"class": [0], "class_name": "v", "valence": 0.0, "arousal": 0.0, "split": "train",
                 "database": "d", "subject": "s", "kind": "photograph", "interpolated": False}
            ),
            [],
            shards={"train": ["x"]},
            classes=["v"],
            facts=Facts(
                settings=Settings(),
                gallery="manifest",
                target="strength",
                synthesis=SynthesisSettings(intensity=intensity, folds=0, relight=0).model_dump(),
                inspected={
                    "d": "not inspected", "e": "inspected by 2 reviewers", "f": "not inspected"
                },
                annotated={"e": {"v": 7}},
            ),
            size=(8, 8),
            readings=[],
        )
        for intensity in (1.0, 0.5)
    }  # fmt: skip
    assert "0.5 times as strong" in said[0.5] and "as strong as in the scans" in said[1.0]
    assert "1 image of 1 subject with" in said[1.0] and "1 class of the" in said[1.0]
    stated = "- Neutral images were inspected by 2 reviewers (`e`), not inspected (`d`, `f`).\n"
    assert all(stated in text for text in said.values())
    assert all("No new folds or shadows appear." in text for text in said.values())
    assert not any("of kind `rendered`" in text for text in said.values())  # there is none
    assert all("| `blendshapes.target` | strength: the mean of" in text for text in said.values())
    planes = [text.split("## Valence and arousal")[1].split("##")[0] for text in said.values()]
    assert [planes[0].count(f"| +0 | {n} |") for n in (7, 1, 8)] == [1, 1, 1]  # real, made, both
    assert "frames of the source databases (e)" in planes[0]
    assert "Version" not in said[1.0] and "annotations are of faces of intensity 1" in said[0.5]


def test_a_quality_column_says_what_it_measures():
    refusing = ["quality_accepted", f"quality_{EYE_PROBLEM}"]  # one value in what is published
    columns = {column.name: column for column in all_columns(["quality_yaw", *refusing])}
    assert columns["quality_yaw"].unit == "degrees" and "head" in columns["quality_yaw"].description
    assert columns.keys().isdisjoint(refusing)
    assert {*METRICS, NEUTRALISED} == {*MEASURES, "accepted"}


NOTES = [
    "CC-BY-4.0: see https://example.org",
    "- a # b",
    "'quoted' \"twice\"",
    "two\nlines\n---\n",
    "{a: [b]} & *c !d |",
    "no",
    "1.0",
    "é ü 漢字 \U0001f600",
    "\\textbf{x} <script>alert(1)</script> {{ name }} {% raw %}",
]


@pytest.mark.parametrize("note", NOTES)
def test_any_licence_gives_a_card_croissant_and_report_that_hold_it(build, note):
    folder = build(licence=note, licence_note=note)
    text = (folder / "README.md").read_text()
    header = next(iter(yaml.safe_load_all(text.removeprefix("---\n"))))
    assert header["license"] == note and header["pretty_name"] == "affect4d"
    assert note.strip() in text and "## Files" in text
    metadata = json.loads((folder / "croissant.json").read_text())
    assert metadata["license"] == note and metadata["description"].endswith(note)
    page = render("versions", versions="", config=note)
    assert "<script>" not in page and str(escape(note)) in page


@example("\x85\u2028", "1.0")
@given(st.text(), st.sampled_from(["1.0", "no", "0x1", "1e3", "2020-01-01", "null", "a.b"]))
def test_the_cards_header_is_yaml_whatever_it_states(licence, name):
    settings = Settings(name=name, licence=licence)
    header = yaml.safe_load(card.header(3, ["train"], settings))
    assert header["license"] == licence and header["pretty_name"] == settings.name


def test_two_builds_give_the_same_bytes(build, dataset):
    other = build(image_format="png", shard_rows=4)
    for path in dataset.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(dataset)).read_bytes()
    names = ["dataset.manifest.json"] * 2
    first, second = (p.parent / n for p, n in zip((dataset, other), names, strict=True))
    assert store.verify(first) == [] == store.verify(second)


def test_jpeg_is_smaller_and_close(build, table):
    folder = build(image_format="jpeg", jpeg_quality=95)
    rows = pd.concat(pd.read_parquet(path) for path in folder.glob("data/*.parquet"))
    rows = rows.set_index("image_id")
    assert rows.iloc[0]["image"]["path"].endswith(".jpg")
    for row in table.itertuples():
        close = pixels(rows.loc[row.image_id, "image"]).astype(int) - pixels(row.image)
        assert np.abs(close).mean() < 8


def test_the_same_image_id_twice_is_refused(chunks):
    with pytest.raises(ValueError, match="occurs twice"):
        collect_rows(dict.fromkeys("ab", store.open(chunks[0])), KINDS)


def test_reads_grow_with_the_images_and_not_with_the_size_of_their_chunk(tmp_path, monkeypatch):
    """Files looked at per image: each shard of a chunk has one image, each row group two."""
    monkeypatch.setattr("affect4d.store.images.CHUNKS", 1)
    monkeypatch.setattr("affect4d.dataset.shards.ROW_GROUP", 2)
    opened, looked_at = [], []
    open_store, check = store.open, groups.check_size
    monkeypatch.setattr(store, "open", lambda path: opened.append(path) or open_store(path))
    monkeypatch.setattr(groups, "check_size", lambda *a: looked_at.append(a) or check(*a))
    monkeypatch.setattr(groups, "_SMALL_BYTES", -1)  # no file is digested in place of looked at
    counts = []
    for people in (4, 16):
        looked_at.clear()
        subjects = [f"p{number:02d}" for number in range(people)]
        chunk = write_chunk(tmp_path / str(people), "photos", 0, subjects)
        publish_dataset(context(tmp_path), [chunk], kinds=KINDS, settings=Settings())
        counts.append(len(looked_at) / people)
    assert len(opened) == 2
    assert counts[1] < 1.3 * counts[0]


def test_nothing_to_publish_is_refused():
    with pytest.raises(BadInput, match=r"no image was synthesized; .* say why"):
        collect_rows({}, {})


def test_another_seed_gives_other_splits_and_more_subjects_keep_the_shares():
    subjects = [f"s{i:03d}" for i in range(100)]
    rows = pd.DataFrame({"database": "d", "subject": subjects * 2})
    first, second = (assign_splits(rows, validation=0.2, test=0.1, seed=seed) for seed in (0, 1))
    assert first["split"].value_counts().to_dict() == {"train": 70, "validation": 20, "test": 10}
    assert (first["split"] != second["split"]).any()
    assert assign_splits(rows[::-1], validation=0.2, test=0.1, seed=0).equals(first)
    assert set(assign_splits(rows, validation=0, test=0, seed=0)["split"]) == {"train"}


def test_the_commands_count_and_show_what_is_published(dataset, tmp_path, monkeypatch):
    run = CliRunner()
    done = run.invoke(app, ["dataset", "stats", str(dataset)])
    assert done.exit_code == 0
    assert done.stdout.startswith("10 images of 6 people in 2 classes, made from 6 neutral images")
    assert any(
        line.split() == ["v-0.9_a+0.5", "-0.88", "0.51", "6"] for line in done.stdout.splitlines()
    )
    assert any(line.split()[:2] == ["photos", "bob"] for line in done.stdout.splitlines())
    call = ["dataset", "sample", str(dataset), "-o", str(tmp_path / "sheets"), "--people", "4"]
    assert run.invoke(app, call).exit_code == 0
    sheets = [Image.open(tmp_path / "sheets" / f"by_{of}.jpg").size for of in ("class", "subject")]
    side = 8 + 4  # a picture and the gap beside it
    assert sheets == [(4 * side, 3 * side), (3 * side, 4 * side)]  # neutral and two classes
    assert run.invoke(app, ["dataset", "stats", str(tmp_path)]).exit_code == 1
    monkeypatch.chdir(tmp_path / "sheets")
    assert run.invoke(app, ["dataset", "sample", str(dataset), "--people", "4"]).exit_code == 0
    assert len(list((tmp_path / "sheets/sheets").iterdir())) == 2  # a folder of their own
    call = ["dataset", "sample", str(tmp_path / "no dataset"), "-o", "by_class.jpg"]
    assert "it is a file, not a folder" in run.invoke(app, call).stderr  # before anything is read


def test_a_shard_that_is_none_ends_the_commands_with_one_line(dataset, tmp_path):
    alone = shutil.copytree(dataset, tmp_path / "alone")
    for shard in alone.glob("data/*"):
        shard.write_bytes(b"no table")
    sums = [f"{store.digest(path)}  data/{path.name}\n" for path in alone.glob("data/*")]
    (alone / "SHA256SUMS").write_text("".join(sums))
    for command in ("stats", "sample"):
        done = CliRunner().invoke(app, ["dataset", command, str(alone)])
        assert done.exit_code == 1 and "publish the dataset anew" in done.stderr
        assert isinstance(done.exception, SystemExit)
