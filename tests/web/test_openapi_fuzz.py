"""schemathesis, by the description that the server gives of itself, finds no 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from soundreel.web.asked.limits import Limits
from soundreel.web.http.app import create_app
from soundreel.web.http.guard import Access
from web.conftest import waiting_studio

HEADERS = {"host": "127.0.0.1"}


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory, sound_file: Path) -> Iterator[Any]:
    limits = Limits(requests_per_minute=10**9, keys_per_minute=10**9, queue=10**6)
    with waiting_studio(tmp_path_factory.mktemp("fuzzed"), limits) as studio:
        studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav")
        app = create_app(studio, Access())
        yield schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)


def fuzz(schema: Any, examples: int) -> int:
    """How many requests were sent."""
    found = (result.ok() for result in schema.get_all_operations())
    endless = "/events"
    return sum(fuzz_one(each, examples) for each in found if not each.path.endswith(endless))


def fuzz_one(operation: Any, examples: int) -> int:
    sent = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        nonlocal sent
        case.call_and_validate(headers=HEADERS, checks=[not_a_server_error])
        sent += 1

    send()
    return sent


def test_no_request_makes_the_server_fail(schema: Any) -> None:
    assert fuzz(schema, 3) > 40


@pytest.mark.soak
def test_no_request_makes_the_server_fail_whole(schema: Any) -> None:
    assert fuzz(schema, 300) > 3000
