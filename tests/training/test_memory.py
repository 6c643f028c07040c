"""Films remembered from the encoder's frozen layers: the same training, in a fraction of the time."""

import numpy as np
import pytest
import torch

from mrg_llm.settings import Settings
from mrg_llm.training import loop
from mrg_llm.training.data import SplitData, on_device
from mrg_llm.training.memory import remember_films


@pytest.fixture
def frozen_below(tiny_values) -> dict:
    tiny_values["model"]["vision"]["trained_layers"] = 1
    return tiny_values


def model_and_data(values: dict, studies, augmented: bool):
    from mrg_llm.model.modeling import MRGModel

    torch.manual_seed(0)
    settings = Settings.model_validate(values)
    model = MRGModel.build(settings.model).eval()
    return model, SplitData(studies.split("train"), model.language.tokenizer, settings, augmented)


def test_what_is_remembered_gives_the_same_losses(frozen_below, tiny_studies, tmp_path):
    from tests.training.test_loop import losses

    remembered = losses(loop.train(Settings.model_validate(frozen_below), tiny_studies, tmp_path / "remembered"))
    frozen_below["data"]["remember_gib"] = 0
    looked = losses(loop.train(Settings.model_validate(frozen_below), tiny_studies, tmp_path / "looked"))
    assert remembered.keys() == looked.keys()
    assert list(remembered.values()) == pytest.approx(list(looked.values()), rel=1e-4)


def test_every_epoch_takes_the_next_version_of_a_film(frozen_below, tiny_studies):
    frozen_below["data"]["augment"] = True
    model, data = model_and_data(frozen_below, tiny_studies, augmented=True)
    plain = [data.make(epoch, [0, 1, 2]) for epoch in range(4)]
    assert remember_films(model, data, copies=3, most_gib=1) == 3
    kept = [data.make(epoch, [0, 1, 2]) for epoch in range(4)]
    for looked, remembered in zip(plain[:3], kept[:3], strict=True):
        seen = on_device(looked, "cpu").look(model)
        again = on_device(remembered, "cpu").look(model)
        assert torch.allclose(seen.visual[seen.visual_mask], again.visual[again.visual_mask], atol=1e-5)
    assert np.array_equal(kept[3].films, kept[0].films) and not np.array_equal(kept[1].films, kept[0].films)


def test_no_more_is_kept_than_fits(frozen_below, tiny_studies):
    frozen_below["data"]["augment"] = True
    model, data = model_and_data(frozen_below, tiny_studies, augmented=True)
    tokens = model.vision.patches + 1
    once_gib = sum(len(s.views) for s in data.studies) * tokens * model.vision.width * 4 / 2**30
    assert remember_films(model, data, copies=4, most_gib=2.5 * once_gib) == 2
    fresh = model_and_data(frozen_below, tiny_studies, augmented=True)[1]
    assert remember_films(model, fresh, copies=4, most_gib=0.5 * once_gib) == 0 and not fresh.remembered


def test_films_that_do_not_vary_are_kept_once(frozen_below, tiny_studies):
    model, data = model_and_data(frozen_below, tiny_studies, augmented=True)
    assert remember_films(model, data, copies=4, most_gib=1) == 1
