"""METEOR: our formula on summed counts is the jar's own value; one Java process serves many batches."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mrg_llm.errors import MRGError
from mrg_llm.scoring import meteor as module
from mrg_llm.scoring.meteor import Meteor, unavailable

REFERENCES = ["the lungs are clear .", "there is a small left effusion .", "no acute disease .", "heart is large ."]
PREDICTIONS = ["lungs clear", "small effusions on the left ||| side", "", "the heart\nis  enlarged"]


@pytest.fixture(scope="module")
def jar():
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    with Meteor() as process:
        yield process


def test_every_subset_equals_the_jar(jar) -> None:
    tally = jar.tally(PREDICTIONS * 10, REFERENCES * 10)
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        rows = rng.choice(40, size, replace=False)
        part = tally.take(rows)
        assert part.values()["meteor"] == pytest.approx(jar.evaluate(part.stats_NS), abs=1e-12)


def test_equal_to_pycocoevalcap(jar) -> None:
    from pycocoevalcap.meteor.meteor import Meteor as Theirs

    predictions = ["lungs clear", "small effusions on the left side", "the heart  is enlarged", "épanchement pleural"]
    truth, said = ({i: [t] for i, t in enumerate(texts)} for texts in (REFERENCES, predictions))
    scorer = Theirs()
    corpus, segments = scorer.compute_score(truth, said)
    for pipe in (scorer.meteor_p.stdout, scorer.meteor_p.stderr):
        pipe.close()
    tally = jar.tally(predictions, REFERENCES)
    assert tally.values()["meteor"] == pytest.approx(corpus, abs=1e-12)
    assert tally.per_study()["meteor"] == pytest.approx(segments, abs=1e-12)


def test_published_outputs(jar, shared_data) -> None:
    folder = shared_data / "published_outputs" / "HI-IA"
    if not folder.is_dir():
        pytest.skip("the published outputs of HI-IA are not here")
    predictions, references = (
        (folder / f"results_iu_xray_{side}.csv").read_text().removesuffix("\n").split("\n") for side in ("res", "gts")
    )
    assert jar.tally(predictions, references).values()["meteor"] == pytest.approx(0.171084, abs=1e-6)


def test_bulk_does_not_deadlock_and_identical_text_is_one(jar) -> None:
    texts = [f"the lungs are clear and study {i} has no effusion in it " * 8 for i in range(600)]
    tally = jar.tally(texts, texts)  # far more than the pipes hold
    assert (tally.per_study()["meteor"] == 1).all()


def test_odd_characters_do_not_shift_the_answers(jar) -> None:
    odd = [
        "a\rb",
        "a\u2028b\x0bc\x85d",
        "|||||",
        "| a ||",
        "\x00",
        "🫁 " * 3,
        "\t",
        "a ||| b ||| c",
        "SCORE",
        "EVAL ||| 1",
    ]
    for side in (lambda t: (t, REFERENCES[0]), lambda t: (REFERENCES[0], t)):
        predictions, references = zip(
            *(pair for text in odd for pair in (side(text), (REFERENCES[1],) * 2)), strict=True
        )
        assert (jar.tally(predictions, references).per_study()["meteor"][1::2] == 1).all()


def test_order_does_not_matter(jar) -> None:
    straight, turned = jar.tally(PREDICTIONS, REFERENCES), jar.tally(PREDICTIONS[::-1], REFERENCES[::-1])
    assert straight.values() == turned.values()


def test_a_dead_process_is_an_error_not_a_hang() -> None:
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    process = Meteor()
    process._process.kill()
    with pytest.raises(MRGError, match="ended early"):
        process.tally(PREDICTIONS, REFERENCES)
    process.close()


def test_java_does_not_outlive_python() -> None:
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    code = (
        "from mrg_llm.scoring.meteor import Meteor; m = Meteor(); print(m._process.pid, flush=True); raise SystemExit"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(run.stdout), 0)


def test_no_java_is_said(monkeypatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert "needs Java" in (unavailable() or "")
    with pytest.raises(MRGError, match="needs Java"):
        Meteor()
