"""What `mrg train --dry-run` foretells, beside what then happens: seconds a step, peak memory, the whole run.

    python benchmarks/prediction.py [--settings NAME ...] [--data phantom:ROOT] [--studies 96] [--steps 20]
                                    [--threads 1] [--out benchmarks/results/prediction.json]

    demo        the recipe of `mrg demo`: 112 px, deep prompt-wise prompts, aligned first, batch 8
    static      static prompts without alignment, batch 4
    two-views   prompt-wise prompts, 168 px, two films a study, reports twice as long, the encoder's last two layers
                trained, batch 8

Each setting is foretold by one process and trained by another, on drawn studies (`--data`: on the first of those that
were drawn already); seconds are the processor's, which
other work on the machine changes least (with one thread they are the wall's, where nothing else runs). A stage's steps
are timed from the end of one to the end of the next. `--out` is added to where it is there, a setting at a time.
"""

from __future__ import annotations

import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from common import SIZE, options_of, result, summary, write

from mrg_llm.settings import Settings, load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import StudySet

CLOCK = time.process_time
SETTINGS = {
    "demo": ("demo", []),
    "static": ("task-wise", ["generate.metric=loss", "generate.batch=4", "model.vision.side_px=112"]),
    "two-views": (
        "iu-xray",
        [
            *SIZE, "align_global.epochs=0", "align_local.epochs=0",
            "model.vision.trained_layers=2", "train.lr_encoder=1e-5",
            "model.prompts.variant=prompt-wise", "model.prompts.condition=attention",
        ],
    ),
}  # fmt: skip


def chosen(name: str, steps: int, studies: int) -> Settings:
    """A setting whose every stage takes about so many steps."""
    preset, changes = SETTINGS[name]
    settings = load_settings(preset, [
        *changes, "train.trackers=[]", "train.checkpoint_every=100000", "data.familiar_films=60",
        "generate.validate_every=100000",
    ])  # fmt: skip
    stages = ("align_global", "align_local", "generate")
    used = {stage: getattr(settings, stage) for stage in stages}
    cut = {
        stage: table.model_copy(update={"epochs": (steps + 0.01) * table.batch / studies})
        for stage, table in used.items()
        if table.epochs
    }
    return settings.model_copy(update=cut)


def studies_of(name: str, options) -> StudySet:
    """Drawn studies, a tenth of them for validation; for two-views those with two films, their reports said twice."""
    drawn = open_studies(options.data)
    kept = [s for s in drawn if name != "two-views" or len(s.views) > 1][: options.studies]
    words = 2 if name == "two-views" else 1
    dealt = [replace(s, split="train" if i % 10 else "val", report=" ".join([s.report or ""] * words))
             for i, s in enumerate(kept)]  # fmt: skip
    return replace(drawn, studies=tuple(dealt))


def foretold(settings: Settings, studies: StudySet) -> dict:
    from mrg_llm.training.plan import make_plan

    begun = CLOCK()
    plan = make_plan(settings, studies, clock=CLOCK)
    return {"step_s": {stage.name: stage.step_s for stage in plan.stages}, "run_s": plan.seconds,
            "memory_bytes": plan.memory.host_bytes, "took_s": CLOCK() - begun, "plan": asdict(plan)}  # fmt: skip


def happened(settings: Settings, studies: StudySet) -> dict:
    """Train, noting when each step ends."""
    from mrg_llm.training import loop

    ends: dict[str, list[float]] = {}
    report = loop.report_step

    def noted(run, stage, values, optimizer):
        ends.setdefault(stage, []).append(CLOCK())
        report(run, stage, values, optimizer)

    loop.report_step = noted
    begun = CLOCK()
    with tempfile.TemporaryDirectory() as folder:
        loop.train(settings, studies, Path(folder) / "run")
        run_s = CLOCK() - begun
    steps = {stage: [b - a for a, b in itertools.pairwise(times)] for stage, times in ends.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"steps": steps, "step_s": {stage: statistics.mean(s) for stage, s in steps.items()}, "run_s": run_s,
            "memory_bytes": memory}  # fmt: skip


HALVES = {"foretold": foretold, "happened": happened}


def compared(told: dict, came: dict) -> dict:
    """A section of the result: for each stage, memory and the whole run what was foretold and what came."""
    rows = {f"{stage}, seconds a step": (told["step_s"][stage], came["step_s"][stage], came["steps"][stage])
            for stage in came["step_s"]}  # fmt: skip
    rows["whole run, seconds"] = (told["run_s"], came["run_s"], [came["run_s"]])
    rows["peak memory, GB"] = (told["memory_bytes"] / 1e9, came["memory_bytes"] / 1e9, [came["memory_bytes"] / 1e9])
    systems = {
        row: summary(rounds, foretold=before, came=after, **{"foretold by came": before / after})
        for row, (before, after, rounds) in rows.items()
    }
    return {"systems": systems, "foretelling_took_s": told["took_s"], "beside_s": told["plan"]["beside_s"]}


def show(name: str, section: dict) -> None:
    print(f"{name} (foretelling took {section['foretelling_took_s']:.0f} s)")
    for row, system in section["systems"].items():
        print(f"  {row:<36} foretold {system['foretold']:8.2f}  came {system['came']:8.2f}  "
              f"({system['foretold by came'] - 1:+.0%})", flush=True)  # fmt: skip


def in_another_process(half: str, name: str, options, data: str) -> dict:
    """This file, for one setting and one half; its last line is JSON."""
    command = [sys.executable, __file__, "--half", half, "--settings", name, "--data", data]
    command += [f"--{key}={getattr(options, key)}" for key in ("studies", "steps", "threads")]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def drawn(folder: Path, studies: int) -> str:
    from mrg_llm.studies.phantom import write_phantoms

    write_phantoms(folder, 2 * studies, seed=0)  # not all have two films
    return f"phantom:{folder}"


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--data", help="phantom:ROOT, instead of drawing")
    parser.add_argument("--studies", type=int, default=96)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--half", choices=list(HALVES), help="used by the script itself")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    if options.half:
        studies = studies_of(options.settings[0], options)
        settings = chosen(options.settings[0], options.steps, len(studies.split("train")))
        print(json.dumps(HALVES[options.half](settings, studies)))
        return
    before = json.loads(options.out.read_text()) if options.out and options.out.is_file() else {}
    sections = before.get("sections", {})
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or drawn(Path(folder), options.studies)
        for name in options.settings:
            told, came = (in_another_process(half, name, options, data) for half in HALVES)
            sections[name] = compared(told, came)
            show(name, sections[name])
    found = result(
        "prediction", unit="steps or run as it came", per="one step, or the run", sections=sections,
        notes=["Seconds are the processor's; `came` is the mean of the steps. Each setting was trained once."],
    )  # fmt: skip
    commands = {**{line: None for line in before.get("command", "").split(" && ") if line}, found["command"]: None}
    write(options.out, found | {"command": " && ".join(commands)})


if __name__ == "__main__":
    main()
