"""JSON, CSV and other side files of others: read, or refused in one line."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
from support.hostile_images import random_damage

from affect4d.formats.content import read_content, read_json
from affect4d.formats.paths import inside
from affect4d.formats.tables import read_rows
from affect4d.quarantine import BadInput, Quarantine
from affect4d.store import StoreError

LIMIT = 1 << 20
ROWS = [{"image": "a.jpg", "subject": "Béla"}, {"image": "b.jpg", "subject": "a\nb"}]
TABLE = 'image,subject\r\na.jpg,Béla\r\nb.jpg,"a\nb"\r\n'


def rows_of(path):
    return [row for _, row in read_rows(path, ("image", "subject"))]


def refusal(read, path):
    with pytest.raises(BadInput) as caught:
        read(path, LIMIT, "table")
    assert str(caught.value).isprintable() and caught.value.remedy
    return caught.value.rule


class TestContent:
    def test_only_regular_files(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "folder").mkdir()
        (tmp_path / "device").symlink_to("/dev/zero")
        for name in ("pipe", "folder", "device"):
            assert refusal(read_content, tmp_path / name) == "the table is no regular file"

    def test_the_first_bytes_of_a_file_of_a_build_are_no_damage(self, small_build, tmp_path):
        results = shutil.copytree(small_build / "results", tmp_path / "results")
        path = next(results.glob("neutrals/*/images/*.png"))
        content = path.read_bytes()
        assert read_content(path, LIMIT, "image", first=1) == content[:1]
        path.write_bytes(content[:-1])
        for first in (None, len(content)):
            with pytest.raises(StoreError, match="in place of"):
                read_content(path, LIMIT, "image", first=first)

    def test_names_that_lead_nowhere(self, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        for name in ("loop", "absent", "x" * 300, "a\0b", "\ud800", os.fsdecode(b"\xff")):
            refusal(read_content, tmp_path / name)

    def test_the_limit_is_inclusive(self, tmp_path):
        (tmp_path / "a").write_bytes(bytes(LIMIT))
        assert len(read_content(tmp_path / "a", LIMIT, "table")) == LIMIT
        (tmp_path / "a").write_bytes(bytes(LIMIT + 1))
        assert "1 MB are more than" in refusal(read_content, tmp_path / "a")


class TestJson:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    def test_a_byte_order_mark_does_not_matter(self, tmp_path, encoding):
        value = {"actor": "Béla", "frames": {}}
        (tmp_path / "a").write_text(json.dumps(value, ensure_ascii=False), encoding=encoding)
        assert read_json(tmp_path / "a", LIMIT, "table") == value

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[" * 200_000,
            b'{"a":' * 100_000,
            b"1" * 5000,
            '{"actor": "Béla"}'.encode("latin-1"),
            '{"actor": "Béla"}'.encode("utf-16"),
            b"\xff\xfe\xfd",
            b"{} {}",
        ],
    )
    def test_whatever_else_is_refused(self, tmp_path, content):
        (tmp_path / "a").write_bytes(content)
        assert "cannot be read as JSON" in refusal(read_json, tmp_path / "a")


class TestRows:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
    def test_a_byte_order_mark_does_not_matter(self, tmp_path, encoding, end):
        (tmp_path / "a").write_bytes(TABLE.replace("\r\n", end).encode(encoding))
        assert rows_of(tmp_path / "a") == ROWS

    def test_cells_that_are_absent_or_beyond_the_header(self, tmp_path):
        (tmp_path / "a").write_text("image,subject\na\nb,c,d,e\n")
        assert rows_of(tmp_path / "a") == [
            {"image": "a", "subject": ""},
            {"image": "b", "subject": "c"},
        ]

    @pytest.mark.parametrize(
        "content",
        [
            TABLE.encode("latin-1"),
            TABLE.encode("utf-16"),
            b"image,subject\na," + b"x" * 200_000,
            b'image,subject\na,"' + b"x" * 200_000,
            b"x" * 200_000,
        ],
    )
    def test_whatever_else_is_refused(self, tmp_path, content):
        (tmp_path / "a").write_bytes(content)
        with pytest.raises(BadInput) as caught:
            rows_of(tmp_path / "a")
        assert str(caught.value).isprintable() and caught.value.remedy
        assert caught.value.file.startswith(str(tmp_path / "a"))

    @pytest.mark.parametrize("sign", ["\u2028", "\x0b", "\x0c", "\x1c", "\x85"])
    def test_only_ends_of_lines_end_a_row(self, tmp_path, sign):
        (tmp_path / "a").write_text(f"image,subject\na{sign}b,c\n", encoding="utf-8")
        assert rows_of(tmp_path / "a") == [{"image": f"a{sign}b", "subject": "c"}]


@pytest.mark.parametrize("read", [lambda path: read_json(path, LIMIT, "table"), rows_of])
def test_any_bytes_are_read_or_refused(tmp_path, read):
    rng = np.random.default_rng(18)
    content = TABLE.encode() if read is rows_of else json.dumps(ROWS).encode()
    for _ in range(300):
        (tmp_path / "a").write_bytes(random_damage(rng, content))
        try:
            read(tmp_path / "a")
        except BadInput as problem:
            assert str(problem).isprintable()


@pytest.mark.parametrize("name", ["\ud800", "a/\udfff", "loop/a", "loop"], ids=ascii)
def test_paths_that_no_file_system_has_are_refused(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BadInput):
        inside(tmp_path, name).stat() if sys.version_info >= (3, 13) else inside(tmp_path, name)


@pytest.mark.parametrize(
    "name", ["a\nb", os.fsdecode(b"\xff.jpg"), "\ud800", "a\x1b[31m", "é"], ids=ascii
)
def test_a_quarantine_and_its_log_hold_any_name_in_one_line(tmp_path, caplog, name):
    keeper = Quarantine("neutrals")
    keeper.add(name, BadInput(name, f"{name} is odd", "rename it"))
    keeper.write(tmp_path / "q.csv")
    assert len((tmp_path / "q.csv").read_text(encoding="utf-8").splitlines()) == 2
    assert caplog.messages[0].isprintable()
