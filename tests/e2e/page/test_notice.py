"""The notice is in view at every size and place, and on paper."""

from tests.e2e.page.conftest import NOTICE, PICTURE, drafted

SIZES = [(1600, 1000), (900, 1200), (400, 800)]


def test_the_notice_is_always_in_view(page, films):
    at_every_size(page)
    drafted(page, films)
    at_every_size(page)
    page.click("#help-open")
    at_every_size(page)


def test_paper_shows_films_text_and_notice(page, films):
    drafted(page, films)
    page.cdp("Emulation.setEmulatedMedia", media="print")
    shown = [page.visible(part) for part in ("#notice", PICTURE, "#text", "header nav", "#accept", "#tools")]
    page.cdp("Emulation.setEmulatedMedia", media="")
    assert shown == [True, True, True, False, False, False]


def at_every_size(page):
    for width, height in SIZES:
        page.resize(width, height)
        for place in (0, 99_999):
            page.js("for (const e of document.querySelectorAll('*')) e.scrollTop = arguments[0]", place)
            assert_noticed(page)
        assert page.js("return document.documentElement.scrollWidth <= innerWidth")  # nothing sticks out to the side


def assert_noticed(page):
    """In the window, whole, and nothing on it; an open dialog is below it, and its veil lets it be read."""
    found = page.js(
        """const notice = document.querySelector("#notice"), box = notice.getBoundingClientRect();
        const middle = box.y + box.height / 2;
        const seen = [0.05, 0.5, 0.95].map((share) => document.elementFromPoint(box.x + box.width * share, middle));
        const dialog = document.querySelector("dialog[open]")?.getBoundingClientRect();
        const free = dialog ? dialog.top >= box.bottom : seen.every((element) => element === notice);
        const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
        return [notice.innerText, free, inside];"""
    )
    assert found == [NOTICE, True, True], found
