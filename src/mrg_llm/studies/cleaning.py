"""Report text -> the text the literature scores: the cleaning rules as tables of (pattern, replacement, why).

Published numbers were made with these rules, faults included, so the faults are kept: nothing is repaired here.
Rules are applied to the report, the report is lower-cased and split into sentences, rules are applied to each
sentence, and the sentences are joined by " . " with a last " .". Where they come from: R2Gen (Chen et al. 2020, also
R2GenCMN, PromptMRG and their descendants) and R2GenGPT (Wang et al. 2023), which changed the rules for MIMIC-CXR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

UNKNOWN = "<unk>"
_KEPT = "\ue000"  # stands for <unk> while the rules, which would eat its brackets, run


@dataclass(frozen=True)
class Rule:
    """Replace every `pattern` by `replacement`, `passes` times over: fixed passes leave the tails of long runs."""

    pattern: str
    replacement: str
    why: str
    passes: int = 1
    is_regex: bool = False

    def __call__(self, text: str) -> str:
        for _ in range(self.passes):
            if self.is_regex:
                text = re.sub(self.pattern, self.replacement, text)
            else:
                text = text.replace(self.pattern, self.replacement)
        return text


@dataclass(frozen=True)
class Cleaner:
    """Rules for the whole report, then rules for each of its sentences (characters left out, then a class)."""

    name: str
    report: tuple[Rule, ...]
    sentence: tuple[Rule, ...]
    last: Rule

    def __call__(self, text: str) -> str:
        """The cleaned report. An empty report becomes " .": empty sentences are never dropped."""
        for rule in self.report:
            text = rule(text)
        return " . ".join(self._sentence(s) for s in text.strip().lower().split(". ")) + " ."

    def keeping_unknown(self, text: str) -> str:
        """The same for text in which `<unk>` is a word: a model of this family may have written it."""
        return self(text.replace(UNKNOWN, _KEPT)).replace(_KEPT, UNKNOWN)

    def _sentence(self, text: str) -> str:
        for rule in self.sentence:
            text = rule(text)
        return self.last(text.strip().lower())  # no strip after the class: it is where double spaces come from


NUMBERING = (
    Rule("1. ", "", "first item of a list; also eats the end of 't11. compression' and 'c1. the'"),
    *(Rule(f". {n}. ", ". ", "list items after a sentence") for n in "2345"),
    *(Rule(f" {n}. ", ". ", "list items without a full stop before them; also 'grade 2. '") for n in "2345"),
)
WHITESPACE_MIMIC = (
    Rule("\n", " ", "MIMIC-CXR reports are wrapped"),
    Rule("__", "_", "de-identification blanks: runs of underscores", passes=7),
    Rule("  ", " ", "wrapped lines are indented", passes=6),
)
QUOTES = tuple(Rule(c, "", "joins the words around it: 'lungs/pleura' becomes 'lungspleura'") for c in "\"/\\'")
RANGE = Rule(
    r"[.,?;*!%^&_+():-\[\]{}]",
    "",
    "meant as a list, but ':-[' is a range: ':' to '[' go (with < = > @) and the hyphen stays; "
    "'3.5 cm' becomes '35 cm'",
    is_regex=True,
)
LIST = Rule(r"[.,?;*!%^&_+()\[\]{}]", "", "R2GenGPT's for MIMIC-CXR: no range, so ':', '<', '=', '>', '@' stay",
            is_regex=True)  # fmt: skip

R2GEN_IU = Cleaner("R2Gen IU X-ray", (Rule("..", ".", "doubled full stops", passes=3), *NUMBERING), QUOTES, RANGE)
R2GEN_MIMIC = Cleaner(
    "R2Gen MIMIC-CXR",
    (*WHITESPACE_MIMIC, Rule("..", ".", "doubled full stops", passes=8), *NUMBERING),
    QUOTES,
    RANGE,
)
R2GENGPT_MIMIC = Cleaner(
    "R2GenGPT MIMIC-CXR",
    (*R2GEN_MIMIC.report, Rule(":", " :", "the colon becomes a word of its own")),
    QUOTES,
    LIST,
)
