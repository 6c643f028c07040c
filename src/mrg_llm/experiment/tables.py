"""NAME.json of an experiment -> Markdown: what was asked, whether arms see, what they write, tests, cost, what others
published.

A value stands with its 95 % interval where there is room. Marks: it differs from a reference (approximate
randomisation over studies, Holm over the figures of its group, p < 0.05).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mrg_llm.experiment.published import published
from mrg_llm.scoring.baselines import NEAREST
from mrg_llm.scoring.scoreboard import LABELS, LANGUAGE

MARKS = ("\\*", "†", "‡", "§")
CLINICAL = ("clinical_micro_f1_13", "clinical_f1", "clinical_micro_f1_5", "clinical_micro_f1")
SEES = {
    "nats": {"image_worth": "right film, nats", "prompt_worth": "own prompts, nats", "loss": "loss, nats"},
    "clinical": {name: LABELS[name] for name in (*CLINICAL, "anatomy_f1")},
}
HEADS = SEES["nats"] | LABELS | {"f1": "findings F1"}
TESTED = ("image_worth", "clinical_micro_f1_13", "clinical_f1", "clinical_micro_f1", "bleu4", "cider", "f1")
PUBLISHED = (
    "For the 590 studies of R2Gen's test split, by the authors' own protocols; copied, not measured here. Where ours "
    "are fewer, the two cannot be held against each other directly."
)
SPLITS = {"test": "Test", "val": "Validation"}  # the one that counts most first


def summary(found: dict[str, Any]) -> str:
    """One table of the split that counts most: whether arms see, what they name, how they write."""
    split = next(name for name in SPLITS if name in found)
    scored, first = found[split], found["protocols"][0]
    head = (
        f"{SPLITS[split]}, {scored['n']} studies; n-gram scores by `{first}`; seeds an arm: {seeds(found)}, 95 % "
        f"intervals. {marks(found)}"
    )
    columns = [("nats", "image_worth", HEADS["image_worth"]), ("findings", "f1", HEADS["f1"])]
    columns += [("clinical", name, HEADS[name]) for name in CLINICAL]
    columns += [(first, name, HEADS[name]) for name in ("bleu4", "cider")]
    return f"{head}\n\n{systems_table(found, scored, columns, with_interval=True, distinct=True)}\n"


def command(found: dict[str, Any]) -> str:
    """What gives these figures, every cell of the file done."""
    data, val = found["data"], found["val"]
    options = [f"--set {change}" for change in found["changes"]]
    options += [f"--limit {val['n']}"] if val["n"] < data["val"] else []
    options += ["--no-meteor"] if "meteor" in val["skipped"] else []
    options += ["--test"] if "test" in found else []
    return " ".join([f"mrg experiment {found['experiment']} --data {data['kind']}:PATH --out OUT", *options])


def written(found: dict[str, Any]) -> str:
    """All tables of an experiment."""
    parts = [heading(found)]
    for split, name in SPLITS.items():
        if split in found:
            scored = found[split]
            parts += [f"## {name}: {scored['n']} studies", *of_split(found, scored)]
    if found["data"]["kind"] == "iu-xray":
        parts += ["## As published", PUBLISHED, published_table()]
    parts += ["## What it took", cost_table(found), curves(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(found: dict[str, Any]) -> str:
    data, arms = found["data"], found["trained"]
    changes = f", with {', '.join(f'`{c}`' for c in found['changes'])}" if found["changes"] else ""
    lines = [
        f"**{found['what']}** Preset `{found['preset']}`{changes}; {data['kind']}: {data['train']} training, "
        f"{data['val']} validation and {data['test']} test studies; seeds: {seeds(found)} an arm. Values are means "
        f"over seeds, with 95 % intervals by bootstrap over studies. {marks(found)} Research use only, not a medical "
        "device."
    ]
    if missing := found["missing"]:
        more = " ..." if len(missing) > 6 else ""
        lines.append(f"Not done: {len(missing)} cells ({'; '.join(missing[:6])}{more}).")
    lines.append("\n".join(f"- `{name}`: {arm['what']}{chosen(arm)}" for name, arm in arms.items()))
    return "\n\n".join(lines)


def seeds(found: dict[str, Any]) -> int:
    return max((len(arm.get("curves", ())) for arm in found["trained"].values()), default=0)


def chosen(arm: dict[str, Any]) -> str:
    return f" (here `{arm['chosen']}`)" if arm.get("chosen") else ""


def marks(found: dict[str, Any]) -> str:
    of = [
        f"{mark} differs from {shown_name(found, name)}"
        for mark, name in zip(MARKS, marked_against(found), strict=False)
    ]
    return f"{', '.join(of)} (approximate randomisation, Holm, p < 0.05)."


def marked_against(found: dict[str, Any]) -> list[str]:
    """What arms are marked against: the references, and the baseline that looks at films."""
    against = {test["against"] for split in SPLITS if split in found for test in found[split]["tests"]}
    return [name for name in (*found["references"], NEAREST) if name in against]


def shown_name(found: dict[str, Any], name: str) -> str:
    """Arms are set as code, baselines are words."""
    return f"`{name}`" if name in found["trained"] else name


def of_split(found: dict[str, Any], scored: dict[str, Any]) -> Iterator[str]:
    yield "Does it see?"
    columns = [(group, name, label) for group, names in SEES.items() for name, label in names.items()]
    yield systems_table(found, scored, columns, with_interval=True, distinct=True)
    for protocol in found["protocols"]:
        yield f"N-gram scores, protocol `{protocol}`"
        columns = [(protocol, name, LABELS[name]) for name in LANGUAGE]
        yield systems_table(found, scored, columns, with_interval=False)
    if "findings" in next(iter(scored["arms"].values()))["figures"]:
        names = next(iter(scored["arms"].values()))["figures"]["findings"]
        yield "Findings written against findings truly drawn: F1, and the share of each size that is named"
        columns = [("findings", name, finding(name, scored["drawn"])) for name in names]
        yield systems_table(found, scored, columns, with_interval=False)
    yield "Paired differences, over the seeds that both arms have"
    yield tests_table(found, scored)
    if scored["skipped"]:
        yield "Left out: " + "; ".join(f"{what}: {why}" for what, why in scored["skipped"].items()) + "."


def finding(name: str, drawn: dict[str, int]) -> str:
    """A heading: an observation's F1 or a size's share, and how many of them there are."""
    kind, _, what = name.partition("/")
    return f"{what}{', named' if kind == 'recall' else ''} ({drawn.get(what, 0)})" if what else "all (micro)"


def systems_table(
    found: dict[str, Any], scored: dict[str, Any], columns: Sequence[tuple[str, str, str]], *, with_interval: bool,
    distinct: bool = False,
) -> str:  # fmt: skip
    """A row an arm and a baseline; columns: (group, figure, heading); without those that nobody has."""
    systems = scored["arms"] | scored["baselines"]
    columns = [c for c in columns if any(figure(system, *c[:2]) for system in systems.values())]
    rows = []
    for name, system in systems.items():
        cells = [shown(found, scored, name, figure(system, *c[:2]), c, with_interval) for c in columns]
        own = system.get("diagnostics", {}).get("distinct")
        rows.append([shown_name(found, name), *cells, *([share(own)] if distinct else [])])
    return table(["arm", *(label for _, _, label in columns), *(["distinct"] if distinct else [])], rows)


def figure(system: dict[str, Any], group: str, name: str) -> dict[str, Any] | None:
    return system["figures"].get(group, {}).get(name)


def shown(found, scored, name: str, value: dict[str, Any] | None, column, with_interval: bool) -> str:
    if value is None:
        return ""
    interval = f" ({value['low']:.3f} to {value['high']:.3f})" if with_interval else ""
    return f"{value['value']:.3f}{differs(found, scored, name, *column[:2])}{interval}"


def differs(found: dict[str, Any], scored: dict[str, Any], name: str, group: str, metric: str) -> str:
    said = ""
    for mark, reference in zip(MARKS, marked_against(found), strict=False):
        for test in scored["tests"]:
            if (test["arm"], test["against"]) == (name, reference):
                difference = test.get(group, {}).get(metric)
                said += mark if difference and difference["p_holm"] < 0.05 else ""
    return said


def tests_table(found: dict[str, Any], scored: dict[str, Any]) -> str:
    """A row a pair of arms; of each headline figure the difference, its p and in how many seeds it has that sign."""
    groups = ("nats", "clinical", "findings", found["protocols"][0])
    pairs = [
        {name: d for group in groups for name, d in test.get(group, {}).items() if name in TESTED}
        for test in scored["tests"]
    ]
    names = [name for name in TESTED if any(name in pair for pair in pairs)]
    rows = []
    for test, pair in zip(scored["tests"], pairs, strict=True):
        both = f"{shown_name(found, test['arm'])} - {shown_name(found, test['against'])}"
        rows.append([both, *(difference(pair.get(name), len(test["seeds"])) for name in names)])
    return table(["difference (p, seeds of that sign)", *(HEADS[name] for name in names)], rows)


def difference(d: dict[str, Any] | None, seeds: int) -> str:
    if d is None:
        return ""
    return f"{d['value']:+.3f} ({d['low']:+.3f} to {d['high']:+.3f}; {p_value(d['p_holm'])}; {d['agree']}/{seeds})"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def cost_table(found: dict[str, Any]) -> str:
    """Trained parameters, best validation, time and memory of stage 3, and of the alignment it starts from."""
    rows = []
    for name, arm in found["trained"].items():
        if arm.get("of"):
            continue
        cost, before, best = arm["cost"], arm["alignment_cost"], arm["best_validation"]
        rows.append([
            f"`{name}`", f"{sum(arm['parameters'].values()):,}",
            "" if best["loss"] is None else f"{best['loss']:.3f}",
            "" if best["image_worth"] is None else f"{best['image_worth']:.3f}",
            minutes(cost["wall_s"]), minutes(cost["process_s"]), minutes(before and before["wall_s"]),
            f"{cost['memory_bytes'] / 1e9:.1f}",
        ])  # fmt: skip
    headings = ["arm", "trained parameters", "best validation loss", "right film then", "minutes", "processor minutes",
                "alignment, minutes (shared)", "peak memory, GB"]  # fmt: skip
    return table(headings, rows)


def minutes(seconds: float | None) -> str:
    return "" if not seconds else f"{seconds / 60:.1f}"


def curves(found: dict[str, Any]) -> str:
    return f"![Validation against steps]({found['experiment']}-validation.svg)"


def published_table() -> str:
    names = [name for name in LANGUAGE]
    rows = [
        [
            row["system"],
            " ".join(filter(None, (row["llm_parameters"], row["llm"]))),
            *(row[n] for n in names),
            row["source"],
        ]
        for row in published()
    ]
    return table(["published", "LLM", *(LABELS[name] for name in names), "source"], rows)


def share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
