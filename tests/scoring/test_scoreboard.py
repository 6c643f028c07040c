"""From outputs to the board: shape of scores.json, baselines, plugged-in measures, order, refusals."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from mrg_llm.errors import DataError, InputError
from mrg_llm.scoring import Measure, Output, Training, outputs, print_board, score_run
from mrg_llm.scoring.quick import quick_scores
from mrg_llm.scoring.statistics import means

FINDINGS = [
    "The heart is enlarged.",
    "There is a small left pleural effusion.",
    "There is a right pneumothorax.",
    "There is edema.",
    "",
    "",
]


def report(i: int) -> str:
    chosen = random.Random(i)
    first, lungs = chosen.choice(FINDINGS), chosen.choice(["well expanded", "clear", "inflated"])
    return f"{first} The lungs are {lungs}. No nodule.".strip()


IDS = [f"s{i:02d}" for i in range(40)]
REFERENCES = [report(i) for i in range(40)]
TRAINING = Training({f"t{i}": report(100 + i) for i in range(60)}, [report(200 + i) for i in range(10)])


def system(predictions, name="test", references=REFERENCES, **more):
    return outputs(name, [Output(i, p, r, **more) for i, p, r in zip(IDS, predictions, references, strict=True)])


def board(predictions=REFERENCES, **options):
    return score_run(system(predictions, views=2), draws=100, with_meteor=False, **options)


@pytest.fixture(scope="module")
def perfect():
    return board(
        training=TRAINING,
        nearest={i: f"t{n}" for n, i in enumerate(IDS)},
        against=[system([report(i + 1) for i in range(40)], "other.jsonl")],
        controls={"swapped": system([*REFERENCES[1:], REFERENCES[0]], "swapped.jsonl")},
        groups={"site": {i: "A" if n < 10 else "B" for n, i in enumerate(IDS)}},
    )


def test_a_perfect_system(perfect) -> None:
    for name in ("bleu1", "bleu4", "rouge_l", "clinical_micro_f1", "anatomy_f1"):
        assert perfect.metrics[name].value == pytest.approx(1), name
    assert perfect.metrics["cider"].value > 5
    assert perfect.sections["clinical"]["present/14/micro/f1"].value == 1
    assert not any("Not clearly better" in w and "BLEU" in w for w in perfect.warnings)


def test_it_stands_beside_baselines_rivals_and_controls(perfect) -> None:
    assert list(perfect.baselines) == ["constant", "random", "nearest"]
    for rival in (*perfect.baselines.values(), perfect.comparisons["other.jsonl"], perfect.controls["swapped"]):
        difference = rival.ours_minus_theirs["metrics"]["bleu4"]
        assert difference.value == pytest.approx(1 - rival.sections["metrics"]["bleu4"].value)
        assert difference.p < 0.05
        assert difference.p <= difference.p_holm


def test_the_breakdown_covers_every_study(perfect) -> None:
    assert set(perfect.breakdown) == {"findings", "views", "length of the reference", "site", "observation"}
    for name, groups in perfect.breakdown.items():
        assert name == "observation" or sum(part["n"] for part in groups.values()) == 40
    assert set(perfect.breakdown["findings"]) == {"normal", "abnormal"}
    assert perfect.breakdown["observation"]["Pneumothorax"]["n"] == sum("pneumothorax" in r for r in REFERENCES)


def test_protocols_stand_side_by_side(perfect, capsys) -> None:
    other = score_run(system(REFERENCES), "as-is", training=TRAINING, draws=50, with_meteor=False)
    both = perfect.beside([other])
    assert both.to_json()["protocols"]["as-is"]["system"]["bleu4"]["value"] == pytest.approx(1)
    assert set(both.protocols["as-is"].system) == {"bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider"}
    assert set(both.protocols["as-is"].rivals) == {"constant", "random"}
    print_board(both, Console(width=200))
    assert "what the protocol does to the same outputs" in capsys.readouterr().out
    from mrg_llm.scoring.page import render_page

    assert "What the protocol does" in render_page(both) and "What the protocol does" not in render_page(perfect)


def test_scores_json(perfect, tmp_path) -> None:
    saved = json.loads(perfect.save(tmp_path / "scores.json").read_text())
    for key in ("protocol", "n", "metrics", "baselines", "diagnostics", "versions", "skipped", "clinical", "breakdown"):
        assert key in saved
    assert set(saved["metrics"]["bleu4"]) == {"value", "low", "high"}
    assert saved["skipped"]["meteor"] == "METEOR was switched off"
    assert "effusion" not in (tmp_path / "scores.json").read_text().lower().replace("pleural effusion", "")


def test_the_same_file_in_another_order_gives_the_same_board() -> None:
    rows = list(system([report(i + 3) for i in range(40)]).rows)
    random.Random(0).shuffle(rows)
    one = score_run(outputs("test", rows), draws=50, with_meteor=False, training=TRAINING)
    two = score_run(outputs("test", sorted(rows, key=lambda r: r.id)), draws=50, with_meteor=False, training=TRAINING)
    assert one.to_json() == two.to_json()


def test_a_constant_system_is_told_so() -> None:
    sick = board(["The lungs are clear. No nodule."] * 40, training=TRAINING)
    assert any("one and the same report" in w for w in sick.warnings)
    assert any("Not clearly better than constant" in w for w in sick.warnings)


@pytest.mark.parametrize("predictions", [[""] * 40, ["effusion " * 200] * 40, ["\n", *REFERENCES[1:]]])
def test_no_output_breaks_it(predictions) -> None:
    scored = board(predictions)
    assert all(np.isfinite(i.value) and i.low <= i.value + 1e-9 for i in scored.metrics.values())
    assert scored.warnings


def test_one_study_can_be_scored() -> None:
    scored = score_run(outputs("one", [Output("a", "clear", "clear")]), draws=10, with_meteor=False)
    assert scored.metrics["bleu1"].value == pytest.approx(1)
    assert scored.metrics["cider"].value == 0  # its document frequencies need more than one reference


def test_a_measure_can_be_plugged_in() -> None:
    def count(predictions, references):
        return means({"shorter": np.array([len(p) < len(r) for p, r in zip(predictions, references, strict=True)])})

    plugged = board(measures=[Measure("length", count, {"shorter": "shorter"})], training=TRAINING)
    assert plugged.sections["length"]["shorter"].value == 0
    assert plugged.metrics["shorter"].value == 0
    assert plugged.baselines["random"].sections["length"]["shorter"].high > 0


@pytest.mark.parametrize("chosen_by", ["bleu4", "rouge_l", "clinical_f1"])
def test_what_chooses_the_constant(chosen_by) -> None:
    assert chosen_by in board(training=TRAINING, constant_by=chosen_by).baselines["constant"].what


def test_refusals() -> None:
    with pytest.raises(InputError, match="chosen by 'meteor'"):
        board(training=TRAINING, constant_by="meteor")
    with pytest.raises(InputError, match="no protocol"):
        board(protocol_name="coco")
    with pytest.raises(InputError, match="training data"):
        board(protocol_name="r2gen-iu")
    with pytest.raises(DataError, match="lacks 1 of the 40"):
        board(against=[outputs("short", system(REFERENCES).rows[1:])])
    with pytest.raises(InputError, match="have one name"):
        board(against=[system(REFERENCES), system(REFERENCES)])
    with pytest.raises(DataError, match="no reference"):
        score_run(outputs("x", [Output("a", "clear")]))
    assert "baselines" in board().skipped
    assert "constant" in board(training=Training(TRAINING.reports)).skipped


def test_baselines_under_the_literature_protocols() -> None:
    for name in ("r2gen-iu", "as-is"):
        scored = board(training=TRAINING, protocol_name=name)
        assert scored.protocol == name
        assert 0 < scored.baselines["constant"].sections["metrics"]["bleu1"].value < 1


def test_the_terminal_shows_it_all(perfect) -> None:
    console = Console(record=True, width=160, file=open("/dev/null", "w"))  # noqa: SIM115
    print_board(perfect, console)
    console.file.close()
    text = console.export_text()
    for word in ("BLEU-4", "constant", "nearest", "swapped", "METEOR was switched off", "protocol full", "normal ("):
        assert word in text, word


def test_training_comes_from_a_study_set() -> None:
    from mrg_llm.studies.study import Study, StudySet

    studies = StudySet("x", (Study("a", "train", (), "one"), Study("b", "val", (), "two"), Study("c", "train", ())))
    assert Training.of(studies) == Training({"a": "one"}, ("two",))


def test_quick_scores_are_the_boards() -> None:
    predictions = [report(i + 3) for i in range(40)]
    quick, scored = quick_scores(predictions, REFERENCES), board(predictions)
    for name, value in quick.items():
        assert value == pytest.approx(scored.metrics[name].value, abs=1e-12), name


def test_scoring_needs_no_torch() -> None:
    code = "import sys, mrg_llm.scoring.page, mrg_llm.scoring.quick; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_progress_is_told() -> None:
    steps: list[str] = []
    board(training=TRAINING, progress=steps.append)
    assert steps == ["scoring test", "choosing the constant report", "scoring constant", "scoring random"]


def test_a_java_that_does_not_work_costs_meteor_alone(tmp_path, monkeypatch) -> None:
    (tmp_path / "java").write_text("#!/bin/sh\necho 'Error: no memory' >&2\nexit 1\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    scored = score_run(system(REFERENCES), draws=10)
    assert "ended early" in scored.skipped["meteor"]
    assert "meteor" not in scored.metrics
    assert scored.metrics["bleu1"].value == pytest.approx(1)
