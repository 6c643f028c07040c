"""What the radiologist knew before looking: indication and earlier report, as words between the film and the answer.

    ... V  P'  " Indication: cough." " Earlier report: not given." instruction-after | report

Which of them the model is told is `language.context`. What a study lacks is said with a marker, so a model that was
trained with context can also be asked without it.
Legend: B batch, C context tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from mrg_llm.model.configuration import LanguageConfig
from mrg_llm.model.sequence import Words
from mrg_llm.studies.study import Study

NOT_GIVEN = "not given"
PARTS = {  # name in language.context -> its words before, the study's own text
    "indication": ("Indication", lambda study: study.indication),
    "prior": ("Earlier report", lambda study: study.prior_report),
}


def context_ids(tokenizer, study: Study, config: LanguageConfig) -> list[int]:
    """Token ids of what is told of a study, each part cut to `context_tokens`; empty where nothing is to be told."""
    ids: list[int] = []
    for name in config.context:
        head, text_of = PARTS[name]
        text = " ".join((text_of(study) or "").split()) or NOT_GIVEN
        part = tokenizer(f" {head}: {text}", add_special_tokens=False).input_ids[: config.context_tokens]
        ids += [*part, *tokenizer(".", add_special_tokens=False).input_ids]
    return ids


def context_words(tokenizer, studies: Sequence[Study], config: LanguageConfig, device) -> Words:
    """The context of a batch, (B, C), padded to its longest."""
    rows = [context_ids(tokenizer, study, config) for study in studies]
    longest = max(map(len, rows), default=0)
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], dtype=torch.long, device=device)
    mask = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows], device=device)
    return Words(ids.view(len(rows), longest), mask.view(len(rows), longest).bool())


def untold(study: Study) -> Study:
    """The study as if nothing had been known before its films."""
    return replace(study, indication=None, prior_report=None)
