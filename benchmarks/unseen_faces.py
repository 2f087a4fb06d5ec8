"""How well components describe unseen people, and whether unseen faces reveal who was seen.

    python benchmarks/unseen_faces.py
    python benchmarks/unseen_faces.py --seed 3
    python benchmarks/unseen_faces.py --results results --bins 2

The frames are ICT-FaceKit's people and expressions with their known truth and white noise
(AFFECT4D_ICT names a clone, or an archive of one), or the registered frames of a build. One class
per quadrant is used, that which holds (.5, .5) or one of its mirror images.

Reconstruction. A class's mean and components are fitted on some of the people; frames of the others
are described by them. The error is the root of the mean squared distance over the inner face's
vertices, mm, from the noiseless face where it is known; a person's error is the mean over frames,
intervals are 95 % bootstrap intervals over people.

Leakage. A classifier of people (PCA, then linear discriminants with shrunk covariance) is fitted on
differences less their class's mean, from one half of each person's sequences. *Before*: whom it
names in frames of the other half; chance is one over the number of people. *After*: twice k people
are candidates, of k of them a class model is made as in a build, unseen faces are drawn from it,
and the classifier names one candidate for each face. Chance is 1/2: a face that has nothing of the
people behind the model looks like the other k as often. Each set of k is left out in its turn, so
that nobody's looks help. The same question for real frames of the k people shows what the test can
tell. Each is asked less the model's own mean (the class's), and less the mean over everybody, which
an attacker who has other data may know. Thresholds: the interval before lies above chance and
that, with the most people and less the class's mean, the interval after holds it, while that of
real frames lies above it (else the test could not tell anybody). Exit 1 where one is missed, 2
where no class has the people that it takes; smaller classes are left out.

What is claimed is that one face, as a deviation from its class's mean, says next to nothing of who
was in the gallery where some 40 people or more are behind the class. Below that, samples tell a
little: of ICT-FaceKit's people, members were named in .587 of faces with 5 of them behind the
model, .543 with 10, .548 with 20 and .520 [.499, .542] with 36; the verdict has a row for each
number. Not claimed: that the mean does not (it is nearer to its own people than to others, the more
so the fewer they are), nor that faces without end do not. The last table says how well a member is
told from non-members by the mean score of many faces. It is stated, and bound by nothing.
"""

import argparse
import os

os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import itertools
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA, MiniBatchSparsePCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from thresholds import Threshold, check
from tqdm import tqdm
from unseen_faces_data import SHIPPED, from_facekit, from_results

from affect4d.affectspace import Grid
from affect4d.blendshapes import (
    ClassModel,
    Geodesics,
    WeightDistribution,
    sample,
)
from affect4d.blendshapes.classes import build_estimator
from affect4d.blendshapes.differences import subsample_by_subject
from affect4d.random_streams import named_rng

SEED = 2
MIN_PEOPLE = 6
SIZES = [5, 10, 20, 50]
FOLDS, FIT_FRAMES, BATCH = 3, 150, 32
AXES_KEPT = 40
SPLITS, FACES = 5, 100
RESAMPLES = 2000
CLASS, ALL = "the class's mean", "everybody's mean"
UNSEEN, REAL = "unseen faces", "real frames"
KEY = ["people", "less", "shown"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, help="a build's frames in place of ICT-FaceKit's")
    parser.add_argument("--bins", type=int, default=10, help="classes along an axis of the plane")
    parser.add_argument("--splits", type=int, default=SPLITS, help="sets of candidates per class")
    parser.add_argument("--seed", type=int, default=SEED, help="of people, noise and candidates")
    arguments = parser.parse_args()
    globals()["SEED"] = arguments.seed
    grid = Grid(arguments.bins)
    if arguments.results:
        all_classes, patch = from_results(grid, arguments.results)
    else:
        all_classes, patch = from_facekit(grid, arguments.seed)
    classes = {name: faces for name, faces in all_classes.items() if suffices(name, faces)}
    if not classes:
        print("no class has enough people: choose fewer --bins, or a larger build", file=sys.stderr)
        return 2
    geodesics = Geodesics(patch.vertices, patch.triangles, SHIPPED.outer_radius)
    show("Error on people held out, mm", reconstruction(classes, patch, geodesics))
    leaks, thresholds = leakage(classes, patch, geodesics, arguments.splits)
    for title, table in leaks.items():
        show(title, table)
    return check(thresholds)


