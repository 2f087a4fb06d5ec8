"""Manifests of files that a test writes in place of a rule."""

from affect4d import store
from affect4d.artifacts.registry import artifacts, find_file


def record(root, *paths):
    """List files in the manifests of the artifacts that they belong to, beside those listed there.

    Parameters
    ----------
    root : the results folder
    paths : files below it
    """
    for path in paths:
        name = path.relative_to(root).as_posix()
        file = find_file(name)
        artifact = next(one for one in artifacts() if any(file is part for part in one.files))
        manifest = artifact.manifest(root, **file.match(name))
        known = store.read_manifest(manifest) if manifest.exists() else None
        listed = [known.locate(part) for part in known.files] if known else []
        provenance = store.Provenance(root, artifact.rules[0], "test")
        store.record(manifest, [*(part for part in listed if part.exists()), path], provenance)
