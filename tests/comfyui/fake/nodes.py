"""The nodes that the fake server can execute, by class name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from comfyui.fake.disk import FileKey
from comfyui.fake.values import (
    Conditioning,
    NodeError,
    Sound,
    blend,
    brightness_course,
    chunk_audio,
    decode,
    empty_latent,
    hear,
    latent_file,
    read_latent_file,
    sample,
)


def annotated(value: str) -> FileKey:
    """The file that a loader's input names: "sub/x.wav", "x.latent [output]"."""
    kind = "input"
    for name in ("input", "output", "temp"):
        if value.endswith(f" [{name}]"):
            value, kind = value.removesuffix(f" [{name}]"), name
    folder, _, filename = value.rpartition("/")
    return kind, folder, filename


@dataclass
class Context:
    """What a node may use of the server. tick(value, maximum): a step is done; it may raise."""

    files: dict[FileKey, bytes]
    tick: Callable[[int, int], Awaitable[None]]
    send_picture: Callable[[bytes, int, int], Awaitable[None]]
    temp_prefix: str

    def read(self, value: str) -> bytes:
        return self.files[annotated(value)]

    def save(self, kind: str, prefix: str, suffix: str, data: bytes) -> dict[str, str]:
        """Store under the next free number, as ComfyUI counts."""
        folder, _, stem = prefix.rpartition("/")
        number = 1
        while (kind, folder, f"{stem}_{number:05}_{suffix}") in self.files:
            number += 1
        name = f"{stem}_{number:05}_{suffix}"
        self.files[kind, folder, name] = data
        return {"filename": name, "subfolder": folder, "type": kind}


Result = tuple[tuple[Any, ...], dict[str, Any] | None]
"""A node's outputs, and what it reports to the client."""


async def execute(class_type: str, inputs: dict[str, Any], context: Context) -> Result:
    """Run one node. Raises NodeError."""
    made = _NODES[class_type](context, inputs)
    return await made if isinstance(made, Awaitable) else made


def values(*outputs: Any) -> Result:
    return outputs, None


def _loader(*keys: str) -> Callable[[Context, dict[str, Any]], Result]:
    return lambda _, inputs: values([inputs[key] for key in keys])


def _audio_encoder(_: Context, inputs: dict[str, Any]) -> Result:
    name = inputs["audio_encoder_name"]
    if not name.startswith("wav2vec2"):
        raise NodeError(
            "FileNotFoundError",
            f"Model in folder 'audio_encoders' with filename '{name}' not found.\n",
        )
    return values(name)


def _load_audio(context: Context, inputs: dict[str, Any]) -> Result:
    data = context.read(inputs["audio"])
    try:
        with av.open(io.BytesIO(data), "r") as container:
            stream = container.streams.audio[0]
            kind = stream.codec_context.format.name
            if kind.startswith("u8"):
                raise NodeError("ValueError", "Unsupported wav dtype: torch.uint8\n")
            blocks: list[np.ndarray] = []
            for frame in container.decode(stream):
                block = frame.to_ndarray()
                channels = frame.layout.nb_channels
                blocks.append(
                    block if block.shape[0] == channels else block.reshape(-1, channels).T
                )
            rate = stream.rate
    except av.error.FFmpegError as err:
        name = annotated(inputs["audio"])[2]
        raise NodeError(
            f"av.error.{type(err).__name__}",
            f"[Errno {err.errno}] {err.strerror}: '/srv/ComfyUI/input/{name}'\n",
        ) from err
    samples = np.concatenate(blocks, axis=1)
    scale = np.iinfo(samples.dtype).max + 1 if samples.dtype.kind == "i" else 1
    return values(Sound((samples / scale).astype(np.float32), rate))


def _trim_audio(_: Context, inputs: dict[str, Any]) -> Result:
    sound: Sound = inputs["audio"]
    size = sound.samples.shape[1]
    start = round(inputs["start_index"] * sound.rate)
    start = max(0, size + start) if start < 0 else min(start, size)
    end = min(size, start + round(inputs["duration"] * sound.rate))
    return values(replace(sound, samples=sound.samples[:, start:end]))


def _encode_text(_: Context, inputs: dict[str, Any]) -> Result:
    return values(Conditioning(f"{inputs['clip']} {inputs['text']}"))


