"""Publish a run as the starter model that comes with the package.

    python scripts/publish_starter.py RUN --data iu-xray:PATH --scores test=test-scores.json --strangers strangers.json

writes src/mrg_llm/starter: trained weights in bfloat16, config, decoding, what a chest film looks like (fitted now on
1,000 training films where the run has not got it), calibration where the run has one, model card, licence, and a
manifest of SHA-256. --scores NAME=FILE: files that `mrg score --out` wrote, as many as there are; they fill the card.
--set chooses how the starter decodes, for example guidance=1. With --data it writes the reports of --studies validation
studies twice and says how many the rounding changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from mrg_llm.boxed import FOLDER
from mrg_llm.errors import InputError, MRGError
from mrg_llm.progress import counting_bar
from mrg_llm.runs import reading, saved_settings
from mrg_llm.settings import DataSettings, changed_decoding
from mrg_llm.starter_card import read_evidence, rounding_words
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import StudySet

if TYPE_CHECKING:
    from mrg_llm.model.familiarity import Familiarity


def main() -> None:
    parser = argparse.ArgumentParser(description="Publish a run as the starter model that comes with the package.")
    parser.add_argument("run", type=Path, help="a finished run folder, trained on IU X-ray with the default models")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write; what was there is replaced")
    parser.add_argument("--data", help="iu-xray:PATH that it was trained on, to compare the rounded weights")
    parser.add_argument("--studies", type=int, default=48, help="validation studies to compare; 0: none")
    parser.add_argument("--scores", nargs="*", default=[], metavar="NAME=FILE", help="for the card")
    parser.add_argument("--strangers", type=Path, help="JSON of scripts/measure_strangers.py, for the card")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes", help="decoding")
    asked = parser.parse_args()
    try:
        publish(asked)
    except MRGError as error:
        print(f"publish_starter: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def publish(asked: argparse.Namespace) -> None:
    from mrg_llm.publishing import knows_films, publish_starter

    evidence = read_evidence(dict(named(text) for text in asked.scores), asked.strangers)
    console = Console(stderr=True)
    studies = open_studies(asked.data, **reading(asked.run, asked.data)) if asked.data else None
    validation = tuple(s for s in studies.split("val") if s.report)[: asked.studies] if studies else ()

    familiarity = fitted(asked.run, studies, console) if studies and not knows_films(asked.run) else None
    with counting_bar("reports, twice", 2 * len(validation), console) as advance:
        done = publish_starter(
            asked.run, asked.out, evidence, validation=validation, familiarity=familiarity,
            decode=changed_decoding(saved_settings(asked.run).decode, asked.changes), progress=advance,
        )  # fmt: skip
    print(rounding_words(done.rounding))
    print(f"{done.folder}: {done.size / 1e6:.1f} MB. Next: mrg check starter; read {done.folder / 'README.md'}")


def fitted(run: Path, studies: StudySet, console: Console) -> Familiarity | None:
    """What the training films look like, as training finds it."""
    from mrg_llm.model.familiarity import familiar_films

    settings = saved_settings(run)
    most = settings.data.familiar_films or DataSettings().familiar_films
    with counting_bar("what a chest film looks like", most, console) as advance:
        return familiar_films(studies.split("train"), most, settings.train.seed, advance)


def named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals or not name:
        raise InputError(f"--scores {text} was given, but it must read NAME=FILE, for example test=test-scores.json")
    return name, Path(path)


if __name__ == "__main__":
    main()
