"""Sites, sides and polarity of hand-written sentence pairs, and what must hold for any text."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrg_llm.scoring.anatomy import Quadruple, anatomy_counts, anatomy_of, side_contradictions
from mrg_llm.scoring.rulebook import table

DATA = Path(__file__).parent / "data"
VOCABULARY = (
    "left right bilateral bibasilar upper middle lower lobe lobes base apex and or , . no effusion opacity "
    "in of the with pneumothorax consolidation is there clear lungs ; fracture rib lingula pleural"
)
WORDS = VOCABULARY.split()


def pairs() -> list[tuple[str, str, str]]:
    lines = (DATA / "anatomy_pairs.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines[2:]]  # type: ignore[misc]


def test_there_are_enough_pairs_of_each_kind() -> None:
    verdicts = [verdict for verdict, _, _ in pairs()]
    assert len(verdicts) >= 60
    assert all(verdicts.count(kind) >= 12 for kind in ("same", "side", "site", "polarity"))


@pytest.mark.parametrize(("verdict", "prediction", "reference"), pairs())
def test_pair(verdict: str, prediction: str, reference: str) -> None:
    said, true = anatomy_of(prediction), anatomy_of(reference)
    counts = anatomy_counts([prediction, reference], [reference, prediction])
    conflicts = counts.conflicts.tolist()
    assert said and true and conflicts[0] == conflicts[1], "who is the reference does not matter"
    if verdict == "same":
        assert said == true and conflicts[0] == 0
    else:
        assert said != true
        assert (conflicts[0] > 0) == (verdict in ("side", "polarity"))
    polarities = [{q.polarity for q in quadruples} for quadruples in (said, true)]
    if verdict == "polarity":
        assert polarities[0] != polarities[1]
    elif verdict == "side":
        assert {q.side for q in said} != {q.side for q in true}
    elif verdict == "site":
        assert {q.site for q in said}.isdisjoint(q.site for q in true)


def test_two_findings_keep_their_own_places() -> None:
    text = (
        "Consolidation in the right upper and lower lobes and small left pleural effusion, with bibasilar atelectasis."
    )
    assert anatomy_of(text) == {
        Quadruple("upper lung", "right", "Consolidation", "present"),
        Quadruple("lower lung", "right", "Consolidation", "present"),
        Quadruple("pleura", "left", "Pleural Effusion", "present"),
        Quadruple("lower lung", "left", "Atelectasis", "present"),
        Quadruple("lower lung", "right", "Atelectasis", "present"),
    }


def test_counts_are_arrays_a_bootstrap_can_draw_from() -> None:
    counts = anatomy_counts(["Left effusion. Heart size normal.", ""], ["Right effusion. Heart size normal.", "Edema."])
    assert [counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist()] == [[1, 0], [1, 0], [1, 1]]
    assert counts.shared_sites.tolist() == [2, 0] and counts.conflicts.tolist() == [1, 0]
    assert counts.precision() == 0.5 and counts.recall() == pytest.approx(1 / 3) and counts.conflict_share() == 0.5
    nothing = anatomy_counts([], [])
    assert nothing.tp.shape == (0,) and np.isnan(nothing.f1()) and np.isnan(nothing.conflict_share())
    with pytest.raises(ValueError):
        anatomy_counts(["a"], [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Small left pneumothorax. No left pneumothorax.", 1),
        ("Cardiomegaly. Heart size is normal.", 1),
        ("Opacity in the left middle lobe.", 1),
        ("Atelectasis in the right lingula.", 1),
        ("Small left pneumothorax. No right pneumothorax.", 0),
        ("Small left effusion. No large left effusion.", 0),
        ("Right middle lobe opacity. Left lingular atelectasis.", 0),
        ("Streaky opacities. No focal airspace disease.", 0),
        ("Possible effusion. No effusion.", 0),
    ],
)
def test_contradictions(text: str, expected: int) -> None:
    assert side_contradictions(text) == expected


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)))
def test_any_text_agrees_with_itself(text: str) -> None:
    quadruples = anatomy_of(text)
    assert quadruples == anatomy_of(text)
    sites = {site for row in table("sites") for site in row["site"].split("+")} | {r["site"] for r in table("homes")}
    assert all(q.site in sites and q.side in ("left", "right", None) for q in quadruples)
    counts = anatomy_counts([text], [text])
    assert counts.tp[0] == len(quadruples) and counts.fp[0] == counts.fn[0] == counts.conflicts[0] == 0
    assert side_contradictions(text) >= 0
