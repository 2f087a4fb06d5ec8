"""Table 1: the patch, the basis, what is read and what is written."""

import shutil

import numpy as np
import pandas as pd
import pytest
import small_gallery

from affect4d import store
from affect4d.affectspace.build import build_affectspace
from affect4d.config.affectspace import Settings as PlaneSettings
from affect4d.config.blendshapes import Settings as BlendshapeSettings
from affect4d.config.validation import Settings
from affect4d.formats.quarantine import BadInput, Quarantine
from affect4d.formats.template import load_template
from affect4d.validation.basis import make_patch
from affect4d.validation.build import build_validation, open_reader
from affect4d.validation.features import Reader
from affect4d.validation.table import prepare, tabulate

SMALL = {"gammas": [0.3], "costs": [1.0], "epsilons": [0.1], "bootstrap": 50, "vertices": 0}


def test_the_patch_keeps_template_vertices_and_covers_the_inner_face():
    template = load_template()
    patch = make_patch(template.vertices, template.triangles, template.inner, 1000)
    assert 950 < len(patch.index) < 1300 and len(set(patch.index)) == len(patch.index)
    assert template.inner[patch.index].all()
    assert np.array_equal(template.vertices[patch.index], patch.vertices)
    assert set(np.unique(patch.triangles)) == set(range(len(patch.index)))


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    small_gallery.build(root, subjects=6, length=60)
    build_affectspace(
        root / "gallery/frames.parquet",
        root / "registered",
        root / "affectspace",
        PlaneSettings(),
        Quarantine("affectspace"),
    )
    return root


def reader(root, settings, quarantine=None):
    quarantine = quarantine or Quarantine("validation")
    return open_reader(root, small_gallery.template(), settings, BlendshapeSettings(), quarantine)


@pytest.mark.parametrize("basis", ["sparse", "pca"])
def test_table_1_says_what_was_measured_and_what_is_beyond_the_rank(gallery, tmp_path, basis):
    settings = Settings(components=[3, 5, 84], basis=basis, **SMALL)
    split, frames, attained = prepare(reader(gallery, settings), settings, 0)
    table = tabulate(split, frames, attained, settings, 0).set_index("components")
    assert attained[5] == 5 and attained[84] < 84
    assert table.loc[5, "ccc_valence"] > 0.7 and table.loc[5, "ccc_arousal"] > 0.5
    assert f"{attained[84]} components" in table.loc[84, "status"]
    assert np.isnan(table.loc[84, "ccc_valence"]) and table.loc[84, "paper_ccc_valence"] == 0.63
    assert np.isnan(table.loc[5, "paper_ccc_valence"])


def test_a_basis_of_training_subjects_sees_no_test_subject(gallery):
    settings = Settings(components=[3], **SMALL)
    apexes = {}
    for choice in ("all", "train_only"):
        chosen = settings.model_copy(update={"basis_subjects": choice})
        source = reader(gallery, chosen)
        split, frames, _ = prepare(source, chosen, 0)
        apexes[choice] = frames[3].features
        assert set(source.apexes()[1]) == set(split["subject"])
    assert not np.array_equal(apexes["all"], apexes["train_only"])


def test_the_job_writes_table_split_and_figure_and_repeats_its_bytes(gallery):
    contents = []
    for _ in range(2):
        files = build_validation(
            gallery,
            small_gallery.template(),
            Settings(components=[3], **SMALL),
            BlendshapeSettings(),
            0,
            Quarantine("validation"),
        )
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"table1.csv", "split.csv", "table1.png", "quarantine.csv"}
    split = pd.read_csv(gallery / "validation/split.csv")
    assert split["frames"].sum() == 360 and set(split["set"]) == {"train", "test"}


def test_a_gallery_without_apexes_is_refused_in_one_line(gallery):
    frames = pd.read_parquet(gallery / "affectspace/frames.parquet")
    spontaneous = frames[frames["sequence"].str.contains("spontaneous")]
    patch = make_patch(*small_gallery.patch(), None, 0)
    source = Reader(
        gallery / "registered", spontaneous, patch, "given", 1, Quarantine("validation")
    )
    with pytest.raises(BadInput, match="apex"):
        prepare(source, Settings(components=[3], **SMALL), 0)


def test_a_gallery_without_apexes_gets_a_table_that_says_so(tmp_path):
    small_gallery.build(tmp_path, subjects=3, length=20)
    frames = pd.read_parquet(tmp_path / "gallery/frames.parquet")
    for path in (tmp_path / "registered").glob("*.zarr"):
        if "spontaneous" not in path.name:
            shutil.rmtree(path)
            store.manifest_of(path).unlink()
    kept = frames[frames["task"] == "spontaneous"].assign(status="used", **{"class": 0})
    (tmp_path / "affectspace").mkdir()
    kept.to_parquet(tmp_path / "affectspace/frames.parquet", index=False)
    quarantine = Quarantine("validation")
    settings = Settings(components=[2, 84])
    build_validation(
        tmp_path, small_gallery.template(), settings, BlendshapeSettings(), 0, quarantine
    )
    table = pd.read_csv(tmp_path / "validation/table1.csv")
    assert table["status"].str.contains("span no basis").all()
    assert table[["ccc_valence", "mse_arousal"]].isna().all().all()
    assert table["paper_ccc_valence"].tolist()[1] == 0.63
    assert [row.item for row in quarantine.rows] == ["table1"]
    with pytest.raises(BadInput, match="span no basis"):
        build_validation(
            tmp_path, small_gallery.template(), settings, BlendshapeSettings(), 0,
            Quarantine("validation", strict=True),
        )  # fmt: skip
