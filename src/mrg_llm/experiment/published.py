"""Figures that others published for IU X-ray's test split, to stand beside ours: presets/experiments/published.tsv, a
source a row. Their protocols differ in cleaning, cutting and tokenizing: they say where one stands, not who is better.
"""

from __future__ import annotations

import csv
import io

from mrg_llm.experiment.plan import folder


def published() -> list[dict[str, str]]:
    """A row a system; an empty text where a figure was not published."""
    text = (folder() / "published.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
