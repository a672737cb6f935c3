"""Settings from everywhere: read in one place, refused in one sentence, secrets never repeated."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from soundreel.config import Settings, load_settings, read_config
from soundreel.errors import InputError
from soundreel.safe.secrets import redacted

SECRET = "hush-93ab"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    """All that a user or a log can see of the refusal, its traceback too."""
    with pytest.raises(InputError) as caught:
        load_settings({}, written(tmp_path, text), environ or {})
    return "".join(traceback.format_exception(caught.value)) + caught.value.hint


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\t{}\n\n"])
def test_a_token_from_a_file_of_secrets_works(around: str) -> None:
    token = load_settings({}, environ={"SOUNDREEL_TOKEN": around.format(SECRET)}).token
    assert token is not None
    assert token.get_secret_value() == SECRET


def test_an_empty_token_is_none() -> None:
    assert load_settings({}, environ={"SOUNDREEL_TOKEN": " \n"}).token is None


@pytest.mark.parametrize("inside", ["{}\\nx", "{}\\rx", "{} x", "ä{}", "{}\\u200b", "\\u0000{}"])
def test_a_token_that_no_header_takes_is_refused_unseen(tmp_path: Path, inside: str) -> None:
    said = refused(tmp_path, f'token = "{inside.format(SECRET)}"')
    assert "only ASCII" in said
    assert "`token=`" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "line",
    [
        f'tokn = "{SECRET}"',
        f'urls = "http://me:{SECRET}@host"',
        f'token = ["{SECRET}"]',
        f'token = {{ value = "{SECRET}" }}',
        f'url = ["http://me:{SECRET}@host", 3]',
        f'url = {{ a = "{SECRET}" }}',
        f'token = "{SECRET}',
        f"token = {SECRET}",
        f'timeout = -1\ntoken = "{SECRET}"',
        f'models_dir = 3\nurl = "http://me:{SECRET}@host"',
    ],
)
def test_no_mistake_in_the_file_shows_a_secret(tmp_path: Path, line: str) -> None:
    assert SECRET not in refused(tmp_path, line)


def test_a_token_that_was_read_is_taken_out_of_every_text() -> None:
    load_settings({}, environ={"SOUNDREEL_TOKEN": "an-odd-one-7f"})
    assert "an-odd-one-7f" not in redacted("the server says: bad key an-odd-one-7f")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("timeout = true", "timeout"),
        ("timeout = 'soon'", "timeout"),
        ("timeout = 0", "timeout"),
        ("timeout = nan", "timeout"),
        ("models_dir = 'one'", "models_dir"),
        ("models_dir = [1]", "models_dir"),
        ("work_dir = ''", "work_dir"),
        ("output_dir = 1979-05-27", "output_dir"),
        ("gpu = 4090", "gpu"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_settings({}, written(tmp_path, line), {})
    assert list(caught.value.fields) == [name]
    assert f"`{name}=" in caught.value.message


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a = [" * 50_000, b"a = " + b"9" * 5000, b"= 1"])
def test_what_is_not_toml_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text)
    with pytest.raises(InputError, match="not valid TOML"):
        read_config(path)


def test_a_folder_that_may_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", deny)
    with pytest.raises(InputError, match=r"cannot read the config file .*: Permission denied"):
        read_config(None)


def test_settings_made_in_python_do_not_repeat_a_token() -> None:
    with pytest.raises(ValueError) as caught:
        Settings(token=f"ä{SECRET}")  # type: ignore[arg-type]
    assert SECRET not in "".join(traceback.format_exception(caught.value))
