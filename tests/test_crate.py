"""The build as an RO-Crate: what its profiles demand, every digest, the same bytes again."""

import hashlib
import json
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import ValidationError
from support.contexts import context
from support.small_results import build_results

from affect4d import audit, store
from affect4d.config.dataset import Settings
from affect4d.provenance.crate import write_crate
from affect4d.store.protocol import LIST

PROFILES = {
    f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow", "provenance")
}


@pytest.fixture(scope="module")
def results(small_build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(small_build, folder, dirs_exist_ok=True)
    write(folder / "results")
    return folder / "results"


def write(root, about=None, settings=None):
    """Write the crate of a small build and of a workflow of three files."""
    source = root.parent / "source"
    (source / "workflow/rules").mkdir(parents=True, exist_ok=True)
    files = [source / "Snakefile", source / "workflow/rules/a.smk", source / "config.txt"]
    for path in files:
        path.write_text(f"# {path.name}")
    manifests = sorted(root.rglob("*.manifest.json"))
    inputs = [path for path in manifests if path.name != "crate.manifest.json"]
    run = context(
        root, "crate", item="crate", inputs=inputs, settings=settings or {"seed": 0}, code="c0"
    )
    write_crate(run, workflow=files, about=about or Settings(), engine="9.27.1")


STATED = {
    "/home/anna/data/scans": "scans",
    "/home/anna/data/scans/": "scans",
    "../../anna/scans": "scans",
    "data/../../anna/scans": "scans",
    "~anna/scans": "scans",
    "data/scans": "data/scans",
    "{results}/gallery/portraits": "{results}/gallery/portraits",
    "terms ../ of /their/ photographs": "terms ../ of /their/ photographs",
}


def test_no_path_of_the_machine_is_in_the_crate(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"jpeg")
    root = tmp_path / "results"
    build_results(root, tmp_path / "photo.jpg")
    settings = {"databases": {path: {"root": path} for path in STATED}, "list": list(STATED)}
    manifest = root / "neutrals/photos/neutrals.manifest.json"
    made = store.read_manifest(manifest)
    provenance = store.Provenance(root, made.rule, made.item, [], settings, "c0")
    store.record(manifest, [manifest.parent / file.path for file in made.files], provenance)
    write(root, settings=settings)
    stated = json.loads((root / "crate/config.json").read_text())
    assert stated["list"] == list(STATED.values())
    assert {path: each["root"] for path, each in stated["databases"].items()} == STATED
    [job] = [e for e in load(root).values() if e["@id"].startswith("#job-neutrals")]
    assert json.loads(job["description"]) == stated
    assert str(tmp_path) not in (root / "ro-crate-metadata.json").read_text()


def load(root):
    """The entities by @id."""
    graph = json.loads((root / "ro-crate-metadata.json").read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph), "an @id occurs twice"
    return entities


@pytest.fixture(scope="module")
def crate(results):
    return load(results)


def ids(value):
    """The @ids that a property refers to."""
    values = value if isinstance(value, list) else [value] if value else []
    return [entry["@id"] for entry in values]


def of_type(crate, kind):
    def types(entity):
        return entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]

    return [entity for entity in crate.values() if kind in types(entity)]


def test_descriptor_and_root_meet_ro_crate(crate):
    descriptor, root = crate["ro-crate-metadata.json"], crate["./"]
    assert ids(descriptor["about"]) == ["./"]
    assert "https://w3id.org/ro/crate/1.1" in ids(descriptor["conformsTo"])
    assert root["name"] == "affect4d" and root["description"]
    assert root["datePublished"] == "1970-01-01"
    assert crate[ids(root["license"])[0]]["description"] == Settings().licence_note
    assert set(ids(root["conformsTo"])) >= PROFILES
    assert all(crate[profile]["@type"] == "CreativeWork" for profile in ids(root["conformsTo"]))


def test_every_reference_leads_to_an_entity(crate):
    def references(value):
        if isinstance(value, dict):
            yield value["@id"]
        elif isinstance(value, list):
            for entry in value:
                yield from references(entry)

    for entity in crate.values():
        for key, value in entity.items():
            if not key.startswith("@"):
                found = set(references(value)) if isinstance(value, dict | list) else set()
                outside = {"https://w3id.org/ro/crate/1.1"}
                assert found <= set(crate) | outside, (entity["@id"], key)


