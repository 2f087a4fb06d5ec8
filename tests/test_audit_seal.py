"""The seal: one signed Merkle root over all manifests, which no consistent forgery survives."""

import hashlib
import json
import shutil
import subprocess

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.rewritten_manifests import replace_file, rewrite_manifests
from support.small_crate import add_crate
from support.small_results import build_results
from typer.testing import CliRunner

from affect4d import audit
from affect4d.audit import check
from affect4d.audit.seal import merkle_root
from affect4d.cli import app

SHARD = "dataset/data/train-00000-of-00001.parquet"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A key pair and a file that allows it, and one of somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("owner", "forger"):
        arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(["ssh-keygen", *arguments], check=True)
    public = (folder / "owner.pub").read_text()
    (folder / "signers").write_text(f'owner@example.org namespaces="affect4d-build" {public}')
    return folder


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    (folder / "photo.jpg").write_bytes(b"jpeg")
    build_results(folder / "results", folder / "photo.jpg", people=(("ann", "bob"), ("cid", "dan")))
    return add_crate(folder)


@pytest.fixture(scope="module")
def original(unsealed, key, tmp_path_factory):
    root = shutil.copytree(unsealed, tmp_path_factory.mktemp("sealed") / "results")
    audit.seal_build(root, key / "owner")
    return root


@pytest.fixture
def sealed(original, tmp_path):
    return shutil.copytree(original, tmp_path / "results")


def audited(root, key):
    return audit.audit_build(root, signers=key / "signers")


def test_a_sealed_build_is_intact_and_card_and_crate_state_the_seal(original, key):
    verdict = audited(original, key)
    assert verdict.intact, verdict.text()
    root = json.loads((original / "seal.json").read_bytes())["merkle_root"]
    signature = (original / "seal.json.sig").read_text()
    card = (original / "dataset/README.md").read_text()
    crate = (original / "ro-crate-metadata.json").read_text()
    assert root in card and signature in card
    assert root in crate and json.dumps(signature)[1:-1] in crate
    subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=original / "dataset", check=True
    )


def test_sealing_again_gives_the_same_root(sealed, key):
    root = json.loads((sealed / "seal.json").read_bytes())["merkle_root"]
    assert audit.seal_build(sealed, key / "owner") == root
    assert audited(sealed, key).intact


def test_sealing_keeps_the_times_by_which_snakemake_decides(unsealed, sealed, key, tmp_path):
    copy = shutil.copytree(unsealed, tmp_path / "again")
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*.manifest.json")}
    audit.seal_build(copy, key / "owner")
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_without_signers_a_note_says_that_anybody_may_have_sealed(original):
    verdict = audit.audit_build(original)
    assert verdict.intact and any("without it anybody may have" in n for n in verdict.notes)


def test_a_seal_that_was_taken_away_is_missed(sealed, key):
    (sealed / "seal.json").unlink()
    assert "there is no seal" in audited(sealed, key).text()


def test_a_seal_of_somebody_else_does_not_count(sealed, key):
    audit.seal_build(sealed, key / "forger")
    assert audit.audit_build(sealed).intact
    assert "cannot be verified" in audited(sealed, key).text()


def test_a_signature_for_another_purpose_does_not_count(sealed, key):
    (sealed / "seal.json.sig").unlink()
    arguments = [
        "-Y",
        "sign",
        "-q",
        "-f",
        str(key / "owner"),
        "-n",
        "file",
        str(sealed / "seal.json"),
    ]
    subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True)
    assert "cannot be verified" in audited(sealed, key).text()


def forge_scan(root):
    replace_file(root / "gallery/scans/c0/s1/7_0.ply", b"ply of somebody else")


def forge_licence(root):
    card = root / "dataset/README.md"
    replace_file(card, card.read_bytes().replace(b"license: other", b"license: mit"))


def forge_version(name, content):
    content["versions"]["numpy"] = "0.0"


