"""`mrg data init`: a small table that can be read at once, its films, and a page that says what every column means.

FILE.csv or .jsonl         three studies, each showing another thing a table can say
README.md beside it        the columns, out of columns.py
films/                     phantom films, drawn on the spot: no patient is in them
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mrg_llm.errors import DataError, ResourceError
from mrg_llm.studies.columns import COLUMNS
from mrg_llm.studies.phantom import read_phantoms, write_phantoms

SIDE_PX = 256
README, FILMS = "README.md", "films"


def write_example(out: Path, seed: int = 0) -> Path:
    """Write the example table `out` (.csv or .jsonl), README.md and films/ beside it; returns `out`.

    Raises DataError where one of the three is there already, ResourceError where nothing can be written.
    """
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise DataError(f"{out} must end in .csv or .jsonl; that is the kind of table that is written")
    for path in (out, out.with_name(README), out.with_name(FILMS)):
        if path.exists():
            raise DataError(f"{path} is there already; give a name in an empty or new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".init-") as aside:
            rows = example_rows(Path(aside), seed)
            write = as_csv if out.suffix.lower() == ".csv" else as_jsonl
            (Path(aside) / out.name).write_text(write(rows), encoding="utf-8")
            (Path(aside) / README).write_text(manual(out.name), encoding="utf-8")
            for name in (FILMS, README, out.name):
                (Path(aside) / name).rename(out.with_name(name))
    except OSError as error:
        raise ResourceError(
            f"the example cannot be written to {out.parent} ({error.strerror}); choose another place"
        ) from error
    return out


def example_rows(folder: Path, seed: int) -> list[dict[str, Any]]:
    """Three phantom studies: with everything, without a lateral film, and one that has no report yet."""
    write_phantoms(folder / "drawn", 3, seed, SIDE_PX)
    (folder / FILMS).mkdir()
    rows = []
    for number, study in enumerate(read_phantoms(folder / "drawn")):
        views = study.views[: 1 if number == 1 else 2]
        names = [f"{FILMS}/study{number + 1}-{view.projection}.png" for view in views]
        for view, name in zip(views, names, strict=True):
            shutil.move(view.path, folder / name)
        observations = {finding.observation: 1 for finding in study.truth or ()}
        row: dict[str, Any] = dict.fromkeys(column.name for column in COLUMNS)
        rows.append(row | {
            "id": f"study{number + 1}",
            "images": names,
            "projection": [view.projection for view in views],
            "findings": study.report if number < 2 else None,
            "impression": "As described." if number == 0 else None,
            "indication": "Cough for two weeks." if number == 0 else None,
            "comparison": "None." if number == 0 else None,
            "split": ("train", "val", "test")[number],
            "patient": f"patient{number + 1}",
            "labels": observations or None,
        })  # fmt: skip
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [column.name for column in COLUMNS], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        labels = ";".join(f"{name}={value}" for name, value in (row["labels"] or {}).items())
        writer.writerow(
            row | {"images": ";".join(row["images"]), "projection": ";".join(row["projection"]), "labels": labels}
        )
    return text.getvalue()


def as_jsonl(rows: list[dict[str, Any]]) -> str:
    """An object a line; what a study does not have is left out."""
    return "".join(
        json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False) + "\n"
        for row in rows
    )


def manual(table: str) -> str:
    """README.md: what to write where."""
    columns = "\n".join(
        f"| `{column.name}`{' (needed)' if column.required else ''} | {column.about} | "
        f"{', '.join(f'`{name}`' for name in column.others) or '-'} |"
        for column in COLUMNS
    )
    return f"""# A table of studies

`{table}` is an example that works. Its films are drawn, no patient is in them. Look at it, then put your own rows in
their place (and your own films; they may lie anywhere).

    mrg data info table:{table}     what is in it: studies, views, splits, what is missing
    mrg data check table:{table}    opens every film; exit code 2 where training on it would be wrong
    mrg train --data table:{table}  (add --split-by seed where there is no split column)

A row is a study: one visit of a patient, with one or more films and one report. Or write a row for every film: rows
with the same id are views of one study, and say the same in all other columns.

| column | what is in it | may also be called |
|---|---|---|
{columns}

Only `id` and `images` are needed; a study without a report can be read to write one, not to train. Capitals, spaces and
hyphens in a column's name do not matter. A column that is nearly one of these is refused by name, any other is left
unused and said. An empty cell means: not known.
"""
