"""A heat map for each sentence of a text, over each view: on which patches of the film do its words hang?

In: a reporter, one study's films, a text. Out: maps of 0..1. Every sentence's loss is followed back to the patch
features, by the visual tokens and by the customized and deep prompts alike; what a patch is worth to a sentence is
gradient times (feature - the view's mean feature), summed over channels. A map shows what it is worth to this sentence
above the draft's mean sentence, squared: the gradient's noise is many small values. Chosen on phantoms, where it falls
into the true finding's box more often than its rivals (docs/explanations.md).
Legend: S sentences, W views, N patches of a view, C width of the encoder, T report tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mrg_llm.model.context import context_words
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.processing import Reporter, Shown, encode_report, to_model
from mrg_llm.model.sequence import Words
from mrg_llm.model.spans import sentence_tokens
from mrg_llm.studies.batches import stack_views
from mrg_llm.studies.study import Study


@dataclass(frozen=True)
class Explanation:
    """sentences: of the text, in order. maps: (S, W, h, w) float32, h x w the patches of a view; a sentence's largest
    value over all views is 1, or its maps are 0 where nothing of the film spoke for it."""

    sentences: tuple[str, ...]
    maps: np.ndarray


@torch.inference_mode(False)
@torch.enable_grad()
def explain(reporter: Reporter, shown: Shown, text: str, study: Study | None = None) -> Explanation:
    """Heat maps of a text, written by this reporter or not, over the films of `reporter.shown`. study: as `asked`
    gave it, where the model was told something beside the films.

    One forward and backward pass with a row a sentence; no weight gets a gradient. Like `drafts`, it is not to run in
    two threads on one reporter.
    """
    model, config = reporter.model, reporter.model.config.language
    tokenizer = model.language.tokenizer
    sentences, numbers = sentence_tokens(tokenizer, text)
    side, W = model.vision.side_patches, len(shown.squares)
    if not sentences:
        return Explanation((), np.zeros((0, W, side, side), np.float32))
    films, views = to_model(stack_views([shown.squares]), model.vision.mean.device)
    device = films.device
    with torch.no_grad():
        patches_WNC, cls_WC = model.vision(films.flatten(0, 1).unsqueeze(1))
    context = context_words(tokenizer, [study or reporter.asked()], config, device)
    ids = torch.tensor(encode_report(tokenizer, text, len(numbers)), device=device)
    of_sentence_ST = torch.tensor([[n == i for n in numbers] for i in range(len(sentences))], device=device)
    worth_SWN = patch_worth(model, patches_WNC, cls_WC, views, ids, of_sentence_ST, context)
    if len(sentences) > 1:
        worth_SWN = worth_SWN - worth_SWN.mean(dim=0)
    maps = worth_SWN.clamp_min(0).square().view(len(sentences), W, side, side)
    peak = maps.amax(dim=(1, 2, 3), keepdim=True)
    return Explanation(tuple(sentences), (maps / peak.clamp_min(1e-30)).float().cpu().numpy())


def patch_worth(
    model: MRGModel, patches_WNC: Tensor, cls_WC: Tensor, views_1W: Tensor, ids_T: Tensor, of_sentence_ST: Tensor,
    context: Words,
) -> Tensor:  # fmt: skip
    """(S, W, N): what each patch adds to the log-probability of each sentence, in nats, to first order."""
    S, W = len(of_sentence_ST), len(patches_WNC)
    # A row a sentence, so that one backward pass gives every sentence its own gradient.
    rows_SWNC = patches_WNC.detach().expand(S, *patches_WNC.shape).contiguous().requires_grad_()
    cls = cls_WC.detach().repeat(S, 1)
    seen = model.shown(rows_SWNC.flatten(0, 1), cls, views_1W.expand(S, W))
    ids_ST = ids_T.expand(S, -1)
    told = Words(context.ids.expand(S, -1), context.mask.expand(S, -1))
    losses_ST = model.token_losses(seen, ids_ST, torch.ones_like(ids_ST), told)
    (gradient,) = torch.autograd.grad(-(losses_ST * of_sentence_ST).sum(), rows_SWNC)
    moved = patches_WNC - patches_WNC.mean(dim=1, keepdim=True)
    return (gradient * moved).sum(-1).detach()
