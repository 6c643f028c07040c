"""What the page does where the server refuses, or the reader does: a key, waiting, a strange picture, a stop."""

from tests.e2e.page.conftest import drafted


def test_changes_are_not_lost_without_a_word(page, films):
    drafted(page, films)
    page.find("#text").send_keys(" Mine.")
    page.choose(films)
    page.wait("the question", lambda: page.visible("#discard-dialog"))
    page.click("#discard-dialog [value=stay]")
    assert page.find("#text").get_attribute("value").endswith(" Mine.")
    page.click("#restore")
    assert page.text("#text-state") == "As drafted"


def test_a_key_is_asked_for_and_kept_in_the_tab(page, served):
    key = served.ask_for_a_key()
    page.driver.refresh()
    page.wait("the question", lambda: page.visible("#key-dialog"))
    page.find("#key").send_keys("wrong\n")
    page.wait_text("#key-text", "did not take that key")
    page.find("#key").send_keys(key + "\n")
    page.wait_text("#model", "fake")
    page.driver.refresh()
    page.wait_text("#model", "fake")
    assert not page.visible("#key-dialog") and page.js("return Object.keys(localStorage).length") == 0


def test_a_busy_server_is_asked_again(page, served, films):
    served.be_busy()
    page.choose(films)
    page.wait_text("#message", "Trying again in")
    assert page.find("#message-text").get_attribute("role") == "alert" and page.text("#message-text")
    served.be_free()
    page.wait_text("#draft-state", "Preliminary")
    assert not page.visible("#message")


def test_waiting_for_a_busy_server_can_be_cancelled(page, served, films):
    served.be_busy()
    page.choose(films)
    page.wait_text("#message", "Trying again in")
    page.click("#message-actions button:last-child")
    assert not page.visible("#message") and page.text("#draft-state") == "No draft"


def test_a_strange_picture_is_refused_and_written_anyway(page, served, films):
    served.find_films_strange()
    page.choose(films)
    page.wait_text("#message-actions", "Write anyway")
    assert "unlike" in page.text("#message-text") and not page.visible("#report")
    page.click("#message-actions button:first-child")
    page.wait_text("#draft-state", "Preliminary")


def test_what_is_no_film_is_told_in_the_servers_words(page, tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("no film")
    page.choose([path])
    page.wait("a message", lambda: page.text("#message-text").endswith("."))
    assert page.text("#draft-state") == "No draft" and not page.visible("#report")


def test_writing_can_be_stopped(page, served, films):
    served.hold()
    page.choose(films)
    page.wait("the button", lambda: page.visible("#cancel"))
    page.click("#cancel")
    served.let_go()
    assert page.text("#draft-state") == "Stopped" and not page.visible("#report")
