"""`mrg experiment`: its options, and what is refused before hours are spent."""

import json

import pytest
from typer.testing import CliRunner

from mrg_llm.cli import app
from mrg_llm.errors import InputError, SettingsError


@pytest.fixture
def asked(planned, studies, run, tmp_path, monkeypatch):
    """(options) -> result of the command, on the tiny experiment."""
    monkeypatch.setattr("mrg_llm.studies.open_studies", lambda spec, **how: studies)
    fixed = ["experiment", str(tmp_path / "experiment.toml"), "--data", "phantom:tiny", "--out", str(tmp_path / "out")]
    return lambda *options: CliRunner().invoke(app, [*fixed, "--no-meteor", "--draws", "20", *options])


def test_one_arm_compared_with_stored_figures(asked, tmp_path):
    one = ("--only", "none", "--seeds", "0")
    done = asked(*one)
    assert done.exit_code == 0, done.exception
    found = tmp_path / "out" / "tiny.json"
    assert str(found) in done.stdout
    stored = tmp_path / "stored.json"
    content = json.loads(found.read_text())
    stored.write_text(json.dumps(content))
    assert asked(*one, "--compare", str(stored)).exit_code == 0
    content["val"]["arms"]["none"]["figures"]["nats"]["loss"].update(low=0.1, value=0.2, high=0.3)
    stored.write_text(json.dumps(content))
    differs = asked(*one, "--compare", str(stored))
    assert differs.exit_code == 1 and "none: nats: loss is" in differs.stderr and "figures differ" in differs.stderr


def test_a_dry_run_writes_nothing(asked, tmp_path):
    result = asked("--dry-run")
    assert result.exit_code == 0 and "to go: about 0 minutes" in result.stderr and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (("--seeds", "0,one"), SettingsError, "must be numbers with commas"),
        (("--set", "train.lrr=1"), SettingsError, r"nearest is train\.lr"),
        (("--set", "decode.guidance=1"), SettingsError, r"arm none: decode\.guidance is 1, but generate\.blind is 0"),
        (("--only", "nobody"), SettingsError, "arms are none, static"),
        (("--compare", "no-such.json"), InputError, r"no-such\.json is not the figures of an experiment"),
    ],
)
def test_what_cannot_be_is_refused_at_once(asked, tmp_path, options, error, words):
    result = asked(*options)
    with pytest.raises(error, match=words):
        raise result.exception
    assert not (tmp_path / "out").exists()
