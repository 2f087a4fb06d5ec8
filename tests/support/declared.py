"""A build against the declarations of its artifacts, in both directions."""

from affect4d import store
from affect4d.artifacts import registry
from affect4d.artifacts.declaration import Artifact, File, Store, Table
from affect4d.audit.stores import check_store
from affect4d.audit.tables import table_names
from affect4d.provenance import lineage
from affect4d.store.manifest import SUFFIX


def undeclared(root):
    """What exists below `root` and is not as its declaration says: one line each."""
    build = lineage.load_build(root)
    return [line for name in build.manifests for line in _artifact(build, name)]


def missing(root):
    """The patterns of artifacts and files that are declared, not optional, and not below `root`."""
    build = lineage.load_build(root)
    names = {name.removesuffix(SUFFIX) for name in build.manifests}
    paths = {_file_of(path) for name in build.manifests for path in build.listed(name)}
    paths |= {f"{name}.zarr" for name in names}
    absent = []
    for artifact in registry.artifacts():
        if artifact.optional or not artifact.has_manifest:
            continue
        files = [file for file in artifact.files if not file.optional]
        absent += [artifact.pattern] * (not _any(artifact, names))
        absent += [file.pattern for file in files if not _any(file, paths)]
    return absent


def _any(declared: Artifact | File, names):
    return any(declared.match(name) is not None for name in names)


def _file_of(path):
    """The file, or the store of which it is a part."""
    store_path, within, _ = path.partition(".zarr/")
    return f"{store_path}.zarr" if within else path


def _artifact(build, manifest):
    name, rule = manifest.removesuffix(SUFFIX), build.manifests[manifest].rule
    declared = registry.find_artifact(name)
    if declared is None:
        yield f"{name}: no such artifact is declared"
        return
    if rule not in declared.rules:
        yield f"{name}: written by the rule {rule}"
    for path in sorted({_file_of(path) for path in build.listed(manifest)}):
        if path.endswith(SUFFIX):
            listed = registry.find_artifact(path.removesuffix(SUFFIX))
            if listed is None or listed.pattern != declared.lists:
                yield f"{name}: lists {path}"
            continue
        file = registry.find_file(path)
        if file not in declared.files:
            yield f"{name}: {path} is not declared"
        elif isinstance(file, Table):
            yield from _table(file, build.root / path)
        elif isinstance(file, Store):
            yield from _store(file, build.root, name)


def _table(declared, path):
    """Every declared column is there, in the declared order, and no other."""
    names = table_names(path)
    families = [name for name in names if name not in declared.names]
    if [name for name in names if name in declared.names] != declared.names:
        yield f"{path}: has the columns {names}"
    yield from (f"{path}: {name} is not declared" for name in families if not declared.column(name))


def _store(declared, root, name):
    stored = store.open(root / f"{name}.zarr")
    yield from map(str, check_store(name, stored))
    known = {attribute.name for attribute in declared.attributes}
    yield from (f"{name}: attribute {extra}" for extra in sorted({*stored.attributes} - known))
