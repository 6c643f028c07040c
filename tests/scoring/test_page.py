"""The page: whole, self-contained, safe against what a report may hold, and shown by a real browser if there is one."""

import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from mrg_llm.errors import ImageError, ResourceError
from mrg_llm.scoring import Output, Training, outputs, score_run
from mrg_llm.scoring.page import render_page, write_page
from mrg_llm.scoring.page.studies import study_rows, thumbnail, wrong

REFERENCES = ["The heart is enlarged.", "Small left pleural effusion.", "The lungs are clear.", "There is edema."] * 6
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028 & 'quoted' \"text\""


def film(mode: str = "L") -> bytes:
    values = np.arange(600 * 400).reshape(400, 600)
    array = values.astype(np.uint16) if mode == "I;16" else (values % 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def board():
    predictions = [HOSTILE, *REFERENCES[1:12], *["The lungs are clear."] * 12]
    pairs = enumerate(zip(predictions, REFERENCES, strict=True))
    rows = [Output(f"s{i:02d}", p, r) for i, (p, r) in pairs]
    training = Training({"a": "The heart is enlarged.", "b": "The lungs are clear."}, ["Edema."])
    return score_run(outputs("<b>odd</b>.jsonl", rows), training=training, draws=50, with_meteor=False)


def test_it_asks_nobody_for_anything(board) -> None:
    page = render_page(board, lambda i: [film()])
    assert not re.search(r"https?://|@import|url\(|<link|<iframe", page)
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_text_stays_text(board) -> None:
    page = render_page(board)
    assert "<b>odd</b>" not in page
    assert "&lt;b&gt;odd&lt;/b&gt;.jsonl" in page
    assert "<img src=x" not in page
    assert page.count("</script>") == 2
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert "".join(p if isinstance(p, str) else p[0] for p in next(
        row for row in data["studies"] if row["id"] == "s00")["prediction"]) == HOSTILE  # fmt: skip


def test_it_says_what_it_is(board) -> None:
    page = render_page(board)
    for words in ("Research use only, not a medical device", "Protocol full", "constant", "Pleural Effusion",
                  "METEOR was switched off", "prefers-color-scheme: dark", "@media print", "24 studies"):  # fmt: skip
        assert words in page, words


def test_studies_come_worst_first_with_their_differences(board) -> None:
    rows = study_rows(board)
    assert len(rows) == 24
    counts = [len(row["extra"]) + len(row["missed"]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    effusion = next(row for row in rows if row["id"] == "s13")
    assert effusion["missed"] == ["Pleural Effusion"]
    assert effusion["extra"] == ["No Finding"]
    marked = [piece for piece in effusion["reference"] if not isinstance(piece, str)]
    assert any(observation == "Pleural Effusion" and apart for _, observation, apart in marked)
    assert sum(bool(wrong(study)) for study in board.studies) == sum(count > 0 for count in counts)


def test_films_are_asked_for_at_both_ends_only(board) -> None:
    asked: list[str] = []

    def films(identity: str) -> list[bytes]:
        asked.append(identity)
        return [film()]

    rows = study_rows(board, films)
    assert len(asked) == len(set(asked)) == sum("films" in row for row in rows)
    assert all(film.startswith("data:image/jpeg;base64,") for row in rows for film in row.get("films", []))


@pytest.mark.parametrize("mode", ["L", "I;16"])
def test_thumbnails_are_small_and_not_black(mode) -> None:
    import base64

    image = Image.open(io.BytesIO(base64.b64decode(thumbnail(film(mode)).split(",")[1])))
    assert max(image.size) == 320
    assert np.asarray(image).mean() > 60


def test_no_picture_is_an_error() -> None:
    with pytest.raises(ImageError, match="neither PNG nor JPEG"):
        thumbnail(b"GIF89a")


def test_it_is_written_whole_or_not(board, tmp_path) -> None:
    assert write_page(board, tmp_path / "scores.html").read_text().endswith("</html>\n")
    with pytest.raises(ResourceError, match="cannot be written"):
        write_page(board, tmp_path / "none" / "scores.html")


def test_a_browser_shows_it(board, tmp_path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("neither chromium nor google-chrome is on the path")
    page = write_page(board, tmp_path / "scores.html", lambda i: [film()])
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert shown.count("<article>") == 10
    assert "1–10 of 24" in shown
    assert "onerror" not in re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL).replace(
        "&lt;img src=x onerror", ""
    )
