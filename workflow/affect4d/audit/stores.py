"""Stores against their schemas: which arrays, of which shapes, beside lists of which lengths."""

from collections.abc import Iterator

from affect4d.artifacts.schemas import Group, group_of
from affect4d.audit.verdict import Finding, Kind
from affect4d.audit.whole import Whole
from affect4d.store import Store


def sound(whole: Whole, name: str) -> Store | None:
    """A store to compare others with; None where it is missing, broken or not as its schema says.

    Raises
    ------
    StoreError
        It cannot be read by this version.
    """
    if name not in whole.stores:
        return None
    stored = whole.open(name)
    return None if check_store(name, stored) else stored


def check_store(name: str, stored: Store) -> list[Finding]:
    """What is missing in a store or of another shape than its other arrays ask for."""
    group = group_of(name)
    if group is None:
        return []
    lengths: dict[str, int] = {}
    wrong = [*_check_arrays(group, stored, lengths), *_check_lists(group, stored, lengths)]
    if not wrong:
        wrong = list(_check_indices(group, stored, lengths))
    return [Finding(Kind.DAMAGED, name, f"{name}.zarr/{part}", what) for part, what in wrong]


def _check_arrays(
    group: Group, stored: Store, lengths: dict[str, int]
) -> Iterator[tuple[str, str]]:
    for array, shape in group.arrays.items():
        if array not in stored:
            yield array, "this array is missing"
            continue
        found = stored[array].shape
        for letter, size in zip(shape, found, strict=False):
            if isinstance(letter, str):
                lengths.setdefault(letter, size)
        asked = tuple(lengths.get(d, 0) if isinstance(d, str) else d for d in shape)
        if found != asked:
            yield array, f"is of shape {found} in place of {asked}"


def _check_lists(group: Group, stored: Store, lengths: dict[str, int]) -> Iterator[tuple[str, str]]:
    for attribute, letter in group.lists.items():
        values = stored.attributes.get(attribute)
        if not isinstance(values, list):
            yield "zarr.json", f"the attribute {attribute} is missing"
        elif len(values) != lengths.setdefault(letter, len(values)):
            what = f"{attribute} holds {len(values)} values for {lengths[letter]} {letter}"
            yield "zarr.json", what


def _check_indices(
    group: Group, stored: Store, lengths: dict[str, int]
) -> Iterator[tuple[str, str]]:
    for array, letter in group.indices.items():
        values = stored[array][...]
        wrong = values[(values < 0) | (values >= lengths[letter])]
        if len(wrong):
            yield array, f"{wrong[0]} is none of the {lengths[letter]} {letter}"
