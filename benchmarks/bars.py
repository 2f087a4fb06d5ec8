"""What a benchmark holds its figures to, and the exit status that follows."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Bar:
    """A figure and what it may be: at most `limit`, or at least it where `least`."""

    what: str
    value: float
    limit: float
    least: bool = False

    @property
    def met(self):
        """Whether the figure keeps to its limit; a NaN does not."""
        return bool(self.value >= self.limit if self.least else self.value <= self.limit)


def judge(bars):
    """Print every bar; 1 where one is missed, else 0: the program's exit status."""
    rows = [
        (b.what, f"{b.value:.4g}", f"{'>=' if b.least else '<='} {b.limit:g}", _verdict(b))
        for b in bars
    ]
    table = pd.DataFrame(rows, columns=["bar", "measured", "limit", "verdict"])
    print("\n" + table.to_string(index=False, justify="left"))
    return int(not all(b.met for b in bars))


def _verdict(bar):
    return "met" if bar.met else "MISSED"
