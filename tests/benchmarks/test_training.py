"""The settings under which training steps are compared: those of the preset, as far as a step is concerned."""

import pytest

from tests.conftest import REPOSITORY


@pytest.mark.parametrize("variant", ["prompt-wise", "none"])
def test_both_sides_train_the_same_encoder_on_whole_reports(monkeypatch, variant):
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    training = pytest.importorskip("training", exc_type=ModuleNotFoundError)
    settings = training.chosen_settings(8, variant)
    assert settings.model.vision.trained_layers == 2 and settings.model.prompts.variant == variant
    assert settings.data.normal_share == 1 and settings.generate.contrast_weight == 0 and settings.generate.batch == 8
