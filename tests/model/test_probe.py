"""The probe: what a straight line can tell of a report, and no more than it can tell of films it has not seen."""

import numpy as np
import pytest
import torch

from mrg_llm.model import probe as probes
from mrg_llm.model.pooling import mean_and_spread
from mrg_llm.model.probe import FOLDS, Probe, fitted_probe

S, C = 400, 32
FOLD = torch.arange(S) % FOLDS


def films(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """(S, N, C) features and their mask; films differ in the mean of their first feature and the spread of the last."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(S, 6, C, generator=generator)
    features[:, :, 0] += torch.randn(S, 1, generator=generator)
    features[:, :, 3] *= torch.randn(S, 1, generator=generator).exp()
    return features, torch.ones(S, 6, dtype=torch.bool)


def fitted(targets: torch.Tensor, seed: int = 0) -> tuple[Probe, float]:
    *found, worth = fitted_probe(mean_and_spread(*films(seed)).unsqueeze(0), targets, FOLD, directions=2)
    probe = Probe(C, 2)
    probe.put(*found)
    return probe, worth


def planted(seed: int = 0) -> torch.Tensor:
    """Two things that reports say: of the mean, and of the spread."""
    summary = mean_and_spread(*films(seed))
    return torch.stack([summary[:, 0] > 0, summary[:, C + 3] > 1.2], dim=1).float()


def correlation(told: torch.Tensor, targets: torch.Tensor) -> float:
    """The best of any direction with any target."""
    both = np.corrcoef(torch.cat([told, targets], dim=1).T.numpy())
    return float(np.abs(both[: told.shape[1], told.shape[1] :]).max())


def test_it_tells_a_new_film_what_reports_of_such_films_say():
    probe, worth = fitted(planted())
    assert worth > 0.2  # of some 1.3 nats, and it is held small
    told = probe(*films(seed=1))
    assert told.shape == (S, 2) and correlation(told, planted(seed=1)) > 0.6


def test_a_training_film_is_told_by_what_has_not_seen_it(monkeypatch):
    """Of noise nothing can be told; a probe that has seen a film tells it all the same."""
    monkeypatch.setattr(probes, "SMALL", 1e-4)
    noise = (torch.rand(S, 40, generator=torch.Generator().manual_seed(5)) > 0.5).float()
    probe, worth = fitted(noise)
    assert worth < 0
    own, learned = probe(*films(), FOLD), probe(*films(), (FOLD + 1) % FOLDS)
    assert correlation(learned, noise) > correlation(own, noise) + 0.05


def test_padding_is_not_looked_at():
    probe, _ = fitted(planted())
    features, mask = films()
    padded = torch.cat([features[:5], torch.full((5, 2, C), 100.0)], dim=1)
    longer = torch.cat([mask[:5], torch.zeros(5, 2, dtype=torch.bool)], dim=1)
    assert torch.allclose(probe(padded, longer), probe(features[:5], mask[:5]), atol=1e-5)


def test_where_nothing_can_be_fitted_it_tells_nothing():
    rare = torch.zeros(S, 2)
    rare[:9] = 1
    probe, worth = fitted(rare)
    assert worth == 0 and not probe.maps_OFR.any()
    summaries = mean_and_spread(*films()).unsqueeze(0)
    *_, maps, worth = fitted_probe(summaries, planted(), torch.zeros(S, dtype=torch.long), 3)
    assert worth == 0 and not maps.any(), "films of one fold have no other to be told by"
    mean, scale, maps, _ = fitted_probe(summaries[:, :1], planted()[:1], FOLD[:1], 3)
    assert mean.isfinite().all() and (scale > 0).all() and not maps.any()


def test_films_of_two_folds_are_told_by_each_other_and_new_ones_in_the_same_measure():
    *found, worth = fitted_probe(mean_and_spread(*films()).unsqueeze(0), planted(), FOLD % 2, 2)
    probe = Probe(C, 2)
    probe.put(*found)
    assert worth > 0.2 and probe(*films(), FOLD % 2).std(0).max() == pytest.approx(probes.SPREAD, rel=1e-3)
    assert probe(*films(seed=1)).std(0).max() < 3 * probes.SPREAD


@pytest.mark.parametrize("variant", ["prompt-wise", "promptbook-wise"])
def test_at_the_first_step_prompts_are_those_of_the_book_and_then_they_follow_the_probe(variant):
    from mrg_llm.model.configuration import PromptConfig
    from mrg_llm.model.prompts import Promptbook

    torch.manual_seed(0)
    book = Promptbook(
        PromptConfig(prompts=4, width=7, variant=variant, condition="probe", probe=3), torch.randn(4, 6), C, 6
    )
    *found, _ = fitted_probe(mean_and_spread(*films()).unsqueeze(0), planted(), FOLD, 3)
    book.customizer.probe.put(*found)
    features, mask = (part[:3] for part in films())
    sight = features, mask, torch.zeros(3, C), torch.zeros(3, 6)
    assert torch.equal(book(*sight)[0], book.book_KD.expand(3, -1, -1))
    with torch.no_grad():
        book.customizer.last_HRO.normal_()
    unprobed = book(*sight)[0]
    book.customizer.probe.put(*found[:2], torch.zeros_like(found[2]))
    assert not torch.allclose(book(*sight)[0], unprobed)
