"""What a reader does on the page, from films to a report: headless Chromium, the service, a fake engine."""

import re

from tests.e2e.page.conftest import NOTICE, OVERLAY, PICTURE, drafted


def test_dropped_films_are_seen_while_sentences_arrive(page, served, films):
    served.hold()
    served.engine.projections = ("LL", "PA")
    page.drop(films[::-1])
    page.wait("a film from its file", lambda: page.visible(PICTURE) and page.pixels(PICTURE)[0] > 5)
    assert page.texts(".pane figcaption") == ["Film 1", "Film 2"]
    served.let_go(2)  # a sentence is known to end when the next begins
    page.wait("the first sentence", lambda: len(page.texts("#sentences li")) == 1)
    assert page.text("#draft-state") == "Writing" and page.text("#sentences .number") == ""
    served.let_go()
    page.wait_text("#draft-state", "Preliminary")
    page.wait("films by projection", lambda: page.texts(".pane figcaption") == ["Frontal (PA)", "Lateral (LL)"])
    assert page.texts("#sentences .said")[0].startswith(served.sentences[0])
    assert all(re.fullmatch(r"\d+ %", number) for number in page.texts("#sentences .number"))
    marked = page.js("return [...document.querySelectorAll('#sentences li')].map((e) => [e.className, e.ariaLabel])")
    assert [("marked" in name, "Uncertain." in label) for name, label in marked] == [(m, m) for m in served.marked]
    assert page.texts("#sentences .mark") == ["uncertain"] * sum(served.marked)


def test_pointing_at_a_sentence_shows_its_map(page, films):
    drafted(page, films)
    assert page.pixels(OVERLAY)[1] == 0
    page.hover("#sentences li:nth-child(1)")
    page.wait("a heat map", lambda: page.pixels(OVERLAY)[1] > 0)
    first = page.pixels(OVERLAY)
    page.hover("#sentences li:nth-child(2)")
    page.wait("another map", lambda: page.pixels(OVERLAY)[2] != first[2])
    page.js("const o = document.querySelector('#opacity'); o.value = 10; o.dispatchEvent(new Event('input'))")
    assert page.pixels(OVERLAY)[1] < first[1] / 2
    page.click("#map-toggle")
    assert page.pixels(OVERLAY)[1] == 0


def test_colours_of_the_map_grow_lighter_evenly(page):
    script = "import('/page/colours.js').then((m) => Array.from({ length: 33 }, (_, i) => m.colour(i / 32)))"
    light = [0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2 for r, g, b in page.later(script)]
    assert light == sorted(light) and light[-1] > 0.9 * 255**2.2


def test_window_zoom_pan_invert_and_reset(page, films):
    drafted(page, films)
    seen = [page.pixels(PICTURE)]

    def changes(act, *arguments):
        act(*arguments)
        seen.append(page.pixels(PICTURE))
        assert seen[-1][2] not in [hash_ for *_, hash_ in seen[:-1]]

    changes(page.drag, ".pane:first-child", -60, 40)
    assert "W 100 %" not in page.text(".pane .reading")
    changes(page.click, "#invert")
    assert page.find("#invert").get_attribute("aria-pressed") == "true"
    page.click("[data-tool=pan]")
    changes(page.drag, ".pane:first-child", 50, 30)
    page.click("[data-tool=zoom]")
    changes(page.drag, ".pane:first-child", 0, -80)
    wheel = "document.querySelector('.pane').dispatchEvent(new WheelEvent('wheel', {deltaY: -300, bubbles: true}))"
    changes(page.js, wheel)
    page.click("#reset")
    assert page.pixels(PICTURE) == seen[0]
    page.click("#layout button:nth-child(2)")
    assert not page.visible(".pane:nth-child(1)") and page.visible(".pane:nth-child(2)")
    page.actions().double_click(page.find(".pane:nth-child(2)")).perform()
    assert page.visible(".pane:nth-child(1)")


def test_the_text_is_edited_accepted_and_downloaded_in_each_format(page, served, dicom_films):
    drafted(page, dicom_films)
    assert page.pixels(PICTURE)[0] > 5
    page.find("#text").send_keys(" Seen and changed.")
    assert page.text("#text-state") == "Changed, not accepted"
    page.click("[data-format=text]")
    page.wait_text("#message", "Accept your changes first")
    page.click("#accept")
    page.wait_text("#text-state", "Accepted with changes")
    assert "kept for later training" in page.text("#kept")
    (kept,) = served.edits()
    assert kept["draft"] == " ".join(served.sentences) and kept["model"] == "fake"
    assert kept["final"] == kept["draft"] + " Seen and changed."
    formats = page.js("return [...document.querySelectorAll('[data-format]')].map((b) => b.dataset.format)")
    assert {"text", "json", "markdown"} <= set(formats)
    for format in formats:
        data = page.download(page.click, f"[data-format={format}]").read_bytes()
        if format in ("text", "markdown", "json"):
            assert b"Seen and changed" in data and b"Research use only" in data


def test_copied_text_carries_the_notice(page, films):
    drafted(page, films)
    page.click("#copy")
    copied = page.wait("the clipboard", lambda: page.later("navigator.clipboard.readText()"))
    assert copied.strip().endswith(NOTICE) and copied.startswith(page.find("#text").get_attribute("value"))


def test_everything_can_be_done_by_keys(page, served, films):
    from selenium.webdriver import Keys

    page.keys(Keys.TAB)
    assert page.js("return document.activeElement.className") == "skip"
    drafted(page, films)
    page.keys("j")
    page.keys(Keys.ARROW_DOWN)
    assert page.js("return [...document.querySelectorAll('#sentences li')].indexOf(document.activeElement)") == 1
    assert page.js("return document.querySelectorAll('#sentences li[tabindex=\"0\"]').length") == 1
    assert page.pixels(OVERLAY)[1] > 0
    page.keys("m")
    assert page.pixels(OVERLAY)[1] == 0
    before = page.pixels(PICTURE)
    page.keys("i")
    assert page.pixels(PICTURE) != before
    page.js("document.querySelector('.pane').focus()")
    before = page.pixels(PICTURE)
    page.keys(Keys.ARROW_LEFT)
    assert page.pixels(PICTURE) != before
    page.keys("k")
    page.keys("e")
    selected = page.js("const t = document.activeElement; return t.value.slice(t.selectionStart, t.selectionEnd)")
    assert selected == served.sentences[0]
    page.keys("i am typed, no shortcut.")
    page.chord(Keys.CONTROL, Keys.ENTER)
    page.wait_text("#text-state", "Accepted with changes")
    assert served.edits()[-1]["final"].startswith("i am typed, no shortcut.")
    page.keys(Keys.ESCAPE)
    page.keys("d")
    assert b"no shortcut" in page.download(page.keys, Keys.ENTER).read_bytes()
    page.keys("?")
    assert page.visible("#help-dialog") and "Next sentence" in page.text("#help-keys")
    page.keys(Keys.ESCAPE)
    assert not page.visible("#help-dialog")
    page.keys("t")
    assert page.js("return document.documentElement.dataset.theme") == "light"


def test_a_study_of_the_worklist_opens(page, served):
    page.wait("the worklist", lambda: page.visible("#worklist-items li button"))
    page.click("#worklist-items button:enabled")
    page.wait_text("#draft-state", "Preliminary")
    page.wait("its films", lambda: page.visible(PICTURE) and page.pixels(PICTURE)[0] > 5)
    assert page.js("return document.querySelector('#worklist-items [aria-current]') !== null")
