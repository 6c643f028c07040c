"""What is no Python is in the wheel as well: an installed package must not lack a page, a rule or a preset."""

import tomllib
from fnmatch import fnmatch

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "src" / "mrg_llm"


def test_every_file_is_named_in_the_package_data():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["mrg_llm"]
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()]
    others = [name for name in files if not name.endswith((".py", ".pyc"))]
    assert "py.typed" in others
    assert [name for name in others if not any(fnmatch(name, pattern) for pattern in patterns)] == []
