"""The probe in a run: fitted before the first step, kept by its checkpoints, and asked of the right folds."""

from dataclasses import replace

import pytest
import torch

from mrg_llm.model import probe as probes
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.probe import FOLDS
from mrg_llm.settings import Settings
from mrg_llm.training import loop, opening
from mrg_llm.training.data import SplitData, on_device


@pytest.fixture
def probing(tiny_values, monkeypatch) -> dict:
    monkeypatch.setattr(probes, "FEWEST", 2)
    tiny_values["model"]["vision"]["trained_layers"] = 0
    tiny_values["model"]["prompts"] |= {"condition": "probe", "probe": 4}
    return tiny_values


def probe_of(folder) -> torch.Tensor:
    return MRGModel.from_pretrained(folder).probe.maps_OFR


def test_a_run_fits_it_once_and_keeps_it(probing, tiny_studies, tmp_path, monkeypatch):
    settings = Settings.model_validate(probing)
    run = loop.train(settings, tiny_studies, tmp_path / "run")
    first = probe_of(run)
    assert first.abs().sum() > 0 and "probe_nats_a_report" in (run / "journal.jsonl").read_text().splitlines()[0]

    def never(*_):
        raise AssertionError("fitted again")

    monkeypatch.setattr(opening, "fit_probe", never)
    assert torch.equal(probe_of(loop.train(settings, tiny_studies, run, resume=True)), first)
    again = loop.train(settings, tiny_studies, tmp_path / "again", start_from=run)
    assert torch.equal(probe_of(again), first)


def test_a_run_that_starts_from_one_without_a_probe_fits_its_own(probing, tiny_studies, tmp_path):
    settings = Settings.model_validate(probing)
    probing["model"]["prompts"]["condition"] = "attention"
    run = loop.train(Settings.model_validate(probing), tiny_studies, tmp_path / "attention")
    assert probe_of(loop.train(settings, tiny_studies, tmp_path / "run", start_from=run)).any()


def test_only_training_films_have_folds_and_those_of_a_patient_have_the_same(probing, tiny_studies):
    settings = Settings.model_validate(probing)
    torch.manual_seed(0)
    model = MRGModel.build(settings.model).eval()
    model.probe.maps_OFR.normal_()
    studies = [replace(study, patient=f"p{i // 4}") for i, study in enumerate(tiny_studies.split("train"))]
    learning = SplitData(studies, model.language.tokenizer, settings, augmented=True)
    judging = SplitData(studies, model.language.tokenizer, settings, augmented=False)
    assert set(learning.folds) <= set(range(FOLDS)) and len(set(learning.folds[:4])) == 1
    batch = on_device(learning.make(0, [0, 3]), "cpu")
    assert batch.folds.tolist() == learning.folds[[0, 3]].tolist()
    assert on_device(judging.make(0, [0, 3]), "cpu").folds is None
    with torch.no_grad():
        trunks = [on_device(data.make(0, [0, 3]), "cpu").look(model).trunk for data in (learning, judging)]
    assert not torch.allclose(*trunks)


def test_an_encoder_that_learns_is_refused(probing):
    probing["model"]["vision"]["trained_layers"] = 1
    with pytest.raises(ValueError, match=r"set vision\.trained_layers to 0"):
        Settings.model_validate(probing)
