"""Many clients at once: nothing is lost, nobody waits, memory stays."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from soundreel.web.asked.limits import Limits
from soundreel.web.http.guard import Access
from web.conftest import TINY, serving

_MOST_S = 1.0
"""No request takes longer while jobs run."""


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


@pytest.mark.soak
def test_memory_stays_over_a_thousand_jobs(tmp_path: Path, sound_file: Path) -> None:
    """Resident memory of the server's own process, after the first hundred and at the end."""
    limits = Limits(queue=10**4)
    with serving(tmp_path, limits) as (studio, _):
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        sizes = []
        for number in range(10):
            keys = [
                studio.submit({**TINY, "audio_reference": sound, "seed": number * 100 + seed}).id
                for seed in range(100)
            ]
            while studio.store.counts().get("completed", 0) < len(keys) * (number + 1):
                time.sleep(0.2)
            sizes.append(resident())
    assert sizes[-1] - sizes[0] < 30 << 20, sizes


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