def test_every_file_is_reached_from_the_root_and_is_what_its_digest_says(results, crate):
    reached, queue = set(), ["./"]
    while queue:
        parts = ids(crate[queue.pop()].get("hasPart"))
        reached.update(parts)
        queue += [part for part in parts if crate[part]["@type"] == "Dataset"]
    files = of_type(crate, "File")
    assert {file["@id"] for file in files} == {id_ for id_ in reached if not id_.endswith("/")}
    for file in files:
        content = (results / unquote(file["@id"])).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert str(len(content)) == file["contentSize"] and file["encodingFormat"]
    for folder in of_type(crate, "Dataset"):
        assert (results / folder["@id"]).is_dir()


def test_every_manifest_and_every_published_file_is_described(results, crate):
    manifests = {path.relative_to(results).as_posix() for path in results.rglob("*.manifest.json")}
    published = {
        path.relative_to(results).as_posix()
        for path in (results / "dataset").rglob("*")
        if path.is_file()
    }
    described = {unquote(id_) for id_ in crate}
    assert manifests - {"crate.manifest.json"} | published <= described


def test_the_workflow_has_tools_steps_language_and_parameters(crate):
    [workflow] = of_type(crate, "ComputationalWorkflow")
    assert ids(crate["./"]["mainEntity"]) == [workflow["@id"]]
    assert set(workflow["@type"]) == {
        "File",
        "SoftwareSourceCode",
        "ComputationalWorkflow",
        "HowTo",
    }
    assert crate[ids(workflow["programmingLanguage"])[0]]["@type"] == "ComputerLanguage"
    for tool in ids(workflow["hasPart"]):
        assert crate[tool]["@type"] == "SoftwareApplication" and crate[tool]["softwareVersion"]
    steps = [crate[id_] for id_ in ids(workflow["step"])]
    assert all(ids(step["workExample"])[0] in ids(workflow["hasPart"]) for step in steps)
    for parameter in ids(workflow["input"]) + ids(workflow["output"]):
        assert crate[parameter]["additionalType"] in ("File", "Dataset")
        example = crate[ids(crate[parameter]["workExample"])[0]]
        assert ids(example["exampleOfWork"]) == [parameter]


def test_steps_stand_after_those_they_take_from(crate):
    place = {
        ids(step["workExample"])[0]: int(step["position"]) for step in of_type(crate, "HowToStep")
    }
    made_by = {}
    jobs = [action for action in of_type(crate, "CreateAction") if action["@id"] != "#run"]
    for action in jobs:
        for result in ids(action["result"]):
            made_by[result] = ids(action["instrument"])[0]
    for action in jobs:
        tool = ids(action["instrument"])[0]
        for source in ids(action.get("object")):
            if made_by.get(source, tool) != tool:
                assert place[made_by[source]] < place[tool], (source, tool)


def test_actions_meet_the_profiles(crate):
    [run] = [crate["#run"]]
    [engine] = of_type(crate, "OrganizeAction")
    controls = of_type(crate, "ControlAction")
    jobs = [action for action in of_type(crate, "CreateAction") if action is not run]
    assert ids(run["instrument"]) == ids(crate["./"]["mainEntity"])
    assert "dataset/" in ids(run["result"]) and "crate/config.json" in ids(run["object"])
    assert ids(engine["result"]) == ["#run"] and crate[ids(engine["instrument"])[0]]["name"]
    assert ids(engine["object"]) == [
        f"#control-{c['@id'].removeprefix('#control-')}"
        for c in sorted(controls, key=lambda c: ids(engine["object"]).index(c["@id"]))
    ]
    assert all(crate[ids(c["instrument"])[0]]["@type"] == "HowToStep" for c in controls)
    controlled = [job for control in controls for job in ids(control["object"])]
    assert sorted(controlled) == sorted(job["@id"] for job in jobs)
    assert {action["@id"] for action in [run, *jobs]} <= set(ids(crate["./"]["mentions"]))
    for action in jobs:
        assert crate[ids(action["instrument"])[0]]["@type"] == "SoftwareApplication"
        assert action["name"] and json.loads(action["description"])


