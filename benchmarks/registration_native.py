"""`registration.py --people native`: people of other models, kind by kind of scan."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ict_sequences
import numpy as np
import pandas as pd
from errors import aligned, change, mean_p95, rigid
from native_people import KINDS, Correspondence, cases, load_people, sequence
from robustness import BAD_MM, SURVIVED_MM
from tqdm import tqdm

from affect4d.config.registration import Settings
from affect4d.registration import Registrar, prepare
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


def register_kinds(registrar, model, *, places, kinds, count, name):
    """Cases of a registrar on people of a model, whose Correspondence is `places`."""
    found = []
    for kind in tqdm(kinds, name, unit="kind"):
        for scan in cases(model, kind, count):
            start = time.process_time()
            result = registrar.register(scan.vertices, scan.triangles, scan.landmarks)
            spent = time.process_time() - start
            inner = registrar.template.inner & result.seen
            away = rigid(result.vertices, places.on(scan.truth), inner)
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


def register_sequences(registrar, model, *, places, count, frames):
    """Errors of sequences by name: frame, frame minus neutral, jitter (lists of arrays, mm)."""
    errors = {"frame": [], "frame minus neutral": [], "jitter": []}
    for number in tqdm(range(count), "sequences"):
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            scans, texture = sequence(model, number, frames)
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


def run(models, *, kinds, count, sequences, frames):
    """Print the tables of every model of `native_people.load_people`."""
    reference = prepare(load_template())
    registrars = {
        skin: Registrar(reference, Settings(tracking=tracking))
        for skin, tracking in (("textured", True), ("without texture", False))
    }
    for name in models:
        model, registrar = load_people(name), registrars["textured"]
        places = Correspondence.of_registrar(registrar, model, CONSENSUS_PEOPLE)
        found = register_kinds(registrar, model, places=places, kinds=kinds, count=count, name=name)
        print(f"\n{name}: {count} people a kind, consensus of {CONSENSUS_PEOPLE} others")
        print(summarise(found).to_string(index=False, float_format="%.2f"))
        print(f"CPU a scan: {1e3 * np.median([case.seconds for case in found]):.0f} ms (median)")
        for skin, tracker in registrars.items() if sequences else ():
            errors = register_sequences(
                tracker, model, places=places, count=sequences, frames=frames
            )
            table = [(what, *mean_p95(values)) for what, values in errors.items()]
            print(f"\n{name}, {sequences} sequences of {frames} frames, {skin}")
            table = pd.DataFrame(table, columns=["error", "mean mm", "p95 mm"])
            print(table.to_string(index=False, float_format="%.2f"))
