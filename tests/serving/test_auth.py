"""Keys, and who may listen to the network."""

import pytest

from mrg_llm.errors import SettingsError
from mrg_llm.serving.auth import Keys, is_loopback, make_key, refuse_open


def test_a_key_is_kept_as_a_hash_in_a_private_file(tmp_path):
    path = tmp_path / "keys"
    key = make_key("ward-3", path)
    make_key("ward-4", path)
    keys = Keys.read(path)
    assert keys.owner(f"Bearer {key}") == "ward-3" == keys.owner(f"bearer {key}")
    for wrong in (None, "", key, f"Basic {key}", f"Bearer {key}x", f"Bearer {key[:-1]}", "Bearer \udcff"):
        assert keys.owner(wrong) is None
    assert key not in path.read_text() and path.stat().st_mode & 0o77 == 0
    with pytest.raises(SettingsError, match="already"):
        make_key("ward-3", path)
    with pytest.raises(SettingsError, match="letters"):
        make_key("a name", path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "ann:abc\n", f"ann:{'0' * 64}\nann:{'1' * 64}\n"])
def test_files_that_hold_no_keys(tmp_path, text):
    (tmp_path / "keys").write_text(text)
    with pytest.raises(SettingsError, match="--new-key"):
        Keys.read(tmp_path / "keys")


def test_only_loopback_is_served_without_keys():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.5", "example.org", "")))
    refuse_open("127.0.0.1", None)
    with pytest.raises(SettingsError, match="--new-key"):
        refuse_open("0.0.0.0", None)
