"""Which way the imports run, and which names are public.

Beneath all parts lie errors.py and files.py (how a file is written whole): every part may import them, and they none.
"""

import ast
import subprocess
import sys

import mrg_llm
from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "src" / "mrg_llm"
BENEATH = {"errors", "files"}
# part -> parts of ours that it may import, beside those
ALLOWED = {
    "images": {"errors", "images"},
    "studies": {"errors", "studies"},
    "scoring": {"errors", "scoring", "studies"},
    "exports": {"errors", "exports", "images"},  # images: whose films they are
    # where films, studies and labels meet
    "datacheck": {"datacheck", "errors", "films", "images", "scoring", "studies"},
    "model": {"errors", "model", "films", "images", "studies", "settings"},  # images through processing.py alone
    "training": {"errors", "films", "model", "images", "studies", "settings", "scoring", "training", "progress"},
    "serving/node": {"errors", "exports", "images", "serving"},
    "explain": {"errors", "explain", "model", "studies", "settings", "scored", "progress"},
    "experiment": {
        "controls",
        "errors",
        "experiment",
        "model",
        "progress",
        "runs",
        "scored",
        "scoring",
        "settings",
        "studies",
        "training",
    },
    "serving": {"drafting", "errors", "exports", "images", "explain", "model", "serving"},
}


def ours(path) -> set[str]:
    """Parts of mrg_llm that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("mrg_llm.")}
    return found


def test_parts_import_only_what_they_may():
    for part, allowed in ALLOWED.items():
        for path in (PACKAGE / part).rglob("*.py"):
            assert ours(path) <= allowed | BENEATH, path


def test_what_lies_beneath_imports_no_part():
    for name in BENEATH:
        assert not ours(PACKAGE / f"{name}.py")


def test_pixels_enter_the_model_through_one_door():
    doors = {path.name for path in (PACKAGE / "model").glob("*.py") if {"films", "images"} & ours(path)}
    assert doors == {"processing.py"}


def test_scoring_knows_neither_torch_nor_transformers():
    for path in (PACKAGE / "scoring").rglob("*.py"):
        source = path.read_text()
        assert "import torch" not in source and "transformers" not in source, path


def test_importing_the_package_and_asking_for_help_is_light():
    code = "import sys, mrg_llm, mrg_llm.cli; print([m for m in ('torch', 'transformers', 'PIL') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_public_names():
    assert mrg_llm.__all__ == [
        "InputError", "MRGConfig", "MRGError", "MRGModel", "Reporter", "Settings", "Study", "StudySet",
        "TrainingError", "View", "load", "load_settings", "open_studies", "read_film",
    ]  # fmt: skip
    assert all(getattr(mrg_llm, name) for name in mrg_llm.__all__)


def test_the_tree_of_errors_is_the_one_its_docstring_draws():
    import re

    from mrg_llm import errors

    drawn = re.findall(r"([A-Z]\w+Error)\b", (errors.__doc__ or "").split("A message")[0])
    assert set(drawn) == {name for name in vars(errors) if name.endswith("Error")}
    inputs = [n for n in drawn if n not in ("MRGError", "TrainingError", "StoppedError")]
    assert all(issubclass(getattr(errors, n), errors.InputError) for n in inputs)
    assert errors.InputError.exit_code == 2 and errors.TrainingError.exit_code == 1
