"""How much valence-arousal the shapes carry (paper, section 4.1 and Table 1)."""

from affect4d.validation.metrics import ccc, mse, pearson

__all__ = ["ccc", "mse", "pearson"]
