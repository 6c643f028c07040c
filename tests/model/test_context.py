"""Indication and earlier report: told where a setting says so, marked where absent, and worth something."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from mrg_llm import cli, runs
from mrg_llm.errors import SettingsError
from mrg_llm.model.context import context_ids, context_words, untold
from mrg_llm.model.decoding import write_reports
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.processing import encode_report, read_views
from mrg_llm.settings import DecodeSettings, Settings
from mrg_llm.studies.batches import collate
from mrg_llm.studies.study import Study, StudySet
from mrg_llm.training.data import SplitData
from mrg_llm.training.loop import train
from tests.model.test_modeling import films

COUGH = Study("a", "train", (), "The lungs are clear.", indication="cough\nand  fever", prior_report="Clear lungs.")


def telling(values: dict, *parts: str) -> Settings:
    language = {**values["model"]["language"], "context": list(parts)}
    return Settings.model_validate({**values, "model": {**values["model"], "language": language}})


@pytest.fixture
def told(tiny_values):
    torch.manual_seed(0)
    return MRGModel.build(telling(tiny_values, "indication", "prior").model).eval()


def test_the_parts_are_told_in_order_and_what_is_absent_is_marked(told):
    tokenizer, config = told.language.tokenizer, told.config.language
    assert tokenizer.decode(context_ids(tokenizer, COUGH, config)) == (
        " Indication: cough and fever. Earlier report: Clear lungs.."
    )
    assert tokenizer.decode(context_ids(tokenizer, untold(COUGH), config)) == (
        " Indication: not given. Earlier report: not given."
    )
    short = config.model_copy(update={"context_tokens": 4})
    assert len(context_ids(tokenizer, COUGH, short)) == 2 * (4 + 1)


def test_without_the_setting_nothing_is_told(tiny_model):
    language = tiny_model.language
    words = context_words(language.tokenizer, [COUGH] * 3, tiny_model.config.language, "cpu")
    assert words.ids.shape == (3, 0)
    ids, mask = torch.tensor([[11, 12]]).expand(3, -1), torch.ones(3, 2, dtype=torch.bool)
    with torch.no_grad():
        seen = tiny_model.see(*films())
        assert torch.equal(tiny_model.token_losses(seen, ids, mask), tiny_model.token_losses(seen, ids, mask, words))


@pytest.mark.parametrize("position", ["before-image", "after-image", "before-answer"])
def test_padding_of_the_context_changes_nothing(tiny_values, position):
    """A study is told the same alone, and in a batch whose other studies have longer contexts."""
    settings = telling(tiny_values, "indication")
    prompts = settings.model.prompts.model_copy(update={"position": position, "deep": True})
    torch.manual_seed(0)
    model = MRGModel.build(settings.model.model_copy(update={"prompts": prompts})).eval()
    tokenizer, config = model.language.tokenizer, model.config.language
    studies = [replace(COUGH, indication=text) for text in ("cough", "a very long story " * 5, None)]
    ids, mask = torch.tensor([[11, 12, 13]]).expand(3, -1), torch.ones(3, 3, dtype=torch.bool)
    pixels, views = films()
    how = DecodeSettings(min_new_tokens=6, max_new_tokens=6)
    with torch.no_grad():
        words = context_words(tokenizer, studies, config, "cpu")
        seen = model.see(pixels, views)
        together = model.token_losses(seen, ids, mask, words)

        drafts = write_reports(model, seen, how, words)
        for i, study in enumerate(studies):
            one = context_words(tokenizer, [study], config, "cpu")
            mine = model.see(pixels[i : i + 1], views[i : i + 1])
            alone = model.token_losses(mine, ids[:1], mask[:1], one)
            assert torch.allclose(alone[0], together[i], atol=1e-4)
            assert write_reports(model, mine, how, one)[0] == drafts[i]
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_training_hides_the_context_of_a_share_of_the_studies_and_validation_of_none(told, tiny_values, tiny_studies):
    settings = telling(tiny_values, "indication")
    settings = settings.model_copy(update={"data": settings.data.model_copy(update={"hide_context": 0.5})})
    studies = [replace(s, indication="cough") for s in tiny_studies]
    tokenizer = told.language.tokenizer
    learning = SplitData(studies, tokenizer, settings, augmented=True)
    hidden = [learning.context(i, epoch) == learning.hidden_context for i in range(12) for epoch in range(20)]
    assert 0.35 < sum(hidden) / len(hidden) < 0.65
    assert hidden == [learning.context(i, e) == learning.hidden_context for i in range(12) for e in range(20)]
    judging = SplitData(studies, tokenizer, settings, augmented=False)
    assert all(judging.context(i, 0) == judging.contexts[i] != judging.hidden_context for i in range(12))


@pytest.fixture
def secret_run(tiny_values, tiny_studies, tmp_path):
    """A run on studies whose indication alone says what the report is."""
    said = ("The lungs are clear.", "The heart is enlarged.")
    studies = [
        replace(s, report=said[i % 3 == 0], indication=("alpha", "omega")[i % 3 == 0], patient=s.id)
        for i, s in enumerate(tiny_studies)
    ]
    values = {**tiny_values, "align_global": {"epochs": 0}, "align_local": {"epochs": 0},
              "generate": {"epochs": 40, "batch": 4, "metric": "loss", "contrast_weight": 0}}  # fmt: skip
    return train(telling(values, "indication"), StudySet("secret", tuple(studies)), tmp_path / "run"), studies


def loss(reporter, studies, told_as) -> float:
    """Nats a token of the studies' reports, when the model is told what `told_as` say beside their films."""
    model, tokenizer = reporter.model, reporter.model.language.tokenizer
    batch = collate(range(len(studies)), [read_views(s, 32, "squash") for s in studies],
                    [encode_report(tokenizer, s.report, 40) for s in studies])  # fmt: skip
    ids, mask = torch.from_numpy(batch.report_ids), torch.from_numpy(batch.report_mask)
    words = context_words(tokenizer, told_as, model.config.language, "cpu")
    with torch.no_grad():
        return float(model.token_losses(reporter.see(studies), ids, mask, words).sum() / mask.sum())


def test_a_model_that_is_told_uses_what_it_is_told_and_the_command_line_can_withhold_it(
    secret_run, tmp_path, monkeypatch
):
    run, studies = secret_run
    monkeypatch.setattr(cli.training, "open_data", lambda *a, **k: StudySet("secret", tuple(studies)))
    rows = {}
    for name, flags in {"with": [], "without": ["--without-context"]}.items():
        out = tmp_path / f"{name}.jsonl"
        command = ["generate", "--model", str(run), "--data", "secret:x", "--split", "train", "--out", str(out), *flags]
        assert CliRunner().invoke(cli.app, command).exit_code == 0
        rows[name] = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(row["context"] == ["indication"] for row in rows["with"])
    assert all(row["context"] == [] for row in rows["without"])
    reporter = runs.load(run)
    assert loss(reporter, studies, studies) < loss(reporter, studies, list(map(untold, studies))) - 0.05

    film = studies[0].views[0].path
    assert reporter.report(film, indication="omega") != reporter.report(film, indication="alpha")
    with pytest.raises(SettingsError, match="trained without the prior"):
        reporter.report(film, prior="Clear lungs.")
