"""Put an experiment into the documentation: all its tables on a page of its own, the one that counts on the page of results.

    python scripts/put_experiment.py runs/claim/experiment.json docs

writes docs/experiments/NAME.md, NAME.json (for `mrg experiment --compare`) and NAME-validation.svg, and replaces what stands in
docs/results.md between `<!-- experiment:NAME -->` and `<!-- end -->`. Everything is made from the JSON file, so that a
stored one is enough.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mrg_llm.errors import InputError, MRGError
from mrg_llm.experiment import read_results
from mrg_llm.experiment.plots import write_plots
from mrg_llm.experiment.results import write_json
from mrg_llm.experiment.tables import summary, written
from mrg_llm.training.checkpoint import write_file

END = "<!-- end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="experiment.json")
    parser.add_argument("docs", type=Path, help="the folder of results.md")
    arguments = parser.parse_args()
    found = read_results(arguments.results)
    name, own = found["experiment"], arguments.docs / "experiments"
    results = arguments.docs / "results.md"
    text = replaced(results.read_text(encoding="utf-8"), name, f"{summary(found)}\n{pointer(name)}\n")
    write_file(results, text.encode())
    write_file(own / f"{name}.md", f"# The experiment {name}\n\n{written(found)}".encode())
    write_json(own / f"{name}.json", found)
    print(f"{results}, {own / name}.md, {own / name}.json, {write_plots(found, own)}")


def pointer(name: str) -> str:
    """Where the rest is."""
    return f"All tables, tests between the arms, cost and curves: [experiments/{name}.md](experiments/{name}.md)."


def replaced(text: str, name: str, tables: str) -> str:
    """The page with these tables between the marks of the experiment. Raises InputError without them."""
    start = f"<!-- experiment:{name} -->"
    if text.count(start) != 1 or END not in text.split(start)[1]:
        raise InputError(f"the page needs {start} once and {END} after it; write them where the table goes")
    before, after = text.split(start)
    return f"{before}{start}\n\n{tables}\n{END}{after.split(END, 1)[1]}"


if __name__ == "__main__":
    try:
        main()
    except MRGError as error:
        sys.exit(f"put_experiment: {error}")
