"""CCA and support vector regression at the size of the paper's training set.

    python benchmarks/svr.py
    python benchmarks/svr.py --frames 480000 --exact 20000 40000
    python benchmarks/svr.py --linear 60

Synthetic frames, of subjects with their own offsets, carry valence and arousal in a few of 200
weights, bent and up to noise. One thread; CPU seconds. Below the thresholds: how far CCA is from
the machine's arithmetic, and the kernel's features from its memory. The exact solver runs on the
same variates in the same process: the ratio of the times is what counts, not the seconds. --linear
runs scikit-learn's LinearSVR on the same features, for so many iterations. It exits with 1 where a
threshold is missed.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import time

import dask.array as da
import numpy as np
import pandas as pd
from limits import arithmetic, bandwidth, peak_memory
from sklearn.svm import LinearSVR
from thresholds import Threshold, check

from affect4d.config.validation import Settings
from affect4d.validation import ccc
from affect4d.validation.cca import LinearCCA
from affect4d.validation.frames import AXES, Frames
from affect4d.validation.metrics import bootstrap
from affect4d.validation.primal import minimise
from affect4d.validation.regression import Regression
from affect4d.validation.search import sample_evenly, search_parameters
from affect4d.validation.svr import KernelSVR, fit_kernel, kernel_features

FRAMES, COMPONENTS = 480_000, 200
SUBJECTS, HELD_SUBJECTS = 144, 36
FIT_SECONDS, FIT_BYTES, PREDICT_SECONDS, TUNED_SECONDS = 30, 2e9, 5, 300
EXACT_CHANGE = 1e-3
RESAMPLES = 10_000
C, EPSILON = 1.0, 0.1  # of the machines that are not tuned
ROWS = 8192


def observe(count, subjects, mixing, *, rng):
    """Frames (count) of `subjects` people in single precision; CCC of .6 to .7 is attainable."""
    components = mixing.shape[1]
    features = np.empty((count, components), np.float32)
    labels = np.empty((count, 2))
    subject = np.arange(count) * subjects // count
    own = 0.4 * rng.standard_normal((subjects, components))
    for start in range(0, count, ROWS):
        rows = slice(start, min(start + ROWS, count))
        affect = np.clip(0.4 * rng.standard_normal((rows.stop - start, 2)), -1, 1)
        seen = affect + 0.3 * rng.standard_normal(affect.shape)
        noise = rng.standard_normal((len(affect), components))
        features[rows] = np.tanh(seen) @ mixing + noise + own[subject[rows]]
        labels[rows] = affect
    return Frames(features, labels, np.array([f"s{i:03d}" for i in subject], dtype=object))


def timed(function):
    """What a call returns, and its CPU seconds."""
    start = time.process_time()
    result = function()
    return result, time.process_time() - start


def fit(train):
    """Models and seconds: CCA and one machine per axis, nothing tuned."""
    variates, cca_seconds = timed(lambda: LinearCCA(2).fit(train.features, train.labels))
    X, transform_seconds = timed(lambda: variates.transform(train.features))
    machines, seconds = [], [cca_seconds, transform_seconds]
    for labels in train.labels.T:
        machine, spent = timed(lambda labels=labels: _machine("nystroem").fit(X, labels))
        machines.append(machine)
        seconds.append(spent)
    return variates, machines, seconds


def in_blocks(frames):
    """The same frames as a build reads them."""
    features = da.from_array(frames.features, chunks=(8 * ROWS, -1))
    return Frames(features, frames.labels, frames.subjects)


def _machine(method):
    return KernelSVR(method, C=C, epsilon=EPSILON, gamma="scale", exact_limit=10**6)


def predict(variates, machines, features):
    X = variates.transform(features)
    return np.stack([machine.predict(X) for machine in machines], axis=1)


def against_exact(X, labels, X_test, *, test_labels, size, rng):
    """Rows, one per axis: CCC of both solvers on unseen frames, and the ratio of their times."""
    chosen = rng.choice(len(X), size, replace=False)
    rows = []
    for axis, name in enumerate(AXES):
        scores, seconds = [], []
        for method in ("exact", "nystroem"):
            own = labels[chosen, axis]
            machine, spent = timed(lambda m=method, y=own: _machine(m).fit(X[chosen], y))
            scores.append(ccc(test_labels[:, axis], machine.predict(X_test)))
            seconds.append(spent)
        rows.append((size, name, *scores, abs(scores[0] - scores[1]), seconds[0] / seconds[1]))
        print(f"exact at {size:,} frames, {name}: {seconds[0]:.1f} s", flush=True)
    columns = ["frames", "axis", "exact", "nystroem", "change", "times_faster"]
    return pd.DataFrame(rows, columns=columns)


def against_linear(X, y, iterations):
    """Print time and objective of scikit-learn's LinearSVR beside those of the own solver."""
    Z = kernel_features(fit_kernel(X, 1 / (X.shape[1] * X.var()), 200, seed=0), X)
    weights, seconds = timed(lambda: minimise(Z, y, C=C, epsilon=EPSILON))
    # LinearSVR penalises the bias too: a large column of ones makes that count little
    machine = LinearSVR(
        C=C, epsilon=EPSILON, intercept_scaling=10, max_iter=iterations, random_state=0
    )
    machine, linear_seconds = timed(lambda: machine.fit(Z[:, :-1], y))
    values = [
        0.5 * w[:-1] @ w[:-1]
        + C * np.maximum(np.abs(y - Z @ w.astype(np.float32)) - EPSILON, 0).sum()
        for w in (weights, np.append(machine.coef_, machine.intercept_))
    ]
    print(
        f"\nLinearSVR, {machine.n_iter_} iterations on {len(y):,} frames: "
        f"{linear_seconds / seconds:.1f} times the time and {values[1] / values[0]:.4f} times the "
        "objective of the own solver"
    )


