"""The plan of a run as the tables that a person reads before spending hours."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from mrg_llm.progress import stages_bar
from mrg_llm.settings import Settings
from mrg_llm.studies.study import StudySet
from mrg_llm.training.plan import Plan, make_plan


def print_plan(settings: Settings, studies: StudySet, console: Console) -> None:
    """Measure for a minute or two, and say what the run would be."""
    with stages_bar(console) as told:
        plan = make_plan(settings, studies, told=told)
    console.print(parameters_table(plan, studies))
    console.print(time_table(plan))
    console.print(summed_up(plan), highlight=False)


def parameters_table(plan: Plan, studies: StudySet) -> Table:
    table = Table(title=f"what would be trained on {studies.source}", title_justify="left")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for part, count in plan.parameters.items():
        table.add_row(part, f"{count:,}")
    table.add_row("frozen (LLM and lower encoder layers)", f"{plan.frozen:,}")
    return table


def time_table(plan: Plan) -> Table:
    table = Table()
    for heading in ("what", "steps", "seconds a step", "time"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for stage in plan.stages:
        table.add_row(stage.name, f"{stage.steps:,}", f"{stage.step_s:.2f}", duration(stage.seconds))
    for what, seconds in plan.beside_s.items():
        table.add_row(what, "", "", duration(seconds))
    table.add_row("all", f"{sum(stage.steps for stage in plan.stages):,}", "", duration(plan.seconds), style="bold")
    return table


def summed_up(plan: Plan) -> str:
    gpu = f" and {plan.memory.device_bytes / 1e9:.1f} GB of the GPU's" if plan.memory.device_bytes else ""
    return (
        f"about {duration(plan.seconds)} on this machine ({plan.device}, frozen weights in "
        f"{'bfloat16' if plan.bf16 else 'float32'}), as busy as it is now; {plan.memory.host_bytes / 1e9:.1f} GB of "
        f"memory{gpu}; at most {plan.disk_bytes / 1e9:.2f} GB of disk"
    )


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 99.5:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 120 * 60 else f"{seconds / 3600:.1f} hours"
