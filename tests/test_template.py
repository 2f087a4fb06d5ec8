"""The template's package data: fetched by digest, missed with a remedy."""

import io
import tarfile

import pytest

from affect4d.quarantine import BadInput
from affect4d.template import menpo3d_data
from affect4d.template.template import load_template


def distribution(folder, contents):
    path = folder / "menpo3d.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"menpo3d-{menpo3d_data.VERSION}/menpo3d/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_every_data_file_is_in_this_environment_with_its_digest(tmp_path):
    contents = {name: menpo3d_data.data_file(name).read_bytes() for name in menpo3d_data.SHA256}
    assert menpo3d_data._read(distribution(tmp_path, contents)) == contents


def test_a_file_with_another_digest_is_refused(tmp_path):
    contents = {name: menpo3d_data.data_file(name).read_bytes() for name in menpo3d_data.SHA256}
    contents["james.ljson"] += b" "
    with pytest.raises(BadInput, match="another digest"):
        menpo3d_data._read(distribution(tmp_path, contents))


def test_data_that_were_not_fetched_are_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(menpo3d_data, "FOLDER", tmp_path)
    with pytest.raises(BadInput, match="menpo3d_data") as raised:
        load_template()
    assert "template.mesh" in raised.value.remedy
