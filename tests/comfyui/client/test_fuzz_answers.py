"""Mutated answers of a server: they are used, or refused with an error of ours; no traceback.

Each goes over HTTP, as a server or a proxy would send it, and is then used as the engine uses it.
The seeds stay the same; a failure names its mutant.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

import pytest

from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.jobs import (
    Finished,
    prompt_status,
    read_queue,
    submissions,
)
from soundreel.engines.comfyui.client.messages import parse_message
from soundreel.engines.comfyui.client.release import check_release
from soundreel.engines.comfyui.client.results import PromptResult
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.client.wire.address import parse_server
from soundreel.engines.comfyui.client.wire.answers import (
    NodesAnswer,
    PromptAnswer,
    SystemStats,
    UploadAnswer,
)
from soundreel.engines.comfyui.client.wire.errors import failed_prompt, refused_prompt
from soundreel.engines.comfyui.graphs.schema import parse_object_info
from soundreel.engines.comfyui.options import ComfyUIOptions
from soundreel.engines.comfyui.preflight import free_memory, missing_on_server, runs_on_cpu
from soundreel.engines.comfyui.workflow import make_template, sample_prompts
from soundreel.errors import SoundreelError

SECONDS_EACH = 10.0
ODD: tuple[object, ...] = (
    *(None, True, False, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, -0.5, "", "x" * 5000, "1", "null"),
    *([], {}, [[]], [None], [[1, "p", {}, {}, []]], {"a": []}, {"": {"": {}}}, "\x1b[2J", "a\x00b"),
    *(
        [0] * 2000,
        ["a", "b"],
        ["a", {}],
        {"filename": 3, "type": []},
        [{"filename": {}, "type": 1}],
    ),
)
NODES = (
    *("WanSoundImageToVideo", "KSampler", "VAELoader", "UNETLoader", "CLIPLoader", "LoadAudio"),
    *("AudioEncoderLoader", "FrameInterpolate", "PreviewImage", "VAEDecode"),
)
ROW = [3, "p", {"1": {"class_type": "KSampler"}}, {"client_id": "c", "extra_pnginfo": {}}, ["10"]]
FILES = {"images": [{"filename": "a.png", "subfolder": "", "type": "temp"}], "animated": [False]}
FAILED = ["execution_error", {"node_id": "8", "node_type": "KSampler", "exception_message": "no"}]
ERRORS = {"type": "value_not_in_list", "message": "m", "details": "d", "extra_info": {"a": 1}}
BODIES: Mapping[str, object] = {
    "queue": {"queue_running": [ROW], "queue_pending": [ROW, ROW]},
    "history": {
        "p": {
            "prompt": ROW,
            "outputs": {"10": FILES},
            "status": {"status_str": "error", "completed": False, "messages": [FAILED]},
        }
    },
    "prompt": {
        "prompt_id": "p",
        "number": 3,
        "error": {"type": "prompt_outputs_failed_validation", "message": "m", "details": ""},
        "node_errors": {"8": {"class_type": "KSampler", "errors": [ERRORS]}},
    },
    "upload": {"name": "a.wav", "subfolder": "", "type": "input"},
    "message": {"type": "progress", "data": {"value": 1, "max": 4, "prompt_id": "p", "node": "8"}},
}


class Mirror:
    """A server that answers everything with `body`."""

    body = b""


@contextmanager
def serving(mirror: Mirror) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, else each answer waits 40 ms

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(mirror.body)))
            self.end_headers()
            self.wfile.write(mirror.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def bodies() -> dict[str, object]:
    """What the fake server says of itself, as it was recorded, beside the rest."""
    with FakeComfyUI() as fake:
        answers = {
            name: json.loads(urlopen(f"{fake.url}/{name}").read())
            for name in ("system_stats", "object_info")
        }
    nodes = answers["object_info"]
    answers["object_info"] = {name: nodes[name] for name in NODES if name in nodes}
    return {**BODIES, **answers}


def use_stats(transport: Transport) -> None:
    stats = transport.get("/system_stats", SystemStats)
    free_memory(stats)
    runs_on_cpu(stats)
    check_release(transport.address, stats.version)


def use_nodes(transport: Transport) -> None:
    catalog = parse_object_info(transport.get("/object_info", NodesAnswer).root)
    missing_on_server(make_template(ComfyUIOptions()), catalog, None, sample_prompts)
    for name in catalog:
        for given in catalog[name].inputs:
            catalog.options(name, given)


def use_queue(transport: Transport) -> None:
    read_queue(transport).find("p")
    submissions(transport, "mark")


def use_history(transport: Transport) -> None:
    status = prompt_status(transport, "p")
    if isinstance(status, Finished):
        entry = status.entry
        str(failed_prompt(entry.status.events(), "p"))
        PromptResult("p", entry.outputs).files("10")


def use_prompt(transport: Transport) -> None:
    str(refused_prompt(transport.get("/prompt", PromptAnswer), 400))


def use_upload(transport: Transport) -> None:
    transport.get("/upload", UploadAnswer)


USES: Mapping[str, Callable[[Transport], None]] = {
    "system_stats": use_stats,
    "object_info": use_nodes,
    "queue": use_queue,
    "history": use_history,
    "prompt": use_prompt,
    "upload": use_upload,
}


def mutant(start: object, dice: random.Random) -> bytes:
    """Odd values anywhere in the answer, or odd bytes in its text."""
    tree = json.loads(json.dumps(start))
    for _ in range(dice.choice([1, 1, 2, 4])):
        put_odd_value(tree, dice)
    body = bytearray(json.dumps(tree).encode())
    if dice.random() < 0.15:
        for _ in range(dice.choice([1, 5])):
            body[dice.randrange(len(body))] = dice.randrange(256)
    elif dice.random() < 0.05:
        del body[dice.randrange(len(body)) :]
    elif dice.random() < 0.02:
        body = bytearray(b"[" * 100_000)
    return bytes(body)


def put_odd_value(tree: object, dice: random.Random) -> None:
    here, depth = tree, 0
    while isinstance(here, dict | list) and here:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = dice.choice(keys)
        inner = here[key]
        if not isinstance(inner, dict | list) or not inner or dice.random() < 0.25:
            here[key] = deepcopy(dice.choice(ODD))
            return
        here, depth = inner, depth + 1


def fuzz(name: str, start: object, first: int, count: int) -> None:
    mirror, said = Mirror(), set()
    with serving(mirror) as url, Transport(parse_server(url), 5.0) as transport:
        for number in range(first, first + count):
            mirror.body = mutant(start, random.Random(f"{name} {number}"))
            begun = time.process_time()
            said.add(outcome(lambda: USES[name](transport), f"{number}: {mirror.body[:2000]!r}"))
            assert time.process_time() - begun < SECONDS_EACH, number
    assert said == {"used", "refused"}


def outcome(use: Callable[[], None], mutant: str) -> str:
    try:
        use()
    except SoundreelError as error:
        return "refused" if error.message else "without a word"
    except Exception as error:  # whatever else is raised would be a traceback
        pytest.fail(f"mutant {mutant}: {error!r}")
    return "used"


@pytest.mark.parametrize("name", USES)
def test_mutated_answers_are_used_or_refused(name: str, bodies: dict[str, object]) -> None:
    fuzz(name, bodies[name], 0, 200)


@pytest.mark.soak
@pytest.mark.parametrize("name", USES)
def test_many_mutated_answers_are_used_or_refused(name: str, bodies: dict[str, object]) -> None:
    fuzz(name, bodies[name], 200, 1800)


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.soak)])
def test_mutated_messages_are_read_or_passed_over(count: int, bodies: dict[str, object]) -> None:
    for number in range(count):
        raw = mutant(bodies["message"], random.Random(f"message {number}"))
        parse_message(raw.decode("utf-8", "replace"))
        parse_message(b"\x00\x00\x00\x04" + len(raw).to_bytes(4, "big") + raw + b"\xff\xd8")
        parse_message(raw)
