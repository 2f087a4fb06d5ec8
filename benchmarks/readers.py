"""Whether synthesized faces show what they are labelled with, to readers that know nothing of them.

    python benchmarks/readers.py --results results --people 8 --sections read,landmarks

People photographed neutral and really smiling (the Face Research Lab London Set, or a folder laid
out like it; AFFECT4D_LONDON names it) are given expressions and places of the plane by a finished
build, at its own settings, with both blends, as `affect4d synth` does. Independent models
(`affect4d.readers`, `make face-readers`) read the pictures; landmarks are detected anew.

Sections: `read` (read as asked, beside the real smiles; how often the asked expression's
probability rises over the same person's neutral photograph; confusion), `identity` (distances of
descriptors), `landmarks` (motion in mm at 90 mm between the outer eye corners, against the real
smile and against what was asked, this also by dense flow), `plane` (happy minus negative against
valence around the plane), `intensity` (the asked expression's probability over seven intensities),
`neutralise` (the smiling photographs made neutral, then sad), `second` (read as asked by a second
network, by which next to nothing was chosen, and where the two disagree; motion by the landmarks
of its package; `make second-reader`). The readings of the photographs are kept in --cache. --sheet
writes a picture sheet.

Exit status 1 where a threshold is missed; 0, with a line that says so, where the folder is absent.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import readers_people as make
import second_reader
from dense_flow import follow
from readers_landmarks import (
    ROWS,
    displacements,
    in_mm,
    measures,
    measures_table,
    motion_found,
    quartiles,
)
from readers_sheet import write_sheet
from scipy.stats import spearmanr
from thresholds import Threshold, check
from tqdm import tqdm

from affect4d.config.gallery import EXPRESSIONS
from affect4d.readers.reading import EXPRESSIONS as READ
from affect4d.readers.reading import Readings, read_faces
from affect4d.synthesis.quality import NEUTRALISED

SECTIONS = ("read", "identity", "landmarks", "plane", "intensity", "neutralise", "second")
NEGATIVE = [READ.index(name) for name in ("anger", "disgust", "fear", "sadness")]
HAPPY, NEUTRAL = READ.index("happiness"), READ.index("neutral")
SMILES = ("happiness", "(+0.7, +0.5)", "(+0.9, +0.1)")
LEAST_READ = {"surprise": 0.8, "sadness": 0.8, "anger": 0.5, "fear": 0.5, "disgust": 0.5}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="of a build")
    parser.add_argument("--people", type=int, help="the first N (default: all)")
    parser.add_argument("--sections", help="some, joined by commas (default: all that can be run)")
    parser.add_argument("--blends", default=",".join(make.BLENDS), help="some, joined by commas")
    parser.add_argument("--side", type=int, default=675, help="pixels of a photograph")
    parser.add_argument("--cache", type=Path, default=Path("build/readers_benchmark"))
    parser.add_argument("--sheet", type=Path, help="picture sheet to write, of 12 people")
    parser.add_argument("--output", type=Path, help="table of all readings to write, .csv")
    arguments = parser.parse_args()
    runnable = [name for name in SECTIONS if name != "second" or second_reader.is_installed()]
    sections = arguments.sections.split(",") if arguments.sections else runnable
    blends = arguments.blends.split(",")
    if wrong := (set(sections) - set(SECTIONS)) | (set(blends) - set(make.BLENDS)):
        parser.error(f"unknown: {', '.join(sorted(wrong))}")
    if not second_reader.is_installed():
        print("the second reader is not installed (`make second-reader`)")
        if "second" in sections:
            return 1
    people = make.open_people(arguments.people, arguments.side, arguments.cache)
    studio = make.Studio(arguments.results, people)
    print(f"{len(people.names)} people of {people.folder}, {arguments.side} pixels; NaN: no face")
    if "identity" in sections:
        make.print_identity_scale(people)
    thresholds, tables = [], []
    for blend in blends:
        study = Study(arguments.results, people, studio, blend=blend)
        for section in SECTIONS:
            if section in sections:
                print(f"\n== {blend}, {section}")
                thresholds += getattr(study, section)()
        if study.readings:
            tables.append(study.table())
    if arguments.output and tables:
        pd.concat(tables).to_csv(arguments.output, index=False, float_format="%.4f")
    if arguments.sheet:
        write_sheet(arguments.sheet, people, studio, make.main_targets(arguments.results))
    return check(thresholds)


def show(table, digits=2):
    print(table.to_string(float_format=lambda value: f"{value:.{digits}f}"))


def shares(expressions):
    """Share of each of READ among what was read of N pictures."""
    counts = pd.Series(expressions).value_counts(normalize=True)
    return counts.reindex(READ, fill_value=0.0)


def happy_minus_negative(readings):
    return readings.probabilities[:, HAPPY] - readings.probabilities[:, NEGATIVE].sum(axis=1)


class Study:
    """What the readers say of all people's pictures with one blend.

    Attributes
    ----------
    readings : {target: Readings of N people}
    moved, flowed : {target: (N, 68, 2)} mm, as asked and as dense flow finds
    accepted : {target: share of N people}
    faces : {target: N pictures for the second reader}
    """

    def __init__(self, results, people, studio, *, blend):
        self._results, self._people, self._studio = results, people, studio
        self.blend, self.readings, self.moved, self.accepted = blend, {}, {}, {}
        self.faces, self.flowed = {}, {}
        self._main = make.main_targets(results)

    def _read(self, targets, motion=False):
        """Make and read what has not been made yet; landmarks are detected with `motion` only."""
        missing = {name: target for name, target in targets.items() if name not in self.readings}
        if not missing:
            return
        found, moved, accepted, faces, flowed = ([] for _ in range(5))
        for number in tqdm(range(len(self._people.names)), self.blend, disable=None):
            made = self._studio.make(number, self.blend, missing, motion=motion)
            own = [self._people.neutral.landmarks[number]] * len(missing)
            found.append(read_faces(made.images.values(), None if motion else own))
            faces.append([*map(second_reader.cut, made.images.values(), found[-1].landmarks)])
            if motion:
                moved.append(in_mm(list(made.moved.values()), own))
                before = self._people.photograph(number)
                pairs = [follow(before, own[0], image) for image in made.images.values()]
                flowed.append(displacements(*zip(*pairs, strict=True)))
            accepted.append([record["accepted"] for record in made.records.values()])
        for index, name in enumerate(missing):
            parts = [vars(each[index : index + 1]) for each in found]
            joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            self.readings[name] = Readings(**joined)
            self.accepted[name] = np.mean([each[index] for each in accepted])
            if motion:
                self.faces[name] = [each[index] for each in faces]
                self.moved[name] = np.array([each[index] for each in moved])
                self.flowed[name] = np.array([each[index] for each in flowed])

    def table(self):
        """A row for each person and target, of what was read."""
        return pd.concat(
            pd.DataFrame(readings.probabilities, columns=READ).assign(
                person=self._people.names,
                blend=self.blend,
                target=str(name),
                identity=readings.distance(self._people.neutral),
            )
            for name, readings in self.readings.items()
        )

    def read(self):
        """Table of what is read of each target, beside the photographs; thresholds."""
        self._read(self._main, motion=True)
        neutral, smiling = self._people.neutral, self._people.smiling
        rows = {
            "neutral photograph": shares(neutral.expression),
            "real smile": shares(smiling.expression),
        }
        rows |= {name: shares(each.expression) for name, each in self.readings.items()}
        confusion = pd.DataFrame(rows).T.loc[["neutral photograph", "real smile", *self._main]]
        asked, rises = {}, {}
        for name in (*EXPRESSIONS, "real smile"):
            read = "happiness" if name == "real smile" else name
            asked[name] = confusion.loc[name, read]
            after = smiling if name == "real smile" else self.readings[name]
            column = READ.index(read)
            rises[name] = np.mean(after.probabilities[:, column] > neutral.probabilities[:, column])
        confusion["asked"], confusion["rises"] = pd.Series(asked), pd.Series(rises)
        confusion["accepted"] = pd.Series(self.accepted)
        show(confusion)
        least = {"happiness": asked["real smile"]} | LEAST_READ
        return [
            *(self._at_least(f"{e} read as asked", asked[e], least[e]) for e in EXPRESSIONS),
            *(self._at_least(f"{e} more probable", rises[e], 0.98) for e in EXPRESSIONS),
            self._at_least(
                "null edit read neutral",
                confusion.loc[make.NULL, "neutral"],
                confusion.loc["neutral photograph", "neutral"],
            ),
        ]

    def identity(self):
        """Distances to the people's own neutral photographs; thresholds."""
        self._read(self._main, motion=True)
        neutral = self._people.neutral
        smile = np.nanmedian(self._people.smiling.distance(neutral))
        rows = np.triu_indices(len(neutral), 1)
        others = np.linalg.norm(neutral.identity[rows[0]] - neutral.identity[rows[1]], axis=1)
        distances = {name: self.readings[name].distance(neutral) for name in self._main}
        levels = {"median": 0.5, "95 %": 0.95}
        show(
            pd.DataFrame(
                {
                    name: {level: np.nanquantile(each, at) for level, at in levels.items()}
                    for name, each in distances.items()
                }
            ).T,
            3,
        )
        medians = {name: np.nanmedian(each) for name, each in distances.items()}
        return [
            self._at_most("happiness: identity distance", medians["happiness"], 1.15 * smile),
            *(
                self._at_most(f"{name}: identity distance", medians[name], np.median(others) / 2)
                for name in EXPRESSIONS
            ),
        ]

    def landmarks(self):
        """Motion in mm, against the real smile and what was asked; thresholds."""
        self._read(self._main, motion=True)
        before = self._people.neutral.landmarks
        real = displacements(before, self._people.smiling.landmarks)
        found = {name: displacements(before, self.readings[name].landmarks) for name in self._main}
        show(measures_table({"real smile": real} | found))
        columns = {"real smile": measures(real)} | {name: measures(found[name]) for name in SMILES}
        thresholds = []
        for name in SMILES:
            for row in ROWS:
                low, high = np.nanquantile(columns["real smile"][row], [0.25, 0.75])
                value = np.nanmedian(columns[name][row])
                beyond = max(low - value, value - high, 0.0)
                what = f"{name}: {row}, mm beyond real smiles' quartiles"
                thresholds.append(self._at_most(what, beyond, 0.0))
        smile = motion_found(found, {"happiness": real}).loc["happiness"]
        print(f"median smile to the real: {smile.correlation:.3f}, amplitude {smile.amplitude:.2f}")
        thresholds += [
            self._at_least("our smile against the real one", smile.correlation, 0.85),
            self._at_least("amplitude ratio", smile.amplitude, 0.8),
            self._at_most("amplitude ratio", smile.amplitude, 1.25),
        ]
        print(
            "motion asked and found: correlation; amplitude, found / asked; mm off (median person)"
        )
        ways = {"detector": found, "flow": self.flowed}
        tables = {way: self._motion_table(each) for way, each in ways.items()}
        show(pd.concat(tables, axis=1))
        return thresholds + [
            self._at_least(f"{name}: motion found, {way}", table.correlation[name], 0.9)
            for way, table in tables.items()
            for name in EXPRESSIONS
        ]

    def _motion_table(self, found):
        """Correlation and amplitude to what was asked of motion found, {target: (N, 68, 2) mm}."""
        names = [name for name in self._main if name != make.NULL]
        beyond = (
            {name: each[name] - each[make.NULL] for name in names} for each in (found, self.moved)
        )
        return motion_found(*beyond)

    def plane(self):
        """Gains of probability around the plane, and what goes with valence; thresholds."""
        targets = make.ring_targets(self._results)
        self._read(targets)
        score = np.array([happy_minus_negative(self.readings[name]) for name in targets])
        valence = np.array([target.valence for target in targets.values()])
        within = [np.corrcoef(valence, column)[0, 1] for column in score.T]
        neutral = self._people.neutral.probabilities
        gains = {
            name: (self.readings[name].probabilities - neutral).mean(axis=0) for name in targets
        }
        table = pd.DataFrame(gains, index=READ).T
        table["gains most"] = table.drop(columns="neutral").idxmax(axis=1)
        table.insert(0, "happy - negative", score.mean(axis=1))
        table.insert(0, "arousal", [target.arousal for target in targets.values()])
        table.insert(0, "valence", valence)
        print("mean gain of probability over the neutral photograph")
        show(table)
        print(f"correlation within people: {quartiles(within, 2)}")
        return [
            self._at_least("plane: correlation with valence", np.nanmedian(within), 0.7),
        ]

    def intensity(self):
        """The response over intensity; thresholds."""
        targets = make.scaled(self._main)
        self._read(targets)
        rows, thresholds = {}, []
        for name in EXPRESSIONS:
            column = READ.index(name)
            parts = [self.readings[key] for key in targets if key[0] == name]
            response = np.array([part.probabilities[:, column] for part in parts])
            monotone = [spearmanr(make.INTENSITIES, each).statistic for each in response.T]
            distance = [np.nanmedian(part.distance(self._people.neutral)) for part in parts]
            read = [shares(part.expression)[name] for part in parts]
            for what, values in (("probability", response.mean(1)), ("read", read)):
                rows[name, what] = dict(zip(make.INTENSITIES, values, strict=True))
            rows[name, "identity"] = dict(zip(make.INTENSITIES, distance, strict=True))
            rows[name, "probability"]["Spearman"] = np.nanmedian(monotone)
            thresholds.append(
                self._at_least(f"{name}: Spearman", rows[name, "probability"]["Spearman"], 0.9)
            )
        show(pd.DataFrame(rows).T)
        return thresholds

    def neutralise(self):
        """What is read of real smiles made neutral, and of these made sad; thresholds."""
        asked = {name: self._main[name] for name in (make.NULL, "sadness")}
        still = {make.NULL: self._main[make.NULL]}
        made, sizes = {}, {"smiles": [], "neutral photographs": []}
        for number in tqdm(range(len(self._people.names)), self.blend, disable=None):
            for smiling in (True, False):
                own = self._studio.make(number, self.blend, asked, smiling=smiling)
                for name in asked:
                    made.setdefault((smiling, name), []).append(
                        (own.images[name], own.records[name])
                    )
            own = self._studio.make(number, self.blend, still, options={"neutralise": True})
            records = made[True, make.NULL][-1][1], own.records[make.NULL]
            for removed, record in zip(sizes.values(), records, strict=True):
                removed.append(record["quality"][NEUTRALISED])
        rows, neutral = {}, self._people.neutral
        for (smiling, name), pictures in made.items():
            readings = read_faces([image for image, _ in pictures])
            rows["smile made neutral" if smiling else "neutral photograph", name] = {
                "neutral": shares(readings.expression)["neutral"],
                "sadness": shares(readings.expression)["sadness"],
                "identity": np.nanmedian(readings.distance(neutral)),
                "accepted": np.mean([record["accepted"] for _, record in pictures]),
            }
        show(pd.DataFrame(rows).T)
        for what, removed in sizes.items():
            print(f"removed from {what}, mm: {quartiles(removed)}")
        for name in asked:
            refused = [record["reason"] for _, record in made[True, name] if record["reason"]]
            print(f"{name}, refused: {refused}")
        cleared, sad = rows["smile made neutral", make.NULL], rows["smile made neutral", "sadness"]
        return [
            self._at_least("smile made neutral read neutral", cleared["neutral"], 0.8),
            self._at_most("smile made neutral: identity distance", cleared["identity"], 0.3),
            self._at_least("smile made sad read sad", sad["sadness"], 0.7),
        ]

    def second(self):
        """What the second reader reads, and how often both read what was asked; thresholds."""
        self._read(self._main, motion=True)
        people = self._people
        first = {"neutral photograph": people.neutral, "real smile": people.smiling}
        faces = {
            name: [
                second_reader.cut(people.photograph(number, name == "real smile"), marks)
                for number, marks in enumerate(readings.landmarks)
            ]
            for name, readings in first.items()
        }
        first |= self.readings
        faces |= {name: self.faces[name] for name in self._main}
        read = {name: second_reader.read_expressions(each) for name, each in faces.items()}
        show(pd.DataFrame({name: shares(each) for name, each in read.items()}).T)
        print("motion by the landmarks of the second reader's package")
        marks = {name: second_reader.find_landmarks(each) for name, each in faces.items()}
        moved = {name: displacements(marks["neutral photograph"], marks[name]) for name in marks}
        show(measures_table({name: moved[name] for name in ("real smile", *SMILES)}))
        show(self._motion_table(moved))
        asked = {"real smile": "happiness"} | {name: name for name in EXPRESSIONS}
        rows = {
            name: second_reader.agreement(first[name].expression, read[name], wanted)
            for name, wanted in asked.items()
        }
        print("read as asked by the first reader and the second")
        show(pd.DataFrame(rows).T)
        found = {name: np.mean(read[name] == wanted) for name, wanted in asked.items()}
        least = {"happiness": found["real smile"]} | LEAST_READ
        return [
            self._at_least(f"second reader: {name} read as asked", found[name], least[name])
            for name in EXPRESSIONS
        ]

    def _at_least(self, what, value, limit):
        return Threshold(f"{self.blend}: {what}", value, limit, at_least=True)

    def _at_most(self, what, value, limit):
        return Threshold(f"{self.blend}: {what}", value, limit)


if __name__ == "__main__":
    sys.exit(main())
