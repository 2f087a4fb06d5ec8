"""`registration.py --people native`: people of other models, kind by kind of scan."""

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ict_sequences
import numpy as np
import pandas as pd
from errors import aligned, change, mean_p95, rigid
from native_people import (
    KINDS,
    SEED,
    SOUND,
    Correspondence,
    cases,
    load_people,
    scan,
    sequence,
    sitter,
)
from robustness import BAD_MM, SURVIVED_MM
from tqdm import tqdm

from affect4d.config.registration import Settings
from affect4d.random_streams import named_rng
from affect4d.registration import Registrar, prepare
from affect4d.registration.adaptation import NeutralScan, adapt
from affect4d.registration.quality import MEASURES, flag_names
from affect4d.template.template import load_template

CONSENSUS_PEOPLE = 24


@dataclass(frozen=True)
class Case:
    """One registered scan: its kind, distances (n,) mm of the seen inner face from the consensus,
    names of its flags, measures by name, CPU seconds."""

    kind: str
    distances: np.ndarray
    raised: list
    measures: dict
    seconds: float


def register_kinds(registrar, model, *, places, kinds, count, seed, name):
    """Cases of a registrar on people of a model, whose Correspondence is `places`."""
    found = []
    for kind in tqdm(kinds, name, unit="kind"):
        for made in cases(model, kind, count, seed):
            start = time.process_time()
            result = registrar.register(made.vertices, made.triangles, made.landmarks)
            spent = time.process_time() - start
            inner = registrar.template.inner & result.seen
            away = rigid(result.vertices, places.on(made.truth), inner)
            raised = flag_names(result.quality.flags(registrar.settings))
            measures = dict(zip(MEASURES, result.quality.row(), strict=True))
            found.append(Case(kind, away, raised, measures, spent))
    return found


def summarise(found):
    """One row a kind."""
    rows = []
    for kind in KINDS:
        part = [case for case in found if case.kind == kind]
        if not part:
            continue
        mean = np.array([case.distances.mean() for case in part])
        flagged = np.array([bool(case.raised) for case in part])
        pool = np.concatenate([case.distances for case in part])
        names = pd.Series([n for case in part for n in case.raised], dtype=str).value_counts()
        rows.append(
            {
                "kind": kind,
                "cases": len(part),
                "mean mm": pool.mean(),
                "p95 mm": np.percentile(pool, 95),
                "worst mm": mean.max(),
                f"above {BAD_MM:g} mm": (mean > BAD_MM).sum(),
                "unflagged": ((mean > BAD_MM) & ~flagged).sum(),
                f"below {SURVIVED_MM:g} mm": (mean < SURVIVED_MM).sum(),
                "flagged": ((mean < SURVIVED_MM) & flagged).sum(),
                "flags": ", ".join(f"{name} {count}" for name, count in names.items()),
            }
        )
    return pd.DataFrame(rows)


def flags_in_all(found):
    """One line on the flags of all kinds."""
    mean = np.array([case.distances.mean() for case in found])
    flagged = np.array([bool(case.raised) for case in found])
    sound = np.array([case.kind in SOUND for case in found])
    bad, fine = mean > BAD_MM, sound & (mean < SURVIVED_MM)
    return (
        f"above {BAD_MM:g} mm without a flag: {(bad & ~flagged).sum()} of {bad.sum()}; "
        f"sound scans below {SURVIVED_MM:g} mm with a flag: {(fine & flagged).sum()} "
        f"of {fine.sum()}"
    )


def register_sequences(registrar, model, *, places, count, frames, seed):
    """Errors of sequences by name: frame, frame minus neutral, jitter (lists of arrays, mm)."""
    errors = {"frame": [], "frame minus neutral": [], "jitter": []}
    for number in tqdm(range(count), "sequences"):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            scans, texture = sequence(model, number, frames, seed)
            rows = ict_sequences.write_sequence(root, "take", scans, texture)
            ict_sequences.write_table(root, rows)
            ict_sequences.register(registrar, root)
            vertices, seen, _, numbers = ict_sequences.read(root, "take")
        faces = np.array([places.on(scans[t].face) for t in numbers])
        masks = registrar.template.inner & seen
        errors["frame"] += list(map(rigid, vertices, faces, masks))
        alone = aligned(vertices, faces, masks)
        changed = change(alone, faces, seen, registrar.template.inner)
        for name, values in zip(("frame minus neutral", "jitter"), changed, strict=True):
            errors[name].append(values)
    return errors


def adapted(reference, model, people, seed=SEED):
    """The Reference that `people` people of a model adapt, and the CPU seconds of it."""
    scans = []
    for number in range(people):
        rng = named_rng(seed, "sample", str(number))
        made = scan(model, sitter(model, f"sample{number:03d}", seed=seed), rng)
        scans.append(NeutralScan(made.vertices, made.triangles, made.landmarks))
    start = time.process_time()
    made = adapt(reference, scans, Settings())
    return made, time.process_time() - start


def run(models, *, kinds, count, sequences, frames, adapt_people, seed):
    """Print the tables of every model of `native_people.load_people`: on the given template, and on
    one adapted to `adapt_people` other people of the model, if any; `seed` draws all of them."""
    given = prepare(load_template())
    for name in models:
        model = load_people(name)
        measure = partial(
            print_tables,
            model,
            kinds=kinds,
            count=count,
            sequences=sequences,
            frames=frames,
            seed=seed,
        )
        measure(f"{name}, template as given", given)
        if adapt_people:
            made, spent = adapted(given, model, adapt_people, seed)
            print(
                f"\n{name}: adapted to {adapt_people} people in {spent:.0f} s CPU "
                f"({spent / 3600:.3f} core-hours, whatever the number of frames)"
            )
            measure(f"{name}, template adapted", made)


def print_tables(model, title, reference, *, kinds, count, sequences, frames, seed):
    """Errors and flags by kind, and of sequences, of the people of a model on a template."""
    registrar = Registrar(reference, Settings())
    places = Correspondence.of_registrar(registrar, model, CONSENSUS_PEOPLE, seed)
    found = register_kinds(
        registrar, model, places=places, kinds=kinds, count=count, seed=seed, name=title
    )
    print(f"\n{title}: {count} people a kind, consensus of {CONSENSUS_PEOPLE} others, seed {seed}")
    print(summarise(found).to_string(index=False, float_format="%.2f"))
    print(flags_in_all(found))
    print(f"CPU a scan: {1e3 * np.median([case.seconds for case in found]):.0f} ms (median)")
    for skin in ("textured", "without texture") if sequences else ():
        tracker = Registrar(reference, Settings(tracking=skin == "textured"))
        errors = register_sequences(
            tracker, model, places=places, count=sequences, frames=frames, seed=seed
        )
        rows = [(what, *mean_p95(values)) for what, values in errors.items()]
        table = pd.DataFrame(rows, columns=["error", "mean mm", "p95 mm"])
        print(f"\n{title}: {sequences} sequences of {frames} frames, {skin}")
        print(table.to_string(index=False, float_format="%.2f"), flush=True)
