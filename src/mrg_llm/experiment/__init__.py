"""`mrg experiment`: the same budget, data and seeds for several arms, and whether what they write differs.

    a TOML file (arms, seeds, protocols) + a data set -> every (arm, seed) trained, written, scored -> NAME.json

plan.py reads the file and says what each arm is; asked.py refuses what would fail after hours; cells.py trains and
writes one (arm, seed); figures.py measures and tests; story.py walks through all of it, and takes it up where it was
stopped.
"""

from mrg_llm.experiment.asked import Asked
from mrg_llm.experiment.compare import differing, read_results, refuse_other_experiment
from mrg_llm.experiment.plan import load_experiment
from mrg_llm.experiment.results import identity
from mrg_llm.experiment.story import run_experiment

__all__ = [
    "Asked",
    "differing",
    "identity",
    "load_experiment",
    "read_results",
    "refuse_other_experiment",
    "run_experiment",
]