def describe(train, seconds, machines):
    """Print each step's seconds beside the least the machine allows."""
    count, components = train.features.shape
    rate, moved = arithmetic() / 2, bandwidth()  # double precision: half the rate
    columns = components + 2
    ranks = [len(machine.kernel_.components_) for machine in machines]
    least = {
        "CCA: one product of the columns, double precision": count * columns**2 / rate,
        "CCA: its exact sums, nine products of digits": 9 * count * columns**2 / rate,
        "variates: reading the weights once": train.features.nbytes / moved,
    }
    steps = [seconds[0], seconds[0], seconds[1]]
    for axis, rank, spent in zip(AXES, ranks, seconds[2:], strict=True):
        flops = 2 * count * rank * (rank + 2)
        least[f"{axis}: {rank} features of each frame, once"] = flops / rate
        steps.append(spent)
    table = pd.DataFrame({"step": list(least), "seconds": steps, "least": list(least.values())})
    table["times_the_least"] = table["seconds"] / table["least"]
    print(table.to_string(index=False, float_format="%.3g"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=FRAMES, help="training frames")
    parser.add_argument("--components", type=int, default=COMPONENTS)
    parser.add_argument("--exact", type=int, nargs="*", default=[20_000, 40_000])
    parser.add_argument("--linear", type=int, help="iterations of LinearSVR to compare with")
    arguments = parser.parse_args()
    rng, settings = np.random.default_rng(0), Settings()
    mixing = 0.3 * rng.standard_normal((2, arguments.components))
    train = observe(arguments.frames, SUBJECTS, mixing, rng=rng)
    test = observe(arguments.frames // 4, HELD_SUBJECTS, mixing, rng=rng)

    variates, machines, seconds = fit(train)
    peak = peak_memory()
    predicted, predict_seconds = timed(lambda: predict(variates, machines, test.features))
    sample = train[sample_evenly(train.subjects, settings.search_frames)]
    chosen, search_seconds = timed(
        lambda: search_parameters(sample, len(train) / len(sample), settings)
    )
    tuned, tuned_seconds = timed(lambda: Regression(settings).fit(in_blocks(train)))
    tuned_predicted = tuned.predict(in_blocks(test).features)
    describe(train, seconds, machines)
    print(f"\nsearch: {search_seconds:.1f} s for {chosen}")
    for axis, name in enumerate(AXES):
        y, p = test.labels[:, axis], predicted[:, axis]
        intervals, spent = timed(
            lambda y=y, p=p: bootstrap(
                y, p, test.subjects, resamples=RESAMPLES, rng=np.random.default_rng(0)
            )
        )
        low, high = intervals["ccc"]
        print(
            f"CCC {name}: {ccc(y, p):.4f} [{low:.4f}, {high:.4f}] by {RESAMPLES:,} resamples in "
            f"{spent:.3f} s; tuned {ccc(y, tuned_predicted[:, axis]):.4f}"
        )
    thresholds = [
        Threshold("CCA and both machines, CPU seconds", sum(seconds), FIT_SECONDS),
        Threshold("peak memory, bytes, the frames among them", peak, FIT_BYTES),
        Threshold(
            f"prediction of {len(test):,} frames, CPU seconds", predict_seconds, PREDICT_SECONDS
        ),
        Threshold("with tuning, CPU seconds", tuned_seconds, TUNED_SECONDS),
    ]
    X, X_test = variates.transform(train.features), variates.transform(test.features)
    if arguments.linear:
        against_linear(X, train.labels[:, 0], arguments.linear)
    tables = [
        against_exact(
            X, train.labels, X_test[::6], test_labels=test.labels[::6], size=size, rng=rng
        )
        for size in arguments.exact
    ]
    if tables:
        table = pd.concat(tables)
        print("\n" + table.to_string(index=False, float_format="%.5g"))
        thresholds += [
            Threshold(
                f"change of CCC against exact, {row.axis} at {row.frames:,}",
                row.change,
                EXACT_CHANGE,
            )
            for row in table.itertuples()
        ]
    return check(thresholds)


if __name__ == "__main__":
    sys.exit(main())
