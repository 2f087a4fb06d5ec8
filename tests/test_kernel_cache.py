"""Compiled code: a folder of its own where numba could write nowhere, and a line that says so."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from affect4d import kernel_cache

NOWHERE = Path(os.devnull, "cache")  # nobody, root included, makes a folder below a device
KERNEL = "import affect4d.geometry.surface as s, os; print(os.environ.get('NUMBA_CACHE_DIR', ''))"


@pytest.fixture
def nowhere(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(NOWHERE))
    monkeypatch.setattr(kernel_cache, "_PACKAGE", NOWHERE)
    monkeypatch.setattr(kernel_cache, "_fallback", [])


def test_without_a_writable_folder_there_is_a_temporary_one_and_a_line(nowhere, capfd):
    kernel_cache.ensure_cache_folder()
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir() and folder.stat().st_mode & 0o077 == 0
    line = capfd.readouterr().err
    assert line.count("\n") == 1 and "set NUMBA_CACHE_DIR to a folder that you can write" in line
    kernel_cache.ensure_cache_folder()  # as in a program that this one starts
    assert os.environ["NUMBA_CACHE_DIR"] == str(folder) and capfd.readouterr().err == ""


def test_without_any_folder_at_all_there_is_a_line(nowhere, monkeypatch, capfd):
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(NOWHERE))
        kernel_cache.ensure_cache_folder()
    assert "NUMBA_CACHE_DIR" not in os.environ
    assert "nor a temporary one; set NUMBA_CACHE_DIR" in capfd.readouterr().err


@pytest.mark.parametrize("writable", ["user", "modules"])
def test_a_folder_that_numba_can_write_stays(nowhere, monkeypatch, tmp_path, capfd, writable):
    if writable == "user":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not yet"))
    else:
        monkeypatch.setattr(kernel_cache, "_PACKAGE", tmp_path)
    kernel_cache.ensure_cache_folder()
    assert "NUMBA_CACHE_DIR" not in os.environ and capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_a_stated_folder_that_cannot_be_written_is_replaced_for_the_run_alone():
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(NOWHERE)}
    done = subprocess.run(
        [sys.executable, "-c", KERNEL], env=environment, capture_output=True, text=True, check=True
    )
    assert f"{NOWHERE} cannot be written" in done.stderr
    used = Path(done.stdout.strip())
    assert used != NOWHERE and not used.exists()
