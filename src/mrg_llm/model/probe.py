"""A linear probe: what a straight line can tell of a film's report from the frozen encoder's features.

In: patch features of a film (B, N, C). Out: R numbers a film, what the probe says of the words of its report, along
the R directions in which films differ most (`Probe`). It is fitted once, before the first step (`fitted_probe`).

A few thousand reports teach a customizer of a hundred thousand weights their own films by heart. A logistic regression
that is held small does not, and tells more about films it has not seen. So that prompts do not learn to trust it
further than new films warrant, it is fitted once a fold (cross-fitting, stacked generalization: Wolpert 1992): in
training a film is told by the probe of the other folds, and a new film by the mean of all.
Legend: S studies, V augmented versions, F = 2C summary of a film, O folds, R directions, T targets.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mrg_llm.model.pooling import mean_and_spread

FOLDS = 5
SMALL = 0.3  # nats a report for a weight of 1, on features of spread 1; chosen on validation (docs/lab-diary.md)
FEWEST = 10  # reports that say a thing, below which nothing about it is fitted
ROUNDS = 100  # of L-BFGS
SPREAD = 2.5  # of the first direction, the widest: what an untrained trunk is moved by


class Probe(nn.Module):
    """Tells nothing until `put` has given it what `fitted_probe` found; a checkpoint keeps it."""

    mean_F: Tensor
    scale_F: Tensor
    maps_OFR: Tensor

    def __init__(self, feature_width: int, directions: int):
        super().__init__()
        self.directions = directions
        summary = 2 * feature_width
        self.register_buffer("mean_F", torch.zeros(summary))
        self.register_buffer("scale_F", torch.ones(summary))
        self.register_buffer("maps_OFR", torch.zeros(FOLDS, summary, directions))

    def forward(self, features_BNC: Tensor, mask_BN: Tensor, folds_B: Tensor | None = None) -> Tensor:
        """(B, R). folds_B: of training films, each of which is told by the probe that has not seen it."""
        summary_BF = (mean_and_spread(features_BNC, mask_BN) - self.mean_F) / self.scale_F
        if folds_B is None:
            return summary_BF @ self.maps_OFR.mean(0)
        return torch.einsum("bf,bfr->br", summary_BF, self.maps_OFR[folds_B])

    def put(self, mean_F: Tensor, scale_F: Tensor, maps_OFR: Tensor) -> None:
        self.mean_F.copy_(mean_F)
        self.scale_F.copy_(scale_F)
        self.maps_OFR.copy_(maps_OFR)


def fitted_probe(
    summaries_VSF: Tensor, targets_ST: Tensor, folds_S: Tensor, directions: int
) -> tuple[Tensor, Tensor, Tensor, float]:
    """(mean_F, scale_F, maps_OFR) for `Probe.put`, and what the probe is worth on films it was not fitted to, in nats a
    report over all targets, against how often each is said.

    targets: 1 where a report says a word or names a finding. The same numbers give the same probe.
    """
    summaries_VSF, targets_ST = summaries_VSF.float().cpu(), targets_ST.float().cpu()
    folds_S = folds_S.cpu()
    kept, width = targets_ST.sum(0) >= FEWEST, summaries_VSF.shape[-1]
    maps = torch.zeros(FOLDS, width, directions)
    if not kept.any() or len(folds_S.unique()) < 2:  # films of one fold have no other to be told by
        return torch.zeros(width), torch.ones(width), maps, 0.0
    mean_F = summaries_VSF.flatten(0, 1).mean(0)
    scale_F = summaries_VSF.flatten(0, 1).std(0).clamp_min(1e-6)
    spread_VSF = (summaries_VSF - mean_F) / scale_F
    said_ST = targets_ST[:, kept]
    usual_T = usual_odds(said_ST)
    seen_SF = spread_VSF.mean(0)
    weights = [regression(seen_SF[folds_S != o], said_ST[folds_S != o], usual_T) for o in range(FOLDS)]
    # One basis for all folds, so that a direction means the same in each: where the films' log-odds vary most.
    basis_TR = torch.linalg.svd(seen_SF @ torch.stack(weights).mean(0), full_matrices=False).Vh[:directions].T
    unseen_ST = torch.zeros_like(said_ST)
    told_VSR = torch.zeros(*spread_VSF.shape[:2], directions)
    for o, weights_FT in enumerate(weights):
        maps[o, :, : basis_TR.shape[1]] = weights_FT @ basis_TR
        unseen_ST[folds_S == o] = seen_SF[folds_S == o] @ weights_FT
        told_VSR[:, folds_S == o] = spread_VSF[:, folds_S == o] @ maps[o]
    worth = (cost(usual_T.expand_as(said_ST), said_ST) - cost(unseen_ST + usual_T, said_ST)) / len(said_ST)
    return mean_F, scale_F, maps * (SPREAD / told_VSR.flatten(0, 1).std(0).max().clamp_min(1e-6)), float(worth)


def usual_odds(said_ST: Tensor) -> Tensor:
    """(T,) log-odds of how often each is said."""
    return said_ST.mean(0).clamp(1e-3, 1 - 1e-3).logit()


def regression(features_SF: Tensor, said_ST: Tensor, usual_T: Tensor) -> Tensor:
    """Weights (F, T) of logistic regressions that move the log-odds from where they usually are, held small."""
    weights_FT = torch.zeros(features_SF.shape[1], said_ST.shape[1], requires_grad=True)
    search = torch.optim.LBFGS([weights_FT], max_iter=ROUNDS, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        told = cost(features_SF @ weights_FT + usual_T, said_ST) / max(1, len(said_ST))
        loss = told + SMALL * weights_FT.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        search.step(closure)
    return weights_FT.detach()


def cost(logits_ST: Tensor, said_ST: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits_ST, said_ST, reduction="sum")