def _start(_: Context, inputs: dict[str, Any]) -> Result:
    latent = empty_latent(inputs["width"], inputs["height"], inputs["length"])
    return _conditioned(inputs, latent, 0, None)


def _extend(_: Context, inputs: dict[str, Any]) -> Result:
    before: np.ndarray = inputs["video_latent"]
    _, known, rows, columns = before.shape
    if min(rows, columns) < 8:
        raise NodeError("RuntimeError", "the motion latents are smaller than their patches\n")
    latent = empty_latent(columns * 8, rows * 8, inputs["length"])
    return _conditioned(inputs, latent, known * 4, before)


def _pass_of_an_image(_: Context, inputs: dict[str, Any]) -> Result:
    """Pictures on the way from one that is given to the other, as bright as they are."""
    latent = empty_latent(inputs["width"], inputs["height"], inputs["length"])
    given = [inputs.get(name) for name in ("start_image", "end_image")]
    seen = hashlib.sha256(b"".join(b"-" if each is None else each.tobytes() for each in given))
    course = brightness_course(given, inputs["length"])
    positive, negative = (
        replace(inputs[name], audio=course, image=seen.hexdigest())
        for name in ("positive", "negative")
    )
    return values(positive, negative, latent)


def _conditioned(
    inputs: dict[str, Any], latent: np.ndarray, offset: int, motion: np.ndarray | None
) -> Result:
    heard = inputs.get("audio_encoder_output")
    image = inputs.get("ref_image")
    audio = None if heard is None else chunk_audio(heard, latent.shape[1], offset)
    seen = "" if image is None else hashlib.sha256(image.tobytes()).hexdigest()
    positive, negative = (
        replace(inputs[name], audio=audio, image=seen, motion=motion)
        for name in ("positive", "negative")
    )
    return values(positive, negative, latent)


async def _sampler(context: Context, inputs: dict[str, Any]) -> Result:
    steps = inputs["steps"]
    if inputs["denoise" if "denoise" in inputs else "cfg"] is None:
        raise NodeError("TypeError", "no value\n")
    keys = ("model", "seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler")
    recipe = {key: inputs[key] for key in keys if key in inputs}
    if inputs.get("add_noise") == "disable":
        recipe["noise"] = hashlib.sha256(inputs["latent_image"].tobytes()).hexdigest()
    made = sample(inputs["latent_image"], inputs["positive"], inputs["negative"], recipe)
    first = min(inputs.get("start_at_step", 0), steps)
    count = min(inputs.get("end_at_step", steps), steps) - first
    for step in range(1, count + 1):
        await context.tick(step, count)
    return values(made)


def _concat(_: Context, inputs: dict[str, Any]) -> Result:
    parts = [inputs["samples1"], inputs["samples2"]]
    if inputs["dim"].startswith("-"):
        parts.reverse()
    return values(np.concatenate(parts, axis={"t": 1, "y": 2, "x": 3}[inputs["dim"][-1]]))


def _cut(_: Context, inputs: dict[str, Any]) -> Result:
    axis = {"t": 1, "y": 2, "x": 3}[inputs["dim"]]
    size = inputs["samples"].shape[axis]
    index = inputs["index"]
    index = min(index, size - 1) if index >= 0 else max(index, -size) + size
    amount = min(inputs["amount"], size - index)
    return values(np.take(inputs["samples"], range(index, index + amount), axis=axis))


def _trim_latent(_: Context, inputs: dict[str, Any]) -> Result:
    return values(inputs["samples"][:, inputs["trim_amount"] :])


def _empty(_: Context, inputs: dict[str, Any]) -> Result:
    return values(empty_latent(inputs["width"], inputs["height"], inputs["length"]))


def _load_latent(context: Context, inputs: dict[str, Any]) -> Result:
    return values(read_latent_file(context.read(inputs["latent"])))


def _save_latent(context: Context, inputs: dict[str, Any]) -> Result:
    data = latent_file(inputs["samples"])
    return (), {"latents": [context.save("output", inputs["filename_prefix"], ".latent", data)]}


def _image_from_batch(_: Context, inputs: dict[str, Any]) -> Result:
    first = min(len(inputs["image"]) - 1, inputs["batch_index"])
    return values(inputs["image"][first : first + inputs["length"]])


def _image_batch(_: Context, inputs: dict[str, Any]) -> Result:
    return values(np.concatenate([inputs["image1"], inputs["image2"]]))


