"""A whole tiny experiment: every cell once, resumed, scored, tested, and the test split once."""

import json

import pytest
from rich.console import Console

from mrg_llm.errors import DataError, InputError, ResourceError, SettingsError, StoppedError
from mrg_llm.experiment import differing
from mrg_llm.experiment.plan import Planned
from mrg_llm.training import loop


@pytest.fixture
def trainings(monkeypatch):
    """The run folders that were trained, in order."""
    train, folders = loop.train, []

    def counted(settings, studies, out, **how):
        folders.append("/".join(out.parts[-3:]).removeprefix("out/"))
        return train(settings, studies, out, **how)

    monkeypatch.setattr(loop, "train", counted)
    return folders


def test_the_whole_story(run, trainings, planned, tmp_path, capsys):
    found = run()
    order = ["aligned-none", "none/run", "static/run", "aligned-prompt-wise", "prompt-wise/run"]
    assert trainings[:5] == [f"seed-0/{name}" for name in order]
    best = json.loads((tmp_path / "out" / "chosen.json").read_text())["best-not-aligned"]
    assert best in ("static", "prompt-wise") and found["trained"]["best-not-aligned"]["chosen"] == best
    assert len(trainings) == 12 and found["missing"] == []
    assert not (tmp_path / "out" / "seed-0" / "none" / "run" / "checkpoints").exists()

    arms = found["val"]["arms"]
    assert list(arms) == ["none", "static", "prompt-wise", "best-not-aligned", "other-prompts"]
    assert arms["none"]["figures"].keys() == {"full", "r2gen-iu", "clinical", "findings", "nats"}
    assert "nats" not in arms["other-prompts"]["figures"]
    nats = arms["prompt-wise"]["figures"]["nats"]
    assert arms["static"]["figures"]["nats"]["prompt_worth"]["value"] == 0 != nats["prompt_worth"]["value"]
    assert nats["loss"]["value"] == pytest.approx(sum(nats["loss"]["by_seed"]) / 2)
    assert found["trained"]["prompt-wise"]["best_validation"]["loss"] == pytest.approx(nats["loss"]["value"], rel=1e-4)
    assert found["val"]["baselines"].keys() == {"constant", "random", "nearest"}
    pairs = {(t["arm"], t["against"]) for t in found["val"]["tests"]}
    assert {("prompt-wise", "none"), ("prompt-wise", "static"), ("other-prompts", "prompt-wise")} <= pairs
    assert ("static", "none") in pairs and ("other-prompts", "none") not in pairs
    assert not pairs & {("static", "static"), ("none", "static"), ("none", "none")}
    assert ("prompt-wise", "nearest") in pairs and ("static", "nearest") in pairs
    assert ("other-prompts", "nearest") not in pairs
    cost = found["trained"]["static"]["cost"]
    assert cost["wall_s"] > 0 and cost["process_s"] > 0 and cost["memory_bytes"] > 1e7

    tables = (tmp_path / "out" / "tiny.md").read_text()
    assert "| `prompt-wise` |" in tables and "not a medical device" in tables and "small, named (" in tables
    assert (tmp_path / "out" / "tiny-validation.svg").read_text().startswith("<?xml")

    trainings.clear()
    again = run()
    assert trainings == [] and again["val"] == found["val"], "what is done was done again, or gave other figures"
    assert "test" not in again
    assert "test" not in run(only=["none"], seeds=[0], test=True), "the test split was scored in part"
    tested = run(test=True)
    assert (
        trainings == [] and tested["test"]["n"] == 2 and "## Test: 2 studies" in (tmp_path / "out/tiny.md").read_text()
    )
    written = tmp_path / "out" / "seed-0" / "static" / "test.jsonl"
    written.unlink()
    assert run(test=True)["test"] == tested["test"] and not written.exists(), "the test split was scored twice"

    assert differing(tested, found | {"test": tested["test"]}, "stored.json", Console(quiet=True)) == []
    run(dry_run=True)


def test_arms_and_seeds_that_were_asked_for(run, trainings, tmp_path):
    with pytest.raises(
        InputError, match="scored once, when everything else is done; 8 cells are not, and were not asked"
    ):
        run(only=["other-prompts"], seeds=[1], test=True)
    assert trainings == [] and not (tmp_path / "out").exists()
    found = run(only=["other-prompts"], seeds=[1])
    assert trainings == ["seed-1/aligned-prompt-wise", "seed-1/prompt-wise/run"]
    assert list(found["val"]["arms"]) == ["prompt-wise", "other-prompts"] and len(found["missing"]) == 8


def test_stopped_and_taken_up(run, trainings, tmp_path, monkeypatch):
    asked = iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(loop, "asked_to_stop", lambda run: next(asked))
        with pytest.raises(StoppedError, match="the same command goes on"):
            run(only=["none"], seeds=[0])
    trainings.clear()
    assert run(only=["none"], seeds=[0])["val"]["n"] == 2
    assert len(trainings) == 1, "an alignment that had ended was trained again"


