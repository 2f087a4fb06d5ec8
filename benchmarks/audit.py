"""The audit's speed beside the disk's and the hash's, and its memory beside the number of images.

    python benchmarks/audit.py                        # some five minutes, 3 GB of disk
    python benchmarks/audit.py --gigabytes 8 --folder /scratch

speed: artifacts of random bytes, large shards and small files, are audited from the disk (their
pages dropped from memory first) and again from memory. Yardsticks, in turn with the audits, the
best of each: the same files read without a digest by as many threads; SHA-256 of memory, one thread
and one a core. An audit may take little longer than the slower of disk and hash (by the clock, so
on a machine that does nothing else), and little more CPU than reading and hashing apart. memory:
builds of 1,000 to 100,000 images of 8 x 8 pixels, written by the store and `publish`, and one of as
many photographs and files with a 25th of the images, each audited by a process of its own; the peak
is the kernel's figure of its resident memory, libraries included. Exit status 1 where a threshold
is missed.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))

# Children start with their parent's peak: what needs memory is imported by them alone.
from limits import peak_memory
from thresholds import Threshold, check

LARGE, SMALL, BLOCK = 128 * 2**20, 2**20, 2**20
PEOPLE, SAMPLES = 20, 25
CORES = len(os.sched_getaffinity(0))
TURNS = 5


def write_files(root, size):
    """Artifacts of about `size` bytes: seven parts in large files, one in small ones."""
    from affect4d import store

    block = os.urandom(LARGE + SMALL)
    parts = [("shards", LARGE, size * 7 // 8 // LARGE), ("files", SMALL, size // 8 // SMALL)]
    for name, length, count in parts:
        for number in range(count):
            path = root / f"{name}{number % 7}" / f"{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            start = number * 4096 % SMALL
            path.write_bytes(memoryview(block)[start : start + length])
        for folder in sorted(root.glob(f"{name}?")):
            provenance = store.Provenance(root, "benchmark", folder.name)
            store.record(store.manifest_of(folder), [folder], provenance)


def drop(paths):
    """Take files out of memory: what reads them next reads the disk."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path):
    """Read a file as the audit does, without a digest."""
    buffer = bytearray(BLOCK)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def hash_memory(size):
    """SHA-256 of `size` bytes of memory."""
    sha256, block = hashlib.sha256(), bytes(BLOCK)
    for _ in range(size // BLOCK):
        sha256.update(block)


def rates(size, work):
    """MB/s of `work` by the clock, and a second of one core."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array(
        [size / 1e6 / (time.perf_counter() - clock), size / 1e6 / (time.process_time() - cpu)]
    )


def in_threads(function, tasks, threads):
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, tasks))


def measure_speed(folder, gigabytes):
    """The audit beside disk and hash; prints a table, returns thresholds."""
    from affect4d.audit import audit_build

    root = Path(folder) / "results"
    write_files(root, int(gigabytes * 1e9))
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    size, part = sum(path.stat().st_size for path in paths), 512 * 2**20

    def look():
        assert audit_build(root).intact

    def fresh(work):
        drop(paths)
        return rates(size, work)

    measures = {
        "SHA-256, one thread": lambda: rates(part, lambda: hash_memory(part)),
        "SHA-256, a thread a core": lambda: rates(
            part * CORES, lambda: in_threads(hash_memory, [part] * CORES, CORES)
        ),
        "disk, read only": lambda: fresh(lambda: in_threads(read, paths, 2 * CORES)),
        "audit, from disk": lambda: fresh(look),
        "audit, from memory": lambda: rates(size, look),
    }
    best = {name: np.zeros(2) for name in measures}
    look()  # imports
    for _ in range(TURNS):
        for name, measure in measures.items():
            best[name] = np.maximum(best[name], measure())
    print(f"\n{size / 1e9:.1f} GB in {len(paths)} files, {CORES} cores, best of {TURNS}")
    print(f"{'MB/s':26} {'clock':>8} {'a core':>8}")
    for name, speeds in best.items():
        print(f"  {name:24} {speeds[0]:8.0f} {speeds[1]:8.0f}")
    clock, cpu = np.array(list(best.values())).T
    _, every, disk, cold, _ = clock
    one_cpu, _, disk_cpu, cold_cpu, warm_cpu = cpu
    apart = 1 / (1 / one_cpu + 1 / disk_cpu)
    return [
        Threshold(
            "from disk, of the slower of disk and hash", cold / min(every, disk), 0.7, at_least=True
        ),
        Threshold(
            "CPU, from disk, of reading and hashing apart", cold_cpu / apart, 0.7, at_least=True
        ),
        Threshold(
            "CPU, from memory, of reading and hashing apart", warm_cpu / apart, 0.7, at_least=True
        ),
    ]


def child(*arguments):
    """Run this program for one part; its output."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def build(root, chunks, samples):
    """A build of so many chunks of 20 photographs, each with that many images in two classes."""
    from support.small_results import build_results

    root = Path(root)
    (root.parent / "photo.jpg").write_bytes(b"jpeg")
    people = [[f"p{n:03d}x{i:02d}" for i in range(PEOPLE)] for n in range(chunks)]
    build_results(root, root.parent / "photo.jpg", people, range(samples))


def look(root):
    """Audit it; prints seconds and peak in MB."""
    from affect4d.audit import audit_build

    start = time.perf_counter()
    verdict = audit_build(Path(root))
    assert verdict.intact, verdict.text()
    seconds = time.perf_counter() - start
    print(seconds, peak_memory() / 2**20)


def measure_memory(folder, chunks):
    """Seconds and peak memory of audits of several builds; prints a table, returns thresholds."""
    peaks = []
    print(f"\n{'images':>8} {'photographs':>12} {'seconds':>8} {'peak MB':>8}")
    for count, samples in [*((count, SAMPLES) for count in chunks), (chunks[-1], 1)]:
        root = Path(folder) / f"{count}_{samples}" / "results"
        root.parent.mkdir()
        child("build", root, count, samples)
        seconds, peak = map(float, child("look", root))
        peaks.append(peak)
        people = PEOPLE * count
        print(f"{people * 2 * samples:8} {people:12} {seconds:8.1f} {peak:8.0f}")
    more = f"MB more for {SAMPLES} times the images of as many photographs"
    return [
        Threshold(
            f"MB more for {chunks[-1] // chunks[0]} times the build", peaks[-2] - peaks[0], 50
        ),
        Threshold(more, peaks[-2] - peaks[-1], 15),
    ]


def main():
    if sys.argv[1:2] == ["build"]:
        return build(sys.argv[2], *map(int, sys.argv[3:]))
    if sys.argv[1:2] == ["look"]:
        return look(sys.argv[2])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help="speed, memory; both where none is named")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument(
        "--chunks", type=int, nargs="+", default=[1, 10, 100], help="of 1,000 images"
    )
    parser.add_argument("--folder", help="on the disk to be measured; a temporary one by default")
    options = parser.parse_args()
    thresholds = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if not options.what or "speed" in options.what:
            thresholds += measure_speed(folder, options.gigabytes)
        if not options.what or "memory" in options.what:
            thresholds += measure_memory(folder, options.chunks)
    sys.exit(check(thresholds))


if __name__ == "__main__":
    main()