def test_every_artifact_is_the_result_of_one_job(results, crate):
    made = [
        result
        for action in of_type(crate, "CreateAction")
        if action["@id"] != "#run"
        for result in ids(action["result"])
    ]
    manifests = {
        path.relative_to(results).as_posix()
        for path in results.rglob("*.manifest.json")
        if path.name != "crate.manifest.json"
    }
    assert sorted(map(unquote, made)) == sorted(manifests)


def test_a_job_has_its_sources_and_what_came_from_outside(results, crate):
    [job] = [a for a in of_type(crate, "CreateAction") if a["name"] == "neutrals item"]
    [outside] = [crate[id_] for id_ in ids(job["object"])]
    assert outside["name"] == "photo.jpg"
    assert outside["sha256"] == store.digest(results.parent / "photo.jpg")
    [dataset] = [a for a in of_type(crate, "CreateAction") if a["name"] == "dataset item"]
    assert sorted(ids(dataset["object"])) == [
        "readers/readers.manifest.json",
        "synthesis/photos/000.manifest.json",
    ]


def test_no_path_of_this_machine_is_in_it(results):
    text = (results / "ro-crate-metadata.json").read_text()
    assert str(results.parent) not in text and str(Path.home()) + "/" not in text


def test_the_same_build_gives_the_same_bytes(results, tmp_path):
    shutil.copytree(results.parent, tmp_path / "elsewhere")
    root = tmp_path / "elsewhere" / "results"
    before = (results / "ro-crate-metadata.json").read_bytes()
    (root / "ro-crate-metadata.json").unlink()
    (root / "crate" / "left.txt").write_text("left by an older workflow")
    with (root / "crate" / LIST).open("a") as file:
        file.write("left.txt\n")  # which listed what it wrote
    write(root)
    assert (root / "ro-crate-metadata.json").read_bytes() == before
    assert not (root / "crate" / "left.txt").exists()


def test_publisher_and_date_come_from_the_configuration(results, tmp_path):
    root = shutil.copytree(results.parent, tmp_path / "b") / "results"
    write(root, Settings(publisher="A Laboratory", published="2026-05-04", licence="cc-by-4.0"))
    crate = load(root)
    assert crate["./"]["datePublished"] == "2026-05-04"
    assert crate["#publisher"]["name"] == "A Laboratory"
    assert crate["#licence"]["name"] == "cc-by-4.0"
    assert all(ids(a["agent"]) == ["#publisher"] for a in of_type(crate, "CreateAction"))
    with pytest.raises(ValidationError):
        Settings(published="May 2026")


def test_what_an_older_configuration_left_is_not_described(results, tmp_path):
    root = shutil.copytree(results.parent, tmp_path / "b") / "results"
    manifest = root / "dataset.manifest.json"
    inputs = [manifest]
    source = root.parent / "source"
    store.record(root / "left.manifest.json", [], store.Provenance(root, "old", "old", [], {}, "c"))
    run = context(root, "crate", inputs=inputs)
    write_crate(run, workflow=[source / "Snakefile"], about=Settings(), engine="9")
    crate = load(root)
    assert "left.manifest.json" not in crate and "gallery/frames.manifest.json" in crate


def test_a_damaged_manifest_stops_it(results, tmp_path):
    root = shutil.copytree(results.parent, tmp_path / "b") / "results"
    path = root / "gallery/frames.manifest.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(store.StoreError, match="frames"):
        write(root)
    assert not (root / "crate.manifest.json").exists()


def test_the_audit_knows_the_crate_and_finds_a_change_in_it(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    root = tmp_path / "results"
    assert not [p for p in audit.audit_build(root).problems if "crate" in p.artifact + p.file]
    for name in ("ro-crate-metadata.json", "crate/Snakefile", "crate/config.json"):
        path = root / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"x")
        assert name in {p.file for p in audit.audit_build(root).problems}
        path.write_bytes(content)
