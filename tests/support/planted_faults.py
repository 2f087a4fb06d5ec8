"""Faults planted in a build whose manifests list them, and whether the audit finds them."""

from affect4d import audit, store


def provenance(results, name):
    made = store.read_manifest(results / f"{name}.manifest.json")
    inputs = [results / path for path in made.inputs]
    return store.Provenance(results, made.rule, made.item, inputs, made.settings, made.code)


def record_again(results, name):
    """Record the files of an artifact as they are now."""
    path = results / f"{name}.manifest.json"
    files = [path.parent / file.path for file in store.read_manifest(path).files]
    store.record(path, files, provenance(results, name))


def found(results):
    """(artifact, file, what) of every finding but those on lineage."""
    verdict = audit.audit_build(results)
    assert not verdict.error
    return [(p.artifact, p.file, p.what) for p in verdict.problems if p.kind.value != "stale"]


def assert_found(results, artifact, file, words):
    """The fault is found, in this file of this artifact, in these words."""
    assert_all_found(results, [(artifact, file, words)])


def assert_all_found(results, faults):
    """Each of the faults, planted together, is found: (artifact, file, words)."""
    problems = found(results)
    for *place, words in faults:
        assert any(list(p[:2]) == place and words in p[2] for p in problems), (place, problems)