@pytest.mark.parametrize("only", [["none", "static"], ["none"]])
def test_other_settings_or_data_in_the_same_folder_are_refused(run, planned, studies, tmp_path, only):
    """Also where all that was asked for is done: old figures would stand under new settings."""
    run(only=["none"], seeds=[0])
    before = (tmp_path / "out" / "tiny.json").read_bytes()
    for change in ("train.lr=0.5", "decode.max_new_tokens=7"):
        with pytest.raises(SettingsError, match="trained with other settings than the experiment has now"):
            run(Planned(planned.experiment, (change,)), only=only, seeds=[0])
    unaligned = changed_arm(planned, "none", aligned=False)
    with pytest.raises(SettingsError, match="started from aligned-none, and would from nothing now"):
        run(unaligned, only=only, seeds=[0])
    fewer = type(studies)(studies.source, studies.studies[1:])
    with pytest.raises(DataError, match="other studies"):
        from mrg_llm.experiment import Asked, run_experiment

        run_experiment(planned, fewer, Asked(tmp_path / "out", only, [0]), Console(quiet=True))
    assert (tmp_path / "out" / "tiny.json").read_bytes() == before


def changed_arm(planned: Planned, name: str, **change) -> Planned:
    arms = tuple(arm.model_copy(update=change) if arm.name == name else arm for arm in planned.experiment.arm)
    return Planned(planned.experiment.model_copy(update={"arm": arms}))


def test_cells_of_fewer_studies_than_are_asked_for_now(run, trainings):
    assert run(only=["none"], seeds=[0], limit=1)["val"]["n"] == 1
    trainings.clear()
    with pytest.raises(
        InputError, match="seed 0, none was written for 1 validation studies, but 2 are asked for; give"
    ):
        run(only=["none", "static"], seeds=[0])
    assert trainings == []
    with pytest.raises(InputError, match="there is one validation study"):
        run(only=["other-prompts"], seeds=[0], limit=1)


def test_a_folder_that_cannot_be(run, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ResourceError, match="choose another --out"):
        run(only=["none"], seeds=[0])


@pytest.mark.parametrize(
    ("arm", "change", "words"),
    [
        ("none", {"set": ("generate.epochs=0",)}, "arm none: generate.epochs is 0"),
        (
            "other-prompts",
            {"of": "static"},
            "other-prompts takes another film's prompts, but static does not customize",
        ),
    ],
)
def test_what_would_fail_after_hours_is_refused_before(run, planned, trainings, arm, change, words):
    with pytest.raises(SettingsError, match=words):
        run(changed_arm(planned, arm, **change))
    assert trainings == []


@pytest.mark.parametrize(
    ("asked", "words"), [({"only": ["nobody"]}, "arms are none, static"), ({"seeds": [7]}, "seeds are 0, 1")]
)
def test_what_is_not_there_is_one_sentence(run, asked, words):
    with pytest.raises(SettingsError, match=words):
        run(**asked)


@pytest.mark.parametrize(
    ("package", "change"), [("peft", "model.language.lora_rank=2"), ("bitsandbytes", "model.language.quantize=8bit")]
)
def test_a_package_is_missed_before_anything_is_trained(run, planned, trainings, monkeypatch, package, change):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == package else find(name, *a))
    with pytest.raises(SettingsError, match=f"the arm none needs {package}"):
        run(Planned(planned.experiment, (change,)))
    assert trainings == []


def test_cells_written_with_int8_weights(run, planned):
    """Training in bfloat16, which int8 writing does not take, must not be in vain."""
    changes = ("train.precision=bf16", "decode.weights=int8")
    assert run(Planned(planned.experiment, changes), only=["none"], seeds=[0])["val"]["n"] == 2


def test_a_dry_run_says_what_there_is_to_do(planned, studies, tmp_path):
    from mrg_llm.experiment import Asked, run_experiment

    console = Console(record=True, width=160, file=(tmp_path / "said.txt").open("w"))
    assert run_experiment(planned, studies, Asked(tmp_path / "out", test=True, dry_run=True), console) is None
    said = console.export_text()
    assert "seed 1, prompt-wise" in said and "aligned-none" in said and "best 1 of static, prompt-wise" in said
    assert "then test, once: 10 of 10 cells to write" in said
    assert "10 cells of unknown length" in said and not (tmp_path / "out").exists()


def test_seeds_share_what_is_made_of_the_reports(run, monkeypatch):
    from mrg_llm.training.data import TextBank

    build, made = TextBank.build, []
    monkeypatch.setattr(TextBank, "build", lambda *a, **k: made.append(1) or build(*a, **k))
    run(only=["none", "static"])
    assert len(made) == 2, "the reports of training and validation were read more than once"


def test_two_processes_share_the_cells(run, trainings, planned, tmp_path):
    from mrg_llm.experiment.cells import cells_of
    from mrg_llm.files import locked

    [other] = cells_of(planned, tmp_path / "out", [0], [planned.experiment.named("prompt-wise")])
    other.folder.mkdir(parents=True)
    with locked(other.folder):  # as by another process that trains this cell
        found = run(only=["static", "prompt-wise", "other-prompts"], seeds=[0])
    assert trainings == ["seed-0/aligned-none", "seed-0/static/run"]
    assert list(found["val"]["arms"]) == ["static"]
    trainings.clear()
    assert list(run(only=["other-prompts"], seeds=[0])["val"]["arms"]) == ["static", "prompt-wise", "other-prompts"]
    assert trainings == ["seed-0/aligned-prompt-wise", "seed-0/prompt-wise/run"]
