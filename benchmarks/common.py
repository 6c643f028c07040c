"""What every benchmark shares: taking turns, medians, what the machine is and can do, and one layout of JSON.

    {"benchmark", "command", "date", "machine", "unit", "per", "systems": {name: {"rounds", "median", "low", "high"}},
     "floors": {name: {"value", "why"}}, "ratios": {name: x}, "sections": {name: the same keys}, "notes": [sentence]}

`unit` is of the rounds, `per` says what a round does; a section may have another "command", and "x", what its systems'
names count (a curve).
tables.py makes the tables of docs/performance.md of these files.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import psutil

# Films and prompts of a benchmark, whatever the preset has become since: figures stay comparable.
SIZE = ["model.vision.side_px=168", "model.prompts.prompts=16"]
Task = Callable[[], object]
Name = TypeVar("Name")


def options_of(text: str, rounds: int = 5) -> argparse.ArgumentParser:
    """A parser with what all have: how many rounds, and where the result goes."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--out", type=Path, help="JSON for tables.py, e.g. benchmarks/results/NAME.json")
    return parser


def alternated(systems: Mapping[str, Task], rounds: int, warm: bool = True) -> dict[str, list[float]]:
    """Processor seconds of each system in each round. warm: a first round of each does not count."""
    if warm:
        turns(systems, -1)
    return by_system([turns(systems, number) for number in range(rounds)])


def turns(systems: Mapping[str, Task], number: int) -> dict[str, float]:
    """One round: every system once, in an order that is this round's own; processor seconds."""
    taken = {}
    for name in shuffled(systems, number):
        start = spent()
        systems[name]()
        taken[name] = spent() - start
        print(f"{name}: {taken[name]:.2f} s of the processor", file=sys.stderr, flush=True)
    return {name: taken[name] for name in systems}


def shuffled(names: Mapping[Name, Any], number: int) -> list[Name]:
    return random.Random(number).sample(list(names), len(names))


def spent() -> float:
    """Processor seconds of this process and of its children: those that have ended (waited for), and those that live,
    such as a decoder of films or Java's METEOR."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    living = (child.cpu_times() for child in psutil.Process().children(recursive=True))
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(times.user + times.system for times in living)


def by_system(rounds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    return {name: [taken[name] for taken in rounds] for name in rounds[0]}


def summary(rounds: Sequence[float], **more: Any) -> dict[str, Any]:
    """What a system's rounds come to."""
    return {
        "rounds": list(rounds), "median": statistics.median(rounds), "low": min(rounds), "high": max(rounds), **more,
    }  # fmt: skip


def times(slow: Sequence[float], quick: Sequence[float]) -> float:
    """How many times as long `slow` takes: the median of the rounds' own ratios, as what slows a round slows both."""
    return statistics.median(a / b for a, b in zip(slow, quick, strict=True))


# -- the machine -------------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    import torch

    return {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load": [round(load, 1) for load in os.getloadavg()],
        "torch": torch.__version__,
        "transformers": metadata.version("transformers"),
        "python": platform.python_version(),
    }


def processor() -> str:
    listed = Path("/proc/cpuinfo")
    for line in listed.read_text().splitlines() if listed.is_file() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def matrix_rate(dtype=None, side: int = 1024, seconds: float = 2.0) -> float:
    """Operations a processor second of a square matrix product."""
    import torch

    a = torch.randn(side, side, dtype=dtype or torch.float32)
    return 2 * side**3 * repeated(lambda: a @ a, seconds)


def bytes_a_second(size: int = 1 << 26, seconds: float = 2.0) -> float:
    """Bytes a processor second that a sum over memory outside the caches reads."""
    import torch

    a = torch.ones(size)
    return 4 * size * repeated(lambda: a.sum(), seconds)


def repeated(task: Task, seconds: float) -> float:
    """Times a processor second."""
    task()
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        task()
        count += 1
    return count / (time.process_time() - start)


# -- the result --------------------------------------------------------------------------------------------------------


def result(benchmark: str, **parts: Any) -> dict[str, Any]:
    """The layout above; `parts` are its keys from `unit` on."""
    return {
        "benchmark": benchmark, "command": command(), "date": datetime.date.today().isoformat(), "machine": machine(),
        **parts,
    }  # fmt: skip


def command() -> str:
    """As it was typed, without this machine's paths."""
    given = [Path(sys.argv[0]).name, *sys.argv[1:]]
    named = [named_path(value, before) for before, value in zip(["", *given], given, strict=False)]
    return " ".join(["python", f"benchmarks/{named[0]}", *named[1:]])


def named_path(value: str, before: str) -> str:
    kind, colon, path = value.rpartition(":")
    return f"{kind}{colon}{before.lstrip('-').upper()}" if "/" in path else value


def write(path: Path | None, found: Mapping[str, Any]) -> None:
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
