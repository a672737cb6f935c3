"""The slots that are filled with weight files, and the published files for each.

Sources: the repositories named here and their published checksums; the folders are ComfyUI's
(folder_paths.py, with its old names `unet` and `clip`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from soundreel.engines import wan22, wan22_i2v
from soundreel.engines.wan.files.formats import Kind
from soundreel.errors import InputError

COMFY_REPO = wan22.REPO
COMFY_21_REPO = "Comfy-Org/Wan_2.1_ComfyUI_repackaged"
OFFICIAL_REPO = "Wan-AI/Wan2.2-S2V-14B"
GGUF_REPO = "QuantStack/Wan2.2-S2V-14B-GGUF"
GGUF_TEXT_REPO = "city96/umt5-xxl-encoder-gguf"
OFFICIAL_I2V_REPO = "Wan-AI/Wan2.2-I2V-A14B"
GGUF_I2V_REPO = "QuantStack/Wan2.2-I2V-A14B-GGUF"
FILM_REPO = "Comfy-Org/frame_interpolation"

_INTERPOLATION = "frame_interpolation"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for weights: their `kind`, the ComfyUI `folders` they are looked for in.

    required: the wan engine cannot do without, for sound to video.
    """

    name: str
    kind: Kind
    folders: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Published:
    """A file that can be fetched. size in bytes (0: not known); sha256 "" where unpublished."""

    slot: str
    repo: str
    path: str
    size: int = 0
    sha256: str = ""

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


SLOTS: tuple[Slot, ...] = (
    Slot("transformer", Kind.S2V, (wan22.TRANSFORMER.folder, "unet")),
    Slot("text_encoder", Kind.TEXT_ENCODER, (wan22.TEXT_ENCODER.folder, "clip")),
    Slot("vae", Kind.VAE, (wan22.VAE.folder,)),
    Slot("audio_encoder", Kind.AUDIO_ENCODER, (wan22.AUDIO_ENCODER.folder,)),
    Slot("lora", Kind.LORA, (wan22.FEW_STEP_LORA.folder,), required=False),
    *(
        Slot(f"{each}_noise", Kind.I2V, (file.folder, "unet"), required=False)
        for each, file in wan22_i2v.TRANSFORMERS.items()
    ),
    Slot("film", Kind.FILM, (_INTERPOLATION,), required=False),
    Slot("rife", Kind.RIFE, (_INTERPOLATION,), required=False),
)

FOLDERS: Mapping[Kind, str] = {
    # where a file of each kind belongs under ComfyUI's models/
    **dict.fromkeys((Kind.S2V, Kind.I2V, Kind.OTHER_WAN), wan22.TRANSFORMER.folder),
    **dict.fromkeys((Kind.TEXT_ENCODER, Kind.OTHER_T5), wan22.TEXT_ENCODER.folder),
    **dict.fromkeys((Kind.VAE, Kind.OTHER_VAE), wan22.VAE.folder),
    **dict.fromkeys((Kind.AUDIO_ENCODER, Kind.OTHER_AUDIO), wan22.AUDIO_ENCODER.folder),
    Kind.LORA: wan22.FEW_STEP_LORA.folder,
    **dict.fromkeys((Kind.FILM, Kind.RIFE), _INTERPOLATION),
}

_SPLIT = "split_files"
_UMT5_FP8 = "c3355d30191f1f066b26d93fba017ae9809dce6c627dda5f6a66eaa651204f68"
_UMT5_Q5_K_M = "eaea358bb438c5d211721a4feecc162000e3636e9cb96f51e216f1f44ebd12ce"
_VAE = "2fc39d31359a4b0a64f55876d8ff7fa8d780956ae2cb13463b0223e15148976b"


def _path(file: wan22.WeightFile) -> str:
    return f"{_SPLIT}/{file.folder}/{file.name}"