def suffices(name, faces):
    """Whether a class has the people and frames that all tables need; prints a line of it."""
    people, frames = len(faces.people), len(faces.seen)
    enough = people >= MIN_PEOPLE and min(len(train) for train, _ in folds(faces)) > max(SIZES)
    line = f"{name}: {frames} frames of {people} people"
    if not enough:
        needed = f"{MIN_PEOPLE} people, and {max(SIZES) + 1} frames of any two thirds of them"
        line += f"; left out, for the tables need {needed}"
    print(line)
    return enough


def folds(faces):
    """(train, test) rows, all of a person's in one of them."""
    split = GroupKFold(FOLDS, shuffle=True, random_state=SEED)
    return list(split.split(faces.seen, groups=faces.subject))


def show(title, table):
    """Print a table, and the CPU seconds so far."""
    print(
        f"\n{title} ({time.process_time():.0f} CPU s)\n{table.to_string(index=False)}", flush=True
    )


def reconstruction(classes, patch, geodesics):
    """A table: method and K in rows; error with its interval, over all classes."""
    errors: dict = {}
    for faces in tqdm(classes.values(), "reconstruction", unit="class", disable=None):
        for train, test in folds(faces):
            known, unknown = faces.of(chosen(faces, train)), faces.of(test)
            for key, described in descriptions(known.seen, unknown.seen, patch, geodesics):
                error = np.sqrt(3 * ((described - unknown.true) ** 2).mean(1, dtype=np.float64))
                by_person = pd.Series(error).groupby(unknown.subject).mean()
                errors.setdefault(key, []).append(by_person)
    rows = []
    for (method, size), parts in errors.items():
        each = pd.concat(parts).groupby(level=0).mean().to_numpy()
        low, high = interval(each)
        rows.append((method, size, f"{each.mean():.3f}", f"{low:.3f} .. {high:.3f}"))
    table = pd.DataFrame(rows, columns=["method", "K", "mm", "95 %"])
    return table.sort_values(["K", "method"], kind="stable")


def chosen(faces, rows):
    """At most FIT_FRAMES of some rows, taken in turn from each person."""
    frames = pd.DataFrame({"frame_id": rows, "subject": faces.subject[rows]})
    return subsample_by_subject(frames, FIT_FRAMES)["frame_id"].to_numpy()


def descriptions(known, unknown, patch, geodesics):
    """((method, K), `unknown` as described by what was fitted on `known`), one after another."""
    yield ("mean only", 0), np.broadcast_to(known.mean(0), unknown.shape)
    for size in SIZES:
        sparse = build_estimator(SHIPPED, size).fit(
            known, vertices=patch.vertices, triangles=patch.triangles, geodesics=geodesics
        )
        for method, model in (
            ("sparse localized", sparse),
            ("PCA", PCA(size, svd_solver="full").fit(known)),
            (
                "MiniBatchSparsePCA",
                MiniBatchSparsePCA(size, batch_size=BATCH, random_state=SEED).fit(known),
            ),
        ):
            yield (method, size), model.inverse_transform(model.transform(unknown))


