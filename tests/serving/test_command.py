"""The command line of the service: what it refuses, before a model is loaded; and keys."""

import hashlib
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mrg_llm.cli import app
from mrg_llm.errors import ResourceError, SettingsError


def refused(*options: str, kind=SettingsError) -> str:
    result = CliRunner().invoke(app, ["serve", *options])
    assert isinstance(result.exception, kind), result.output
    return str(result.exception)


def test_what_is_refused():
    assert "--new-key" in refused("--model", "run", "--host", "0.0.0.0")
    assert "--model" in refused()
    assert "--keys" in refused("--new-key", "ann")
    assert "--dicom-port" in refused("--model", "run", "--dicom-send", "A@b:1")
    assert "cannot be read" in refused("--model", "run", "--keys", "/nowhere/keys")
    assert "--audit" in refused("--model", "run", "--audit", "/nowhere/audit", kind=ResourceError)


def test_one_sentence_and_exit_code_2():
    code = "from mrg_llm.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--model", "run", "--host", "0.0.0.0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and result.stdout == "" and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("mrg: ")


def test_a_key_is_printed_once(tmp_path):
    path = tmp_path / "keys"
    result = CliRunner().invoke(app, ["serve", "--new-key", "ann", "--keys", str(path)])
    key = result.stdout.strip()
    assert result.exit_code == 0 and path.read_text() == f"ann:{hashlib.sha256(key.encode()).hexdigest()}\n"


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "prometheus_client"])
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    from types import SimpleNamespace

    from mrg_llm.cli import serving

    found = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None if name == package else name))
    monkeypatch.setattr(serving, "importlib", found)
    assert package in refused("--model", "run") and "mrg-llm[serve]" in refused("--model", "run")
