"""Phantom studies: the same seed gives the same bytes, and report, truth and film say the same thing."""

import re

import numpy as np
import pytest
from PIL import Image

from mrg_llm.errors import DataError
from mrg_llm.scoring.clinical import label_report
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import FINDINGS, read_phantoms, write_phantoms
from mrg_llm.studies.phantom.anatomy import draw_body
from mrg_llm.studies.phantom.film import Canvas
from mrg_llm.studies.phantom.findings import draw_scene
from mrg_llm.studies.phantom.frontal import Frontal
from mrg_llm.studies.phantom.grammar import write_report

PX = 96
SYNONYMS = {"bilateral": "bilateral|both", "base": "base|basilar|basal|lower lung"}
CLEAR = "|lungs are|lungs a"  # words of sentences on several findings at once
ABOUT = {  # finding -> words of the sentences that speak of it
    "cardiomegaly": "heart|cardi", "effusion": "effusion|pleural|costoph", "pneumothorax": "pneumoth|pleural spaces",
    "consolidation": "consol" + CLEAR, "nodule": "nodule" + CLEAR, "edema": "edema|vascul" + CLEAR,
    "atelectasis": "atelec" + CLEAR, "pacemaker": "pacemaker", "bones": "bones|osseous|bony", "trachea": "trachea",
    "mediastinum": "mediastin",
}  # fmt: skip


def written(count):
    """Findings and reports of `count` studies, without films."""
    for index in range(count):
        rng = np.random.default_rng([3, index])
        scene = draw_scene(draw_body(rng), rng)
        yield scene, write_report(list(scene.findings.values()), rng, scene.nodule_mm)


@pytest.fixture(scope="module")
def reports():
    return list(written(1500))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms")
    write_phantoms(root, 10, seed=5, side_px=PX)
    return root


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder, tmp_path):
    write_phantoms(tmp_path / "again", 10, seed=5, side_px=PX)
    assert contents(tmp_path / "again") == contents(folder)
    write_phantoms(tmp_path / "other", 1, seed=6, side_px=PX)
    film = "images/phantom-{}-00000/frontal.png"
    assert contents(tmp_path / "other")[film.format(6)] != contents(folder)[film.format(5)]


def test_a_study_does_not_depend_on_how_many_are_drawn(folder, tmp_path):
    write_phantoms(tmp_path, 5, seed=5, side_px=PX)
    few, many = contents(tmp_path), contents(folder)
    manifest = few.pop("manifest.jsonl")
    assert many["manifest.jsonl"].splitlines()[:5] == manifest.splitlines()
    assert all(many[name] == data for name, data in few.items())


def test_what_is_written_is_read_back(folder):
    studies = open_studies(f"phantom:{folder}")
    assert studies.source == f"phantom:{folder}" and len(studies) == 10 and not studies.notes
    for study in studies:
        assert [view.projection for view in study.views] == ["frontal", "lateral"]
        for view in study.views:
            with Image.open(view.path) as image:
                assert (image.mode, image.size) == ("L", (PX, PX))
        for finding in study.truth:
            assert FINDINGS[finding.name] == finding.observation and "frontal" in finding.boxes
            assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in finding.boxes.values())
    assert {s.split for s in studies} == {"train", "val", "test"}
    assert any(study.truth == () for study in studies) and any(study.truth for study in studies)


def test_splits_hold_their_shares(tmp_path):
    write_phantoms(tmp_path, 40, side_px=32, splits=(0.5, 0.25, 0.25))
    studies = read_phantoms(tmp_path)
    counts = [len(studies.split(name)) for name in ("train", "val", "test")]
    assert sum(counts) == 40 and np.allclose(counts, [20, 10, 10], atol=1)


def test_progress_counts_every_study(tmp_path):
    seen = []
    write_phantoms(tmp_path, 3, side_px=32, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_missing_films_become_notes(tmp_path):
    write_phantoms(tmp_path, 2, side_px=32)
    (tmp_path / "images/phantom-0-00000/lateral.png").unlink()
    for path in (tmp_path / "images/phantom-0-00001").iterdir():
        path.unlink()
    studies = read_phantoms(tmp_path)
    assert [len(study.views) for study in studies] == [1]
    assert [note.ids for note in studies.notes] == [("phantom-0-00000",), ("phantom-0-00001",)]


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"id": "a", "split": "train", "views": [], "report": "", "findings": [{"name": "x"}]}']
)
def test_a_bad_line_is_named(tmp_path, line):
    write_phantoms(tmp_path, 1, side_px=32)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(manifest.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"manifest\.jsonl, line 2 "):
        read_phantoms(tmp_path)


def test_no_manifest_says_how_to_draw(tmp_path):
    with pytest.raises(DataError, match="mrg data phantom"):
        read_phantoms(tmp_path)


def test_other_peoples_files_are_left_alone(tmp_path):
    (tmp_path / "README").write_text("my thesis\n")
    with pytest.raises(DataError, match="not phantoms"):
        write_phantoms(tmp_path, 1, side_px=32)
    assert [p.name for p in tmp_path.iterdir()] == ["README"]


