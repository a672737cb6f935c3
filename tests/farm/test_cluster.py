"""A Ray cluster shares a job: the same bytes, and nothing but what was sent is there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import fakes
from media_factory import sine, write_audio
from soundreel.api import generate
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import Cancelled, EngineError, EngineUnavailable, InputError, WorkError
from soundreel.events import ChunkSealed, Event, FrameDone, Notice, RunControl
from soundreel.farm.messages import Done
from soundreel.farm.node import Node, NodeFolder
from soundreel.farm.parcels import blocks_of, pack, unpack, write_blocks
from soundreel.types import Request, ShotRequest
from soundreel.work.listing import list_jobs

SHOTS = tuple(ShotRequest(start=Fraction(start)) for start in range(6))
STORE = 100 << 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A head without cores, and a node with two. The tests share one connection: Ray 2.60 can
    fault when one ends while answers still come, and takes the process with it."""
    import ray
    from ray.cluster_utils import Cluster

    def connect(**options: Any) -> None:
        if not ray.is_initialized():
            real_connect(**options)

    place = tmp_path_factory.mktemp("nodes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        patch.setenv("SOUNDREEL_WORK_DIR", str(place))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        arguments = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
        made: Any = Cluster(initialize_head=True, head_node_args=arguments)
        made.add_node(num_cpus=2, object_store_memory=STORE)
        real_connect, disconnect = ray.init, ray.shutdown
        patch.setattr(ray, "init", connect)
        patch.setattr(ray, "shutdown", lambda: None)
        yield made
        disconnect()
        made.shutdown()


@pytest.fixture
def shared(cluster: Any, settings: Settings) -> Settings:
    return settings.model_copy(update={"cluster": cluster.address})


@pytest.fixture
def request_(tone: Path, tmp_path: Path) -> Request:
    return Request(
        audio=tone, engine="preview", width=64, height=64, seed=3, shots=SHOTS,
        duration=Fraction(5), output=tmp_path / "a.mp4",
    )  # fmt: skip


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bytes_are_those_of_one_hand_though_a_node_dies(
    cluster: Any, shared: Settings, settings: Settings, request_: Request, tmp_path: Path
) -> None:
    whole = generate(request_, settings.model_copy(update={"workers": 1}))
    nodes, said = [cluster.add_node(num_cpus=2, object_store_memory=STORE)], list[str]()

    def kill(event: Event) -> None:
        if isinstance(event, Notice):
            said.append(event.message)
        if isinstance(event, ChunkSealed) and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    request_ = replace(request_, output=tmp_path / "b.mp4")
    again = generate(request_, shared, control=RunControl(kill))
    assert digest(again.path) == digest(whole.path)
    assert "4 workers of the cluster make the pictures" in said
    assert not nodes


def test_a_stopped_job_goes_on_without_the_cluster(
    shared: Settings, settings: Settings, request_: Request
) -> None:
    with pytest.raises(Cancelled):
        generate(request_, shared, control=fakes.cancel_when_sealed())
    assert len(list_jobs(settings.work_dir)) == 1
    assert generate(request_, settings).resumed_chunks > 0
    assert not list(settings.work_dir.rglob("*.part"))


def test_a_node_that_lacks_what_the_job_needs_is_left_out_in_words(
    shared: Settings, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here all do: they have another version than this process says that it is."""
    said = list[str]()

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            said.append(event.message)

    monkeypatch.setattr("soundreel.versions.__version__", "9.9")
    with pytest.raises(EngineError, match="nobody is left"):
        generate(request_, shared, control=RunControl(listen))
    [out] = [words for words in said if "left out" in words]
    assert re.search(r"has other versions: soundreel .*, here 9\.9", out)


def test_a_full_disk_here_ends_the_job_and_is_no_fault_of_a_node(
    shared: Settings, settings: Settings, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = list[Path]()

    def write(path: Path, blocks: Iterable[bytes]) -> None:
        write_blocks(path, blocks)
        written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("soundreel.farm.cluster.write_blocks", write)
    with pytest.raises(WorkError, match="the disk is full"):
        generate(request_, shared)
    [job] = list_jobs(settings.work_dir)
    assert not list(settings.work_dir.rglob("*.part"))
    assert job.sealed > 0, "what came before is kept"


def test_an_engine_without_hands_is_refused(shared: Settings, request_: Request) -> None:
    with pytest.raises(InputError, match="engine fake cannot share this job on a cluster"):
        generate(replace(request_, engine="fake"), shared)


def test_doctor_looks_at_each_node(cluster: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--cluster", cluster.address]) == 0
    shown = capsys.readouterr().out
    assert "2 cores, 0 GPUs" in shown
    assert "preview: ready" in shown
    assert "wan: " in shown


def test_a_cluster_that_is_not_there_is_said(settings: Settings, request_: Request) -> None:
    nobody = settings.model_copy(update={"cluster": "127.0.0.1:9"})
    with pytest.raises(EngineUnavailable, match=r"no Ray cluster answers at 127\.0\.0\.1:9"):
        generate(request_, nobody)


def test_without_ray_the_way_to_it_is_said(
    settings: Settings, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineUnavailable) as caught:
        generate(request_, settings.model_copy(update={"cluster": "ray"}))
    assert "[cluster]" in caught.value.hint


def test_pictures_are_told_of_together_and_what_follows_them_at_once() -> None:
    """Each answer costs the job's process as much, whatever is in it."""
    node, words = Node(), [*(FrameDone(number, 5) for number in range(5)), Done()]

    def say() -> None:
        for word in words:
            time.sleep(0.01)
            node._say(word)

    Thread(target=say).start()
    assert node.hear() == words


def test_what_killed_workers_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    alive = NodeFolder(tmp_path)
    alive.take()
    (tmp_path / "killed" / "inputs").mkdir(parents=True)
    mine = NodeFolder(tmp_path)
    mine.take()
    assert sorted(tmp_path.glob("*/")) == sorted([alive.path, mine.path])
    mine.leave()
    alive.leave()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["Ray", "ray:/host:10001", "host", "http://host:8265"])
def test_another_address_is_refused(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--cluster", address]) == 2
    assert "ray://HOST:10001" in capsys.readouterr().err


def test_files_travel_by_their_content_and_paths_do_not(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    sound = write_audio(here / "a.wav", sine(1, rate=16000), rate=16000)
    same, gone, own = here / "b.wav", here / "no.wav", here / "old.mp4"
    same.write_bytes(sound.read_bytes())
    own.write_bytes(b"an earlier video")
    packed, files = pack({"sounds": (sound, same), "gone": gone, "own": own}, own=[own])
    for name, path in files.items():
        write_blocks(there / name, blocks_of(path))
    assert str(sound).encode() not in packed
    value = unpack(packed, there)
    assert [path.name for path in value["sounds"]] == ["a.wav", "b.wav"]
    assert {digest(path) for path in value["sounds"]} == {digest(sound)}
    assert all(there in path.parents for path in value["sounds"])
    assert (value["gone"], value["own"]) == (gone, own)
    assert len(files) == 2
