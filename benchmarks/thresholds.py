"""The thresholds of a benchmark's figures, and the exit status that follows."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Threshold:
    """A figure and what it may be: at most `limit`, or at least it where `at_least`."""

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps to its limit; a NaN does not."""
        return bool(self.value >= self.limit if self.at_least else self.value <= self.limit)


def check(thresholds: list[Threshold]) -> int:
    """Print every threshold; 1 where one is missed, else 0: the program's exit status."""
    rows = [
        (
            threshold.what,
            f"{threshold.value:.4g}",
            f"{'>=' if threshold.at_least else '<='} {threshold.limit:g}",
            "met" if threshold.met else "MISSED",
        )
        for threshold in thresholds
    ]
    table = pd.DataFrame(rows, columns=["threshold", "measured", "limit", "result"])
    print("\n" + table.to_string(index=False, justify="left"))
    return int(not all(threshold.met for threshold in thresholds))
