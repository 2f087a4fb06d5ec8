"""The inverse of flows that fold, tear and crush, built for it: what the map may never do."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from affect4d.synthesis.editing.inverse_kernels import (
    CELL_OVERLAP,
    LAST_STEP,
    double,
    invert,
    refine,
)
from affect4d.synthesis.editing.lattice import STEP

NODES = (40, 48)
NONE = np.empty((0, 2), np.int32)
# A source is where a step of at most LAST_STEP ends, from where the flow leads as near to p; or a
# first guess, which lies in a drawn cell or the CELL_OVERLAP around it.
SLACK = 2 * max(LAST_STEP, CELL_OVERLAP)


def broken_flow(shape, angle, push, ramp, waves, seed):
    """(h, w, 2): sides of a line pushed together (folds) or apart (tears), of a face that waves.

    It is at rest at the border. `push` is how far, `ramp` over which width; `waves` how high.
    """
    rows, columns = np.indices(shape).astype(float)
    x, y = columns / (shape[1] - 1) - 0.5, rows / (shape[0] - 1) - 0.5
    normal = np.array([np.cos(angle), np.sin(angle)])
    across = np.stack([x * (shape[1] - 1), y * (shape[0] - 1)], axis=2) @ normal
    sides = np.clip(across / max(ramp, 1e-6), -1, 1)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (2, 3))
    wave = np.stack([np.sin(a * x * 9 + b) * np.sin(c + 7 * y) for a, b, c in phases], axis=2)
    inside = np.clip(4 - 8 * np.maximum(abs(x), abs(y)), 0, 1)[..., None]
    return (inside * (push * sides[..., None] * normal + waves * wave)).astype(np.float32)


def moves(source):
    """How far each place comes, per axis."""
    rows, columns = np.indices(source.shape[:2])
    return np.abs(source - np.stack([columns, rows], axis=2)).max((0, 1))


BROKEN = {
    "angle": st.floats(0, 2 * np.pi),
    "push": st.floats(-12, 12),
    "ramp": st.floats(0, 12),
    "waves": st.floats(0, 6),
    "seed": st.integers(0, 2**32 - 1),
}


def check_nodes(flow):
    """No node, and no pixel between nodes, comes from farther than the flow moves anything."""
    coarse = invert(flow, NONE)
    assert np.isfinite(coarse).all()
    assert (moves(coarse) <= np.abs(flow).max((0, 1)) + SLACK).all()
    shape = STEP * NODES[0], STEP * NODES[1]
    assert (moves(double(coarse, NONE, *shape)) <= STEP * (moves(coarse) + 1e-4)).all()


@given(**BROKEN)
@settings(max_examples=300, deadline=None)
def test_no_node_comes_from_farther_than_the_flow_moves(angle, push, ramp, waves, seed):
    check_nodes(broken_flow(NODES, angle, push, ramp, waves, seed))


@given(st.floats(0, 2 * np.pi), st.floats(0.3, 1), st.floats(2, 12))
@settings(max_examples=300, deadline=None)
def test_crushed_cells_lead_no_farther_than_the_flow_moves(angle, strain, ramp):
    """Where the flow is linear and leaves little of a cell, it is not continued beyond the cell."""
    check_nodes(broken_flow(NODES, angle, -strain * ramp, ramp, waves=0, seed=0))


# a step of less than LAST_STEP, from where much remained, ends here where the face is torn apart
@example(angle=2.625, push=5.5, ramp=0.0, waves=0.0, seed=0)
@given(**BROKEN)
@settings(max_examples=300, deadline=None)
def test_no_pixel_comes_from_farther_than_the_flow_moves(angle, push, ramp, waves, seed):
    """The flow of pixels breaks within the lattice's cells."""
    shape = STEP * NODES[0], STEP * NODES[1]
    flow = STEP * broken_flow(shape, angle, push, ramp, waves, seed)
    nodes = np.ascontiguousarray(flow[::STEP, ::STEP])
    coarse = invert(nodes / np.float32(STEP), NONE)
    source = double(coarse, NONE, *shape)
    before = moves(source)
    index = np.arange(flow[..., 0].size, dtype=np.int32).reshape(shape)
    corners = np.repeat(index.reshape(-1, 1), 3, axis=1)
    weights = np.repeat(np.float32([[1, 0, 0]]), len(corners), axis=0)
    change = flow.reshape(-1, 2)
    refine(coarse, np.zeros(shape, bool), nodes, index, corners, weights, change, source)
    limit = np.maximum(np.abs(flow).max((0, 1)) + SLACK, before)
    assert np.isfinite(source).all() and (moves(source) <= limit).all()