@pytest.mark.parametrize("wrong", [{"studies": 0}, {"studies": 1, "side_px": 8}, {"studies": 1, "splits": (1, 1, 1)}])
def test_numbers_that_make_no_sense_are_refused(tmp_path, wrong):
    with pytest.raises(DataError):
        write_phantoms(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_phantoms_may_be_drawn_over_phantoms(tmp_path):
    write_phantoms(tmp_path, 2, side_px=32)
    write_phantoms(tmp_path, 1, side_px=32)
    assert len(read_phantoms(tmp_path)) == 1


# -- reports -----------------------------------------------------------------------------------------------------------


def test_a_labeler_reads_exactly_the_findings_that_are_there(reports):
    for scene, report in reports[:400]:
        labels = label_report(report).labels
        assert {name for name, o in FINDINGS.items() if labels[o] == 1} == set(scene.findings), report
        assert -1 not in labels.values(), report
        assert (labels["No Finding"] == 1) == (set(scene.findings) <= {"pacemaker"}), report


def test_reports_are_short_varied_and_name_side_and_site(reports):
    texts = [report for _, report in reports]
    assert len(set(texts)) > 0.99 * len(texts)
    for scene, report in reports:
        assert 3 <= len(report.rstrip(".").split(". ")) <= 6 and "{" not in report and "(" not in report
        for finding in scene.findings.values():
            for word in (finding.side, finding.site):
                assert re.search(SYNONYMS.get(word, word or ""), report, re.IGNORECASE), report


def test_prevalences(reports):
    normal = np.mean([not scene.findings for scene, _ in reports])
    shares = {name: np.mean([name in scene.findings for scene, _ in reports]) for name in FINDINGS}
    assert 0.21 < normal < 0.29 and all(0.15 < share < 0.25 for share in shares.values())


def test_a_sentence_says_nothing_about_findings_it_does_not_name(reports):
    """Of the studies with a sentence that speaks of one thing, as many have another finding as of all studies."""
    far = []
    for subject, words in ABOUT.items():
        for other in set(FINDINGS) - {subject}:
            share = np.mean([other in scene.findings for scene, _ in reports])
            said = [
                other in scene.findings
                for scene, report in reports
                if any(
                    re.search(words, line, re.IGNORECASE) and not re.search(ABOUT[other], line, re.IGNORECASE)
                    for line in report.split(". ")
                )
            ]
            far.append((np.mean(said) - share) / np.sqrt(share * (1 - share) / len(said)))
    assert len(far) > 70 and np.std(far) < 1.3 and np.max(np.abs(far)) < 4


# -- films -------------------------------------------------------------------------------------------------------------


def frontal_with(name, side):
    """The first frontal film with this finding alone on this side, and the same body without it."""
    for index in range(3000):
        rng = np.random.default_rng([11, index])
        body = draw_body(rng)
        scene = draw_scene(body, rng)
        if list(scene.findings) == [name] and scene.findings[name].side == side:
            return Frontal(scene, PX, np.random.default_rng(index))
    raise AssertionError(f"no {name} on the {side}")


def absorbed_in_box(film):
    """Mean brightness inside the finding's box, and inside its mirror image about the spine."""
    ((x0, y0, x1, y1),) = film.boxes.values()
    pixels = film.pixels
    x0, y0, x1, y1 = (round(v * PX) for v in (x0, y0, x1, y1))
    middle = Canvas.to_pixels(film.canvas, np.float64(0), np.float64(8))[0]
    m0, m1 = sorted((round(2 * middle - x0), round(2 * middle - x1)))
    return pixels[y0:y1, x0:x1].mean(), pixels[y0:y1, max(m0, 0) : m1].mean()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "name, brighter", [("effusion", True), ("consolidation", True), ("pacemaker", True), ("nodule", True)]
)
def test_the_finding_is_on_its_side_and_changes_the_film_there(name, brighter, side):
    film = frontal_with(name, side)
    film.pixels = film.develop().astype(float)
    x0, _, x1, _ = film.boxes[name]
    if name != "pacemaker":  # its leads cross the middle
        assert ((x0 + x1) / 2 > 0.5) == (side == "left")
    there, mirrored = absorbed_in_box(film)
    assert (there > mirrored) == brighter


def test_an_enlarged_heart_is_wider_than_55_percent_of_the_chest_and_a_normal_one_is_not():
    rng = np.random.default_rng(0)
    for _ in range(200):
        scene = draw_scene(draw_body(rng), rng)
        assert (scene.body.ratio > 0.55) == ("cardiomegaly" in scene.findings)


def test_many_are_drawn_by_several_processes_and_are_the_same(tmp_path, monkeypatch):
    from mrg_llm.studies.phantom import folder

    alone = write_phantoms(tmp_path / "alone", 5, seed=2, side_px=32).read_text()
    monkeypatch.setattr(folder, "WORTH_PROCESSES", 5)
    assert write_phantoms(tmp_path / "together", 5, seed=2, side_px=32, processes=2).read_text() == alone
    for film in sorted((tmp_path / "alone").rglob("*.png")):
        assert film.read_bytes() == (tmp_path / "together" / film.relative_to(tmp_path / "alone")).read_bytes()
