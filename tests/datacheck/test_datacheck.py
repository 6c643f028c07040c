"""Opening every film finds what was put there, and says whether training would be wrong."""

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrg_llm.datacheck import check_data, write_rows
from mrg_llm.datacheck.flags import (
    BLANK,
    MIRRORED,
    NEGATIVE,
    OTHER_VIEW,
    SAME,
    SHAPE,
    SMALL,
    STRANGE,
    TURNED,
    UNREADABLE,
)
from mrg_llm.datacheck.labels import count_labels
from mrg_llm.datacheck.opening import in_order
from mrg_llm.errors import ImageError, ResourceError
from mrg_llm.images.likeness import FRONTAL, HEART
from mrg_llm.studies import open_studies
from mrg_llm.studies.study import Study, StudySet, View

RIGHT_SIDED = np.hstack([-HEART, HEART[:, ::-1]])  # what a heart on the image's right adds to the map


@dataclass
class FakeFilm:
    pixels: np.ndarray


def read(path: Path) -> FakeFilm:
    """A chest film drawn from its name; what the name begins with may say that something is wrong with it."""
    kind = path.name.split("-")[0]
    if kind == "bad":
        raise ImageError("bad")
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(path.name.encode()).digest()[:4]))
    fields = FRONTAL + 0.1 * RIGHT_SIDED + 0.05 * rng.normal(size=FRONTAL.shape)
    size = {"long": (400, 70), "tiny": (40, 40)}.get(kind, (96, 96))
    film = np.asarray(Image.fromarray(np.float32(0.5 + 0.15 * fields)).resize(size, Image.Resampling.NEAREST))
    film = {
        "blank": np.float32(0.5 + 1e-3 * film), "noise": rng.random(film.shape, dtype=np.float32),
        "negative": 1 - film, "mirror": film[:, ::-1], "lying": np.rot90(film),
    }.get(kind, film)  # fmt: skip
    return FakeFilm(np.ascontiguousarray(film))


def study(id_, split="train", views=(), projection=None, report=None, labels=None):
    paths = views or (f"{id_}1", f"{id_}2")
    report = f"Report {id_}." if report is None else report
    return Study(id_, split, tuple(View(Path(p), projection) for p in paths), report, labels=labels)


def checked(*studies):
    return check_data(StudySet("fake", studies), read, workers=2)


def many(kind, split="train", count=24):
    return [study(f"{split}{i}", split, (f"{kind}-{split}{i}",)) for i in range(count)]


def test_sound_data():
    result = checked(study("a"), study("b", "val"))
    assert result.found.ok and "can be trained on" in result.found.verdict
    assert result.found["different films"].count == 4
    assert all(row.count == 0 for row in result.found.rows if row.weight != "fact")
    assert result.found["views of unknown projection that look frontal"].count == 4
    assert [(film.study, film.view) for film in result.films] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {(film.height, film.width) for film in result.films} == {(96, 96)}


@pytest.mark.parametrize(
    ("view", "projection", "what"),
    [
        ("bad-1", None, UNREADABLE),
        ("long-1", None, SHAPE),
        ("tiny-1", None, SMALL),
        ("blank-1", None, BLANK),
        ("noise-1", None, STRANGE),
        ("negative-1", None, NEGATIVE),
        ("lying-1", None, TURNED),
        ("mirror-1", "frontal", MIRRORED),
        ("plain-1", "lateral", OTHER_VIEW),
    ],
)
def test_one_odd_film_among_many_is_worth_a_look_and_is_flagged_for_what_it_is(view, projection, what):
    result = checked(*many("plain"), study("odd", views=(view,), projection=projection))
    row = result.found[what]
    assert result.found.ok and row.weight == "look" and row.examples == ("odd[0]",)
    assert [reason for reason, films in result.flags.items() if films] == [what]