@pytest.mark.parametrize(
    ("forge", "edit"), [(forge_scan, None), (forge_licence, None), (None, forge_version)]
)
def test_a_consistent_forgery_breaks_the_seal(sealed, key, forge, edit):
    if forge:
        forge(sealed)
    rewrite_manifests(sealed, edit)
    assert "the Merkle root of the manifests is another" in audited(sealed, key).text()


def test_the_command_seals_an_intact_build_only(unsealed, key, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "plan_jobs", lambda _: [])  # no rule made this build
    copy = shutil.copytree(unsealed, tmp_path / "results")
    run = CliRunner().invoke
    assert "sealed: " in run(app, ["seal", str(copy), "--key", str(key / "owner")]).output
    (copy / SHARD).write_bytes(b"")
    called = run(app, ["seal", str(copy), "--key", str(key / "owner")])
    assert called.exit_code == 1 and "is not sealed" in called.output


def test_a_key_that_is_none_is_one_line(unsealed, tmp_path, monkeypatch):
    monkeypatch.setattr(check, "plan_jobs", lambda _: [])
    copy = shutil.copytree(unsealed, tmp_path / "results")
    called = CliRunner().invoke(app, ["seal", str(copy), "--key", str(tmp_path / "nothing")])
    assert called.exit_code == 2 and "ssh-keygen" in called.output


@given(st.lists(st.binary(max_size=4), max_size=20))
def test_the_root_is_that_of_rfc_6962(leaves):
    def tree(rows):
        if len(rows) == 1:
            return rows[0]
        half = 1
        while 2 * half < len(rows):
            half *= 2
        return hashlib.sha256(b"\1" + tree(rows[:half]) + tree(rows[half:])).digest()

    hashed = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    expected = tree(hashed) if hashed else hashlib.sha256().digest()
    assert merkle_root(leaves) == expected.hex()


def test_a_picture_that_is_not_its_chunks_is_found_without_a_seal(unsealed, tmp_path):
    copy = shutil.copytree(unsealed, tmp_path / "results")
    (shard,) = copy.glob("dataset/data/train-*.parquet")
    table = pq.read_table(shard)
    images = table["image"].to_pylist()
    images[0], images[1] = (
        {"bytes": images[1]["bytes"], "path": images[0]["path"]},
        {"bytes": images[0]["bytes"], "path": images[1]["path"]},
    )
    table = table.set_column(0, table.schema.field(0), pa.array(images, table.schema.field(0).type))
    shard.unlink()
    pq.write_table(table, shard)
    rewrite_manifests(copy)
    problems = audit.audit_build(copy).problems
    assert len(problems) == 2 and all("is not its chunk's" in p.what for p in problems)


def test_a_person_moved_to_another_split_is_found_without_a_seal(unsealed, tmp_path):
    copy = shutil.copytree(unsealed, tmp_path / "results")
    splits = copy / "dataset/splits.csv"
    table = pd.read_csv(splits)
    moved = table["split"].ne("train").idxmax()
    name, old = table.loc[moved, ["subject", "split"]]
    table.loc[moved, "split"] = "train"
    replace_file(splits, table.to_csv(index=False).encode())
    (source,), (target,) = (copy.glob(f"dataset/data/{part}-*.parquet") for part in (old, "train"))
    rows = pq.read_table(source).to_pandas().assign(split="train")
    together = pd.concat([pq.read_table(target).to_pandas(), rows])
    pq.write_table(
        pa.Table.from_pandas(together, pq.read_schema(target), preserve_index=False), target
    )
    source.unlink()
    text = (copy / "dataset/croissant.json").read_bytes()
    content = json.loads(text)
    content["distribution"] = [
        part
        for part in content["distribution"]
        if not part.get("contentUrl", "").endswith(source.name)
    ]
    replace_file(copy / "dataset/croissant.json", json.dumps(content).encode())
    rewrite_manifests(copy)
    text = audit.audit_build(copy).text()
    assert "is not what seed, shares and names give" in text and name in text
