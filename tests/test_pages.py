"""What the pages point to is there: links, and the files that CONTRIBUTING.md sends people to."""

import re

import pytest

from tests.conftest import REPOSITORY

PAGES = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "src/mrg_llm/starter/README.md"]


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    targets = re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]*))?\)", text)
    for file, heading in targets:
        target = page.parent / file if file else page
        assert target.exists(), file
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {anchor(one) for one in headings}, f"{file}#{heading}"


def test_contributors_are_sent_to_files_that_exist():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    roots = [REPOSITORY, REPOSITORY / "src/mrg_llm", *(REPOSITORY / "src/mrg_llm").iterdir()]
    named = re.findall(r"`([\w/.-]+(?:/|\.(?:py|toml|md|json)))`", text)
    assert len(named) > 20
    for name in named:
        assert any((root / name).exists() for root in roots), name


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
