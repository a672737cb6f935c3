"""What the server allows, with defaults for one machine among friends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from soundreel.config import SERVER_TABLE
from soundreel.errors import InputError

_Count = Annotated[int, Field(ge=1, le=10**9)]
_Bytes = Annotated[int, Field(ge=1024, le=1 << 50)]


class Limits(BaseModel):
    """queue: jobs that may wait; upload_bytes: of one file; body_bytes: of a body in JSON, with its
    data: addresses; disk_bytes: of uploads and videos together; free_bytes: what stays free on the
    disk; seconds: of one video; upload_days: how long an upload that no job needs is kept;
    requests_per_minute: of one client, keys_per_minute: wrong keys; reading_seconds: how long the
    look at a file, or a plan, may take; preview_jobs: at once, None is half of the cores;
    gpus: cards for jobs of the wan engine, all together, None is every one;
    input_hosts: hosts that sounds and pictures may be fetched from; webhook_hosts: hosts that may
    be told of the end of a job, webhook_secret: signs what they are told;
    allowed_hosts: names that this server is reached by."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    queue: _Count = 200
    upload_bytes: _Bytes = 1 << 30
    body_bytes: _Bytes = 64 << 20
    disk_bytes: _Bytes = 100 << 30
    free_bytes: Annotated[int, Field(ge=0)] = 1 << 30
    seconds: Annotated[float, Field(gt=0)] = 3600.0
    upload_days: Annotated[float, Field(gt=0, le=10**6)] = 7.0
    requests_per_minute: _Count = 1200
    keys_per_minute: _Count = 10
    reading_seconds: Annotated[float, Field(gt=0)] = 60.0
    preview_jobs: _Count | None = None
    gpus: _Count | None = None
    input_hosts: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    webhook_secret: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()


def read_limits(values: object) -> Limits:
    """Of the table in the config file. Raises InputError naming the wrong one."""
    if not isinstance(values, Mapping):
        raise InputError(f"{SERVER_TABLE!r} in the config file is not a table")
    try:
        return Limits.model_validate(dict(values))
    except ValidationError as err:
        first = err.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    raise InputError(
        f"{name} in the table [{SERVER_TABLE}] of the config file: {first['msg']}",
        hint=f"it knows: {', '.join(Limits.model_fields)}",
    )
