"""Prepared predictions and references -> METEOR 1.5 as a tally, through pycocoevalcap's jar in one Java process.

The jar turns each pair into 23 counts (its SCORE request); METEOR of any set of studies is a formula of summed counts,
written out below and equal to the jar's own EVAL. Starting the jar takes 5 to 10 s (it reads a paraphrase table), so
one process serves the whole run. No Java: `unavailable()` says why, and nothing takes METEOR's place.

Legend: N studies, D draws.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrg_llm.errors import MRGError
from mrg_llm.scoring.statistics import Tally, ratio

# METEOR 1.5's tuned values for English, as the jar has them with `-l en -norm`.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
MATCHER_WEIGHTS = (1.0, 0.6, 0.8, 0.6)  # exact, stem, synonym, paraphrase
COUNTS = 23


def unavailable() -> str | None:
    """Why METEOR cannot be had here, in one sentence; None where it can."""
    if shutil.which("java") is None:
        return "METEOR needs Java, and there is no 'java' on the path; install a Java runtime (8 or newer)"
    folder = _folder()
    if folder is None:
        return "METEOR's jar comes with the package pycocoevalcap, which is not installed"
    if not (folder / "data" / "paraphrase-en.gz").is_file():
        return "METEOR's paraphrase table (paraphrase-en.gz) is not beside its jar; without it the scores would differ"
    return None


class Meteor:
    """One Java process that scores as many batches as are given to it. Use it in a `with` block, or `close` it.

    Raises MRGError with `unavailable()`'s reason where it cannot start.
    """

    def __init__(self) -> None:
        reason = unavailable()
        if reason:
            raise MRGError(reason)
        folder = _folder()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process; close() closes it)
        # UTF-8 whatever the locale (pycocoevalcap leaves this to the locale); the serial collector starts sooner.
        command = ["java", "-Dfile.encoding=UTF-8", "-XX:+UseSerialGC", "-Xmx2G", "-jar", "meteor-1.5.jar"]
        self._process = subprocess.Popen(
            [*command, "-", "-", "-stdio", "-l", "en", "-norm"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._end = weakref.finalize(self, _kill, self._process)  # also when Python exits
        self._lock = threading.Lock()

    def tally(self, predictions: Sequence[str], references: Sequence[str]) -> Tally:
        """METEOR of predictions against references, {"meteor": ...}."""
        pairs = [(_plain(p).replace("  ", " "), _plain(r)) for p, r in zip(predictions, references, strict=True)]
        distinct = list(dict.fromkeys(pairs))
        answers = self._ask([f"SCORE ||| {reference} ||| {prediction}" for prediction, reference in distinct])
        counts = {pair: [float(x) for x in answer.split()] for pair, answer in zip(distinct, answers, strict=True)}
        return Tally(np.array([counts[pair] for pair in pairs]).reshape(-1, COUNTS), meteor)

    def evaluate(self, stats_NS: np.ndarray) -> float:
        """The jar's own value for these counts: the check on `meteor`."""
        rows = " ||| ".join(" ".join(str(x) for x in row) for row in stats_NS.tolist())
        return float(self._ask([f"EVAL ||| {rows}"], answers=len(stats_NS) + 1)[-1])

    def close(self) -> None:
        """End the Java process."""
        self._end()
        self._log.close()

    def __enter__(self) -> Meteor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, requests: Sequence[str], answers: int | None = None) -> list[str]:
        """Send requests and read one answer each. A thread writes while this one reads: neither pipe can fill up."""
        with self._lock:
            writer = threading.Thread(target=self._write, args=(requests,), daemon=True)
            writer.start()
            try:
                lines = [self._line() for _ in range(len(requests) if answers is None else answers)]
            except BaseException:
                self.close()  # answers still on their way would be taken for those of the next question
                raise
            writer.join()
        return lines

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise MRGError(f"METEOR's Java process ended early: {self._last_words()}")
        return line.decode()

    def _write(self, requests: Sequence[str]) -> None:
        assert self._process.stdin is not None
        try:
            for start in range(0, len(requests), 256):
                self._process.stdin.write("".join(f"{r}\n" for r in requests[start : start + 256]).encode())
                self._process.stdin.flush()
        except (OSError, ValueError):
            pass  # the process is gone or its pipe is closed: the reader sees the end of its answers and says so

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        # The jar may echo its input; only the kind of failure is told, never a line that could hold report text.
        return lines[-1].split(":")[0][:80] if lines else f"exit code {self._process.poll()}"


def meteor(sums_DS: np.ndarray) -> dict[str, np.ndarray]:
    """Summed counts -> METEOR.

    Columns: words of prediction and reference; function words of both; for each of four matchers the matched content
    words and function words of both; chunks; matched words of both.
    """
    words, function = sums_DS[:, 0:2], sums_DS[:, 2:4]
    stages = sums_DS[:, 4:20].reshape(-1, 4, 2, 2)  # matcher, content or function, prediction or reference
    weights = np.array(MATCHER_WEIGHTS)[:, None]
    matched = (weights * (DELTA * stages[:, :, 0] + (1 - DELTA) * stages[:, :, 1])).sum(axis=1)
    total = DELTA * (words - function) + (1 - DELTA) * function
    precision, recall = ratio(matched[:, 0], total[:, 0]), ratio(matched[:, 1], total[:, 1])
    f_mean = ratio(precision * recall, ALPHA * precision + (1 - ALPHA) * recall)
    chunks, matches = sums_DS[:, 20], sums_DS[:, 21:23]
    whole = (matches == words).all(axis=1) & (chunks == 1)
    broken = np.where(whole, 0.0, ratio(chunks, matches.mean(axis=1)))
    return {"meteor": f_mean * (1 - GAMMA * broken**BETA)}


def _folder() -> Path | None:
    found = importlib.util.find_spec("pycocoevalcap")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations))) / "meteor"
    return folder if (folder / "meteor-1.5.jar").is_file() else None


def _plain(text: str) -> str:
    """One line without the jar's own separator."""
    return " ".join(text.splitlines()).replace("|||", "")


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # unsent text has nowhere to go
                pipe.close()
