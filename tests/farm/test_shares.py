"""Which hands each job gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.api import plan
from soundreel.config import Settings
from soundreel.engines.preview import session
from soundreel.farm import shares
from soundreel.farm.shares import Share, Shares, Want, kind_of, servers_of, useful_hands
from soundreel.types import Estimate, Request, ShotRequest

FIVE = "http://a:1,http://b:2,http://c:3,http://d:4,http://e:5"


def served(url: str = FIVE) -> Shares:
    return Shares.of(Settings(url=url))


def counts(found: Sequence[Share | None]) -> list[int]:
    return [len(share.hands) if share else 0 for share in found]


def wants(*most: int, kind: str = "comfyui") -> list[Want]:
    return [Want(kind, each) for each in most]


@pytest.mark.parametrize(
    ("most", "got"),
    [
        ([10], [5]),
        ([2], [2]),
        ([10, 10], [3, 2]),
        ([1, 10], [1, 4]),
        ([10, 1, 1], [3, 1, 1]),
        ([9, 9, 9, 9, 9, 9, 9], [1, 1, 1, 1, 1, 0, 0]),
    ],
)
def test_free_hands_are_dealt_out_one_by_one(most: list[int], got: list[int]) -> None:
    found = served().deal(wants(*most))
    assert counts(found) == got
    hands = [hand for share in found if share for hand in share.hands]
    assert len(hands) == len(set(hands)), "no server twice at once"


def test_a_job_that_ends_gives_all_its_hands_back() -> None:
    servers = served()
    [first, second] = servers.deal(wants(10, 2))
    assert servers.deal(wants(1)) == [None]
    assert first is not None
    servers.give(first)
    assert servers.deal(wants(10)) == [first]
    assert second is not None
    assert second.settings == {"url": "http://b:2,http://d:4"}


def test_jobs_whose_hands_are_taken_let_others_pass() -> None:
    machine = Shares.of(Settings(url="http://a:1", workers=2))
    kinds = [Want("comfyui"), Want("comfyui"), Want("preview", 9), Want("an engine of others")]
    assert counts(machine.deal(kinds)) == [1, 0, 2, 1]
    assert counts(machine.deal([Want("an engine of others")])) == [0]


def test_addresses_stay_as_they_are_written_and_a_server_is_one_hand() -> None:
    url = "http://me:hush@a:1, b:2,http://a:1/"
    assert list(servers_of(url)) == ["http://me:hush@a:1", "b:2"]
    [share] = served(url).deal(wants(2))
    assert share is not None
    assert share.settings == {"url": "http://me:hush@a:1,b:2"}
    [share] = served("http://a b").deal(wants(2))
    assert share is not None
    assert share.settings == {}, "the job says itself what is wrong"


def test_each_card_is_a_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc,5")
    [first, second] = Shares.of(Settings()).deal(wants(2, 1, kind="wan"))
    assert first is not None
    assert second is not None
    assert first.environ == {"CUDA_VISIBLE_DEVICES": "2,5"}
    assert second.environ == {"CUDA_VISIBLE_DEVICES": "GPU-abc"}
    assert Shares.of(Settings(), cards=2).count("wan") == 2
    assert Shares.of(Settings(workers=1)).count("wan") == 1


def test_cards_are_found_by_their_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(shares, "_DRIVER", tmp_path)
    [share] = Shares.of(Settings()).deal(wants(4, kind="wan"))
    assert share is not None
    assert (share.environ, share.settings) == ({}, {}), "none: the job says so itself"
    for card in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / card).mkdir()
    [share] = Shares.of(Settings()).deal(wants(4, kind="wan"))
    assert share is not None
    assert share.environ == {"CUDA_VISIBLE_DEVICES": "0,1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    [share] = Shares.of(Settings()).deal(wants(4, kind="wan"))
    assert share is not None
    assert share.environ == {}, "they are hidden from this process"


def test_a_cluster_is_one_hand() -> None:
    cluster = Shares.of(Settings(cluster="ray", workers=4))
    [share] = cluster.deal(wants(4, kind="preview"))
    assert share is not None
    assert share.settings == {}


def test_cores_are_shared_by_as_many_previews_as_may_run() -> None:
    """One that comes while a long one has all cores need not wait for its end."""
    cores = Shares.of(Settings(workers=4), previews=3)
    [long] = cores.deal(wants(9, kind="preview"))
    assert counts([long]) == [4]
    [second, third, fourth] = cores.deal(wants(9, 9, 9, kind="preview"))
    assert counts([second, third, fourth]) == [1, 1, 0]
    assert second is not None
    assert second.settings == {"workers": 1}
    cores.give(second)
    assert cores.free("preview") == 0
    assert counts(cores.deal(wants(9, kind="preview"))) == [1]


def test_another_server_may_make_what_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = served("http://a:1,http://b:2")
    [bad, good] = servers.deal(wants(1, 1))
    assert bad is not None
    assert good is not None
    assert not servers.may_pass_on(bad, "InputError", ())
    assert servers.may_pass_on(bad, "EngineAway", ())
    servers.give(bad)
    assert servers.deal([Want("comfyui", 1, frozenset(bad.hands))]) == [None], "the other is taken"
    assert servers.deal(wants(1)) == [None], "it rests while another one works"
    servers.give(good)
    assert servers.deal([Want("comfyui", 2, frozenset(bad.hands))]) == [good]
    assert not servers.may_pass_on(good, "EngineAway", bad.hands), "there is no third"
    servers.give(good)
    assert counts(servers.deal(wants(2))) == [1]
    monkeypatch.setattr(shares, "_REST_S", 0.0)
    assert servers.may_pass_on(bad, "OutOfMemory", ())
    assert counts(servers.deal(wants(1))) == [1]


def test_a_network_that_fills_a_card_runs_once() -> None:
    kind = kind_of("preview", "film")
    assert counts(Shares.of(Settings(workers=4)).deal(wants(2, 2, kind=kind))) == [1, 0]
    assert (kind_of("preview", "flow"), kind_of("wan", "film")) == ("preview", "wan")


def test_useful_hands_are_units(
    tone: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = tuple(ShotRequest(start=Fraction(start)) for start in range(3))
    request = Request(audio=tone, engine="fake", width=64, height=48, shots=shots)
    made, estimate = plan(request, settings)
    assert len(made.chunks) > 3
    assert useful_hands(made, estimate) == 3
    monkeypatch.setattr(session, "core_count", lambda: 2)
    drawn = replace(made, request=replace(made.request, engine="preview"))
    found = [useful_hands(drawn, Estimate(seconds=seconds)) for seconds in (3.0, 25.0, 900.0)]
    assert found == [1, 2, 2]
