"""Damaged inputs: does any entry use a table, a store or another file that is not what was written?

    python benchmarks/damaged_inputs.py --count 1000

Small builds are made; then one file after the other is damaged - one bit flipped, other content of
the same length (the signs of a table turned), cut, made longer, replaced by that of another build,
removed - and the entry that consumes it is called. It must refuse the file, or, where it does not
read it (an array that it does not need), give the bytes that it gives of what was written. Exit
status 1 where one was used.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.fault_injection import inputs
from thresholds import Threshold, check


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.disable()
    thresholds = []
    parts = (("to the dataset", inputs.build_small, inputs.SMALL, 0.8),
             ("to Table 1", inputs.build_fitted, inputs.FITTED, 0.2))  # fmt: skip
    for title, build, consumers, share in parts:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            roots = build(Path(folder))
            count = round(options.count * share)
            found = inputs.damage_inputs(
                Path(folder), roots, consumers, count=count, seed=options.seed
            )
        print(f"{title}: {found.tried.total()} damages, {time.perf_counter() - start:.0f} s")
        for damage, tried in sorted(found.tried.items()):
            refused, unread = found.refused[damage], found.unread[damage]
            print(f"  {damage}: {tried} tried, {refused} refused, {unread} not read")
        print("".join(f"  USED {damage}: {name}\n" for damage, name in found.used), end="")
        thresholds += [
            Threshold(f"damages {title}", found.tried.total(), count, at_least=True),
            Threshold(f"used {title}", len(found.used), 0),
        ]
    sys.exit(check(thresholds))


if __name__ == "__main__":
    main()
