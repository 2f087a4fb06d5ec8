"""The settings with which a build was made, as the manifests of its artifacts state them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from affect4d.provenance.lineage import Build
from affect4d.store.manifest import SUFFIX

_CRATE = f"crate{SUFFIX}"
_MAX_NAMES = 3  # artifacts named for each of several values


def stated_settings(build: Build, sections: Iterable[str]) -> dict[str, Any]:
    """The settings of a build by section; where artifacts state several values, each with those.

    Parameters
    ----------
    build : its crate says which artifacts count; all do where there is none
    sections : of the configuration; manifests state other values as well
    """
    values: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name in sorted(build.ancestors(_CRATE)) or build.manifests:
        settings = build.manifests[name].settings
        # the crate repeats the configuration
        chosen = {key: settings[key] for key in sections if key in settings and name != _CRATE}
        for path, value in leaves(chosen):
            by_value = values.setdefault(path, {})
            by_value.setdefault(json.dumps(value, sort_keys=True), []).append(name)
    stated: dict[str, Any] = {}
    for path, by_value in sorted(values.items()):
        section = stated
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = _one(by_value)
    return stated


def _one(by_value: Mapping[str, list[str]]) -> Any:
    """The value where there is one, else every value with the artifacts that state it."""
    if len(by_value) == 1:
        return json.loads(next(iter(by_value)))
    return [{"value": json.loads(text), "stated by": _names(n)} for text, n in by_value.items()]


def _names(names: list[str]) -> str:
    shown = ", ".join(name.removesuffix(SUFFIX) for name in names[:_MAX_NAMES])
    return shown + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def leaves(settings: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of nested settings with the names that lead to it."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from (((key, *path), leaf) for path, leaf in leaves(value))
        else:
            yield (key,), value
