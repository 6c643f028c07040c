"""Settings: presets are valid, unknown keys name the nearest, values are checked."""

import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.settings import changed_decoding, known_keys, load_settings, preset_names, refuse_clashes


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid(preset):
    refuse_clashes(load_settings(preset))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["decode.guidance=2"], r"decode\.guidance is 2, but generate\.blind is 0.*set decode\.guidance=0, or"),
        (["decode.weights=int8", "model.language.lora_rank=4"], "int8, but the language model has LoRA adapters"),
        (["decode.weights=int8", "model.language.quantize=4bit"], "int8, but the language model is held in 4bit"),
    ],
)
def test_what_two_tables_say_must_fit_together(changes, words):
    with pytest.raises(SettingsError, match=words):
        refuse_clashes(load_settings("tiny", changes))


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(SettingsError, match=r"no setting train\.lrr; the nearest is train\.lr "):
        load_settings("tiny", ["train.lrr=1"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.lr=-1", "greater than 0"),
        ("train.lr=fast", "valid number"),
        ("train.lr", "key=value"),
        ("model.prompts.variant=best", "prompt-wise"),
        ("generate.batch=0", "greater than or equal to 1"),
    ],
)
def test_a_value_it_cannot_have_is_one_sentence(change, words):
    with pytest.raises(SettingsError, match=words):
        load_settings("tiny", [change])


def test_a_preset_that_is_not_there_lists_those_that_are():
    with pytest.raises(SettingsError, match=r"presets: .*iu-xray"):
        load_settings("no-such-preset")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[train]\nlr = 0.5\n")
    assert load_settings(str(path)).train.lr == 0.5
    path.write_text("[train]\nlearning_rate = 0.5\n")
    with pytest.raises(SettingsError, match="nearest is train"):
        load_settings(str(path))
    path.write_text("not toml at all")
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(str(path))
    path.write_bytes("[train]\n# Größe".encode("latin-1"))
    with pytest.raises(SettingsError, match="is not TOML in UTF-8"):
        load_settings(str(path))
    path.write_text("train = 1")
    with pytest.raises(
        SettingsError, match=r"train is 1, but must be a table: \[train\] with settings below, as train\.seed"
    ):
        load_settings(str(path), ["train.seed=2"])


def test_a_run_without_a_step_is_refused():
    none = ["align_global.epochs=0", "align_local.epochs=0", "generate.epochs=0"]
    with pytest.raises(SettingsError, match="nothing would be trained; set one above 0"):
        refuse_clashes(load_settings("tiny", none))


def test_every_setting_has_a_sentence():
    assert all(sentence for _, sentence, _ in known_keys())


def test_decoding_can_be_changed_at_generation():
    decode = load_settings("tiny").decode
    assert changed_decoding(decode, ["beams=4", "decode.length_penalty=2"]).beams == 4
    with pytest.raises(SettingsError, match=r"decode\.beams"):
        changed_decoding(decode, ["beam=4"])
    with pytest.raises(SettingsError, match=r"^decode: guidance is for greedy search; set it to 0, or beams to 1"):
        changed_decoding(load_settings("iu-xray").decode, ["beams=4"])
