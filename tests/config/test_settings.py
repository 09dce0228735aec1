"""Settings: environment over file over defaults; what cannot work is named."""

from pathlib import Path

import pytest

from hanjul import InvalidSettings, Settings
from hanjul.config import ENVIRONMENT, FILE, HostSettings, settings


def test_without_anything_set_the_defaults_apply(tmp_path: Path) -> None:
    assert settings({}, tmp_path) == Settings()


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    Path(tmp_path, FILE).write_text('database_url = "postgresql://file"\nmax_connections = 5\nlisten = false')

    found = settings({"DATABASE_URL": "postgresql://environment", "HANJUL_MAX_MESSAGE_BYTES": "1000"}, tmp_path)

    assert found == Settings(database_url="postgresql://environment", max_connections=5, listen=False, max_message_bytes=1000)


def test_every_setting_can_be_set_in_the_environment(tmp_path: Path) -> None:
    of_the_file_alone = {"http_hosts"}  # a table of tables
    assert sorted({*ENVIRONMENT.values(), *of_the_file_alone}) == sorted(Settings.__struct_fields__)


def test_single_hosts_are_set_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "hanjul.toml").write_text('[http_hosts."api.example.com"]\nconcurrency = 5\nrate = 2.5\n')

    assert settings({}, tmp_path).http_hosts == {"api.example.com": HostSettings(5, 2.5)}


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    assert settings({"DATABASE_URL": ""}, tmp_path) == Settings()


@pytest.mark.parametrize(("text", "listens"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_yes_and_no_in_the_environment(tmp_path: Path, text: str, listens: bool) -> None:
    assert settings({"HANJUL_LISTEN": text}, tmp_path).listen is listens


@pytest.mark.parametrize(
    ("variable", "text", "why"),
    [
        ("HANJUL_MAX_CONNECTIONS", "many", "max_connections"),
        ("HANJUL_MAX_CONNECTIONS", "1", "max_connections must be 2 or more, not 1"),
        ("HANJUL_MAX_MESSAGE_BYTES", "0", "max_message_bytes must be 1 or more, not 0"),
        ("HANJUL_HISTORY_DAYS", "0", "history_days must be from 1 to 36500, not 0"),
        ("HANJUL_HISTORY_DAYS", "a week", "history_days"),
        ("HANJUL_LISTEN", "perhaps", "listen"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_setting(tmp_path: Path, variable: str, text: str, why: str) -> None:
    with pytest.raises(InvalidSettings, match=why):
        settings({variable: text}, tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('datbase_url = "x"', "datbase_url"),
        ("max_connections = 1.5", "max_connections"),
        ("max_connections = ", "hanjul.toml"),
        ("max_connections = true", "max_connections"),
    ],
)
def test_a_file_that_cannot_be_is_named(tmp_path: Path, text: str, why: str) -> None:
    Path(tmp_path, FILE).write_text(text)

    with pytest.raises(InvalidSettings, match=why):
        settings({}, tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    Path(tmp_path, FILE).write_bytes(b"\xff\xfe")

    with pytest.raises(InvalidSettings, match=str(tmp_path / FILE)):
        settings({}, tmp_path)


def test_settings_made_in_python_are_checked_too() -> None:
    with pytest.raises(InvalidSettings, match="max_connections must be 2 or more, not 0"):
        Settings(max_connections=0)


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().listen = False  # type: ignore[misc]
