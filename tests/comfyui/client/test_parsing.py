"""Node schemas and socket messages, in all the shapes that were recorded."""

from __future__ import annotations

import json
import struct

import pytest

from comfyui.conftest import Log
from comfyui.fake.engine import plain_preview, preview_with_metadata
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.messages import PreviewMessage, TextMessage, parse_message
from soundreel.engines.comfyui.client.results import FileRef, PromptResult
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.answers import PromptAnswer
from soundreel.engines.comfyui.client.wire.errors import failed_prompt, refused_prompt
from soundreel.errors import OutOfMemory, RemoteError


def test_both_shapes_of_a_choice_are_read(client: ComfyClient, log: Log) -> None:
    catalog = client.object_info()
    assert catalog.options("VAELoader", "vae_name") == ("wan_2.1_vae.safetensors", "pixel_space")
    assert catalog.options("AudioEncoderLoader", "audio_encoder_name") == (
        "wav2vec2_large_english_fp16.safetensors",
    )
    assert catalog.options("KSampler", "seed") is None
    assert catalog.options("KSampler", "no such input") is None
    assert catalog.options("NoSuchNode", "x") is None


def test_node_facts_are_read(client: ComfyClient) -> None:
    catalog = client.object_info()
    assert "WanSoundImageToVideo" in catalog
    assert "FILM VFI" not in catalog
    node = catalog["WanSoundImageToVideo"]
    assert node.outputs == ("CONDITIONING", "CONDITIONING", "LATENT")
    assert node.inputs["ref_image"].required is False
    assert node.inputs["width"].settings["step"] == 16
    assert catalog["PreviewImage"].is_output
    assert catalog.has_input("FrameInterpolate", "interp_model")


def test_the_catalog_is_asked_once(client: ComfyClient, server: FakeComfyUI) -> None:
    assert client.object_info() is client.object_info()
    assert server.requests.count(("GET", "/object_info")) == 1


def test_system_stats(client: ComfyClient) -> None:
    stats = client.system_stats()
    assert stats.version == "0.3.64"
    assert stats.devices[0].vram_free == 21836599296


def test_previews_of_both_kinds() -> None:
    jpeg, png = b"\xff\xd8jpeg", b"\x89PNG"
    about = {"node_id": "3", "prompt_id": "p", "image_type": "image/jpeg"}
    assert parse_message(plain_preview(jpeg)) == PreviewMessage(jpeg, "image/jpeg")
    assert parse_message(plain_preview(png)) == PreviewMessage(png, "image/png")
    assert parse_message(preview_with_metadata(jpeg, about)) == PreviewMessage(
        jpeg, "image/jpeg", "p", "3"
    )


@pytest.mark.parametrize(
    "raw", ["", "[]", "{}", '{"type": "x"}', "{", b"", b"\0\0", struct.pack(">II", 3, 9)]
)
def test_strange_messages_are_passed_over(raw: str | bytes) -> None:
    assert parse_message(raw) is None


def test_a_text_message_names_its_prompt() -> None:
    message = parse_message(json.dumps({"type": "executing", "data": {"prompt_id": "p"}}))
    assert isinstance(message, TextMessage)
    assert message.prompt_id == "p"


def test_files_are_found_in_every_kind_of_list() -> None:
    file = {"filename": "a", "subfolder": "s", "type": "temp"}
    outputs: dict[str, dict[str, object]] = {
        "1": {"images": [file], "animated": [True]},
        "2": {"latents": [file]},
        "3": {"text": ["hello"]},
    }
    result = PromptResult("p", outputs)
    assert result.files("1") == result.files("2") == (FileRef("a", "s", "temp"),)
    assert result.files("3") == result.files("4") == ()


def test_a_missing_node_type_is_named_although_node_errors_is_empty() -> None:
    body = {
        "error": {
            "type": "invalid_prompt",
            "message": "Cannot execute because node FILM VFI does not exist.",
            "details": "Node ID '#96'",
            "extra_info": {},
        },
        "node_errors": {},
    }
    error = refused_prompt(PromptAnswer.model_validate(body), 400)
    assert error.node_id == "96"
    assert "FILM VFI does not exist" in error.message
    assert "ComfyUI" in error.hint


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("torch.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB"),
        ("torch.cuda.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory."),
        ("RuntimeError", "CUDA error: out of memory"),
    ],
)
def test_out_of_memory_is_recognised(kind: str, words: str) -> None:
    data = {"exception_type": kind, "exception_message": words, "node_id": "3"}
    error = failed_prompt({"execution_error": data}, "p")
    assert isinstance(error, OutOfMemory)
    assert words in error.message
    assert "size" in error.hint


def test_an_interrupt_by_somebody_is_told_as_such() -> None:
    data = {"node_id": "3", "node_type": "KSampler"}
    error = failed_prompt({"execution_interrupted": data}, "p")
    assert isinstance(error, RemoteError)
    assert (error.node_id, error.prompt_id) == ("3", "p")
    assert "interrupted" in error.message


def test_an_end_without_a_reason_is_an_error_too() -> None:
    assert "without a reason" in failed_prompt({}, "p").message


def test_hundreds_of_lines_of_a_wrong_model_file_become_a_few() -> None:
    words = "Error(s) in loading state_dict for WanModel:\n" + "\n".join(
        f"\tsize mismatch for blocks.{n}.weight: copying a param with shape torch.Size([9])"
        for n in range(190)
    )
    data = {"exception_type": "RuntimeError", "exception_message": words, "node_id": "95"}
    error = failed_prompt({"execution_error": data}, "p")
    assert len(error.message) < 600
    assert "187 lines more" in error.message
    assert "model file" in error.hint
