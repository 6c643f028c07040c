"""The page holds what was found, needs nothing but itself, and never shows more than it says."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mrg_llm.datacheck.page import render_page, write_page
from mrg_llm.datacheck.sheet import MOST_A_REASON, SAMPLE, sample
from mrg_llm.errors import ResourceError
from mrg_llm.scoring.page import NOTICE
from mrg_llm.studies.study import Study, View
from tests.datacheck.test_datacheck import checked, many, read, study

VOID = {"meta", "img", "line", "rect", "path", "use", "br", "link"}


class Tags(HTMLParser):
    """Checks that elements are closed in order, and collects attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.pictures = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    return tags


@pytest.fixture(scope="module")
def page():
    found = checked(
        *many("plain"), study("odd", "val", views=("noise-1", "bad-1"), report="There is a pleural effusion.")
    )
    return render_page(found, read=read)


def test_the_page_is_well_formed_and_asks_for_nothing(page):
    tags = parsed(page)
    assert "default-src 'none'" in page and "<script" not in page
    for tag, name, value in tags.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/jpeg;base64,", "#")), (tag, name)


def test_the_page_says_what_it_is_and_what_was_found(page):
    assert page.count(NOTICE) == 2 and page.count("treat it like the data") == 2
    assert "should not be trained on" in page  # the unreadable film is over 5 % of val
    for name in ("odd[0]", "odd[1]", "cannot be read", "films unlike an ordinary chest film"):
        assert name in page
    assert page.count('<svg class="plot"') == 2 and "words a report" in page and "Pleural Effusion" in page


def test_films_are_small_pictures_named_by_study_and_view(page):
    pictures = parsed(page).pictures
    assert len(pictures) == 1 + SAMPLE  # one flagged film that can be read, and those drawn
    assert pictures[0]["alt"] == "film odd[0]"


def test_the_same_seed_draws_the_same_films():
    films = checked(*many("plain", count=60)).films
    assert sample(films, 1) == sample(films, 1) != sample(films, 2)
    assert len(sample(films, 1)) == SAMPLE


def test_of_many_flagged_films_some_are_shown_and_their_number_is_said():
    page = render_page(checked(*many("noise", count=MOST_A_REASON + 5)), read=read)
    assert f"{MOST_A_REASON + 5}, the first {MOST_A_REASON}" in page
    assert len(parsed(page).pictures) == MOST_A_REASON + SAMPLE


def test_names_from_the_data_are_text_not_markup():
    odd = Study("<b>&'\"", "train", (View(Path("noise-9")),), "Report.")
    page = render_page(checked(odd), read=read)
    parsed(page)
    assert "<b>&'" not in page and "&lt;b&gt;&amp;" in page


def test_report_text_is_not_on_the_page(page):
    assert "There is a pleural effusion" not in page


def test_colours_are_the_pages_own(page):
    drawn = "".join(re.findall(r"<svg class=\"plot\".*?</svg>", page, re.S))
    assert "var(--ours)" in drawn and "#0101" not in drawn


def test_a_set_without_films_or_reports_is_no_error():
    parsed(render_page(checked(Study("a", None, (View(Path("bad-1")),))), read=read))


def test_a_page_that_cannot_be_written_is_said_in_a_sentence(tmp_path):
    with pytest.raises(ResourceError, match="cannot be written"):
        write_page(checked(study("a")), tmp_path / "absent" / "page.html", read=read)
