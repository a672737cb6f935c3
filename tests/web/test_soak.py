"""Many clients at once: nothing is lost, nobody waits, memory stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from soundreel.web.asked.limits import Limits
from soundreel.web.http.guard import Access
from soundreel.web.studio.service import Studio
from web.conftest import TINY, serving

_MOST_S = 1.0
"""No request takes longer while jobs run."""
_GROWTH = 30 << 20
"""Bytes: a thousand jobs that stayed in memory would take more."""


def crowd(folder: Path, sound_file: Path, clients: int, jobs: int) -> float:
    """So many jobs by so many clients; the longest that any of them waited for an answer."""
    limits = Limits(requests_per_minute=10**6, queue=10**4)
    with serving(folder, limits, Access()) as (studio, url):
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        body = {**TINY, "audio_reference": sound}
        studio.plan(body)  # the helpers are there

        def act(number: int) -> tuple[list[str], float]:
            longest, keys = 0.0, list[str]()
            with httpx.Client(base_url=url, timeout=60) as client:

                def ask(method: str, path: str, **more: object) -> dict[str, object]:
                    nonlocal longest
                    began = time.monotonic()
                    answer = client.request(method, path, **more)  # type: ignore[arg-type]
                    longest = max(longest, time.monotonic() - began)
                    assert answer.status_code == 200, answer.text
                    found: dict[str, object] = answer.json()
                    return found

                for job in range(jobs // clients):
                    asked = {**body, "seed": number * 1000 + job}
                    keys.append(str(ask("POST", "/v1/videos", json=asked)["id"]))
                    ask("GET", "/v1/videos")
                for key in keys:
                    while ask("GET", f"/v1/videos/{key}")["status"] != "completed":
                        time.sleep(1)
            return keys, longest

        with ThreadPoolExecutor(clients) as pool:
            told = list(pool.map(act, range(clients)))
        assert studio.store.counts() == {"completed": jobs}
    assert len({key for keys, _ in told for key in keys}) == jobs
    return max(longest for _, longest in told)


def test_a_few_clients_lose_nothing(tmp_path: Path, sound_file: Path) -> None:
    crowd(tmp_path, sound_file, clients=4, jobs=12)


@pytest.mark.soak
def test_twenty_clients_lose_nothing_and_nobody_waits(tmp_path: Path, sound_file: Path) -> None:
    assert crowd(tmp_path, sound_file, clients=20, jobs=200) < _MOST_S


@pytest.fixture(scope="module")
def long_running(
    tmp_path_factory: pytest.TempPathFactory, sound_file: Path
) -> Iterator[tuple[Studio, str, list[int]]]:
    """A studio, an upload, and the sizes of its process so far."""
    with serving(tmp_path_factory.mktemp("long"), Limits(queue=10**4)) as (studio, _):
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        yield studio, sound, []


@pytest.mark.soak
@pytest.mark.parametrize("hundred", range(10))
def test_memory_stays_over_a_thousand_jobs(
    long_running: tuple[Studio, str, list[int]], hundred: int
) -> None:
    """Resident memory of the server's own process, against that after the first hundred."""
    studio, sound, sizes = long_running
    for seed in range(100):
        studio.submit({**TINY, "audio_reference": sound, "seed": hundred * 100 + seed})
    while studio.store.counts().get("completed", 0) < 100 * (hundred + 1):
        time.sleep(0.2)
    sizes.append(resident())
    assert sizes[-1] - sizes[0] < _GROWTH, [size >> 20 for size in sizes]


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
