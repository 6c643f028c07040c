"""SwiGLU that keeps less: the same values and gradients; blocks of another kind stay as they are."""

import pytest
import torch
from transformers import GemmaConfig, LlamaConfig, Qwen3Config
from transformers.models.gemma.modeling_gemma import GemmaModel
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

from mrg_llm.model.gating import keep_less

SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2}


@pytest.mark.parametrize("kind, config", [(LlamaMLP, LlamaConfig), (Qwen3MLP, Qwen3Config)])
def test_values_and_gradients_are_torchs_own_and_less_is_kept(kind, config):
    torch.manual_seed(0)
    block = kind(config(**SIZES)).requires_grad_(False)
    x, weights = torch.randn(5, 16, requires_grad=True), torch.randn(5, 16)
    found, kept = [], []
    for _ in range(2):
        widths = []

        def keep(tensor, widths=widths):
            widths.append(tensor.shape[-1] if tensor.shape[0] == 5 else 0)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = block(x)
        found.append((y.detach(), torch.autograd.grad((y * weights).sum(), x)[0]))
        kept.append(sum(width == 24 for width in widths))
        assert keep_less(block) == 1
    assert torch.equal(found[0][0], found[1][0]) and torch.allclose(found[0][1], found[1][1], atol=1e-6)
    assert kept[0] >= 3 and kept[1] == 2


def test_another_activation_stays_as_it_is():
    sizes = {"num_hidden_layers": 1, "num_key_value_heads": 1, "head_dim": 8}
    assert keep_less(GemmaModel(GemmaConfig(**SIZES, **sizes, vocab_size=8))) == 0
