"""Which share of the positions that a training step runs is padding, by studies a step.

    python benchmarks/padding.py --data KIND:ROOT [--preset iu-xray] [--rounds 5] [--out ...results/padding.json]

Nothing is trained: the reports' lengths and the schedule of an epoch (studies/batches.py) say it. A round is an epoch
over the training split; what no bucket would save stands beside it, reports padded to the longest allowed.
"""

from __future__ import annotations

from collections.abc import Sequence

from common import options_of, result, summary, write

from mrg_llm.model.processing import encode_report
from mrg_llm.model.sequence import make_frame
from mrg_llm.model.sources import load_tokenizer
from mrg_llm.settings import load_settings
from mrg_llm.studies import open_studies
from mrg_llm.studies.batches import epoch_batches

BATCHES = (4, 8, 16, 32)


def main() -> None:
    parser = options_of(str(__doc__))
    parser.add_argument("--data", required=True)
    parser.add_argument("--preset", default="iu-xray")
    options = parser.parse_args()
    settings = load_settings(options.preset)
    model, longest = settings.model, settings.data.max_report_tokens
    tokenizer = load_tokenizer(model.language.source, model.language.revision)
    studies = [s for s in open_studies(options.data).split("train") if (s.report or "").strip()]
    lengths = [len(encode_report(tokenizer, s.report or "", longest)) for s in studies]
    # What the LLM runs before the report; the constant words before the film are read once a model.
    other = len(make_frame(tokenizer, model.language).after) + model.prompts.prompts
    before = [other + len(s.views) * model.projection.grid**2 for s in studies]
    shares = {
        str(batch): [padded_share(lengths, before, batch, epoch) for epoch in range(options.rounds)]
        for batch in BATCHES
    }
    whole = 1 - (sum(before) + sum(lengths)) / (len(studies) * (max(before) + longest))
    write(options.out, result(
        "padding", unit="share of positions that are padding", per="an epoch over the training split",
        x="studies a step", systems={batch: summary(found) for batch, found in shares.items()},
        notes=[f"{len(studies)} studies, {sum(lengths) / len(lengths):.1f} tokens a report (at most {longest}); padded "
               f"to the longest allowed, {whole:.3f} of the positions would be padding"],
    ))  # fmt: skip


def padded_share(lengths: Sequence[int], before: Sequence[int], batch: int, epoch: int) -> float:
    """Of the positions that the LLM runs in an epoch: tokens of reports and of what stands before them."""
    real = run = 0
    for indices in epoch_batches(lengths, batch, seed=0, epoch=epoch):
        real += sum(before[i] + lengths[i] for i in indices)
        run += len(indices) * (max(before[i] for i in indices) + max(lengths[i] for i in indices))
    return 1 - real / run


if __name__ == "__main__":
    main()
