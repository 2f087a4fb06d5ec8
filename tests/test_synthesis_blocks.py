"""An edit does not depend on those that are made with it, nor on how many there are."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.faces import bump, editor, jaw_drop

from affect4d.synthesis.editing import editor as editing
from affect4d.synthesis.editing.flow import BATCH, LANES, ForwardFlow, stack_deformations

EDITS = BATCH + 1


@lru_cache
def deformations():
    """(V, 3, EDITS), mm, one of them zero."""
    rng = np.random.default_rng(0)
    fields = [
        sum(bump(rng.integers(68), rng.uniform(8, 20), rng.normal(0, 3, 3)) for _ in range(5))
        for _ in range(EDITS - 2)
    ]
    return np.stack([*fields, jaw_drop(), np.zeros_like(jaw_drop())], axis=2)


def flow_and_light(start, stop):
    """What the first stages make of some edits together, one tuple of arrays for each."""
    own, block = editor(), np.ascontiguousarray(deformations()[..., start:stop])
    flows = own._flow(block)
    factors = own._relight.factors(block, flows)
    assert len(flows.edits) == len(factors) == stop - start
    return [
        (edit.change, edit.jaw, edit.flow, edit.facing, edit.flipped, edit.folded, factor)
        for edit, factor in zip(flows.edits, factors, strict=True)
    ]


@lru_cache
def alone():
    return [edit for n in range(EDITS) for edit in flow_and_light(n, n + 1)]


@example({LANES - 1})
@example({LANES})
@example({LANES + 1})
@example({BATCH})
@example(set())
@given(st.sets(st.integers(1, EDITS - 1)))
@settings(max_examples=10)
def test_flow_and_light_of_an_edit_are_those_of_it_alone_bit_for_bit(cuts):
    """Edits cut anywhere into blocks of any size."""
    ends = [0, *sorted(cuts), EDITS]
    made = [edit for start, stop in pairwise(ends) for edit in flow_and_light(start, stop)]
    for found, expected in zip(made, alone(), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.parametrize("blend", ["warp", "poisson"])
@pytest.mark.parametrize("count", [LANES - 1, LANES + 1])
def test_the_picture_of_an_edit_is_that_of_it_alone(blend, count):
    own, fields = editor(blend=blend), np.moveaxis(deformations(), 2, 0)[-count:]
    together = list(own.edits(stack_deformations(fields)))
    assert len(together) == count
    for number in (0, count // 2, count - 2, count - 1):
        made, single = together[number], own.edit(fields[number])
        assert np.array_equal(single.image, made.image)
        assert np.array_equal(single.motion.source, made.motion.source)
        assert np.array_equal(single.motion.revealed_faces, made.motion.revealed_faces)


@pytest.mark.parametrize(
    ("most", "count", "sizes"), [(2, 5, [2, 2, 1]), (LANES + 1, LANES + 2, [LANES, 2])]
)
def test_large_pictures_are_edited_a_few_at_a_time(monkeypatch, most, count, sizes):
    """As many as fit, and whole vectors of them, as others are filled up."""
    own, found, flow = editor(), [], ForwardFlow.__call__
    blocks = stack_deformations(np.moveaxis(deformations(), 2, 0)[-count:])
    together = [made.image for made in own.edits(blocks)]

    def counted(stage, block):
        found.append(block.shape[2])
        return flow(stage, block)

    monkeypatch.setattr(ForwardFlow, "__call__", counted)
    monkeypatch.setattr(editing, "MAX_NODES", most * own.lattice.nodes.size + 1)
    few = [made.image for made in own.edits(blocks)]
    assert found == sizes
    assert all(np.array_equal(a, b) for a, b in zip(together, few, strict=True))
