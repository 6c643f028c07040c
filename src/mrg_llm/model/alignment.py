"""Contrastive alignment of image and report: heads and losses of stages 1 and 2 (this project's own extension).

    global     InfoNCE between the pooled image and the report, both directions            (CLIP, arXiv 2103.00020)
    local      every sentence attends to the visual tokens; contrast over sentences        (after GLoRIA)
    prompt     the same with the customized prompts in place of the visual tokens: so a prompt already means its
               image before the LLM is asked to speak
    words      the customized prompts, read by the LLM's embeddings, name the telling words of the report
    said       what the customizer's trunk saw tells, for every word that some reports say, whether this one does

Reports are embedded by the frozen LLM itself. Chest reports repeat themselves, so equal texts are positives, never
negatives. Legend: B images, T texts, N tokens of an image, C and D widths, A width of the shared space.
"""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from mrg_llm.model.arithmetic import Mixed
from mrg_llm.model.configuration import AlignmentConfig
from mrg_llm.model.pooling import masked_mean

HEADS = 4  # of a sentence's attention over patches or prompts
MAX_SCALE = math.log(100)
SAID_SCALE = 8.0  # of log-odds: how far a unit vector along a word's code moves them


class AlignmentHeads(Mixed):
    """Small maps into the shared space, one a kind of thing that is compared."""

    def __init__(
        self, config: AlignmentConfig, feature_width: int, width: int, has_prompts: bool, trunk_width: int = 0
    ):
        super().__init__()
        self.image = nn.Sequential(nn.LayerNorm(2 * feature_width), nn.Linear(2 * feature_width, config.width))
        self.report = text_head(width, config.width)
        self.sentence = text_head(width, 2 * config.width)
        self.region = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * config.width))
        self.prompt = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * config.width)) if has_prompts else None
        # Zero, as the last layer of the customizer: what is said starts at how often reports say it.
        self.said_FD = nn.Parameter(torch.zeros(trunk_width, width)) if config.said and has_prompts else None
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        # Of the sentence terms (SigLIP, arXiv 2303.15343): most sentences are not true of most films.
        self.sentence_bias = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("text_mean", torch.zeros(width))
        self.register_buffer("text_std", torch.ones(width))

    def standardise_texts(self, features_TD: Tensor) -> None:
        """An LLM's hidden states share one large direction; without it texts are told apart (training split only)."""
        self.text_mean.copy_(features_TD.mean(0))
        self.text_std.copy_(features_TD.std(0).clamp_min(1e-6))

    def embed_image(self, features_BNC: Tensor, mask_BN: Tensor, cls_BC: Tensor) -> Tensor:
        pooled = torch.cat([cls_BC, masked_mean(features_BNC, mask_BN)], dim=-1)
        return unit(self.mapped(self.image, pooled))

    def embed_reports(self, features_TD: Tensor) -> Tensor:
        return unit(self.mapped(self.report, self.standardised(features_TD)))

    def embed_sentences(self, features_TD: Tensor) -> Tensor:
        """What each sentence looks for, and what it should find: (T, 2A)."""
        return self.mapped(self.sentence, self.standardised(features_TD))

    def embed_regions(self, words_BND: Tensor) -> Tensor:
        """What each patch, in the LLM's space, can be found by, and what is found there: (B, N, 2A)."""
        return self.mapped(self.region, words_BND)

    def embed_prompts(self, prompts_BKD: Tensor) -> Tensor:
        """The same of customized prompts: (B, K, 2A)."""
        assert self.prompt is not None, "prompts that are not customized are not aligned"
        return self.mapped(self.prompt, prompts_BKD)

    def tell(self, trunk_BHR: Tensor) -> Tensor:
        """What the customizer's trunk saw, as a direction among the words' codes: (B, D)."""
        assert self.said_FD is not None, "alignment.said is off"
        return trunk_BHR.flatten(1) @ self.said_FD

    def mapped(self, head: nn.Module, features: Tensor) -> Tensor:
        with self.arithmetic(features):
            return head(features).float()

    def standardised(self, features_TD: Tensor) -> Tensor:
        return (features_TD - self.text_mean) / self.text_std

    def scale(self) -> Tensor:
        return self.log_scale.clamp(max=MAX_SCALE).exp()


def text_head(width: int, out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, out))


def unit(x: Tensor) -> Tensor:
    return nn.functional.normalize(x, dim=-1)


