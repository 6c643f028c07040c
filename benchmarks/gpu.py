"""What a GPU does with LLaMA-2-7B's shapes and a ViT-B: training's use of the matrix rate, decoding beside its floor.

    python benchmarks/gpu.py [--batch 16] [--grid 7] [--rounds 5] [--quantize none 8bit 4bit] [--out FILE]
    python benchmarks/gpu.py --tiny --device cpu          the same code with small shapes, in seconds

Weights are random and made on the device: nothing is downloaded (quantized ones are written to a temporary folder
first, 13 GB). A training step is stage 3 of `mrg train`: frozen weights count four operations a position (forward, and
backward to what they read), trained ones six; both are matrix products, and so are the scores of attention. The rate
is that of a large square product here, in the same precision. Decoding is the greedy search of `mrg generate`; the
floor of a step is reading all weights once, and the cache, at the bandwidth of a sum over memory here. Seconds are the
wall's, with the device waited for.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import torch
from common import options_of, result, summary, write
from torch import nn

from mrg_llm.errors import InputError
from mrg_llm.model.configuration import MRGConfig
from mrg_llm.model.decoding import write_reports
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.modeling import MRGModel
from mrg_llm.model.sequence import Words
from mrg_llm.model.vision import VisionEncoder
from mrg_llm.settings import DecodeSettings, Settings
from mrg_llm.training.calibration import synchronize
from mrg_llm.training.data import TensorBatch
from mrg_llm.training.optimizer import make_optimizer
from mrg_llm.training.precision import prepare_model
from mrg_llm.training.preparation import evaluating
from mrg_llm.training.stages import make_stage

REPORT, WRITTEN, AT_ONCE = 80, 80, (1, 16, 64)  # tokens a report; written a report; reports decoded together


def shapes(tiny: bool, grid: int):
    """The LLM's and the encoder's transformers configs, and ours."""
    from transformers import LlamaConfig, ViTConfig

    if tiny:
        llama = LlamaConfig(vocab_size=512, hidden_size=64, intermediate_size=160, num_hidden_layers=2,
                            num_attention_heads=4, num_key_value_heads=4)  # fmt: skip
        vit = ViTConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96, image_size=32,
                        patch_size=8)  # fmt: skip
    else:
        llama = LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
                            num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=4096)  # fmt: skip
        vit = ViTConfig()
    ours = MRGConfig.model_validate({
        "vision": {"source": "random ViT", "side_px": vit.image_size},
        "projection": {"grid": min(grid, vit.image_size // vit.patch_size)},
        "prompts": {"prompts": 32},
        "language": {"source": "random LLaMA", "instruction": "X-ray: {image} Findings:", "chat": False},
    })  # fmt: skip
    return llama, vit, ours


def byte_tokenizer():
    """Bytes as tokens: what is read and written here means nothing."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")


def random_model(tiny: bool, grid: int, quantize: str, device: str, dtype: torch.dtype) -> MRGModel:
    """The whole model on the device, the LLM in `dtype` or quantized."""
    from transformers import LlamaForCausalLM, ViTModel

    llama, vit, config = shapes(tiny, grid)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            llm = LlamaForCausalLM(llama)
    finally:
        torch.set_default_dtype(before)
    tokenizer = byte_tokenizer()
    with torch.no_grad():  # no report ends early
        llm.get_output_embeddings().weight[tokenizer.eos_token_id] = 0
    language = FrozenLanguageModel(llm, tokenizer)
    if quantize != "none":
        with tempfile.TemporaryDirectory() as folder:
            llm.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            del llm, language
            changes = {"source": folder, "quantize": quantize}
            language = FrozenLanguageModel.load(config.language.model_copy(update=changes), dtype)
    vision = VisionEncoder(config.vision, ViTModel(vit, add_pooling_layer=False))
    model = MRGModel(config, vision, language).to(device)
    prepare_model(model, bf16=dtype == torch.bfloat16)
    return model