_FP8 = (
    Published("transformer", COMFY_REPO, _path(wan22.TRANSFORMER)),
    Published("text_encoder", COMFY_REPO, _path(wan22.TEXT_ENCODER), 6_735_906_897, _UMT5_FP8),
    Published("vae", COMFY_REPO, _path(wan22.VAE), 253_815_318, _VAE),
    Published("audio_encoder", COMFY_REPO, _path(wan22.AUDIO_ENCODER)),
    Published("lora", COMFY_REPO, _path(wan22.FEW_STEP_LORA), 1_226_977_424),
)
_BF16 = (
    Published(
        "transformer", COMFY_REPO, f"{_SPLIT}/diffusion_models/wan2.2_s2v_14B_bf16.safetensors"
    ),
    Published(
        "text_encoder",
        COMFY_21_REPO,
        f"{_SPLIT}/text_encoders/umt5_xxl_fp16.safetensors",
        11_366_399_385,
    ),
)
_FILM = (Published("film", FILM_REPO, f"{_INTERPOLATION}/film_net_fp16.safetensors", 68_882_302),)
_GGUF_TEXT = Published(
    "text_encoder", GGUF_TEXT_REPO, "umt5-xxl-encoder-Q5_K_M.gguf", 4_145_878_880, _UMT5_Q5_K_M
)
"""With every GGUF transformer: its makers recommend this mix or a larger one."""

_MIXES = (
    *("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_0", "Q4_1", "Q4_K_S", "Q4_K_M"),
    *("Q5_0", "Q5_1", "Q5_K_S", "Q5_K_M", "Q6_K", "Q8_0"),
)

_GGUF = {
    f"gguf-{mix.lower()}": (
        Published("transformer", GGUF_REPO, f"Wan2.2-S2V-14B-{mix}.gguf"),
        _GGUF_TEXT,
    )
    for mix in _MIXES
}

_I2V_GGUF = (
    ("high_noise", "HighNoise/Wan2.2-I2V-A14B-HighNoise-{}.gguf"),
    ("low_noise", "LowNoise/Wan2.2-I2V-A14B-LowNoise-{}.gguf"),
)

_I2V_LORAS = tuple(
    Published("lora", COMFY_REPO, _path(file)) for file in wan22_i2v.FEW_STEP_LORAS.values()
)
_I2V_FP8 = tuple(
    Published(f"{each}_noise", COMFY_REPO, _path(file))
    for each, file in wan22_i2v.TRANSFORMERS.items()
)
_I2V = {
    "i2v": (*_I2V_FP8, *_FP8[1:3], *_I2V_LORAS),
    **{
        f"i2v-gguf-{mix.lower()}": (
            *(Published(slot, GGUF_I2V_REPO, path.format(mix)) for slot, path in _I2V_GGUF),
            _GGUF_TEXT,
            _FP8[2],
            *_I2V_LORAS,
        )
        for mix in _MIXES
    },
}
"""For image to video: both transformers with what they need beside them."""

SETS: Mapping[str, tuple[Published, ...]] = {
    **{"fp8": _FP8, "bf16": _BF16, "film": _FILM},
    **_GGUF,
    **_I2V,
}
"""What `soundreel models pull SET` fetches; what a set for sound to video does not name is that of
fp8."""

PUBLISHED: tuple[Published, ...] = tuple(dict.fromkeys(chain.from_iterable(SETS.values())))
"""Each once. The first for a slot is the one that is advised."""


def slot_named(name: str) -> Slot:
    return next(slot for slot in SLOTS if slot.name == name)


def files_of(set_name: str) -> list[Published]:
    """The set's files; slots that sound to video needs and the set does not name come from the fp8
    set. Raises InputError."""
    if set_name not in SETS:
        raise InputError(
            f"there is no set {set_name!r} of weights", hint=f"choose one of: {', '.join(SETS)}"
        )
    own = SETS[set_name]
    if set_name == "film" or set_name in _I2V:
        return list(own)
    taken = {file.slot for file in own}
    return [*own, *(file for file in _FP8 if file.slot not in taken)]


def published_named(name: str) -> Published | None:
    """The published file of that file name, for `models verify`."""
    return next((file for file in PUBLISHED if file.name == name), None)
