"""The scripts around an experiment: its tables into a page, and ten studies by a rule."""

import json
import sys

import pytest

from mrg_llm.errors import InputError
from mrg_llm.scoring import write_predictions
from tests.conftest import module_at


def script(name: str):
    return module_at(f"scripts/{name}.py")


def test_tables_are_replaced_between_their_marks_alone():
    put = script("put_experiment").replaced
    page = "# A\n<!-- experiment:claim -->\nold\n<!-- end -->\nB\n<!-- experiment:phantoms -->\nkept\n<!-- end -->\n"
    once = put(page, "claim", "| new |\n")
    assert once.startswith("# A\n<!-- experiment:claim -->\n\n| new |\n\n<!-- end -->\nB\n") and "old" not in once
    assert once.endswith("<!-- experiment:phantoms -->\nkept\n<!-- end -->\n")
    assert put(once, "claim", "| new |\n") == once
    with pytest.raises(InputError, match="the page needs <!-- experiment:other --> once"):
        put(page, "other", "")
    with pytest.raises(InputError, match="once and <!-- end --> after it"):  # the end is the next one's
        put("<!-- experiment:claim -->\n" + page.replace("experiment:claim", "experiment:other"), "claim", "")


def test_one_study_of_every_tenth_by_score_the_first_by_id():
    chosen = script("ten_studies").chosen
    ids = [f"s{i:02d}" for i in range(30)]
    scores = [(i * 7 % 30) / 30 for i in range(30)]
    rows = chosen(ids, scores)
    order = sorted(range(30), key=lambda i: scores[i])
    assert rows == [min(order[3 * k : 3 * k + 3]) for k in range(10)]
    assert chosen(ids[:10], [0.5] * 10) == list(range(10)), "of equal scores the id decides"
    with pytest.raises(InputError, match="9 studies cannot be cut into 10 parts"):
        chosen(ids[:9], scores[:9])


def test_the_page_holds_films_reference_and_reports(tiny_studies, tmp_path, monkeypatch, capsys):
    ten = script("ten_studies")
    monkeypatch.setattr(ten, "open_studies", lambda spec, **how: tiny_studies)
    rows = [{"id": s.id, "prediction": f"<b>Report</b> of {s.id}.", "sections": ["findings"]} for s in tiny_studies]
    path = write_predictions(tmp_path / "val.jsonl", rows)
    out = tmp_path / "ten.html"
    monkeypatch.setattr(sys, "argv", ["ten_studies", str(path), "--data", "table:any", "--out", str(out)])
    ten.main()
    page = out.read_text()
    assert page.count('<div class="study">') == 10 and page.count("data:image/jpeg;base64,") >= 10
    assert "&lt;b&gt;Report&lt;/b&gt; of s0." in page and "not a medical device" in page
    assert tiny_studies.studies[0].report in page
    assert "10 of 12 studies" in capsys.readouterr().out


def test_an_experiment_gets_a_page_and_its_table_on_that_of_results(tmp_path, monkeypatch, capsys):
    put = script("put_experiment")
    figure = {"value": 1.0, "low": 0.9, "high": 1.1, "by_seed": [1.0]}
    found = {
        "experiment": "claim", "what": "Does it?", "preset": "tiny", "changes": [], "references": ["none"],
        "protocols": ["full"], "missing": [], "data": {"kind": "iu-xray", "train": 8, "val": 2, "test": 2},
        "trained": {"none": {"what": "no prompts", "parameters": {"vision": 7}, "alignment_cost": None,
                             "cost": {"wall_s": 60, "process_s": 90, "memory_bytes": 2e9},
                             "best_validation": {"step": None, "loss": None, "image_worth": None},
                             "curves": {"0": [[1, 2.0, 0.1]]}}},
        "val": {"n": 2, "tests": [], "skipped": {}, "baselines": {}, "arms": {"none": {
            "figures": {"nats": {"loss": figure}, "full": {"bleu4": figure}}, "diagnostics": {"distinct": 0.5}}}},
    }  # fmt: skip
    results, docs = tmp_path / "claim.json", tmp_path / "docs"
    results.write_text(json.dumps(found))
    docs.mkdir()
    page = docs / "results.md"
    page.write_text("# R\n<!-- experiment:claim -->\n<!-- end -->\n")
    monkeypatch.setattr(sys, "argv", ["put_experiment", str(results), str(docs)])
    put.main()
    assert "| `none` | 1.000 (0.900 to 1.100) | 50 % |" in page.read_text()
    assert "](experiments/claim.md)" in page.read_text() and "trained parameters" not in page.read_text()
    text = (docs / "experiments/claim.md").read_text()
    assert "\n    mrg experiment claim --data iu-xray:PATH --out OUT\n" in text and "](../results.md)" in text
    assert "| `none` | 1.000 |" in text and "| `none` | 7 |  |  | 1.0 | 1.5 |  | 2.0 |" in text
    assert "| R2GenGPT, re-run | 7B LLaMA-2, frozen |" in text and "not known" in text
    assert (docs / "experiments/claim-validation.svg").is_file() and "](claim-validation.svg)" in text
    assert json.loads((docs / "experiments/claim.json").read_text()) == found
