"""The tables and plots of docs/performance.md, of what the benchmarks left in benchmarks/results.

    python benchmarks/tables.py [--check]

In the page, what stands between `<!-- table:NAME -->` (all of NAME.json) or `<!-- table:NAME/SECTION -->` and
`<!-- end -->` is written here: how it was measured, and a row a system. Plots go to docs/performance-NAME.svg.
`--check` writes nothing, and fails where the page's tables are not those of the files.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = ROOT / "docs" / "performance.md", Path(__file__).parent / "results"
MARKED = re.compile(r"(<!-- table:([^ ]+(?: [^>]+?)?) -->\n).*?(<!-- end -->)", re.DOTALL)
ROUNDS = {"rounds", "median", "low", "high"}

Part = Mapping[str, Any]  # a benchmark's result, or a section of one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    before = PAGE.read_text()
    after = filled(before, results)
    if check and after != before:
        sys.exit(f"{PAGE.name} does not have the tables of benchmarks/results; run python benchmarks/tables.py")
    if not check:
        from plots import draw

        PAGE.write_text(after)
        for name, result in results.items():
            parts = {"": result} if "systems" in result else {}
            parts |= {section: section_of(result, section) for section in result.get("sections", {})}
            draw(parts, PAGE.with_name(f"performance-{name}.svg"))


def filled(page: str, results: Mapping[str, Part]) -> str:
    """The page with its tables. Raises KeyError where it asks for what no file has."""

    def table(match: re.Match[str]) -> str:
        name, _, section = match[2].partition("/")
        return "".join([match[1], "\n".join(told(results[name], section)), "\n", match[3]])

    return MARKED.sub(table, page)


def told(result: Part, section: str) -> Iterator[str]:
    machine = result["machine"]
    part = section_of(result, section) if section else result
    yield (
        f"`{part['command']}` on {machine['processor']} ({machine['instructions']}, threads: {machine['threads']}),"
        f" torch {machine['torch']}, {result['date']}."
    )
    yield ""
    if "systems" in part:
        yield from table_of({"": part}, part)
    else:
        yield from table_of({name: section_of(result, name) for name in part["sections"]}, part)
    for name, floor in part.get("floors", {}).items():
        yield f"\nFloor of {name}: {floor['why']}."
    if not section:
        for note in result.get("notes", []):
            yield f"\n{note[0].upper()}{note[1:].rstrip('.')}."


def section_of(result: Part, name: str) -> dict[str, Any]:
    """A section with what it shares with the whole: all but what belongs to the whole's own systems."""
    return {**result, "floors": {}, "ratios": {}, **result["sections"][name]}


def table_of(parts: Mapping[str, Part], whole: Part) -> Iterator[str]:
    """A row a system of each part, which has its name in the first column where there are several."""
    several = len(parts) > 1 or "" not in parts
    bases = unique(ratio.split(" / ")[1] for part in parts.values() for ratio in part.get("ratios", {}))
    more = unique(
        key for p in parts.values() for s in p["systems"].values() for key in s if key not in ROUNDS and shown(s[key])
    )
    floors = any(name in part.get("floors", {}) for part in parts.values() for name in part["systems"])
    first = next(iter(parts.values()))
    units = {(part["unit"], part["per"]) for part in parts.values()}
    heads = ["part"] * several + [first.get("x", "system")]
    heads += [f"{first['unit']}: median (least to most)" if len(units) == 1 else "median (least to most)"]
    heads += [f"times {base}'s" for base in bases] + ["floor"] * floors + [key.replace("_", " ") for key in more]
    yield f"Each round: {first['per']}.\n" if len({per for _, per in units}) == 1 else ""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "|".join(["---"] * (several + 1) + ["---:"] * (len(heads) - several - 1)) + "|"
    for part_name, part in parts.items():
        for name, system in part["systems"].items():
            cells = [part_name] * several + [name]
            cells += [f"{number(system['median'])} ({number(system['low'])} to {number(system['high'])})"]
            cells += [ratio_of(part.get("ratios", {}), name, base) for base in bases]
            cells += [number(part["floors"][name]["value"]) if name in part.get("floors", {}) else ""] * floors
            cells += [number(system[key]) if shown(system.get(key)) else "" for key in more]
            yield "| " + " | ".join(cells) + " |"


def ratio_of(ratios: Mapping[str, float], name: str, base: str) -> str:
    """How many times `base`'s seconds this system takes, whichever way round it was counted."""
    if f"{name} / {base}" in ratios:
        return f"{ratios[f'{name} / {base}']:.2f}"
    return f"{1 / ratios[f'{base} / {name}']:.4f}" if f"{base} / {name}" in ratios else ""


def unique(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


def shown(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def number(value: Any) -> str:
    """Three digits that mean something."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


if __name__ == "__main__":
    main()
