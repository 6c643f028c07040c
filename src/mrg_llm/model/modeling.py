"""The whole model: films -> visual tokens -> customized prompts -> frozen LLM -> loss or report.

`MRGModel` holds the parts and says in a forward of ten lines how they follow each other. What is saved is what was
trained; the frozen LLM is named with its hash and loaded from where it comes.
Legend: B batch, W views, N patch features, M visual tokens, K prompts, T report tokens, C and D widths.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mrg_llm.errors import CheckpointError
from mrg_llm.model.ahead import Ahead
from mrg_llm.model.alignment import AlignmentHeads
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.head import frozen_cross_entropy
from mrg_llm.model.language import ADAPTER, FrozenLanguageModel
from mrg_llm.model.pooling import masked_mean
from mrg_llm.model.probe import Probe
from mrg_llm.model.projection import Projection
from mrg_llm.model.prompts import CUSTOMIZED, Promptbook
from mrg_llm.model.sequence import LLMInput, Words, assemble, make_frame
from mrg_llm.model.vision import VisionEncoder

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Seen:
    """What the encoder saw: features (B, W*N, C) with their mask (B, W*N), class feature (B, C), visual tokens V
    (B, W*M, D) with theirs, the customized prompts P' (B, K, D), or None without prompts, and what the customizer's
    trunk made of it (B, H, R), or None."""

    features: Tensor
    feature_mask: Tensor
    cls: Tensor
    visual: Tensor
    visual_mask: Tensor
    prompts: Tensor | None
    trunk: Tensor | None


class MRGModel(nn.Module):
    """The parts of method.md under their names; the LLM inside is frozen."""

    def __init__(self, config: MRGConfig, vision: VisionEncoder, language: FrozenLanguageModel):
        super().__init__()
        width = language.width
        language_config = config.language.model_copy(update={"width": width})
        self.config = config.model_copy(update={"language": language_config})
        self.vision = vision
        self.projection = Projection(config.projection, vision.width, width, language.embedding_std)
        self.frame = make_frame(language.tokenizer, config.language)
        customizes = config.prompts.variant in CUSTOMIZED
        # Before the promptbook: its random start must not depend on the variant, for variants differ in nothing else.
        trunk = config.prompts.width * (config.prompts.prompts if config.prompts.variant == "prompt-wise" else 1)
        self.alignment = AlignmentHeads(config.alignment, vision.width, width, customizes, trunk)
        self.promptbook = None
        if config.prompts.variant != "none":
            start = first_prompts(language, self.frame, config.prompts.prompts)
            scale = language.layer_scale(self.frame.before + self.frame.after) if config.prompts.deep else None
            self.promptbook = Promptbook(config.prompts, start, vision.width, width, scale)
        self.language = language
        if config.language.lora_rank:  # last: no other part's random start may depend on it
            language.adapt(config.language.lora_rank)
        self.learned_names = frozenset(n for n, p in self.named_parameters() if p.requires_grad)
        llm = [n for n in self.learned_names if n.startswith("language.") and ADAPTER not in n]
        assert not llm, "the frozen LLM asks for a gradient"

    @classmethod
    def build(cls, config: MRGConfig, dtype: torch.dtype = torch.float32) -> MRGModel:
        """A new model: published encoder and LLM, fresh projection, prompts and heads. dtype: of the frozen LLM."""
        return cls(config, VisionEncoder.load(config.vision), FrozenLanguageModel.load(config.language, dtype))

    @property
    def customizes(self) -> bool:
        """Whether the prompts depend on the image."""
        return self.promptbook is not None and self.promptbook.customizer is not None

    @property
    def probe(self) -> Probe | None:
        """What is fitted before the first step; None where the customizer has none."""
        return self.promptbook.customizer.probe if self.customizes else None

    def see(self, films_BWHW: Tensor, view_mask_BW: Tensor, folds_B: Tensor | None = None) -> Seen:
        """films (B, W, side, side) in 0..1, view_mask true where a view exists -> what the LLM will be shown. folds:
        of training films, for the probe."""
        patches, cls = self.vision(films_BWHW.flatten(0, 1).unsqueeze(1))
        return self.shown(patches, cls, view_mask_BW, folds_B)

    def see_from(self, below_BWTC: Tensor, view_mask_BW: Tensor, folds_B: Tensor | None = None) -> Seen:
        """The same from what the encoder's frozen layers made of the films (VisionEncoder.below)."""
        patches, cls = self.vision.above(below_BWTC.flatten(0, 1))
        return self.shown(patches, cls, view_mask_BW, folds_B)

    def shown(self, patches: Tensor, cls: Tensor, view_mask_BW: Tensor, folds_B: Tensor | None = None) -> Seen:
        """Patch features (B*W, N, C) and class features (B*W, C) -> visual tokens and customized prompts."""
        B, W = view_mask_BW.shape
        patches_BWNC = patches.view(B, W, *patches.shape[1:])
        cls_BC = masked_mean(cls.view(B, W, -1), view_mask_BW)
        visual, visual_mask = self.projection(patches_BWNC, view_mask_BW)
        features = patches_BWNC.flatten(1, 2)
        feature_mask = view_mask_BW.unsqueeze(-1).expand(-1, -1, patches_BWNC.shape[2]).flatten(1)
        prompts = trunk = None
        if self.promptbook is not None:
            pooled = masked_mean(visual, visual_mask)
            prompts, trunk = self.promptbook(features, feature_mask, cls_BC, pooled, folds_B)
        return Seen(features, feature_mask, cls_BC, visual, visual_mask, prompts, trunk)

    def unseen(self, seen: Seen, rows_B: Tensor) -> Seen:
        """The same, but with the film hidden from the LLM in these rows: no visual token, and the prompts as they stand
        in the book. What a model writes then is what it would write of any film."""
        if not rows_B.any():
            return seen
        hidden = rows_B.view(-1, 1, 1)
        prompts, trunk = seen.prompts, seen.trunk
        if prompts is not None and self.promptbook is not None:
            prompts = torch.where(hidden, self.promptbook.book_KD, prompts)
        if trunk is not None:
            trunk = torch.where(hidden, torch.zeros_like(trunk), trunk)
        visual_mask = seen.visual_mask & ~rows_B.unsqueeze(1)
        return replace(seen, visual_mask=visual_mask, prompts=prompts, trunk=trunk)

    def at_every_layer(self, seen: Seen) -> Tensor | None:
        """What deep prompts add to the hidden states at the prompts' places, (B, L, K, D); None without them."""
        if self.promptbook is None or seen.prompts is None:
            return None
        return self.promptbook.at_every_layer(seen.prompts, seen.trunk)

    def llm_input(
        self, seen: Seen, report_ids: Tensor | None = None, report_mask: Tensor | None = None,
        context: Words | None = None,
    ) -> LLMInput:  # fmt: skip
        """The sequence of sequence.py for what was seen."""
        return assemble(
            self.frame, self.language.embed, seen.visual, seen.visual_mask, seen.prompts,
            self.config.prompts.position, report_ids, report_mask, context,
        )  # fmt: skip

    def token_losses(
        self, seen: Seen, report_ids_BT: Tensor, report_mask_BT: Tensor, context: Words | None = None,
        hidden_BT: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Next-token loss at every report position, (B, T) in nats, 0 where the mask is 0. Logits are computed there
        only. hidden_BT: tokens that have to be written but are not read: their embedding is zero."""
        inputs = self.llm_input(seen, report_ids_BT, report_mask_BT, context)
        if hidden_BT is not None:
            inputs.embeddings[:, inputs.report_start :].masked_fill_(hidden_BT.unsqueeze(-1), 0)
        ahead = Ahead(self.language, self.frame.before)
        with self.language.deep_prompts(self.at_every_layer(seen), inputs.prompt_start - len(ahead)):
            hidden = ahead.hidden(inputs)
        # The hidden state at position s predicts token s + 1: from the bar's last token to the report's last but one.
        before_BTD = hidden[:, inputs.report_start - len(ahead) - 1 : -1]
        real = report_mask_BT.bool()
        losses_N = frozen_cross_entropy(before_BTD[real], self.language.head, report_ids_BT[real])
        return torch.zeros(real.shape, dtype=torch.float32, device=losses_N.device).masked_scatter(real, losses_N)

    # -- what is trained -------------------------------------------------------------------------------------------

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Name -> parameter of everything that learns; nothing of the LLM is in it but adapters that it was given."""
        return {n: p for n, p in self.named_parameters() if n in self.learned_names}

    def trained_state(self) -> dict[str, Tensor]:
        """What a checkpoint holds: trained parameters and the small buffers beside them."""
        buffers = {n for n, _ in self.named_buffers() if not n.startswith(("language.", "vision."))}
        return {n: t.detach() for n, t in self.state_dict().items() if n in self.learned_names | buffers}

    def load_trained_state(self, state: dict[str, Tensor], where: str = "the checkpoint") -> None:
        """Put trained weights in place. Raises CheckpointError when names or shapes are not this model's."""
        own = self.trained_state()
        missing, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or extra:
            name = (missing or extra)[0]
            raise CheckpointError(
                f"{where} does not fit this model: {len(missing)} weights are missing and {len(extra)} unknown "
                f"(first: {name}); it was trained with other model settings"
            )
        for name, tensor in own.items():
            if tensor.shape != state[name].shape:
                raise CheckpointError(
                    f"{where} does not fit this model: {name} is {tuple(state[name].shape)} there and "
                    f"{tuple(tensor.shape)} here"
                )
        self.load_state_dict(state, strict=False)

    def parts(self) -> dict[str, int]:
        """Trained parameters a part."""
        counts: dict[str, int] = {}
        for name, parameter in self.trained_parameters().items():
            part = name.split(".")[0]
            if name.startswith("promptbook.customizer"):
                part = "customizer"
            elif ADAPTER in name:
                part = "adapters"
            counts[part] = counts.get(part, 0) + parameter.numel()
        return counts

    # -- save and load ---------------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors (trained weights only)."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(self.config.model_dump_json(indent=1) + "\n")
        save_file({n: t.contiguous() for n, t in self.trained_state().items()}, folder / WEIGHTS_FILE)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, dtype: torch.dtype = torch.float32, language: str | None = None
    ) -> MRGModel:
        """A trained model from its run folder. `language` names another copy of the LLM it was trained with.

        Raises CheckpointError where the folder is not one, is damaged, or does not fit the LLM.
        """
        folder = Path(folder)
        config = read_config(folder)
        if language is not None:
            config = config.model_copy(update={"language": config.language.model_copy(update={"source": language})})
        model = cls.build(config, dtype)
        try:
            state = load_file(folder / WEIGHTS_FILE)
        except Exception as error:  # safetensors raises its own, undocumented kinds
            raise CheckpointError(f"{folder / WEIGHTS_FILE} is missing or damaged; run 'mrg check {folder}'") from error
        model.load_trained_state(state, str(folder))
        return model.eval()


def with_prompts_of(seen: Seen, other: Seen) -> Seen:
    """What was seen of some studies, with the customized prompts of others: the control that tells whether they are
    used."""
    return replace(seen, prompts=other.prompts, trunk=other.trunk)


def read_config(folder: Path) -> MRGConfig:
    """config.json of a run folder. Raises CheckpointError."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a run folder: it has no {CONFIG_FILE}; give the folder of 'mrg train'")
    try:
        return MRGConfig.model_validate(json.loads(path.read_text()))
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged or from another version of mrg-llm: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[:2])


def first_prompts(language: FrozenLanguageModel, frame, count: int) -> Tensor:
    """K rows of the LLM's embedding table to start from: the words of the instruction, repeated (Lester 2021)."""
    ids = [i for i in (*frame.before, *frame.after) if i not in language.tokenizer.all_special_ids]
    rows = torch.tensor([ids[i % len(ids)] for i in range(count)])
    start = language.embed(rows.to(language.model.device)).float().cpu()
    # Repeated words would make identical prompts with identical gradients: a small seeded jitter tells them apart.
    seed = int(hashlib.sha256(str(count).encode()).hexdigest()[:8], 16)
    noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(seed))
    return start + 0.1 * start.std() * noise
