"""What is checked before anything is sent, and what the user is told."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comfyui.fake.server import FakeComfyUI
from soundreel.config import Settings
from soundreel.engines.base import lacking
from soundreel.engines.comfyui.client.transport import Transport
from soundreel.engines.comfyui.engine import ComfyUIEngine
from soundreel.engines.comfyui.graphs.film import find_film
from soundreel.engines.comfyui.graphs.graph import Graph
from soundreel.engines.comfyui.graphs.names import find_choice, fit_to_server
from soundreel.engines.comfyui.graphs.schema import NodeCatalog, parse_object_info
from soundreel.errors import EngineUnavailable, InputError
from soundreel.events import RunControl
from soundreel.registry import choose
from soundreel.types import Request

REQUEST = Request(audio=Path("a.wav"), engine="comfyui", width=64, height=96)


def engine(*urls: str) -> ComfyUIEngine:
    return ComfyUIEngine(Settings(url=",".join(urls)))


def combo(*choices: str) -> list[object]:
    return [list(choices), {}]


def new_combo(*choices: str) -> list[object]:
    return ["COMBO", {"options": list(choices)}]


def catalog(**nodes: dict[str, object]) -> NodeCatalog:
    return parse_object_info(
        {name: {"input": {"required": inputs}} for name, inputs in nodes.items()}
    )


def test_a_good_server_passes_and_nothing_is_sent() -> None:
    with FakeComfyUI() as server:
        engine(server.url).find(REQUEST)
        assert not server.prompts
        assert not server.uploads
        assert {method for method, _ in server.requests} == {"GET"}


def test_no_server_is_said_after_one_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    request = Transport.request

    def counted(self: Transport, method: str, path: str, **options: Any) -> Any:
        asked.append(path)
        return request(self, method, path, **options)

    monkeypatch.setattr(Transport, "request", counted)
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9") as caught:
        engine("http://127.0.0.1:9").find(REQUEST)
    assert len(asked) == 1
    assert "`url=`" in caught.value.hint


@pytest.mark.parametrize(
    ("class_type", "hint"),
    [("WanSoundImageToVideoExtend", "update ComfyUI"), ("LatentConcat", "node pack")],
)
def test_a_missing_node_is_named_with_what_brings_it(class_type: str, hint: str) -> None:
    with (
        FakeComfyUI(missing=(class_type,)) as server,
        pytest.raises(EngineUnavailable, match=class_type) as caught,
    ):
        engine(server.url).find(REQUEST)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("option", "folder"),
    [
        ("model", "models/diffusion_models"),
        ("text_encoder", "models/text_encoders"),
        ("vae", "models/vae"),
        ("audio_encoder", "models/audio_encoders"),
        ("lora", "models/loras"),
    ],
)
def test_a_missing_file_is_named_with_its_folder(option: str, folder: str) -> None:
    request = replace(REQUEST, options={option: ["no.such"] if option == "lora" else "no.such"})
    with (
        FakeComfyUI() as server,
        pytest.raises(EngineUnavailable, match=r"no\.such") as caught,
    ):
        engine(server.url).find(request)
    assert folder in caught.value.hint


def test_everything_that_is_missing_is_said_at_once() -> None:
    request = replace(REQUEST, options={"model": "a.x", "vae": "b.x", "sampler": "c"})
    with FakeComfyUI() as server, pytest.raises(EngineUnavailable) as caught:
        engine(server.url).find(request)
    for name in ("a.x", "b.x", "'c'"):
        assert name in caught.value.message


@pytest.mark.parametrize(("width", "height"), [(72, 96), (64, 100), (48, 96), (64, 16)])
def test_illegal_sizes_are_refused_without_a_server(width: int, height: int) -> None:
    with pytest.raises(InputError, match=f"width={width}, height={height}") as caught:
        engine("http://127.0.0.1:9").find(replace(REQUEST, width=width, height=height))
    assert "`width=" in caught.value.hint


def test_the_first_server_that_can_is_taken() -> None:
    with FakeComfyUI(missing=("LoadLatent",)) as old, FakeComfyUI() as good:
        chosen = engine("http://127.0.0.1:9", old.url, good.url)
        chosen.find(REQUEST)
        with pytest.raises(EngineUnavailable, match="LoadLatent") as caught:
            engine("http://127.0.0.1:9", old.url).find(REQUEST)
    assert "127.0.0.1:9" in caught.value.message


def test_an_address_without_a_server_behind_is_an_input_error() -> None:
    with pytest.raises(InputError):
        engine("ftp://host").find(REQUEST)


@pytest.mark.parametrize("film", ["core", "pack"])
def test_film_is_found_in_core_and_pack(film: str) -> None:
    with FakeComfyUI(film=film) as server:
        engine(server.url).find(replace(REQUEST, interpolate="film"))


def test_film_that_is_not_there_is_said_with_the_reason() -> None:
    with FakeComfyUI(film="") as server:
        ready = engine(server.url).find(replace(REQUEST, interpolate="film"))
    assert "neither FrameInterpolate nor FILM VFI" in lacking(ready)["film"]
    named = replace(REQUEST, interpolate="film", options={"film_model": "film.x"})
    with FakeComfyUI() as server, pytest.raises(EngineUnavailable, match=r"film\.x"):
        engine(server.url).find(named)


@pytest.mark.parametrize("name", ["interp_model", "model"])
def test_the_model_input_of_the_film_node_is_read_from_the_server(name: str) -> None:
    nodes = catalog(
        FrameInterpolationModelLoader={"model_name": new_combo("rife.x", "film_net_fp16.x")},
        FrameInterpolate={name: ["FI_MODEL", {}], "images": ["IMAGE", {}], "multiplier": ["INT"]},
    )
    film = find_film(nodes, None)
    assert (film.model_input, film.model) == (name, "film_net_fp16.x")
    assert find_film(nodes, "rife.x").model == "rife.x"
    with pytest.raises(EngineUnavailable, match=r"other\.x"):
        find_film(nodes, "other.x")


@pytest.mark.parametrize("shape", [combo, new_combo])
def test_both_shapes_of_choices_are_understood(shape: object) -> None:
    nodes = catalog(VAELoader={"vae_name": shape("a.safetensors", "wan\\b.safetensors")})  # type: ignore[operator]
    graph = Graph()
    graph.add("VAELoader", node_id="1", vae_name="wan/b.safetensors")
    graph.add("VAELoader", node_id="2", vae_name="c.safetensors")
    (missing,) = fit_to_server(graph, nodes)
    assert "c.safetensors" in missing.message
    assert "models/vae" in missing.hint
    assert graph["1"].inputs["vae_name"] == "wan\\b.safetensors"


def test_a_file_is_found_in_whatever_folder_the_server_has_it() -> None:
    assert find_choice("a.x", ("wan/a.x", "b.x")) == "wan/a.x"
    assert find_choice("old/a.x", ("a.x",)) == "a.x"
    assert find_choice("a.x", ("one/a.x", "a.x")) == "a.x"
    assert find_choice("a.x", ("one/a.x", "two/a.x")) is None


def test_diagnosis_shows_version_memory_models_and_film() -> None:
    with FakeComfyUI(film="") as server:
        checks = engine(server.url).diagnose()
    told = " ".join(f"{check.name} {check.found}" for check in checks)
    assert all(check.serves for check in checks)
    assert [check.name for check in checks if not check.ok] == ["film"]
    assert "ComfyUI 0.3.64" in told
    assert "GiB free" in told
    assert "wan2.2_s2v_14B_fp8_scaled.safetensors" in told
    assert "FrameInterpolate" in told


def test_diagnosis_of_a_poor_server_says_the_mend() -> None:
    with FakeComfyUI(missing=("WanSoundImageToVideo",)) as server:
        checks = engine("http://127.0.0.1:9", server.url).diagnose()
    bad = [check for check in checks if not check.ok]
    assert len(bad) == 2
    assert all(check.hint for check in bad)


def test_credentials_are_told_to_no_one() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        engine("http://me:secret@127.0.0.1:9").find(REQUEST)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


def test_identity_tells_graphs_apart_and_names_no_place() -> None:
    with FakeComfyUI() as server:
        first = engine(server.url).find(REQUEST).identity
        other = engine(server.url).find(replace(REQUEST, options={"steps": 7})).identity
    assert first["graph"] != other["graph"]
    assert first["models"] == other["models"]
    assert "127.0.0.1" not in str(first)


def test_the_packs_film_is_used_where_cores_folder_is_empty() -> None:
    core: dict[str, dict[str, object]] = {
        "FrameInterpolate": {"interp_model": ["INTERP_MODEL", {}], "images": ["IMAGE", {}]},
        "FILM VFI": {"ckpt_name": combo("film_net_fp32.pt")},
    }
    for names in ((), ("rife_v4.26.safetensors",)):
        nodes = catalog(FrameInterpolationModelLoader={"model_name": new_combo(*names)}, **core)
        assert find_film(nodes, None).class_type == "FILM VFI"
    both = catalog(FrameInterpolationModelLoader={"model_name": new_combo("film.x")}, **core)
    assert find_film(both, None).class_type == "FrameInterpolate"
    assert find_film(both, "fp32").class_type == "FILM VFI"


def test_a_film_model_that_is_not_there_is_not_explained_with_another() -> None:
    nodes = catalog(
        FrameInterpolationModelLoader={"model_name": new_combo("film_net_fp16.safetensors")},
        FrameInterpolate={"interp_model": ["INTERP_MODEL", {}], "images": ["IMAGE", {}]},
    )
    with pytest.raises(EngineUnavailable, match="rife") as caught:
        find_film(nodes, "rife")
    assert "put rife into models/frame_interpolation" in caught.value.hint
    assert "film_model" in caught.value.hint


def test_a_misspelt_file_is_answered_with_the_one_that_was_meant() -> None:
    graph = Graph()
    graph.add("VAELoader", node_id="1", vae_name="my_vae2.safetensors")
    (missing,) = fit_to_server(graph, catalog(VAELoader={"vae_name": combo("my_vae.safetensors")}))
    assert "do you mean my_vae.safetensors?" in missing.hint
    assert "huggingface" not in missing.hint, "a file of the user's own is not to be had there"


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("0.3.49", "ComfyUI 0.3.49 is too old, 0.3.64 or newer is needed"),
        ("0.2", "ComfyUI 0.2 is too old, 0.3.64 or newer is needed"),
        ("0.16.3", "cannot make these videos: its audio encoder"),
    ],
)
def test_a_release_that_cannot_serve_is_one_sentence(version: str, words: str) -> None:
    with FakeComfyUI(missing=("WanSoundImageToVideo", "LatentConcat")) as server:
        server.stats = {"system": {"comfyui_version": version}, "devices": []}
        with pytest.raises(EngineUnavailable, match=words) as caught:
            engine(server.url).find(replace(REQUEST, interpolate="film"))
        (check, *others) = engine(server.url).diagnose()
    assert "has no node" not in caught.value.message
    assert words in check.found
    assert not others


@pytest.mark.parametrize("version", ["0.3.64", "v0.33.0", "1.0", "unknown", "nightly-abc"])
def test_other_releases_are_taken(version: str) -> None:
    with FakeComfyUI() as server:
        server.stats = {"system": {"comfyui_version": version}, "devices": []}
        engine(server.url).find(REQUEST)


def test_auto_leaves_a_server_alone_that_runs_on_a_cpu() -> None:
    said: list[str] = []
    control = RunControl(lambda event: said.append(getattr(event, "message", "")))
    request = replace(REQUEST, engine="auto")
    with FakeComfyUI() as server:
        server.stats = {"devices": [{"name": "cpu", "type": "cpu", "vram_total": 2**34}]}
        settings = Settings(url=server.url)
        assert choose(request, settings, control).request.engine == "preview"
        named = choose(replace(request, engine="comfyui"), settings, control)
    assert named.request.engine == "comfyui"
    assert "runs on a CPU" in said[0]


def test_a_silent_server_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection and says nothing; eight of them are asked at once."""
    monkeypatch.setattr("soundreel.engines.comfyui.client.server.FIRST_ANSWER_SECONDS", 2.0)
    with ExitStack() as stack:
        addresses = []
        for _ in range(8):
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            addresses.append(f"http://127.0.0.1:{listening.getsockname()[1]}")
        started = time.monotonic()
        checks = engine(*addresses).diagnose()
    assert time.monotonic() - started < 12  # 2 s, on a machine that does other things too
    assert [check.ok for check in checks] == [False] * 8
    assert all("nothing whole within 2 s" in check.found for check in checks)
