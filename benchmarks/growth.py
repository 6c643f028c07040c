"""How cost grows: with the batch, the report's length, the number of prompts and the number of studies.

    python benchmarks/growth.py [--rounds 3] [--kinds training writing] [--threads 1] [--out FILE]

Default encoder and LLM, untrained, on drawn films; reports of a fixed length (for training they are cut to it, and
writing cannot end before it). One thing varies, the others stay at batch 2, 24 tokens, 32 prompts. Processor seconds of
a training step of stage 3 and of writing, both by the study, so that a flat line is a cost that grows in proportion.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from common import SIZE, alternated, options_of, result, summary, write

from mrg_llm.model.decoding import write_many
from mrg_llm.model.modeling import MRGModel
from mrg_llm.settings import load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.phantom import write_phantoms
from mrg_llm.studies.study import Study
from mrg_llm.training.data import SplitData, on_device
from mrg_llm.training.precision import is_bf16, prepare_model
from mrg_llm.training.stages import make_stage

BATCH, TOKENS, PROMPTS = 2, 24, 32
VARIED: dict[str, Sequence[int]] = {"batch": (1, 2, 8), "tokens": (12, 24, 48), "prompts": (4, 32, 64)}
MANY = (2, 4, 8)  # studies that are written for, BATCH at once
NAMES = {"batch": "studies at once", "tokens": "tokens of a report", "prompts": "prompts"}

Task = Callable[[], object]


def main() -> None:
    parser = options_of(__doc__, rounds=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=("training", "writing"), default=("training", "writing"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder), max(MANY), seed=0, splits=(1.0, 0.0, 0.0))
        studies = list(open_studies(f"phantom:{folder}").split("train"))
        sections: dict[str, Any] = {}
        for varied, counts in VARIED.items():
            made = {count: Subject(studies, **{varied: count}) for count in counts}
            for kind in options.kinds:
                tasks = {count: getattr(subject, kind)() for count, subject in made.items()}
                by = {count: subject.batch for count, subject in made.items()}
                sections[f"{kind}, {NAMES[varied]}"] = section(tasks, by, NAMES[varied], options.rounds)
        if "writing" in options.kinds:
            subject = Subject(studies)
            tasks = {count: subject.writing(count) for count in MANY}
            by = {count: count for count in MANY}
            sections["writing, studies"] = section(tasks, by, f"studies, {BATCH} at once", options.rounds)
    write(options.out, result("growth", unit="processor seconds a study", per="one study", sections=sections))
    for name, part in sections.items():
        print(f"{name:34}", "  ".join(f"{count}: {s['median']:.3f}" for count, s in part["systems"].items()))


def section(tasks: dict[int, Task], by: dict[int, int], x: str, rounds: int) -> dict[str, Any]:
    seconds = alternated({str(count): task for count, task in tasks.items()}, rounds)
    systems = {count: summary([taken / by[int(count)] for taken in values]) for count, values in seconds.items()}
    return {"x": x, "systems": systems}


class Subject:
    """A model and studies under one choice of what varies."""

    def __init__(self, studies: list[Study], batch: int = BATCH, tokens: int = TOKENS, prompts: int = PROMPTS):
        self.studies, self.batch, self.tokens = studies, batch, tokens
        self.settings = load_settings("iu-xray", [
            *SIZE, f"generate.batch={batch}", f"data.max_report_tokens={tokens}", f"model.prompts.prompts={prompts}",
            f"decode.max_new_tokens={tokens}", f"decode.min_new_tokens={tokens}", f"decode.batch={batch}",
            "generate.contrast_weight=0", "data.augment=false", "data.remember_gib=0",
        ])  # fmt: skip
        torch.manual_seed(0)
        self.bf16 = is_bf16("auto", "cpu")
        self.model = MRGModel.build(self.settings.model, torch.bfloat16 if self.bf16 else torch.float32)

    def training(self) -> Task:
        """Forward and backward of one batch."""
        data = SplitData(self.studies, self.model.language.tokenizer, self.settings, augmented=True)
        rows = on_device(data.make(0, list(range(self.batch))), "cpu")
        stage = make_stage("generate", self.model, self.settings, None)

        def step() -> None:
            prepare_model(self.model, self.bf16)
            stage(rows).total.backward()
            for parameter in self.model.trained_parameters().values():
                parameter.grad = None

        return step

    def writing(self, count: int | None = None) -> Task:
        """Reports of one batch of films that were seen before, or of `count` films."""
        data = SplitData(self.studies, self.model.language.tokenizer, self.settings, augmented=False)
        with torch.inference_mode():
            places = list(range(count or self.batch))
            batches = [data.make(0, places[i : i + self.batch]) for i in range(0, len(places), self.batch)]
            tensors = [on_device(batch, "cpu") for batch in batches]
            looks = [(batch.look(self.model), batch.context) for batch in tensors]

        def task() -> None:
            self.model.eval().language.use_matmul_attention(False)
            list(write_many(self.model, iter(looks), self.settings.decode))

        return task


if __name__ == "__main__":
    main()