@pytest.mark.parametrize(
    ("studies", "what", "examples"),
    [
        ([*many("plain", count=10), study("x", views=("bad-1",))], "splits with over 5% of their films unreadable",
         ("train",)),
        ([*many("plain"), study("x", "val", views=("bad-1",))], "splits with over 5% of their films unreadable",
         ("val",)),
        (many("noise"), f"splits with a majority of {STRANGE}", ("train",)),
        (many("negative"), f"splits with a majority of {NEGATIVE}", ("train",)),
        ([*many("plain"), *many("mirror", "test")], f"splits with a majority of {MIRRORED}", ("test",)),
        ([study("a", views=("x",)), study("b", "test", views=("x",))],
         "val and test studies with a film that stands in train", ("b",)),
    ],
)  # fmt: skip
def test_faults_that_forbid_training(studies, what, examples):
    result = checked(*studies).found
    assert not result.ok and what in result.verdict and result[what].examples == examples


def test_a_few_odd_films_do_not_condemn_a_small_set():
    assert checked(*many("mirror", count=5), *many("noise", "val", count=5)).found.ok


def test_the_same_film_twice():
    result = checked(study("a", views=("x", "x")), study("b", views=("y",)), study("c", views=("z", "y")))
    assert result.found["studies that hold the same film twice"].examples == ("a",)
    assert result.found["studies that share a film with another study"].examples == ("b", "c")
    assert result.found[SAME].examples == ("a[0]", "a[1]", "b[0]", "c[1]")  # the same ones side by side


def test_labels_are_the_sources_or_read_in_the_report():
    counts = count_labels([
        study("a", labels={"Edema": 1, "Fracture": -1}, report="There is a pleural effusion."),
        study("b", "val", report="There is a pleural effusion. No pneumothorax."),
        study("c", "val", report=""),
    ])  # fmt: skip
    assert (counts.given, counts.read) == (1, 1) and dict(counts.studies) == {"train": 1, "val": 1}
    assert counts.of("Edema") == 1 and counts.of("Fracture") == 0 and counts.of("Pneumothorax") == 0
    assert counts.of("Pleural Effusion", "val") == 1 and counts.of("Pleural Effusion", "train") == 0
    found = checked(study("a"), study("b", "val", report="There is a pleural effusion.")).found
    assert found["observations that no training study has and others do"].examples == ("Pleural Effusion",)


def test_order_is_kept_and_few_films_are_under_way():
    started, most, lock = [], [], threading.Lock()

    def square(n):
        with lock:
            started.append(n)
        return n * n

    got = []
    for value in in_order(square, range(50), workers=2):
        most.append(len(started) - len(got))
        got.append(value)
    assert got == [n * n for n in range(50)] and max(most) <= 6


def test_films_are_decoded_apart_and_progress_counts_films(tiny_studies):
    seen = []
    result = check_data(tiny_studies, workers=2, progress=seen.append)
    assert seen == list(range(1, 19)) and result.found["different films"].count == 18
    assert result.found[f"splits with a majority of {STRANGE}"].count == 0  # noise, but under 20 films a split
    assert result.found[STRANGE].count == 18


def test_rows_for_scripts(tmp_path):
    found = checked(study("a", views=("x",)), study("b", "test", views=("x",))).found
    write_rows(found, tmp_path / "rows.json")
    known = json.loads((tmp_path / "rows.json").read_text())
    rows = {row["what"]: row for row in known["rows"]}
    assert known["source"] == "fake" and known["ok"] is False and known["verdict"] == found.verdict
    assert rows["val and test studies with a film that stands in train"] == {
        "what": "val and test studies with a film that stands in train", "count": 1, "weight": "stop", "examples": ["b"]
    }  # fmt: skip
    with pytest.raises(ResourceError, match="cannot be written"):
        write_rows(found, tmp_path / "absent" / "rows.json")


def test_the_development_copy(shared_data):
    """Figures of the copy for development; they change only if it does."""
    studies = open_studies(f"iu-xray:{shared_data / 'iu_xray'}")
    odd = ("CXR3245_IM-1537", "CXR2084_IM-0715-1001", "CXR3809_IM-1919", "CXR2146_IM-0766", "CXR1285_IM-0188")
    some = StudySet(studies.source, tuple(s for s in studies if s.id in odd), studies.notes)
    result = check_data(some).found
    missing = result["image file missing, study kept with its other views"]
    assert missing.examples == ("CXR2084_IM-0715-1001", "CXR3809_IM-1919")
    assert result["studies that hold the same film twice"].examples == ("CXR3245_IM-1537",)
    turned = result[TURNED].examples
    assert set(turned) == {"CXR2146_IM-0766[0]", "CXR1285_IM-0188[0]"}