def _scale(_: Context, inputs: dict[str, Any]) -> Result:
    size = inputs["width"], inputs["height"]
    scaled = [
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in inputs["image"]
    ]
    return values(np.stack(scaled))


def _load_image(context: Context, inputs: dict[str, Any]) -> Result:
    raw = np.frombuffer(context.read(inputs["image"]), np.uint8)
    picture = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if picture is None:
        raise NodeError("PIL.UnidentifiedImageError", "cannot identify image file\n")
    return values(picture[None, ..., ::-1], None)


def _png(picture: np.ndarray) -> bytes:
    parameters = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    return bytes(cv2.imencode(".png", picture[..., ::-1], parameters)[1])


def _preview_image(context: Context, inputs: dict[str, Any]) -> Result:
    files = [
        context.save("temp", context.temp_prefix, ".png", _png(picture))
        for picture in inputs["images"]
    ]
    return (), {"images": files}


def _save_image(context: Context, inputs: dict[str, Any]) -> Result:
    files = [
        context.save("output", inputs["filename_prefix"], ".png", _png(picture))
        for picture in inputs["images"]
    ]
    return (), {"images": files}


async def _websocket_image(context: Context, inputs: dict[str, Any]) -> Result:
    for number, picture in enumerate(inputs["images"]):
        await context.send_picture(_png(picture), number, len(inputs["images"]))
    return (), None


def _preview_audio(context: Context, inputs: dict[str, Any]) -> Result:
    file = context.save("temp", context.temp_prefix, ".flac", b"fLaC")
    return (), {"audio": [file]}


def _save_video(context: Context, inputs: dict[str, Any]) -> Result:
    pictures, fps = inputs["video"]
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "4"})
        stream.height, stream.width = pictures.shape[1:3]
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    file = context.save("output", inputs["filename_prefix"], ".mp4", target.getvalue())
    return (), {"images": [file], "animated": [True]}


def _interpolate(_: Context, inputs: dict[str, Any]) -> Result:
    pictures = inputs["images" if "images" in inputs else "frames"]
    return values(blend(pictures, inputs["multiplier"]))


_NODES: dict[str, Callable[[Context, dict[str, Any]], Any]] = {
    "UNETLoader": _loader("unet_name", "weight_dtype"),
    "CLIPLoader": _loader("clip_name", "type"),
    "VAELoader": _loader("vae_name"),
    "FrameInterpolationModelLoader": _loader("model_name"),
    "LoraLoaderModelOnly": _loader("model", "lora_name", "strength_model"),
    "ModelSamplingSD3": _loader("model", "shift"),
    "AudioEncoderLoader": _audio_encoder,
    "LoadAudio": _load_audio,
    "TrimAudioDuration": _trim_audio,
    "AudioEncoderEncode": lambda _, inputs: values(hear(inputs["audio"])),
    "PreviewAudio": _preview_audio,
    "CLIPTextEncode": _encode_text,
    "WanSoundImageToVideo": _start,
    "WanSoundImageToVideoExtend": _extend,
    "WanImageToVideo": _pass_of_an_image,
    "WanFirstLastFrameToVideo": _pass_of_an_image,
    "KSampler": _sampler,
    "KSamplerAdvanced": _sampler,
    "LatentConcat": _concat,
    "LatentCut": _cut,
    "TrimVideoLatent": _trim_latent,
    "EmptyHunyuanLatentVideo": _empty,
    "LoadLatent": _load_latent,
    "SaveLatent": _save_latent,
    "VAEDecode": lambda _, inputs: values(decode(inputs["samples"])),
    "ImageFromBatch": _image_from_batch,
    "ImageBatch": _image_batch,
    "RepeatImageBatch": lambda _, inputs: values(
        np.concatenate([inputs["image"]] * inputs["amount"])
    ),
    "ImageScale": _scale,
    "LoadImage": _load_image,
    "PreviewImage": _preview_image,
    "SaveImage": _save_image,
    "SaveImageWebsocket": _websocket_image,
    "CreateVideo": lambda _, inputs: values((inputs["images"], inputs["fps"])),
    "SaveVideo": _save_video,
    "FrameInterpolate": _interpolate,
    "FILM VFI": _interpolate,
}

EXECUTABLE = frozenset(_NODES)
