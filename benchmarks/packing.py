"""Memory of packing: the peak of the process at 5,000 and at 100,000 studies, every film decoded in the sandbox.

    python benchmarks/packing.py [--studies 5000 100000] [--rounds 5] [--side-px 64] [--workers 2] [--out FILE]

All studies name the same small PNG, so that the disk is not what is measured. Each number is taken in a process of its
own, and the numbers of studies take turns. The list of studies is the reader's, and grows with them; what packing adds
to it must not. Processor seconds are of the workers too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import options_of, result, shuffled, spent, summary, write
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
        listed, begun = peak_mb(), spent()
        packed = pack(Path(folder) / "pack", studies, Recipe.of(studies, side_px, "squash"), workers)
        seconds = spent() - begun
    assert packed.films == count
    return {
        "start_mb": before, "with_the_list_mb": listed, "peak_mb": peak_mb(), "packing_adds_mb": peak_mb() - listed,
        "seconds": seconds,
    }  # fmt: skip


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--studies", type=int, nargs="+", default=[5000, 100_000])
    parser.add_argument("--side-px", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", type=int, help="measure in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.side_px, options.workers)))
        return
    rows: dict[int, list[dict[str, float]]] = {count: [] for count in options.studies}
    for number in range(options.rounds):
        for count in shuffled(rows, number):
            command = [sys.executable, __file__, "--one", str(count), "--side-px", str(options.side_px),
                       "--workers", str(options.workers)]  # fmt: skip
            done = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows[count].append(json.loads(done))
            print(f"{count:,} studies: ", "  ".join(f"{name} {value:,.0f}" for name, value in rows[count][-1].items()))
    found = result("packing", side_px=options.side_px, workers=options.workers, sections={
        "memory": section(rows, "packing_adds_mb", "MB that packing adds to the process's peak"),
        "seconds": section(rows, "seconds", "processor seconds"),
    })  # fmt: skip
    write(options.out, found)


def section(rows: dict[int, list[dict[str, float]]], key: str, unit: str) -> dict[str, Any]:
    systems = {str(count): summary([row[key] for row in taken]) for count, taken in rows.items()}
    return {"unit": unit, "per": "pack", "x": "studies", "systems": systems}


if __name__ == "__main__":
    main()
