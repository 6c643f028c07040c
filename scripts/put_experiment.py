"""Put an experiment's tables and plot into a page, between `<!-- experiment:NAME -->` and `<!-- end -->`.

    python scripts/put_experiment.py experiment/experiment.json docs/results.md

What stood there is replaced, and the plot goes beside the page. The tables are made from the JSON file anew, so that a
stored one is enough. With --store DIR the JSON goes there too, for `mrg experiment --compare`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mrg_llm.errors import InputError, MRGError
from mrg_llm.experiment import read_results
from mrg_llm.experiment.plots import write_plots
from mrg_llm.experiment.tables import written
from mrg_llm.training.checkpoint import write_file

END = "<!-- end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="experiment.json")
    parser.add_argument("page", type=Path, help="a Markdown page with the two marks")
    parser.add_argument("--store", type=Path, help="a folder for a copy of the figures, NAME.json")
    arguments = parser.parse_args()
    found = read_results(arguments.results)
    text = replaced(arguments.page.read_text(encoding="utf-8"), found["experiment"], written(found))
    write_file(arguments.page, text.encode())
    print(f"{arguments.page}, {write_plots(found, arguments.page.parent)}")
    if arguments.store:
        path = arguments.store / f"{found['experiment']}.json"
        write_file(path, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
        print(path)


def replaced(text: str, name: str, tables: str) -> str:
    """The page with these tables between the marks of the experiment. Raises InputError without them."""
    start = f"<!-- experiment:{name} -->"
    if text.count(start) != 1 or END not in text.split(start)[1]:
        raise InputError(f"the page needs {start} once and {END} after it; write them where the tables go")
    before, after = text.split(start)
    return f"{before}{start}\n\n{tables}\n{END}{after.split(END, 1)[1]}"


if __name__ == "__main__":
    try:
        main()
    except MRGError as error:
        sys.exit(f"put_experiment: {error}")