def leakage(classes, patch, geodesics, splits):
    """Tables of what the classifier finds before and after, and the thresholds."""
    before, after, mean_scores = [], [], []
    for name, faces in tqdm(classes.items(), "leakage", unit="class", disable=None):
        attacker = Attacker(faces)
        before.append(attacker.accuracy())
        for k, number in itertools.product(sizes(classes), range(splits)):
            rng = named_rng(SEED, "candidates", name, k, number)
            both = rng.permutation(faces.people)[: 2 * k].reshape(2, k)
            for members, others in (both, both[::-1]):
                candidates = np.concatenate([members, others])
                model = class_model(faces.of(np.isin(faces.subject, members)), patch, geodesics)
                unseen = np.stack([sample(model, rng).ravel() for _ in range(FACES)])
                real = attacker.test.of(np.isin(attacker.test.subject, members)).seen
                for what, shown in ((UNSEEN, unseen), (REAL, real)):
                    for less, mean in ((CLASS, model.mean.ravel()), (ALL, attacker.mean)):
                        scores = attacker.scores(shown - mean, candidates)
                        key = (k, less, what)
                        after.append((*key, *named(scores, candidates)))
                        mean_scores.append((*key, *scored(scores, candidates)))
    accuracy = pd.concat(before).groupby(level=0).mean().to_numpy()
    chance = np.mean([1 / len(faces.people) for faces in classes.values()])
    above = interval(accuracy)
    told = pd.DataFrame(
        [(f"{accuracy.mean():.3f}", f"{above[0]:.3f} .. {above[1]:.3f}", f"{chance:.3f}")],
        columns=["named rightly", "95 %", "chance"],
    )
    members = members_named(after)
    people, unseen, real = with_most_people(members)
    thresholds = [
        Threshold(
            "before: lower end of the share rightly named, over chance", above[0] / chance, 1, True
        ),
        Threshold(
            f"after, {people} people: lower end of members named, one unseen face",
            unseen.low,
            0.5,
        ),
        Threshold(
            f"after, {people} people: upper end of members named, one unseen face",
            unseen.high,
            0.5,
            True,
        ),
        Threshold(
            f"power, {people} people: lower end of members named, one real frame",
            real.low,
            0.5,
            True,
        ),
    ]
    return {
        "Before: people named in real frames of other sequences": told,
        "After: share of faces whose named candidate is a member (chance 0.5)": written(members),
        "Without a threshold: a member told from non-members by many faces (AUC)": auc(mean_scores),
        "By people behind a model, less the class's mean (thresholds: the last row)": by_people(
            members
        ),
    }, thresholds


def sizes(classes):
    """How many people are behind a model: few, then up to half of them."""
    max_people = min(len(faces.people) for faces in classes.values()) // 2
    return [k for k in (2, 5, 10, 20) if k < max_people] + [max_people]


class Attacker:
    """A classifier of people on differences less the class's mean.

    It knows one half of each person's sequences; `test` holds the frames of the others.
    """

    def __init__(self, faces):
        known = np.zeros(len(faces.subject), dtype=bool)
        for name in faces.people:
            sequences = np.unique(faces.sequence[faces.subject == name])
            known |= np.isin(faces.sequence, sequences[::2])
        train, self.test = faces.of(known), faces.of(~known)
        self.mean = train.seen.mean(0)
        even = np.full(len(faces.people), 1 / len(faces.people))
        axes = min(AXES_KEPT, len(train.seen) - len(faces.people))
        self.classifier = make_pipeline(
            PCA(axes, svd_solver="randomized", random_state=SEED),
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=even),
        ).fit(train.seen - self.mean, train.subject)

    def accuracy(self):
        """Share of frames named rightly, by person."""
        right = self.classifier.predict(self.test.seen - self.mean) == self.test.subject
        return pd.Series(right.astype(float)).groupby(self.test.subject).mean()

    def scores(self, centred, candidates):
        """Scores (N, candidates) of differences less a class's mean (N, 3P)."""
        columns = np.searchsorted(self.classifier.classes_, candidates)
        return self.classifier.decision_function(centred)[:, columns]


