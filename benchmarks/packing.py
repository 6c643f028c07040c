"""Memory of packing: the peak of the process at 5,000 and at 100,000 studies, every film decoded in the sandbox.

    python benchmarks/packing.py [--studies 5000 100000] [--side-px 64] [--workers 2] [--out packing.json]

All studies name the same small PNG, so that the disk is not what is measured. Each number is taken in a process of its
own. The list of studies is the reader's, and grows with them; what packing adds to it must not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from mrg_llm.packing import Recipe, pack
from mrg_llm.studies.study import Study, StudySet, View

REPORT = "The heart is normal in size. The lungs are clear. No pleural effusion or pneumothorax is seen. " * 4


def peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure(count: int, side_px: int, workers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(film)
        before = peak_mb()
        studies = StudySet(
            "made:here", tuple(Study(f"s{n}", "train", (View(film),), f"{n} {REPORT}") for n in range(count))
        )
        listed, begun = peak_mb(), time.perf_counter()
        packed = pack(Path(folder) / "pack", studies, Recipe.of(studies, side_px, "squash"), workers)
        seconds = time.perf_counter() - begun
    assert packed.films == count
    return {
        "studies": count, "start_mb": before, "with_the_list_mb": listed, "peak_mb": peak_mb(),
        "packing_adds_mb": peak_mb() - listed, "seconds": seconds, "films_per_second": count / seconds,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, nargs="+", default=[5000, 100_000])
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=int, help="measure in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.side_px, options.workers)))
        return
    rows = []
    for count in options.studies:
        command = [sys.executable, __file__, "--one", str(count), "--side-px", str(options.side_px),
                   "--workers", str(options.workers)]  # fmt: skip
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print("  ".join(f"{name} {value:,.0f}" for name, value in rows[-1].items()))
    if options.out:
        facts = {"cpus": os.cpu_count(), "processor": platform.processor(), "python": platform.python_version()}
        options.out.write_text(json.dumps({"machine": facts, "side_px": options.side_px, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
