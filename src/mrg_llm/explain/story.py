"""Everything that speaks for one draft, on one page: maps, confidence, prompts, training studies that look alike."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from mrg_llm.explain.alike import likest_studies
from mrg_llm.explain.maps import explain
from mrg_llm.explain.moved import moved_prompts
from mrg_llm.explain.page import Said, Shelf, page
from mrg_llm.model.processing import Reporter, Shown
from mrg_llm.progress import counting_bar
from mrg_llm.scored import thumbnails
from mrg_llm.studies.study import Study


def explained(
    reporter: Reporter, asked: Study, shown: Shown, scored: Sequence[Said], training: Sequence[Study] = ()
) -> bytes:
    """The page of a draft, UTF-8 HTML. training: studies among which the likest are named; none: nothing is said."""
    explanation = explain(reporter, shown, " ".join(s.text for s in scored), asked)
    alike = []
    if training:
        with counting_bar("looking for films alike", len(training), Console(stderr=True)) as advance:
            alike = likest_studies(shown, training, progress=advance)
    moved = moved_prompts(reporter, shown, training)
    shelf = Shelf(reporter.name, reporter.vision, shown, explanation, scored, moved, alike)
    return page(shelf, thumbnails)
