"""scripts/measure_strangers.py: which pictures it takes, and what it makes of their distances."""

import numpy as np
import pytest
from PIL import Image

from mrg_llm.model.familiarity import Judged
from mrg_llm.starter_card import stranger_table
from tests.conftest import module_at


@pytest.fixture(scope="module")
def script():
    return module_at("scripts/measure_strangers.py")


def test_shares_and_auroc_with_intervals_over_sources(script):
    sources = np.repeat(np.arange(20), 2).astype(str)
    distances, refused = np.r_[np.full(38, 0.5), 1.2, 1.2], np.arange(40) >= 38
    own, alike = (script.Group(distances, refused, sources) for _ in range(2))
    apart = script.Group(np.full(40, 3.0), np.ones(40, bool), sources)
    assert script.share(own, 0)["value"] == pytest.approx(0.05)
    assert script.share(own, 0)["low"] == 0 < script.share(own, 0)["high"] < 0.3
    assert script.against(apart, own, 0)["auroc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert script.share(apart, 0)["high"] == 1 and script.share(apart, 0)["low"] == pytest.approx(0.025 ** (1 / 20))
    same = script.against(alike, own, 0)
    assert same["auroc"]["value"] == pytest.approx(0.5) and same["n"] == 40 and same["sources"] == 20


def test_sources_are_drawn_whole(script):
    group = script.Group(np.array([1.0, 1.0, 2.0, 2.0]), np.zeros(4, bool), np.array(["a", "b", "a", "b"]))
    drawn = script.resampled(group, np.random.default_rng(0))
    assert sorted(group.distances[drawn]) == [1.0, 1.0, 2.0, 2.0]


def test_a_film_that_has_to_be_put_right_is_refused_however_near(script):
    class Negative:
        def judged(self, films):
            return [Judged(0.5, "a negative"), Judged(0.5, "upright"), Judged(1.5, "upright")]

    group = script.measured(Negative(), [("a", None), ("b", None), ("c", None)])
    assert group.refused.tolist() == [True, False, True]


def test_each_picture_once_with_its_parts_and_no_blank_or_tiny_one(script, tmp_path):
    rng = np.random.default_rng(0)
    textured = rng.integers(0, 255, (90, 80), dtype=np.uint8)
    for name, pixels in {"a": textured, "again": textured, "blank": np.zeros((90, 80), np.uint8),
                         "tiny": textured[:20, :20]}.items():  # fmt: skip
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "text.png").write_text("no picture")
    found = list(script.photographs([tmp_path]))
    assert [name for name, _ in found] == ["a"] * 5
    assert [film.pixels.shape for _, film in found] == [(90, 80), *[(54, 48)] * 4]


def test_scans_by_modality_without_chest_films(script, shared_data, tmp_path):
    import pydicom

    chest = next((shared_data / "dicom_cxr").glob("*j2k.dcm"))
    for name, part in (("chest", "CHEST"), ("foot", "EXTREMITY")):
        dataset = pydicom.dcmread(chest)
        dataset.BodyPartExamined, dataset.Modality = part, "CR"
        dataset.save_as(tmp_path / f"{name}.dcm")
    assert {name: [source for source, _ in rows] for name, rows in script.scans([tmp_path]).items()} == {
        "other x-rays": ["foot"]
    }


def test_drawn_pictures_are_films(script):
    for pictures in script.drawn(np.random.default_rng(0)).values():
        assert len(pictures) == 20
        assert all(film.pixels.dtype == np.float32 and 0 <= film.pixels.min() < film.pixels.max() <= 1
                   for _, film in pictures)  # fmt: skip


def test_the_table_has_a_row_a_group(script):
    row = {"n": 4, "beyond": {"value": 0.5, "low": 0.2, "high": 0.9}, "auroc": {"value": 0.75, "low": 0.5, "high": 1}}
    found = {
        "split": "val",
        "films": 9,
        "false_alarms": {"value": 0, "low": 0, "high": 0.1},
        "strangers": {"noise": row},
    }
    assert list(stranger_table(found))[3] == "| noise | 4 | 50.0 % (20.0 to 90.0) | 0.750 (0.500 to 1.000) |"
