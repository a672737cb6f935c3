"""Whether a server has all that a graph names: node classes, files, other choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from difflib import get_close_matches

from soundreel.engines import wan22, wan22_i2v
from soundreel.engines.comfyui.graphs.graph import Graph, Link
from soundreel.engines.comfyui.graphs.presets import Models
from soundreel.engines.comfyui.graphs.schema import NodeCatalog

_UPLOADED = frozenset({("LoadAudio", "audio"), ("LoadImage", "image"), ("LoadLatent", "latent")})
"""Filled by us with what we upload: no server lists it beforehand."""

_FOLDERS: Mapping[str, str] = {
    "unet_name": f"models/{wan22.TRANSFORMER.folder}",
    "clip_name": f"models/{wan22.TEXT_ENCODER.folder}",
    "vae_name": f"models/{wan22.VAE.folder}",
    "audio_encoder_name": f"models/{wan22.AUDIO_ENCODER.folder}",
    "lora_name": f"models/{wan22.FEW_STEP_LORA.folder}",
    "model_name": "models/frame_interpolation",
}
_OURS = (
    *astuple(Models()),
    wan22.FEW_STEP_LORA.name,
    *(file.name for file in wan22_i2v.TRANSFORMERS.values()),
    *(file.name for file in wan22_i2v.FEW_STEP_LORAS.values()),
)
"""The files that the presets name."""
FILES_SOURCE = f"https://huggingface.co/{wan22.REPO}"

_ORIGINS: Mapping[str, str] = {
    "WanSoundImageToVideo": "update ComfyUI: 0.3.64 has it, versions before September 2025 do not",
    "WanSoundImageToVideoExtend": (
        "update ComfyUI: 0.3.64 has it, versions before September 2025 do not"
    ),
    "WanImageToVideo": "update ComfyUI: 0.3.64 has it",
    "WanFirstLastFrameToVideo": "update ComfyUI: 0.3.64 has it",
    "AudioEncoderLoader": "update ComfyUI: 0.3.64 has it, versions before August 2025 do not",
    "AudioEncoderEncode": "update ComfyUI: 0.3.64 has it, versions before August 2025 do not",
    "FrameInterpolate": "update ComfyUI: it came in April 2026",
    "FILM VFI": "install the node pack ComfyUI-Frame-Interpolation",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that a server lacks: what is wrong, and the mend."""

    message: str
    hint: str


def fit_to_server(graph: Graph, catalog: NodeCatalog) -> list[Missing]:
    """What the graph names and the server lacks. File names that the server spells with another
    folder or separator are put in its spelling."""
    return [*_missing_classes(graph, catalog), *_fit_choices(graph, catalog)]


def file_names(graph: Graph) -> Iterator[tuple[str, str]]:
    """(input, file) of every model file that the graph loads."""
    for node_id in graph:
        for name, value in graph[node_id].inputs.items():
            if name in _FOLDERS and isinstance(value, str):
                yield name, value


def _missing_classes(graph: Graph, catalog: NodeCatalog) -> Iterator[Missing]:
    for class_type in dict.fromkeys(graph[node_id].class_type for node_id in graph):
        if class_type not in catalog:
            hint = _ORIGINS.get(class_type, "update ComfyUI, or install the node pack it is from")
            yield Missing(f"the server has no node {class_type}", hint)


def _fit_choices(graph: Graph, catalog: NodeCatalog) -> Iterator[Missing]:
    for node_id in graph:
        node = graph[node_id]
        for name, value in node.inputs.items():
            choices = catalog.options(node.class_type, name)
            if choices is None or isinstance(value, Link) or not isinstance(value, str):
                continue
            if (node.class_type, name) in _UPLOADED:
                continue
            spelled = find_choice(value, choices)
            if spelled is None:
                yield _missing_choice(name, value, choices)
            else:
                node.inputs[name] = spelled


def find_choice(value: str, choices: tuple[str, ...]) -> str | None:
    """The choice that means `value`: equal but for separators, or the only one in any folder."""
    wanted = value.replace("\\", "/")
    exact = [choice for choice in choices if choice.replace("\\", "/") == wanted]
    if exact:
        return exact[0]
    name = wanted.rpartition("/")[2]
    alike = [choice for choice in choices if choice.replace("\\", "/").rpartition("/")[2] == name]
    return alike[0] if len(alike) == 1 else None


def _missing_choice(name: str, value: str, choices: tuple[str, ...]) -> Missing:
    if name in _FOLDERS:
        others = [choice for choice in choices if find_choice(choice, _OURS) is None]
        like = get_close_matches(value, others, n=1)  # of ours, each has another use
        near = f"do you mean {like[0]}?" if like else f"name one that is there: {_some(choices)}"
        return Missing(
            f"the server does not list the file {value}",
            f"put it into ComfyUI's {_FOLDERS[name]}{_source(value)}, or {near}",
        )
    return Missing(f"the server does not know {name} {value!r}", f"choose one of: {_some(choices)}")


def _source(value: str) -> str:
    """Where a file comes from, as far as it is one of those that the presets name."""
    return f" (from {FILES_SOURCE})" if value in _OURS else ""


def _some(choices: tuple[str, ...]) -> str:
    more = f" and {len(choices) - 8} more" if len(choices) > 8 else ""
    return (", ".join(choices[:8]) or "none at all") + more
