"""The demo's page: every score once, under the name that people read."""

from mrg_llm.demo.page import score_table
from mrg_llm.scoring.scoreboard import LABELS
from tests.scoring.test_scoreboard import IDS, TRAINING, board


def test_scores_stand_once_by_name_beside_their_baselines() -> None:
    found = board(training=TRAINING, nearest={i: f"t{n}" for n, i in enumerate(IDS)})
    page = score_table(found)
    for metric in found.metrics:
        assert page.count(f"<td>{LABELS[metric]}</td>") == 1
    assert "<th>nearest</th>" in page and "absent/" not in page and page.count("<tr>") == 1 + len(found.metrics)
