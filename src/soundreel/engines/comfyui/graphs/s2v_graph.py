"""The S2V graph: a complete job of one chunk, under the node numbers that users know.

`scripts/last_prompt_api_format_s2v.json` is what `classic_graph()` builds.
"""

from __future__ import annotations

from fractions import Fraction

from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.presets import SCHEDULER, Models, sampler_name
from soundreel.engines.wan22 import PICTURE_RATE, PRESETS, Sampling
from soundreel.types import DEFAULT_NEGATIVE_PROMPT, DEFAULT_PROMPT

START_NODE = "WanSoundImageToVideo"
EXTEND_NODE = "WanSoundImageToVideoExtend"


def classic_graph() -> Graph:
    """77 frames at 832x1216 from `speech.wav` and `portrait.png` in ComfyUI's input folder."""
    return s2v_graph(Models(), PRESETS["fast"], image="portrait.png")


def s2v_graph(
    models: Models,
    sampling: Sampling,
    *,
    audio: str = "speech.wav",
    image: str | None = None,
    segment: tuple[Fraction, Fraction] | None = None,
    frames: int = 77,
    width: int = 832,
    height: int = 1216,
    seed: int = 0,
    scheduler: str = SCHEDULER,
) -> Graph:
    """One chunk of `frames` pictures (4n + 1), decoded plainly: picture i shows the sound at i/16.

    audio, image: names in the server's input folder. segment: start and duration in seconds.
    """
    graph = Graph()
    positive, negative = _prompts(graph, models)
    vae = graph.add("VAELoader", node_id="90", title="Load VAE", vae_name=models.vae)
    sound = _sound(graph, audio, segment)
    start = graph.add(
        START_NODE,
        node_id="98",
        title="Sound and image to video",
        positive=positive,
        negative=negative,
        vae=vae,
        width=width,
        height=height,
        length=frames,
        batch_size=1,
        audio_encoder_output=_encoded(graph, models, sound),
    )
    if image is not None:
        graph["98"].inputs["ref_image"] = graph.add(
            "LoadImage", node_id="97", title="Reference image", image=image
        )
    model = _shifted_model(graph, models, sampling)
    latents = _sampler(graph, model, sampling, scheduler, start, seed)
    pictures = graph.add("VAEDecode", node_id="87", title="Decode", samples=latents, vae=vae)
    _video(graph, pictures, sound)
    return graph


def _prompts(graph: Graph, models: Models) -> tuple[Link, Link]:
    clip = graph.add(
        "CLIPLoader",
        node_id="84",
        title="Load text encoder",
        clip_name=models.text_encoder,
        type="wan",
        device="default",
    )
    negative = graph.add(
        "CLIPTextEncode",
        node_id="89",
        title="Negative prompt",
        text=DEFAULT_NEGATIVE_PROMPT,
        clip=clip,
    )
    positive = graph.add(
        "CLIPTextEncode", node_id="93", title="Positive prompt", text=DEFAULT_PROMPT, clip=clip
    )
    return positive, negative


def _sound(graph: Graph, audio: str, segment: tuple[Fraction, Fraction] | None) -> Link:
    sound = graph.add("LoadAudio", node_id="119", title="Load sound", audio=audio)
    if segment is None:
        return sound
    start, duration = segment
    return graph.add(
        "TrimAudioDuration",
        node_id="121",
        title="Segment",
        audio=sound,
        start_index=float(start),
        duration=float(duration),
    )


def _encoded(graph: Graph, models: Models, sound: Link) -> Link:
    encoder = graph.add(
        "AudioEncoderLoader",
        node_id="120",
        title="Load audio encoder",
        audio_encoder_name=models.audio_encoder,
    )
    return graph.add(
        "AudioEncoderEncode",
        node_id="122",
        title="Encode sound",
        audio_encoder=encoder,
        audio=sound,
    )


def _shifted_model(graph: Graph, models: Models, sampling: Sampling) -> Link:
    model = graph.add(
        "UNETLoader",
        node_id="95",
        title="Load S2V model",
        unet_name=models.model,
        weight_dtype="default",
    )
    for number, lora in enumerate(sampling.loras):
        model = graph.add(
            "LoraLoaderModelOnly",
            node_id=None if number else "107",
            title="LoRA",
            model=model,
            lora_name=lora.name,
            strength_model=lora.strength,
        )
    return graph.add(
        "ModelSamplingSD3", node_id="103", title="Shift", model=model, shift=sampling.flow_shift
    )


def _sampler(
    graph: Graph, model: Link, sampling: Sampling, scheduler: str, start: Link, seed: int
) -> Link:
    return graph.add(
        "KSamplerAdvanced",
        node_id="86",
        title="Sample",
        model=model,
        positive=start,
        negative=start.out(1),
        latent_image=start.out(2),
        add_noise="enable",
        noise_seed=seed,
        steps=sampling.steps,
        cfg=sampling.guidance_scale,
        sampler_name=sampler_name(sampling.sampler),
        scheduler=scheduler,
        start_at_step=0,
        end_at_step=10000,
        return_with_leftover_noise="disable",
    )


def _video(graph: Graph, pictures: Link, sound: Link) -> None:
    video = graph.add(
        "CreateVideo",
        node_id="94",
        title="Join picture and sound",
        images=pictures,
        fps=float(PICTURE_RATE),
        audio=sound,
    )
    graph.add(
        "SaveVideo",
        node_id="108",
        title="Save",
        video=video,
        filename_prefix="video/s2v",
        format="auto",
        codec="auto",
    )