def class_model(faces, patch, geodesics):
    """The class model that a build would make of these frames."""
    frames = pd.DataFrame({"frame_id": np.arange(len(faces.seen)), "subject": faces.subject})
    fitted = subsample_by_subject(frames, SHIPPED.max_frames)["frame_id"].to_numpy()
    model = build_estimator(SHIPPED, min(SHIPPED.components, len(fitted) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few frames carry few components
        model.fit(
            faces.seen[fitted],
            vertices=patch.vertices,
            triangles=patch.triangles,
            geodesics=geodesics,
        )
    mean = faces.seen.mean(0).reshape(-1, 3)
    distribution = WeightDistribution.fit(model.weights_, faces.subject[fitted])
    return ClassModel(mean, model.components_, model.weights_, distribution, model.constraint)


def named(scores, candidates):
    """Candidates, which of them are members, and how often each is named."""
    counts = np.bincount(scores.argmax(1), minlength=len(candidates)) / len(scores)
    return candidates, is_member(candidates), counts


def scored(scores, candidates):
    """Candidates, which of them are members, and the mean of each one's scores less the others'."""
    relative = scores - scores.mean(1, keepdims=True)
    return candidates, is_member(candidates), relative.mean(0)


def is_member(candidates):
    """The first half of the candidates are behind the model."""
    return np.arange(len(candidates)) < len(candidates) // 2


def long(rows):
    """Rows of arrays as a table: people, less, shown, subject, member, value."""
    names = [*KEY, "subject", "member", "value"]
    parts = [pd.DataFrame(dict(zip(names, row, strict=True))) for row in rows]
    return pd.concat(parts, ignore_index=True)


def members_named(rows):
    """The share of members among those named, and its interval (`low`, `high`), by KEY."""
    shares = []
    for key, group in long(rows).groupby(KEY):
        sums = group.pivot_table(
            index="subject", columns="member", values="value", aggfunc="sum"
        ).to_numpy()
        shares.append((*key, members_share(sums), *interval(sums, members_share)))
    return pd.DataFrame(shares, columns=[*KEY, "members", "low", "high"])


def with_most_people(members):
    """The largest number of people; its rows for unseen faces and real frames, as it is claimed."""
    max_people = members["people"].max()
    rows = members[(members["people"] == max_people) & (members["less"] == CLASS)]
    by_kind = rows.set_index("shown")
    return max_people, by_kind.loc[UNSEEN], by_kind.loc[REAL]


def by_people(members):
    """One row per number of people: what unseen faces tell of them, and what real frames do."""
    rows = []
    for people, group in members[members["less"] == CLASS].groupby("people"):
        unseen, real = (group[group["shown"] == shown].iloc[0] for shown in (UNSEEN, REAL))
        chance = "holds chance" if unseen.low <= 0.5 <= unseen.high else "not chance"
        rows.append((people, between(unseen), chance, between(real)))
    return pd.DataFrame(rows, columns=["people", UNSEEN, "verdict", REAL])


def written(members):
    """The table as it is printed."""
    return members[KEY].assign(**{"members, 95 %": [between(row) for row in members.itertuples()]})


def between(row):
    """A share with its interval."""
    return f"{row.members:.3f} ({row.low:.3f} .. {row.high:.3f})"


def members_share(sums):
    """Of how often people are named as non-members and as members (people, 2), the second share."""
    return sums[:, 1].sum() / sums.sum()


def auc(rows):
    """How well scores tell when a person is a member, the mean over people, with its interval."""
    table = []
    for key, group in long(rows).groupby(KEY):
        each = group.groupby("subject")[["member", "value"]].apply(
            lambda person: roc_auc_score(person["member"], person["value"])
        )
        each = each.to_numpy()
        low, high = interval(each)
        table.append((*key, f"{each.mean():.3f}", f"{low:.3f} .. {high:.3f}"))
    return pd.DataFrame(table, columns=[*KEY, "AUC", "95 %"])


def interval(values, statistic=np.mean):
    """95 % percentile bootstrap interval of a statistic of people's values (people, ...)."""
    rng, count = named_rng(SEED, "bootstrap"), len(values)
    resampled = [statistic(values[rng.integers(count, size=count)]) for _ in range(RESAMPLES)]
    return np.quantile(resampled, [0.025, 0.975])


if __name__ == "__main__":
    sys.exit(main())
