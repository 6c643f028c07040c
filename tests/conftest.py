"""Fakes that keep the tests quick: a random LLaMA of two layers, a random ViT of two layers, drawn chest films."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads starve everybody else
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may ask a hub

import hypothesis
import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[1]
SENTENCES = [
    "The heart is normal in size.", "The lungs are clear.", "There is a small left pleural effusion.",
    "No pneumothorax is seen.", "A nodule is seen in the right upper lobe.", "The heart is enlarged.",
]  # fmt: skip


# A busy machine is no defect: tests have no time limit but the one for all of them.
hypothesis.settings.register_profile("mrg", deadline=None)
hypothesis.settings.load_profile("mrg")


def module_at(path: str) -> ModuleType:
    """A file of the repository that belongs to no package (scripts/, benchmarks/), as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data for development; it is not in the repository, so what needs it is skipped by name where absent."""
    path = Path(os.environ.get("MRG_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"development data is not at {path}")
    return path


@pytest.fixture(scope="session")
def tiny_llm(tmp_path_factory) -> Path:
    """A folder with a random LLaMA (width 32, 2 layers, grouped key-value heads) and a byte-level tokenizer."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-llm")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id, tie_word_embeddings=False, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16))  # exact in bfloat16 and float32 alike
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory) -> Path:
    """A folder with a random ViT (width 24, 2 layers, patches of 8 px)."""
    import torch
    from transformers import ViTConfig, ViTModel

    folder = tmp_path_factory.mktemp("tiny-vit")
    torch.manual_seed(1)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=32, patch_size=8
    )
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_values(tiny_llm, tiny_vit) -> dict:
    """Settings of a run that takes seconds."""
    return {
        "data": {"augment": False, "max_report_tokens": 40, "familiar_films": 0},
        "model": {
            "vision": {"source": str(tiny_vit), "side_px": 32},
            "projection": {"grid": 2},
            "prompts": {"prompts": 3, "width": 8},
            "language": {"source": str(tiny_llm), "instruction": "Film: {image} Findings:"},
            "alignment": {"width": 16},
        },
        "train": {"precision": "fp32", "lr": 0.01, "lr_encoder": 0.001, "checkpoint_every": 3, "log_every": 1,
                  "trackers": []},
        "align_global": {"epochs": 1, "batch": 4},
        "align_local": {"epochs": 1, "batch": 4},
        "generate": {"epochs": 2, "batch": 4, "metric": "loss"},
        "decode": {"max_new_tokens": 12, "batch": 4},
    }  # fmt: skip


@pytest.fixture
def tiny_settings(tiny_values):
    from mrg_llm.settings import Settings

    return Settings.model_validate(tiny_values)


@pytest.fixture
def tiny_model(tiny_settings):
    """An untrained model, seeded."""
    import torch

    from mrg_llm.model.modeling import MRGModel

    torch.manual_seed(0)
    return MRGModel.build(tiny_settings.model).eval()


@pytest.fixture(scope="session")
def tiny_studies(tmp_path_factory):
    """Twelve studies of noise films with one or two views: 8 to train, 2 to validate, 2 to test."""
    from PIL import Image

    from mrg_llm.studies.study import Study, StudySet, View

    root = tmp_path_factory.mktemp("tiny-studies")
    rng = np.random.default_rng(0)
    studies = []
    for i in range(12):
        views = []
        for view in range(1 + i % 2):
            path = root / f"{i}-{view}.png"
            Image.fromarray(rng.integers(0, 255, (40, 40), dtype=np.uint8)).save(path)
            views.append(View(path))
        report = f"{SENTENCES[i % 6]} {SENTENCES[(i * 5 + 1) % 6]}"
        studies.append(Study(f"s{i}", "train" if i < 8 else "val" if i < 10 else "test", tuple(views), report))
    return StudySet("tiny", tuple(studies))
