"""The user's door: films shown, drafts written, and told of while they grow."""

from mrg_llm.model.processing import Reporter
from mrg_llm.settings import DecodeSettings


def test_growing_texts_are_told_and_end_as_the_drafts(tiny_model, tiny_studies):
    reporter = Reporter(tiny_model, DecodeSettings(max_new_tokens=9), "tiny")
    shown = [reporter.shown([view.path for view in study.views]) for study in tiny_studies.studies[:3]]
    told: dict[int, list[str]] = {}
    drafts = reporter.drafts([reporter.asked()] * 3, shown, lambda row, text: told.setdefault(row, []).append(text))
    assert [told[row][-1] for row in range(3)] == [draft.text for draft in drafts]
    assert all(len(told[row]) == draft.tokens + draft.ended for row, draft in enumerate(drafts))
    assert drafts[1].text == reporter.report([view.path for view in tiny_studies.studies[1].views])


def test_beams_are_told_of_at_their_end_only(tiny_model, tiny_studies):
    reporter = Reporter(tiny_model, DecodeSettings(max_new_tokens=5, beams=2), "tiny")
    told: list[str] = []
    shown = reporter.shown(tiny_studies.studies[0].views[0].path)
    assert reporter.drafts([reporter.asked()], [shown], lambda row, text: told.append(text))
    assert told == []
