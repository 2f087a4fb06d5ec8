"""`affect4d doctor`: whether a place suits a build."""

import os
import sys
from pathlib import Path

import pytest

from affect4d.operations import doctor
from affect4d.provenance.planned_jobs import PlannedJob


@pytest.fixture
def project_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    Path("config.yaml").write_text("results: results\n")
    return tmp_path


def states(**arguments):
    return {answer.subject: answer for answer in doctor.examine(**arguments)}


def test_a_place_that_suits_has_no_failure(project_folder):
    answers = states()
    assert not [str(a) for a in answers.values() if a.state == doctor.FAIL and a.subject != "disk"]
    assert answers["template"].found.endswith("vertices")
    assert list(project_folder.iterdir()) == [project_folder / "config.yaml"]  # nothing is left


def test_each_obstacle_is_named_with_its_remedy(project_folder, monkeypatch):
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 1e9)
    monkeypatch.setattr(doctor.fcntl, "flock", lambda *a: None)
    monkeypatch.setattr(doctor, "MAX_CLOCK_S", -1.0)
    monkeypatch.setenv("PATH", "")
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    Path("mine.yaml").write_text(
        "template: {mesh: absent.obj, landmarks: absent.pts}\nfitting: {lsfm_model: absent.mat}\n"
        "gallery: {source: manifest, manifest: {root: absent, table: absent.csv}}\n"
    )
    answers = states(config=Path("mine.yaml"))
    wrong = {name for name, a in answers.items() if a.state != doctor.OK}
    expected = {"snakemake", "disk", "locks", "clock", "former run", "gallery", "template"}
    assert expected | {"identity model"} <= wrong
    assert all(a.remedy or ";" in a.found for a in answers.values() if a.state != doctor.OK)


def test_a_wrong_configuration_is_one_answer(project_folder):
    Path("config.yaml").write_text("resluts: x\n")
    assert "did you mean 'results'?" in states()["config"].found
    assert states(config=Path("absent.yaml"))["config"].state == doctor.FAIL


@pytest.mark.parametrize(
    ("wanted", "state"), [("main", doctor.OK), ("gone", doctor.FAIL), ("off", doctor.FAIL)]
)
def test_slurm_is_asked_for_the_profiles_partition(project_folder, monkeypatch, wanted, state):
    sinfo = project_folder / "bin/sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\necho 'main|up|infinite|8000'\necho 'off|down|1:00|8000'\n")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sinfo.parent}{os.pathsep}{os.environ['PATH']}")
    profile = project_folder / "profile"
    profile.mkdir()
    (profile / "config.yaml").write_text(
        f"executor: slurm\ndefault-resources: [slurm_partition={wanted}]\n"
    )
    monkeypatch.setattr(doctor, "list_jobs", lambda: ({}, [job("dataset", 4000, 30)]))
    answers = states(profile=profile)
    assert answers["slurm"].found == "partitions main, off"
    assert answers["partition"].state == state
    sinfo.write_text("#!/bin/sh\necho 'slurm_load_partitions: no controller' >&2\nexit 1\n")
    assert "no controller" in states(profile=profile)["slurm"].found


def job(rule, mem_mb, runtime):
    return PlannedJob({"rule": rule, "mem_mb": mem_mb, "runtime": runtime})


@pytest.mark.parametrize(
    ("limit", "mb", "more", "state", "named"),
    [
        ("infinite", 8000, {}, doctor.OK, "4000 MB, 120 min"),
        ("2:00:00", 4000, {}, doctor.OK, "2 rules"),
        ("2:00:00", 8000, {"retries": 1}, doctor.WARN, "attempt 2: too much for synthesis"),
        (
            "1-00:00:00",
            4000,
            {"retries": 1},
            doctor.WARN,
            "attempt 2: too much for dataset (8000 MB",
        ),
        ("30:00", 8000, {}, doctor.FAIL, "synthesis (3000 MB, 120 min)"),
        ("30:00", 8000, {"set-resources": {"synthesis": {"runtime": 20}}}, doctor.OK, "2 rules"),
        ("30:00", 8000, {"set-resources": ["synthesis:runtime=20"]}, doctor.OK, "2 rules"),
        ("infinite", 3500, {}, doctor.FAIL, "dataset (4000 MB, 30 min)"),
    ],
)
def test_a_partition_is_compared_with_what_the_rules_ask_for(
    monkeypatch, limit, mb, more, state, named
):
    jobs = [job("synthesis", 3000, 120), job("dataset", 4000, 30)]
    monkeypatch.setattr(doctor, "list_jobs", lambda *arguments: ({}, jobs))
    answer = doctor._limits(more, None, minutes=doctor._minutes(limit), mb=mb)
    assert answer.state == state and named in answer.found


def test_the_jobs_of_the_workflow_say_what_they_ask_for(project_folder):
    answer = doctor._limits({}, None, minutes=1.0, mb=1e6)
    assert answer.state == doctor.FAIL and "registration (" in answer.found
    assert "registration (0 MB" not in answer.found
    Path("config.yaml").write_text("seed: none\n")
    assert doctor._limits({}, None, minutes=1.0, mb=1e6).state == doctor.WARN