def random_batch(model: MRGModel, studies: int, device: str) -> TensorBatch:
    """Noise films of one view, and reports of REPORT tokens."""
    side = model.config.vision.side_px
    ids = torch.randint(2, 250, (studies, REPORT), device=device)
    mask = torch.ones(studies, REPORT, dtype=torch.bool, device=device)
    nothing = torch.zeros(studies, 0, dtype=torch.long, device=device)
    views = torch.ones(studies, 1, dtype=torch.bool, device=device)
    films = torch.rand(studies, 1, side, side, device=device)
    return TensorBatch(tuple(range(studies)), films, False, views, ids, mask, mask.float(),
                       Words(nothing, nothing.bool()))  # fmt: skip


# -- training ----------------------------------------------------------------------------------------------------------


def training_step(model: MRGModel, batch: TensorBatch) -> Callable[[], None]:
    """Stage 3 of `mrg train` on this batch, without the terms that compare texts."""
    settings = Settings.model_validate({"model": model.config.model_dump(), "generate": {"contrast_weight": 0}})
    stage = make_stage("generate", model, settings, None)
    optimizer = make_optimizer(stage, settings.train)

    def step() -> None:
        stage(batch).total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def step_operations(model: MRGModel, batch: TensorBatch) -> dict[str, int]:
    """Operations of a step's matrix products: frozen weights four a position, trained ones six (their own gradient as
    well), attention's two products forward and twice that backward."""
    with torch.no_grad():
        S = model.llm_input(batch.look(model), batch.report_ids, batch.report_mask, batch.context).mask.shape[1]
    B, report, config = len(batch.indices), batch.report_ids.numel(), model.language.model.config
    tokens, vision = model.vision.patches + 1, model.vision.backbone.config
    patches = sum(m.weight.numel() for m in model.vision.modules() if isinstance(m, nn.Conv2d))
    image = B * model.config.projection.grid**2
    return {
        "frozen": 4 * (body_weights(model) * B * S + head_weights(model) * report),
        # The films ask for no gradient: what reads them counts four.
        "trained": 6 * linear_weights(model.vision) * B * tokens + 4 * patches * B * (tokens - 1)
        + 6 * linear_weights(model.projection) * image,
        "attention": 12 * B * (config.num_hidden_layers * S**2 * config.hidden_size
                               + vision.num_hidden_layers * tokens**2 * vision.hidden_size),
    }  # fmt: skip


def linear_weights(part: nn.Module) -> int:
    return sum(m.in_features * m.out_features for m in part.modules() if isinstance(m, nn.Linear))


def body_weights(model: MRGModel) -> int:
    return linear_weights(model.language.model.base_model)


def head_weights(model: MRGModel) -> int:
    head = model.language.model.get_output_embeddings()
    return head.in_features * head.out_features


# -- decoding ----------------------------------------------------------------------------------------------------------


def decoding_step_s(model: MRGModel, studies: int, device: str, rounds: int) -> list[float]:
    """Seconds of a step of greedy search that writes for so many at once: what the tokens after the first take."""
    batch = random_batch(model, studies, device)

    def written(tokens: int) -> Callable[[], object]:
        settings = DecodeSettings(max_new_tokens=tokens, batch=studies)
        return lambda: write_reports(model, seen, settings)

    with evaluating(model), torch.inference_mode():
        seen = batch.look(model)
        first = statistics.median(timings(written(1), rounds))
        return [(whole - first) / (WRITTEN - 1) for whole in timings(written(WRITTEN), rounds)]


