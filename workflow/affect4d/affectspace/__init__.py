"""The valence-arousal plane in classes of equal squares (paper, section 3.3 and Fig. 3)."""

from affect4d.affectspace.grid import Grid

__all__ = ["Grid"]
