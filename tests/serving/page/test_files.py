"""The page's files as they lie: nothing inline, nothing from outside, elements in order, colours one can read."""

import re
from html.parser import HTMLParser

import pytest

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "src" / "mrg_llm" / "serving" / "page"
HTML = (PAGE / "index.html").read_text()
CSS = (PAGE / "base.css").read_text()
SCRIPTS = {path.name: path.read_text() for path in PAGE.glob("*.js")}
VOID = {"meta", "link", "input", "br", "hr", "img", "circle", "path", "rect"}
INKS_AND_GROUNDS = [
    *((ink, ground) for ink in ("ink", "soft", "accent", "warn", "bad", "good") for ground in ("panel", "page")),
    *((ink, ground) for ink in ("ink", "soft", "accent", "warn") for ground in ("chosen", "raised")),
    ("ink", "field"), ("on-accent", "accent"), ("warn", "warn-ground"), ("bad", "bad-ground"),
]  # fmt: skip


class Page(HTMLParser):
    """Elements as (tag, attributes, line), and whether every one that opens is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.elements, self.open, self.inline = [], [], []
        self.feed(HTML)

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice, line {self.getpos()[0]}"
        self.elements.append((tag, dict(attrs), self.getpos()[0]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), self.getpos()[0]))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another element, line {self.getpos()[0]}"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.inline.append(data.strip())


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def test_elements_are_closed_and_names_lead_somewhere(page):
    assert page.open == []
    ids = [attrs["id"] for _, attrs, _ in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs, line in page.elements:
        for name in ("for", "aria-controls", "aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids), (tag, line)
        if (attrs.get("href") or "").startswith("#"):
            assert attrs["href"][1:] in ids
    for name, script in SCRIPTS.items():
        assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(ids), name


def test_nothing_is_inline(page):
    for tag, attrs, line in page.elements:
        assert "style" not in attrs and not any(name.startswith("on") for name in attrs), (tag, line)
    assert not any(page.inline)
    markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
    assert [name for name, script in SCRIPTS.items() if markup.search(script)] == []


def test_nothing_comes_from_outside(page):
    for path in PAGE.iterdir():
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", path.read_text())
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name  # the name of SVG's vocabulary
    for _, attrs, _ in page.elements:
        target = attrs.get("src") or attrs.get("href") or ""
        assert target.startswith("#") or not target or (PAGE.parent / target).is_file(), target
    for name, script in SCRIPTS.items():
        assert all((PAGE / file).is_file() for file in re.findall(r'from "\./(.+?)"', script)), name


def test_controls_have_names_and_kinds(page):
    labelled = {attrs["for"] for tag, attrs, _ in page.elements if tag == "label" and "for" in attrs}
    for tag, attrs, line in page.elements:
        if tag in ("textarea", "input"):
            inside = re.search(rf'<label[^>]*><input id="{attrs["id"]}"', HTML)
            assert attrs["id"] in labelled or "aria-label" in attrs or inside, line
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true", line
    assert re.search(r'<html lang="en"', HTML) and "<main>" in HTML and "<header>" in HTML


def test_the_notice_is_the_one_of_every_export(page):
    source = (REPOSITORY / "src" / "mrg_llm" / "model" / "processing.py").read_text()  # to import it loads torch
    notice = re.search(r'^NOT_A_DEVICE = "(.+)"$', source, re.MULTILINE)
    assert notice and f'role="note">{notice[1]}</p>' in HTML


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_read(theme):
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)
    colours = {name: values[theme] for name, *values in pairs}
    for ink, ground in INKS_AND_GROUNDS:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)  # WCAG 2.2, 1.4.3 (AA)
    assert contrast("#b6c2cd", "#000000") >= 4.5 and "--film-ink: #b6c2cd" in CSS


def contrast(first: str, second: str) -> float:
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2.2 defines it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
