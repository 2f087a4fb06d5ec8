"""What the FACS manual says of the action units, asserted of a generator's fields."""

from affect4d.gallery.synthetic.action_units import NAMES


def moves_as_described(model):
    """Assert the direction, and roughly the extent, in which each unit moves the landmarks."""
    landmarks = model.units[:, model.template.landmark_vertices]
    moves = dict(zip(NAMES, landmarks, strict=True))
    assert (moves["AU1"][[21, 22], 1] > 2).all() and (moves["AU2"][[18, 25], 1] > 2).all()
    assert (moves["AU4"][[20, 21, 22, 23], 1] < -1).all()
    # drawn together, the inner ends up (1+4) or down (4)
    assert (moves["AU1+4"][[21, 22], 1] > 0.5).all()
    for name in ("AU4", "AU1+4"):
        assert moves[name][21, 0] > 0.5 and moves[name][22, 0] < -0.5
    assert (moves["AU5"][[37, 38, 43, 44], 1] > 0.5).all()
    assert (moves["AU9"][[31, 35], 1] > 1).all() and (moves["AU10"][[50, 52], 1] > 1).all()
    assert (moves["AU12"][[48, 54], 1] > 3).all()
    assert moves["AU12"][48, 0] < -2 and moves["AU12"][54, 0] > 2
    assert (moves["AU15"][[48, 54], 1] < -2).all()
    assert moves["AU16"][57, 1] < -1
    assert moves["AU17"][57, 1] > 1
    assert moves["AU20"][48, 0] < -2 and moves["AU20"][54, 0] > 2
    assert moves["AU25"][66, 1] < -1 and moves["AU26"][66, 1] < -10 and moves["AU26"][8, 1] < -10
    closing = moves["AU43"][[37, 38, 43, 44], 1] - moves["AU43"][[41, 40, 47, 46], 1]
    assert (closing < -5).all()
    for name in ("AU6", "AU7"):
        assert (moves[name][[40, 41, 46, 47], 1] > 0.5).all()
