"""Stores against their declarations: arrays, their types and shapes, lists beside them."""

from collections.abc import Iterator

from affect4d.artifacts.declaration import Store as Declared
from affect4d.artifacts.registry import find_store
from affect4d.audit.verdict import Finding, damaged
from affect4d.store import Store


def check_store(name: str, stored: Store) -> list[Finding]:
    """What is missing in a store, or not of the type and shape that its declaration states."""
    declared = find_store(name)
    if declared is None:
        return []
    lengths: dict[str, int] = {}
    wrong = [
        *_check_arrays(declared, stored, lengths),
        *_check_attributes(declared, stored, lengths),
    ]
    if not wrong:
        wrong = list(_check_indices(declared, stored, lengths))
    return [damaged(name, f"{name}.zarr/{part}", what) for part, what in wrong]


def _check_arrays(
    declared: Declared, stored: Store, lengths: dict[str, int]
) -> Iterator[tuple[str, str]]:
    known = {name: array for name in stored if (array := declared.array(name))}
    for array in declared.arrays:
        if not array.optional and "{" not in array.name and array.name not in stored:
            yield array.name, "this array is missing"
    for name in stored:
        if name not in known:
            yield name, "this array is not in its schema"
    for name in sorted(known, key=lambda name: declared.arrays.index(known[name])):
        array = known[name]
        shape, actual = array.dimensions(name), stored[name].shape
        for dimension, size in zip(shape, actual, strict=False):
            if isinstance(dimension, str):
                lengths.setdefault(dimension, size)
        expected = tuple(lengths.get(d, 0) if isinstance(d, str) else d for d in shape)
        if actual != expected:
            yield name, f"is of shape {actual} in place of {expected}"
        if stored[name].dtype != array.dtype:
            yield name, f"is of type {stored[name].dtype} in place of {array.dtype}"


def _check_attributes(
    declared: Declared, stored: Store, lengths: dict[str, int]
) -> Iterator[tuple[str, str]]:
    for attribute in declared.attributes:
        values, length = stored.attributes.get(attribute.name), attribute.length
        if attribute.name not in stored.attributes and attribute.optional:
            continue
        if attribute.name not in stored.attributes or (length and not isinstance(values, list)):
            yield "zarr.json", f"the attribute {attribute.name} is missing"
        elif (
            isinstance(values, list)
            and length
            and (len(values) != lengths.setdefault(length, len(values)))
        ):
            what = f"{attribute.name} holds {len(values)} values for {lengths[length]} {length}"
            yield "zarr.json", what


def _check_indices(
    declared: Declared, stored: Store, lengths: dict[str, int]
) -> Iterator[tuple[str, str]]:
    for array in declared.arrays:
        if array.counts and array.name in stored and len(stored[array.name].shape) == 1:
            values, count = stored[array.name][...], lengths[array.counts]
            outside = values[(values < 0) | (values >= count)]
            if len(outside):
                yield array.name, f"{outside[0]} is none of the {count} {array.counts}"
