"""How the audit reads: it goes on where it was stopped, believes nothing old, and takes samples."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from affect4d import audit, store
from affect4d.audit import digests, journal
from affect4d.audit.digests import Sample
from affect4d.cli import app

SHARD = "registered/s1.zarr/vertices/c/0/0/0"


@pytest.fixture
def results(original, tmp_path):
    copy = shutil.copytree(original, tmp_path / "results")
    # what was written a moment ago is not believed to be as it was
    time.sleep(2 * journal.TICK_S)
    return copy


@pytest.fixture
def reads(monkeypatch):
    """The names of the files whose bytes were read."""
    found = []
    read = digests._Reader._read

    def spied(self, file, listed):
        found.append(file.name)
        return read(self, file, listed)

    monkeypatch.setattr(digests._Reader, "_read", spied)
    return found


def interrupt(results, monkeypatch, after=40):
    """An audit that is stopped when it has read some files; returns their names."""
    found = []
    with monkeypatch.context() as patched:
        keep = journal.Journal.keep

        def stopping(self, path, stat, sha256):
            keep(self, path, stat, sha256)
            found.append(str(path))
            if len(found) == after:
                raise KeyboardInterrupt

        patched.setattr(journal.Journal, "keep", stopping)
        with pytest.raises(KeyboardInterrupt):
            audit.audit_build(results)
    return found


def test_an_interrupted_audit_goes_on_and_leaves_nothing_behind(results, monkeypatch, reads):
    whole = audit.audit_build(results)
    every = set(reads)
    before = interrupt(results, monkeypatch)
    assert len(before) >= 40 and (results / journal.NAME).exists()
    reads.clear()
    verdict = audit.audit_build(results)
    assert not set(reads) & set(before) and {*reads, *before} == every
    assert verdict.intact and "were read by an audit that was interrupted" in verdict.notes[0]
    assert not (results / journal.NAME).exists()
    reads.clear()
    assert audit.audit_build(results).record() == whole.record()
    assert set(reads) == every


def test_an_audit_killed_with_kill_9_is_resumed(results, monkeypatch, reads):
    code = (
        "import itertools, sys, threading, affect4d.audit.journal as j; from pathlib import Path\n"
        "keep, count = j.Journal.keep, itertools.count(1)\n"
        "def stop_after_twelve(self, *a):\n"
        "    keep(self, *a)\n"
        "    if next(count) >= 12:\n        threading.Event().wait()\n"
        "j.Journal.keep = stop_after_twelve\n"
        "from affect4d.audit import audit_build; audit_build(Path(sys.argv[1]))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, results], stderr=subprocess.DEVNULL)
    path = results / journal.NAME
    while not path.exists() or path.read_bytes().count(b"\n") < 12:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {json.loads(line)[0] for line in path.read_text().splitlines() if line.endswith("]")}
    assert len(kept) >= 10
    verdict = audit.audit_build(results)
    assert verdict.intact and not kept & set(reads) and f"{len(kept)} files" in verdict.notes[0]


def spoil(path, how):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    stat = path.stat()
    if how == "replaced":
        other = path.with_name("other")
        other.write_bytes(content)
        other.replace(path)
    else:
        path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("how", ["written", "replaced"])
def test_what_changes_after_it_was_read_is_read_again(results, monkeypatch, how):
    before = interrupt(results, monkeypatch, after=60)
    name = next(path for path in before if path.endswith("/c/0/0/0") or "/c/0" in path)
    spoil(results / name, how)
    verdict = audit.audit_build(results)
    assert verdict.exit_code == 1
    assert os.path.relpath(name, results) in {problem.file for problem in verdict.problems}


def test_a_finished_audit_is_never_resumed(results):
    assert audit.audit_build(results).intact
    spoil(results / SHARD, "written")
    assert audit.audit_build(results).exit_code == 1
    assert audit.audit_build(results).exit_code == 1


@pytest.mark.parametrize("shift", [-journal.RESUMABLE_S - 1, 3600.0])
def test_old_entries_and_those_of_a_clock_set_back_count_for_nothing(
    results, monkeypatch, reads, shift
):
    before = interrupt(results, monkeypatch)
    path = results / journal.NAME
    lines = [json.loads(line) for line in path.read_text().splitlines() if line]
    path.write_text("".join(json.dumps([*line[:-1], line[-1] + shift]) + "\n" for line in lines))
    reads.clear()
    assert audit.audit_build(results).notes == ()
    assert set(before) <= set(reads)


def test_what_was_written_while_it_was_read_is_read_again(results, monkeypatch, reads):
    before = interrupt(results, monkeypatch)
    monkeypatch.setattr(journal, "TICK_S", 3600.0)
    reads.clear()
    assert audit.audit_build(results).notes == ()
    assert set(before) <= set(reads)


def test_a_journal_of_nonsense_is_no_harm(results):
    for content in (
        b"\xff\x00{[",
        b"[]\n[1,2]\nnull\n",
        b'["a", 1, 2, 3, 4, 5, 6, "x"]\n',
        b"[" * 100_000,
        bytes(99),
    ):
        (results / journal.NAME).write_bytes(content)
        assert audit.audit_build(results).intact


def test_a_digest_in_the_journal_never_stands_for_another_that_is_asked_for(results, monkeypatch):
    interrupt(results, monkeypatch)
    path = results / journal.NAME
    lines = [json.loads(line) for line in path.read_text().splitlines() if line]
    path.write_text("".join(json.dumps([*l[:-2], "0" * 64, l[-1]]) + "\n" for l in lines))  # noqa: E741
    assert audit.audit_build(results).exit_code == 1
    assert audit.audit_build(results).intact


def test_two_audits_at_once_do_not_disturb_each_other(results):
    with journal.Journal(results) as first:
        assert audit.audit_build(results).intact
        assert (results / journal.NAME).exists()
        first.finish()
    assert not (results / journal.NAME).exists()


def test_a_folder_that_cannot_be_written_is_audited_all_the_same(results, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(results / journal.NAME))

    monkeypatch.setattr(journal, "open_regular", refuse)
    assert audit.audit_build(results).intact


def test_a_sample_reads_so_many_files_and_says_so(results, reads):
    verdict = audit.audit_build(results, sample=10)
    inputs = [name for name in reads if name.endswith(".manifest.json")]
    assert verdict.intact and verdict.sampled == 10
    assert len(reads) <= 10 + len(set(inputs)) and not (results / journal.NAME).exists()
    assert "of which 10 files were read: no problem in this sample" in verdict.text()
    first = list(reads)
    reads.clear()
    audit.audit_build(results, sample=10)
    assert sorted(reads) == sorted(first)
    reads.clear()
    audit.audit_build(results, sample=10, seed=1)
    assert sorted(reads) != sorted(first)


def test_a_sample_of_everything_finds_what_the_whole_audit_finds(results):
    spoil(results / SHARD, "written")
    assert audit.audit_build(results, sample=1000).problems == audit.audit_build(results).problems


@pytest.mark.parametrize("damage", ["removed", "truncated", "added"])
def test_a_sample_of_one_still_finds_what_is_missing_short_or_too_many(results, damage):
    path = results / SHARD
    if damage == "removed":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.with_name("9").write_bytes(b"x")
    verdict = audit.audit_build(results, sample=1)
    assert "registered/s1" in {problem.artifact for problem in verdict.problems}


def test_samples_of_many_seeds_find_a_flipped_bit(results):
    spoil(results / SHARD, "written")
    codes = (audit.audit_build(results, sample=60, seed=seed).exit_code for seed in range(60))
    assert 1 in codes


def test_a_sample_takes_from_every_stage():
    names = [f"gallery/{n}" for n in range(1000)] + ["dataset/a", "fits/b", "audit"]
    chosen = Sample(4, "seed").choose(names)
    assert {"dataset/a", "fits/b", "audit"} < chosen and len(chosen) == 4


def test_the_command_prints_json_and_its_code(results):
    run = CliRunner().invoke(app, ["audit", str(results), "--json", "--sample", "5"])
    record = json.loads(run.stdout)
    assert run.exit_code == 0 and record["sampled"] == 5 and record["whole"] is True
    (results / SHARD).unlink()
    assert CliRunner().invoke(app, ["audit", str(results)]).exit_code == 1
    assert CliRunner().invoke(app, ["audit", str(results / "absent")]).exit_code == 2
    assert store.verify(results / "registered/s1.zarr")


def test_an_interrupted_command_failed_to_run(results, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(audit, "audit_build", stop)
    assert CliRunner().invoke(app, ["audit", str(results)]).exit_code == 2


def test_a_file_that_may_not_be_read_leaves_the_audit_without_a_verdict(results, monkeypatch):
    def refuse(self, path, listed=0):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(digests._Reader, "_digest", refuse)
    verdict = audit.audit_build(results)
    assert verdict.exit_code == 2 and "Permission denied" in verdict.text()


@pytest.mark.parametrize("text", ["of the user\n", "\n{}", "[1, 2]"])
def test_a_file_of_the_journals_name_that_is_none_stays_as_it_is(results, text):
    (results / journal.NAME).write_text(text)
    assert audit.audit_build(results).known
    assert (results / journal.NAME).read_text() == text
