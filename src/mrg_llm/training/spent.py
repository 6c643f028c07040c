"""What a training costs: seconds on the clock and of the processor, and the most memory it held.

In the journal: an event "spent" before every checkpoint, with what was spent since the run was opened (models loaded
and films read before). What a killed run did after its last checkpoint has to be done again, and counts once.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mrg_llm.training.footprint import used_so_far
from mrg_llm.training.journal import entries

EVENT = "spent"


@dataclass(frozen=True)
class Spent:
    """wall_s: on the clock. process_s: of all threads of this process. memory_bytes: the peak, GPU memory on a GPU."""

    wall_s: float = 0.0
    process_s: float = 0.0
    memory_bytes: int = 0

    def __add__(self, other: Spent) -> Spent:
        most = max(self.memory_bytes, other.memory_bytes)
        return Spent(self.wall_s + other.wall_s, self.process_s + other.process_s, most)


class Meter:
    """Runs from where it is made. device: "cpu" or "cuda"."""

    def __init__(self, device: str):
        self.device = device
        forget_peak(device)
        self.wall, self.process = time.perf_counter(), time.process_time()

    def entry(self) -> dict:
        """What was spent so far, as the fields of a journal's line."""
        wall_s, process_s = time.perf_counter() - self.wall, time.process_time() - self.process
        spent = Spent(round(wall_s, 2), round(process_s, 2), peak_memory(self.device))
        return {"event": EVENT, **asdict(spent)}


def spent_in(journal: Path) -> Spent:
    """What a run spent in all its parts, each time it was taken up."""
    total, part = Spent(), Spent()
    for entry in entries(journal):
        if entry.get("event") == EVENT:
            part = Spent(entry["wall_s"], entry["process_s"], entry["memory_bytes"])
        elif entry.get("event") == "resume":
            total, part = total + part, Spent()
    return total + part


def peak_memory(device: str) -> int:
    """Bytes: the most memory this process has held, or its GPU memory; since `forget_peak` where that can be."""
    used, status = used_so_far(device), Path("/proc/self/status")
    if device != "cuda" and status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return used.device_bytes or used.host_bytes


def forget_peak(device: str) -> None:
    """Several runs may share one process: each measures its own peak, on GPUs and on Linux."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak is then that of the whole process
        return
