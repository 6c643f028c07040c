"""Ten studies chosen by a rule, not by taste: film, reference and what was written, on one page that stays at home.

    python scripts/ten_studies.py run/seed-0/prompt-wise/test.jsonl --data iu-xray:PATH --out ten-studies.html
        [--against run/seed-0/none/test.jsonl]

The rule: the studies are ordered by the clinical F1 of their report (all 14 observations, uncertain as absent; ties by
id) and cut into ten parts of equal size; of each part the study whose id comes first is shown. So the page has the
worst as well as the best. It holds films and report text: treat it like the data, and do not commit it.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from mrg_llm.errors import InputError, MRGError
from mrg_llm.exports import save
from mrg_llm.scored import known_references, known_studies, thumbnails
from mrg_llm.scoring import Outputs, read_outputs
from mrg_llm.scoring.agreement import agreement
from mrg_llm.scoring.measures import Labels
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study
from mrg_llm.studies.texts import reading_in

PARTS, FILM_PX = 10, 320
F1 = "absent/14/example/f1"
STYLE = """:root { color-scheme: light dark; --line: #8884; --bad: #d1493f; --ink2: #667; }
@media (prefers-color-scheme: dark) { :root { --ink2: #9aa; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } .notice { color: var(--bad); font-weight: 600; }
.study { display: grid; grid-template-columns: auto 1fr; gap: 1rem; padding: 1rem 0;
  border-top: 1px solid var(--line); }
.films { display: flex; gap: .4rem; flex-wrap: wrap; }
.films img { width: 13rem; border-radius: 4px; background: #000; }
.study p { margin: .15rem 0 .6rem; } h2 { font-size: 1rem; margin: 0 0 .4rem; }
h3 { font-size: .8rem; margin: 0; color: var(--ink2); font-weight: 600; }
@media (max-width: 46rem) { .study { grid-template-columns: 1fr; } }
@media print { .study { break-inside: avoid; } }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--data", required=True, help="KIND:ROOT")
    parser.add_argument("--out", type=Path, default=Path("ten-studies.html"))
    parser.add_argument("--against", type=Path, action="append", default=[], help="another system's reports beside it")
    arguments = parser.parse_args()
    studies = open_studies(arguments.data, **reading_in(arguments.predictions))
    references = known_references(studies)
    ours = read_outputs(arguments.predictions, references)
    systems = {arguments.predictions.parent.name or "system": ours}
    for path in arguments.against:
        systems[path.parent.name or path.stem] = read_outputs(path, references).matching(ours.ids)
    scores = clinical_f1(ours)
    rows = chosen(ours.ids, scores)
    save(page(rows, systems, known_studies(ours, studies), scores).encode(), arguments.out)
    print(f"{arguments.out}: {len(rows)} of {len(ours)} studies; it holds films and texts: treat it like the data")


def clinical_f1(outputs: Outputs) -> list[float]:
    """Of each report against its reference; 0 where both name nothing."""
    labels = Labels()
    return agreement(labels(outputs.predictions), labels(outputs.references)).per_study()[F1].tolist()


def chosen(ids: Sequence[str], scores: Sequence[float]) -> list[int]:
    """Rows of the study with the first id in each tenth of the studies by score, the lowest tenth first."""
    if len(ids) < PARTS:
        raise InputError(f"{len(ids)} studies cannot be cut into {PARTS} parts; give predictions of more of them")
    order = sorted(range(len(ids)), key=lambda i: (scores[i], ids[i]))
    edges = [round(part * len(order) / PARTS) for part in range(PARTS + 1)]
    return [min(order[a:b], key=lambda i: ids[i]) for a, b in pairwise(edges)]


def page(rows: Sequence[int], systems: dict[str, Outputs], studies: Sequence[Study], scores: Sequence[float]) -> str:
    blocks = "\n".join(block(part, studies[i], scores[i], i, systems) for part, i in enumerate(rows, 1))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Ten studies</title><style>{STYLE}</style></head><body>
<p class="notice">Drafts by software. Research use only, not a medical device. This page holds films and report text:
treat it like the data.</p>
<h1>{len(rows)} of {len(studies)} studies, chosen by a rule</h1>
<p>The studies by clinical F1 of their report, in ten parts of equal size: the first id of each part.</p>
{blocks}</body></html>
"""


def block(part: int, study: Study, score: float, row: int, systems: dict[str, Outputs]) -> str:
    films = "".join(
        f'<img alt="film {number}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for number, data in enumerate(thumbnails(study, FILM_PX), 1)
    )
    texts = {"reference": study.report or "", **{name: outputs.predictions[row] for name, outputs in systems.items()}}
    words = "".join(f"<h3>{escape(name)}</h3><p>{escape(text)}</p>" for name, text in texts.items())
    heading = f"Part {part}: {escape(study.id)}, clinical F1 {score:.2f}"
    return f'<div class="study"><div class="films">{films}</div><div><h2>{heading}</h2>{words}</div></div>'


if __name__ == "__main__":
    try:
        main()
    except MRGError as error:
        sys.exit(f"ten_studies: {error}")