def contrastive_loss(similarity_BT: Tensor, likeness_BT: Tensor) -> Tensor:
    """InfoNCE in both directions. likeness: 1 where image and text belong together, 0 where they do not, anything
    between where they partly do; a row that is like nothing does not count."""
    return (one_direction(similarity_BT, likeness_BT) + one_direction(similarity_BT.T, likeness_BT.T)) / 2


def one_direction(similarity: Tensor, likeness: Tensor) -> Tensor:
    sums = likeness.sum(1)
    loss = -(likeness * similarity.log_softmax(dim=1)).sum(1) / sums.clamp_min(1e-6)
    counts = sums > 0
    return (loss * counts).sum() / counts.sum().clamp_min(1)


def sentence_loss(logits_BT: Tensor, true_BT: Tensor) -> Tensor:
    """Sigmoid loss over every pair of film and sentence. A sentence's few true films weigh as much as its many false
    ones: otherwise "never" would be a good answer for every finding."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits_BT, true_BT.float(), reduction="none")
    return (balanced(losses, true_BT) + balanced(losses, ~true_BT)) / 2


def balanced(losses_BT: Tensor, chosen_BT: Tensor) -> Tensor:
    """Mean over sentences of the mean over the chosen films; sentences without one do not count."""
    counts_T = chosen_BT.sum(0)
    means_T = (losses_BT * chosen_BT).sum(0) / counts_T.clamp_min(1)
    return means_T.sum() / (counts_T > 0).sum().clamp_min(1)


def sentence_logits(tokens_BNK: Tensor, mask_BN: Tensor, sentences_TK: Tensor) -> Tensor:
    """(B, T): each sentence gathers what it looks for from the image's tokens, then is compared with what it found.

    Tokens and sentences are (key, value) and (query, expectation) pairs of width K = 2A, looked at by HEADS heads. The
    attention is not scaled down: a nodule is one patch among hundreds, and a soft attention would never find it.
    """
    keys, values = (split_heads(part) for part in tokens_BNK.chunk(2, dim=-1))
    queries, expected = (split_heads(part) for part in sentences_TK.chunk(2, dim=-1))
    attention_BHTN = torch.einsum("bnha,tha->bhtn", keys, queries)
    attention_BHTN = attention_BHTN.masked_fill(~mask_BN[:, None, None], float("-inf")).softmax(-1)
    found_BTHA = torch.einsum("bhtn,bnha->btha", attention_BHTN, values)
    return torch.einsum("btha,tha->bt", found_BTHA, expected) * expected[0].numel() ** -0.5


def split_heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (HEADS, -1))


def word_loss(prompts_BKD: Tensor, embeddings_WD: Tensor, words_BW: Tensor) -> Tensor:
    """How well the customized prompts, read as words of the LLM, name what the report says is there.

    Every prompt is a distribution over words by its product with the LLM's own, frozen embeddings; some prompt should
    name each telling word. There is no gain to learn: a prompt must become the word, at the word's own scale, and then
    the LLM can read it.
    """
    named_BKW = (prompts_BKD @ embeddings_WD.T).log_softmax(-1)
    some_BW = named_BKW.logsumexp(1) - math.log(prompts_BKD.shape[1])
    losses_B = -(some_BW * words_BW).sum(1) / words_BW.sum(1).clamp_min(1)
    return losses_B.mean()


def said_logits(told_BD: Tensor, embeddings_WD: Tensor, share_W: Tensor) -> Tensor:
    """(B, W): log-odds that a report says a word. share: of the reports that say it, from which the film moves them
    along the word's code, its embedding without what all of them share."""
    codes_WD = unit(embeddings_WD - embeddings_WD.mean(0))
    return SAID_SCALE * told_BD @ codes_WD.T + share_W.clamp(1e-3, 1 - 1e-3).logit()


def said_loss(logits_BW: Tensor, said_BW: Tensor, share_W: Tensor) -> Tensor:
    """Nats a report over all words, said or not, by how many of them an average report says: a batch of short reports
    weighs no more than another."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits_BW, said_BW, reduction="sum")
    return losses / (len(said_BW) * share_W.sum().clamp_min(1e-3))


def normalise_text(text: str) -> str:
    """What counts as the same text: letters and digits, lower-cased."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def split_sentences(report: str) -> list[str]:
    """A report's sentences, in order, without empty ones; a decimal point ends nothing."""
    parts = re.split(r"(?<=[.!?])\s+|\n+", report)
    return [p.strip() for p in parts if normalise_text(p)]
