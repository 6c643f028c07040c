"""docs/performance.md says what benchmarks/results hold, and its tables are made as they should be."""

import json
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY, module_at


@pytest.fixture(scope="module")
def tables():
    return module_at("benchmarks/tables.py")


def test_the_page_has_the_tables_of_the_files():
    command = [sys.executable, REPOSITORY / "benchmarks" / "tables.py", "--check"]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""


def test_every_file_of_results_is_on_the_page_and_names_no_path_of_a_machine():
    page = (REPOSITORY / "docs" / "performance.md").read_text()
    found = sorted((REPOSITORY / "benchmarks" / "results").glob("*.json"))
    assert found
    for path in found:
        assert f"<!-- table:{path.stem}" in page, path.name
        assert not re.search(r"[ :]/\w", json.loads(path.read_text())["command"]), path.name


def system(*rounds: float, **more) -> dict:
    return {
        "rounds": rounds,
        "median": sorted(rounds)[len(rounds) // 2],
        "low": min(rounds),
        "high": max(rounds),
        **more,
    }


RESULT = {
    "command": "python benchmarks/x.py", "date": "then", "unit": "seconds", "per": "two reports", "notes": ["no Java"],
    "machine": {"processor": "P", "instructions": "AVX2", "threads": 1, "torch": "2"},
    "systems": {"mrg": system(1.0, 2.0, 4.0, reports=7), "other": system(3.0, 5.0, 1234.5)},
    "floors": {"mrg": {"value": 0.5, "why": "one byte a second"}},
    "ratios": {"other / mrg": 2.5},
    "sections": {"growth": {"command": "python benchmarks/x.py --more", "x": "studies",
                            "systems": {"8": system(0.25), "mrg": system(0.5)}}},
}  # fmt: skip


def test_a_table_has_a_row_a_system(tables):
    page = "before\n<!-- table:x -->\nold\n<!-- end -->\nafter\n<!-- table:x/growth -->\n<!-- end -->\n"
    made = tables.filled(page, {"x": RESULT})
    assert made.startswith("before\n<!-- table:x -->\n") and "old" not in made and "\nafter\n" in made
    assert "| mrg | 2 (1 to 4) |  | 0.5 | 7 |" in made
    assert "| other | 5 (3 to 1,234) | 2.50 |  |  |" in made
    assert "Floor of mrg: one byte a second." in made and "No Java." in made
    assert "| studies | seconds: median (least to most) |\n" in made and "| 8 | 0.25 (0.25 to 0.25) |" in made
    assert "`python benchmarks/x.py --more` on P" in made and "| mrg | 0.5 (0.5 to 0.5) |\n" in made  # no other's floor
    assert tables.filled(made, {"x": RESULT}) == made


def test_a_table_that_no_file_has_is_an_error(tables):
    with pytest.raises(KeyError):
        tables.filled("<!-- table:y -->\n<!-- end -->\n", {"x": RESULT})
