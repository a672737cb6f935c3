"""Facts of this machine, read once at the edge: defaults < file < environment < flags."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from platformdirs import user_cache_path, user_config_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from soundreel.errors import InputError, mention
from soundreel.options import texts
from soundreel.options.kinds import MAX_SECONDS
from soundreel.options.option import Option
from soundreel.options.table import FILE, RUN
from soundreel.safe.secrets import keep_secret

ENV_PREFIX = "SOUNDREEL_"
OPTIONS_TABLE = "options"
SERVER_TABLE = "server"
"""What `web.asked.limits` reads."""
MAX_WORKERS = 256
_CLUSTER = re.compile(r"(ray://)?[A-Za-z0-9._\-\[\]:]+:[0-9]{1,5}")


class Settings(BaseModel):
    """url: ComfyUI servers, comma-separated or a list, all of which share a job; token: bearer
    token for them (never logged or stored). models_dir: where weight files are looked for first;
    gpu: the card to plan for, by name, None is this machine's; workers: processes of this machine
    that share a job, None is as many as its engine finds good; cluster: a Ray cluster that does,
    "ray" or its address, None is none; timeout: seconds for a whole job, None is no limit;
    work_dir: unfinished jobs; output_dir: finished videos without `-o`; c2pa: the PEM file that
    finished videos are signed with, None does not sign."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = "http://127.0.0.1:8188"
    token: SecretStr | None = None
    timeout: Annotated[float, Field(gt=0, le=MAX_SECONDS)] | None = None
    gpu: str | None = None
    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = None
    cluster: str | None = None
    models_dir: tuple[Path, ...] = ()
    work_dir: Path = user_cache_path("soundreel") / "work"
    output_dir: Path = Path("output/video")
    c2pa: Path | None = None

    def document(self) -> dict[str, Any]:
        """As JSON, the token among it: for a process of our own."""
        token = None if self.token is None else self.token.get_secret_value()
        return {**self.model_dump(mode="json"), "token": token}

    @field_validator("url", mode="before")
    @classmethod
    def _addresses(cls, value: object) -> object:
        """Those of a list, too: the flag may be given several times."""
        if isinstance(value, (list, tuple)):
            value = ",".join(texts.read_text(each).strip() for each in value)
        return None if value is None else texts.read_text(value).strip()

    @field_validator("gpu", "cluster", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return None if value is None else texts.read_text(value).strip()

    @field_validator("cluster")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and value != "ray" and not _CLUSTER.fullmatch(value):
            raise ValueError('"ray", or the address of a Ray cluster: ray://HOST:10001')
        return value

    @field_validator("token", mode="before")
    @classmethod
    def _clean_token(cls, value: object) -> object:
        """Without the line break that files of secrets end in; never with what no header takes."""
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if value is None or not (token := texts.read_text(value).strip()):
            return None
        if not all("!" <= char <= "~" for char in token):
            raise ValueError("a token has only ASCII letters, digits and signs, no spaces")
        keep_secret(token)
        return token

    @field_validator("work_dir", "output_dir", "c2pa", mode="before")
    @classmethod
    def _place(cls, value: object) -> Path | None:
        return None if value is None else texts.read_path(value)

    @field_validator("models_dir", mode="before")
    @classmethod
    def _folders(cls, value: object) -> tuple[Path, ...]:
        if isinstance(value, (str, Path)) or not isinstance(value, Sequence):
            raise ValueError("a list of folders")
        return tuple(map(texts.read_path, value))

    @field_validator("timeout", "workers", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number")
        return value


_TABLES = (OPTIONS_TABLE, SERVER_TABLE)
_PRIVATE = ("token", "url")
"""Settings whose values no message repeats: an address may hold a password."""

SETTINGS_OPTIONS: tuple[Option, ...] = (
    Option(
        "output_dir", names=("output_dir",), panel=FILE, metavar="DIR", default="output/video",
        help=f"Folder for videos without {mention('output')}.",
    ),
    Option(
        "c2pa", names=("c2pa",), panel=FILE, metavar="FILE",
        help="Sign the video (C2PA) with the certificates and the key in this PEM file.",
    ),
    Option(
        "work_dir", names=("work_dir",), panel=RUN, metavar="DIR",
        help="Folder for unfinished jobs.",
    ),
    Option(
        "timeout", names=("timeout",), panel=RUN, metavar="SECONDS", default="none",
        help="Stop the job after so long; it can be resumed.",
    ),
    Option(
        "workers", names=("workers",), panel=RUN, metavar="N",
        help="Processes that share the work (default: by the engine).",
    ),
    Option(
        "cluster", names=("cluster",), panel=RUN, metavar="ADDRESS",
        help='Share the work on a Ray cluster: "ray" or ray://HOST:10001.',
    ),
    Option(
        "url", names=("url",), panel=RUN, metavar="URL", default="http://127.0.0.1:8188", many=True,
        help="ComfyUI server; several share a job.",
    ),
    Option(
        "models_dir", names=("models_dir",), panel=RUN, metavar="DIR", many=True,
        help="Folder with weights.",
    ),
    Option("gpu", names=("gpu",), metavar="CARD", help='Card to plan for, e.g. "RTX 4090".'),
)  # fmt: skip
"""Settings that the command line has options for; `Settings` checks their values."""


def default_config_path() -> Path:
    return user_config_path("soundreel") / "config.toml"


def load_settings(
    flags: Mapping[str, object] | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """The settings of this machine: of the config file, the environment, and `flags`, by the names
    of Settings, where not None. Raises InputError naming the bad value."""
    values = {key: value for key, value in read_config(config).items() if key not in _TABLES}
    for field in Settings.model_fields:
        text = environ.get(ENV_PREFIX + field.upper())
        if text:
            values[field] = text.split(os.pathsep) if field == "models_dir" else text
    values.update({key: value for key, value in (flags or {}).items() if value is not None})
    try:
        return Settings.model_validate(values)
    except ValidationError as err:
        wrong = _wrong_setting(err)
    raise wrong  # out here, since the error above repeats values, a token among them


def _wrong_setting(error: ValidationError) -> InputError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    if name not in Settings.model_fields:
        return InputError(
            f"unknown setting {name!r}", hint=f"known settings: {', '.join(Settings.model_fields)}"
        )
    rule = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if name in _PRIVATE:
        return InputError(f"{mention(name)} {rule}", hint="its value is not shown", rule=rule)
    return InputError.about({name: first["input"]}, rule)


def read_config(config: Path | None) -> dict[str, object]:
    """The config file's content: settings, and defaults of options in the table `[options]`.

    Without a name the user's own file is read where there is one. Raises InputError.
    """
    path = config or default_config_path()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        if config is None:
            return {}
        raise InputError(f"no config file {path}", hint="check the name") from err
    except OSError as err:
        raise InputError(
            f"cannot read the config file {path}: {err.strerror}",
            hint=f"give a TOML file with {mention('config')}, or leave it out",
        ) from err
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    except RecursionError:
        reason = "it is nested too deep"
    except ValueError as err:  # TOMLDecodeError, and Python's own for numbers beyond all bounds
        reason = str(err)
    raise InputError(f"{path} is not valid TOML: {reason}", hint="see docs/quickstart.md")
