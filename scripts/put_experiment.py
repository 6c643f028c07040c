"""Put an experiment into the documentation: its tables on a page of its own, the one that counts on that of results.

    python scripts/put_experiment.py runs/claim/claim.json docs

writes docs/experiments/NAME.md, NAME.json (for `mrg experiment --compare`) and NAME-validation.svg, and replaces what
stands in docs/results.md between `<!-- experiment:NAME -->` and `<!-- end -->`. Everything is made from the JSON file,
so that a stored one is enough.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mrg_llm.errors import InputError, MRGError
from mrg_llm.experiment import read_results
from mrg_llm.experiment.plots import write_plots
from mrg_llm.experiment.results import write_json
from mrg_llm.experiment.tables import command, summary, written
from mrg_llm.training.checkpoint import write_file

END = "<!-- end -->"
CONCLUSIONS = "What follows from it: [results.md](../results.md). How it is made: [experiments.md](../experiments.md)."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="NAME.json of an experiment")
    parser.add_argument("docs", type=Path, help="the folder of results.md")
    arguments = parser.parse_args()
    found = read_results(arguments.results)
    name, own = found["experiment"], arguments.docs / "experiments"
    results = arguments.docs / "results.md"
    if not results.is_file():
        raise InputError(f"{arguments.docs} holds no results.md; give the folder of the documentation")
    text = replaced(results.read_text(encoding="utf-8"), name, f"{summary(found)}\n{pointer(name)}\n")
    write_file(results, text.encode())
    write_file(
        own / f"{name}.md",
        f"# The experiment {name}\n\n    {command(found)}\n\n{CONCLUSIONS}\n\n{written(found)}".encode(),
    )
    write_json(own / f"{name}.json", found)
    print(f"{results}, {own / name}.md, {own / name}.json, {write_plots(found, own)}")


def pointer(name: str) -> str:
    """Where the rest is."""
    return f"All tables, tests between the arms, cost and curves: [experiments/{name}.md](experiments/{name}.md)."


def replaced(text: str, name: str, tables: str) -> str:
    """The page with these tables between the marks of the experiment. Raises InputError without them."""
    start = f"<!-- experiment:{name} -->"
    inside, end, _ = text.partition(start)[2].partition(END)
    if text.count(start) != 1 or not end or "<!-- experiment:" in inside:
        raise InputError(f"the page needs {start} once and {END} after it; write them where the table goes")
    before, after = text.split(start)
    return f"{before}{start}\n\n{tables}\n{END}{after.split(END, 1)[1]}"


if __name__ == "__main__":
    try:
        main()
    except MRGError as error:
        print(f"put_experiment: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