def step_bytes(model: MRGModel, studies: int) -> tuple[int, int]:
    """What a step reads at least: every weight of body and head, and the cache at the middle of the report."""
    llm = model.language.model
    weights = [*llm.base_model.layers.parameters(), llm.get_output_embeddings().weight]
    S = len(model.frame.before) + len(model.frame.after) + model.config.prompts.prompts
    S += model.config.projection.grid**2 + WRITTEN // 2
    config = llm.config
    width = config.num_key_value_heads * (config.hidden_size // config.num_attention_heads)
    cache = 2 * config.num_hidden_layers * width * S * studies * llm.dtype.itemsize
    return sum(p.numel() * p.itemsize for p in weights), cache


# -- the machine -------------------------------------------------------------------------------------------------------


def timings(task: Callable[[], object], rounds: int, warm: int = 2) -> list[float]:
    """Seconds of each round, after some that do not count."""
    found = []
    for number in range(warm + rounds):
        synchronize()
        begun = time.perf_counter()
        task()
        synchronize()
        if number >= warm:
            found.append(time.perf_counter() - begun)
    return found


def matrix_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Operations a second of a square product."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 10 * 2 * side**3 / statistics.median(timings(lambda: [a @ b for _ in range(10)], 5))


def bytes_a_second(device: str, size: int) -> float:
    """Of a sum over memory that no cache holds."""
    a = torch.ones(size, device=device)
    return 10 * 4 * size / statistics.median(timings(lambda: [a.sum() for _ in range(10)], 5))


def peak_bytes(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# -- all of it ---------------------------------------------------------------------------------------------------------


def measured(tiny: bool, batch: int, grid: int, rounds: int, device: str, quantize: str) -> dict:
    """One way of holding the frozen weights: a section of the result."""
    # A tiny model on a CPU says nothing about speed; bfloat16 there is emulated.
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    rate = matrix_rate(device, dtype, 256 if tiny else 8192)
    bandwidth = bytes_a_second(device, 1 << (20 if tiny else 28))
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model = random_model(tiny, grid, quantize, device, dtype)
    films = random_batch(model, batch, device)
    seconds = timings(training_step(model, films), rounds)
    operations = step_operations(model, films)
    floor = sum(operations.values()) / rate
    median = statistics.median(seconds)
    systems = {"training step": summary(
        seconds, utilisation=floor / median, studies_a_second=batch / median, peak_gb=peak_bytes(device) / 1e9,
        operations=operations,
    )}  # fmt: skip
    floors = {"training step": {"value": floor, "why": f"{sum(operations.values()):.3g} operations at the measured "
                                                       f"{rate / 1e12:.3g} TFLOP/s"}}  # fmt: skip
    for studies in AT_ONCE:
        name, steps = f"decoding step, {studies} at once", decoding_step_s(model, studies, device, rounds)
        weights, cache = step_bytes(model, studies)
        step = statistics.median(steps)
        systems[name] = summary(steps, tokens_a_second=studies / step, times_weight_floor=step * bandwidth / weights)
        floors[name] = {"value": (weights + cache) / bandwidth, "why": f"{weights / 1e9:.3g} GB of weights and "
                        f"{cache / 1e9:.3g} GB of cache at {bandwidth / 1e9:.4g} GB/s"}  # fmt: skip
    ratios = {f"{name} / floor": system["median"] / floors[name]["value"] for name, system in systems.items()}
    return {"unit": "seconds", "per": "step", "systems": systems, "floors": floors, "ratios": ratios}


def main() -> int:
    parser = options_of(__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--grid", type=int, default=7, help="visual tokens are grid x grid")
    parser.add_argument("--quantize", nargs="+", choices=["none", "8bit", "4bit"], default=["none"])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small shapes, to see that everything runs")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks/gpu.py needs a CUDA GPU, and torch sees none here; --tiny --device cpu runs the same code "
              "with small shapes", file=sys.stderr)  # fmt: skip
        return 2
    try:
        sections = {
            how: measured(options.tiny, options.batch, options.grid, options.rounds, options.device, how)
            for how in options.quantize
        }
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for how, section in sections.items():
        print(f"frozen weights: {how}")
        for name, system in section["systems"].items():
            more = {k: v for k, v in system.items() if isinstance(v, float) and k not in ("median", "low", "high")}
            print(f"  {name:<28} {1000 * system['median']:9.2f} ms, {section['ratios'][f'{name} / floor']:.2f} x its "
                  "floor; " + ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in more.items()))  # fmt: skip
    card = torch.cuda.get_device_name() if options.device == "cuda" else "none"
    notes = [f"card: {card}", "random weights" + (", tiny shapes" if options.tiny else "")]
    write(options.out, result("gpu", unit="seconds", per="step", sections=sections, notes=notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
