"""The page of explanations: it stands alone, holds every sentence, and lets nothing of a text become markup."""

import re
from html.parser import HTMLParser

import numpy as np

from mrg_llm.explain import Alike, Explanation, Moved, Shelf, page
from mrg_llm.images import Film
from mrg_llm.model.confidence import ScoredSentence
from mrg_llm.model.configuration import VisionConfig
from mrg_llm.model.processing import NOT_A_DEVICE, Shown
from mrg_llm.studies.study import Study


def shelf(**changes):
    films = tuple(Film(np.linspace(0, 1, h * 50, dtype=np.float32).reshape(h, 50), "png", 8) for h in (60, 40))
    maps = np.random.default_rng(0).random((2, 2, 4, 4), dtype=np.float32)
    sentences = (ScoredSentence("Heart <b>large</b>.", 0.91), ScoredSentence("No effusion.", 0.2, marked=True))
    values = {
        "model": "a-run", "vision": VisionConfig(), "shown": Shown(("a", "b"), films, np.zeros((2, 9, 9), np.uint8)),
        "explanation": Explanation(tuple(s.text for s in sentences), maps), "sentences": sentences,
        "moved": Moved(np.array([1.0, 3.0]), np.array([0.2, 0.1])),
        "alike": [Alike(Study("s<1>", "train", (), "A & b."), 0.5)],
    }  # fmt: skip
    return Shelf(**(values | changes))


def test_it_stands_alone_and_holds_everything():
    text = page(shelf(), lambda study: [b"jpeg"]).decode()
    HTMLParser().feed(text)
    assert text.count(NOT_A_DEVICE) == 1 and "does not show that a finding is there" in text
    outside = re.findall(r"""(?:src|href)="(?!data:)|url\((?!data:)|<script|https?:""", text)
    assert outside == [] and "default-src 'none'" in text
    assert "Heart &lt;b&gt;large&lt;/b&gt;." in text and "<b>large" not in text and "s&lt;1&gt;" in text
    assert "91 %" in text and "uncertain, 20 %" in text and text.count('class="said marked"') == 1
    assert len(re.findall(r"--m\d-\d: url\(data:image/png", text)) == 4
    assert text.count('type="radio"') == 3 and "aspect-ratio: 50 / 60" in text
    assert re.search(r"prompt 1<.*prompt 2<", text, re.S)  # by what is unusual about this film


def test_what_a_study_or_a_model_lacks():
    empty = Explanation((), np.zeros((0, 2, 4, 4), np.float32))
    text = page(shelf(explanation=empty, sentences=(), moved=None, alike=())).decode()
    assert "The draft is empty" in text and "No film moves" in text and "look most alike" not in text
    unsure = page(shelf(sentences=(ScoredSentence("Heart."), ScoredSentence("No effusion.")))).decode()
    assert " %</b>" not in unsure
