"""The demo, step by step. Every step leaves its result on disk, so a demo that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mrg_llm import runs
from mrg_llm.demo.budget import Budget, Work, fitted
from mrg_llm.scoring.findings import FindingScore, score_findings
from mrg_llm.settings import Settings, load_settings, only
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import FINDINGS, write_phantoms
from mrg_llm.studies.study import Study, StudySet

VARIANTS = ("static", "prompt-wise")
SWAPPED = "prompt-wise, films swapped"
TEST_STUDIES = 100  # written three times over; more would take the demo past its ten minutes
OBSERVATIONS = tuple(dict.fromkeys(FINDINGS.values()))


@dataclass(frozen=True)
class DemoResult:
    """What the page shows: test studies, reports by system, findings scores by system, seconds by step, and how much of
    the recipe there was time for."""

    studies: tuple[Study, ...]
    reports: dict[str, list[str]]
    findings: dict[str, dict[str, FindingScore]]
    journals: dict[str, Path]
    seconds: dict[str, float]
    budget: Budget


def run_demo(
    out: Path, studies: int, seed: int, preset: str = "demo", changes: Sequence[str] = (), minutes: float = 0
) -> Path:
    """Run or finish the demo in folder `out`; returns the page.

    minutes: what it may take on this machine; a recipe that takes longer is cut to it, in proportion. 0: the whole
    recipe, however long.
    """
    from mrg_llm.demo.page import write_page
    from mrg_llm.training.preparation import Sharing

    console = Console(stderr=True)
    clock = Clock(console)
    sharing = Sharing()
    settings = load_settings(preset, [f"train.seed={seed}", *changes])
    with clock("drawing phantom studies"):
        phantoms = draw(out / "phantoms", studies, seed, settings.model.vision.side_px, console)
    with clock("measuring this machine"):
        work = Work(settings, phantoms, len(VARIANTS), 3 * TEST_STUDIES)
        settings, budget = fitted(out, work, minutes, lambda: clock.since_start, sharing, console)
    with clock("stages 1 and 2: aligning images and reports, once for both variants"):
        alignment = only(settings, "align_global", "align_local")
        aligned = train_once(out / "aligned", alignment, phantoms, None, console, sharing)
    for variant in VARIANTS:
        with clock(f"stage 3: writing with {variant} prompts"):
            chosen = with_variant(only(settings, "generate"), variant)
            train_once(out / variant, chosen, phantoms, aligned, console, sharing)
    test = phantoms.split("test")[: TEST_STUDIES // 2 if budget.hurried else TEST_STUDIES]
    with clock("writing the test reports"):
        reports = {v: write(out, v, v, test, console) for v in VARIANTS}
        reports[SWAPPED] = write(out, "prompt-wise", SWAPPED, swap_films(test), console)
    truths = [{f.observation for f in study.truth or ()} for study in test]
    findings = {system: score_findings(texts, truths, OBSERVATIONS) for system, texts in reports.items()}
    journals = {name: out / name / "journal.jsonl" for name in ("aligned", *VARIANTS)}
    result = DemoResult(test, reports, findings, journals, clock.seconds, budget)
    console.print(findings_table(result))
    return write_page(out, result, phantoms, console)


def draw(folder: Path, studies: int, seed: int, side_px: int, console: Console) -> StudySet:
    from mrg_llm.progress import counting_bar

    if not (folder / "manifest.jsonl").is_file():
        with counting_bar("drawing", studies, console) as advance:
            write_phantoms(
                folder, studies, seed, progress=lambda done, total: advance(done), processes=os.cpu_count() or 1
            )
    return open_studies(f"phantom:{folder}")


def train_once(
    out: Path, settings: Settings, studies: StudySet, start_from: Path | None, console: Console, sharing=None
) -> Path:
    """Train, or finish a training that was stopped, or do nothing where it is done."""
    from mrg_llm.training.journal import ended
    from mrg_llm.training.loop import train

    if ended(out):
        return out
    return train(settings, studies, out, resume=True, start_from=start_from, console=console, sharing=sharing)


def with_variant(settings: Settings, variant: str) -> Settings:
    prompts = settings.model.prompts.model_copy(update={"variant": variant})
    return settings.model_copy(update={"model": settings.model.model_copy(update={"prompts": prompts})})


def write(out: Path, run: str, system: str, studies: Sequence[Study], console: Console) -> list[str]:
    """The system's test reports, from its predictions file where that is there already."""
    from mrg_llm.progress import counting_bar
    from mrg_llm.training.precision import is_bf16

    path = out / f"{system.replace(', ', '-').replace(' ', '-')}.jsonl"
    if not path.is_file():
        reporter = runs.load(out / run, precision="bf16" if is_bf16("auto", "cpu") else "fp32")
        with counting_bar(system, len(studies), console) as advance:
            runs.generate(reporter, studies, path, advance)
    return [json.loads(line)["prediction"] for line in path.read_text().splitlines()]


def swap_films(studies: Sequence[Study]) -> list[Study]:
    """Every study with the films of the next one: what is written from them should no longer fit."""
    return [replace(s, views=studies[(i + 1) % len(studies)].views) for i, s in enumerate(studies)]


def findings_table(result: DemoResult) -> Table:
    table = Table(title="findings named in the report against findings truly drawn (F1)", title_justify="left")
    table.add_column("finding")
    for system in result.findings:
        table.add_column(system, justify="right")
    for observation in (*OBSERVATIONS, "all"):
        table.add_row(observation, *(f"{scores[observation].f1:.3f}" for scores in result.findings.values()))
    return table


class Clock:
    """Says what begins, and how long it took."""

    def __init__(self, console: Console):
        self.console = console
        self.seconds: dict[str, float] = {}
        self.begun = time.perf_counter()

    @property
    def since_start(self) -> float:
        """Seconds since the demo began."""
        return time.perf_counter() - self.begun

    def __call__(self, title: str) -> Clock:
        self.title, self.started = title, time.perf_counter()
        self.console.print(f"[bold]{title}[/]")
        return self

    def __enter__(self) -> None: ...

    def __exit__(self, *unused: object) -> None:
        self.seconds[self.title] = time.perf_counter() - self.started
        self.console.print(f"  {self.seconds[self.title]:.0f} s", highlight=False)
