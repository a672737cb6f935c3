"""A recorded generation: what was given to the official code, read from the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from parity.reference import Reference, ReferenceFile
from soundreel.engines.wan.encoders.pictures import BLANK, PoseVideo
from soundreel.engines.wan.encoders.sound import SoundFeatures
from soundreel.engines.wan22 import SAMPLE_RATE
from soundreel.timeline.plan import whole_shot
from soundreel.types import AudioClip, Chunk, ChunkGeometry, Plan, Request

PROMPT, NEGATIVE = "prompt", "negative prompt"


class RecordedRun:
    def __init__(self, reference: Reference, file: ReferenceFile) -> None:
        self.reference, self.file = reference, file
        self.facts, self.config = file.cases, file.config
        self.height, self.width = self.facts["size_hw"]
        self.chunks = self.facts["chunks"]
        self.guided = self.config["guide_scale"] > 1
        self.passes = 2 if self.guided else 1
        """Of the transformer in a sampling step."""

    def tensor(self, name: str) -> Tensor:
        return self.file.tensor(name)

    def wave(self) -> np.ndarray:
        """The wave that the run's features were made of: "audio_cases w3 (...)" names it."""
        used = next(text for text in self.config["uses"] if text.startswith("audio_cases"))
        return self.reference.file("audio_cases").tensor(f"{used.split()[1]}.wave").numpy()

    @property
    def rows_given(self) -> int | None:
        """Rows of the 30 fps features that the run was given, where fewer than the wave has; the
        official code pads with zeros behind them (manifest: `z_frames_used`)."""
        return next((int(count) for count in _values_of("z_frames_used", self.file.entry)), None)

    def features(self, *arguments: Any, **named: Any) -> SoundFeatures:
        """SoundFeatures of the wave, as far as they were given."""
        made = SoundFeatures(*arguments, **named)
        given, whole = self.rows_given, made.features
        if given is not None:

            def shortened(rows: list[int]) -> Tensor:
                inside = torch.tensor([row < given for row in rows])
                return whole(rows) * inside[:, None, None]

            made.features = shortened  # type: ignore[method-assign]
        return made

    def tokens(self, which: str) -> list[int]:
        """The real ones of the token ids that the manifest names as "t5_cases prompt.ids"."""
        start, name = self.config[which].split()
        stored = self.reference.file(start)
        ids, mask = stored.tensor(name), stored.tensor(name.replace(".ids", ".mask"))
        return ids[0][mask[0] == 1].tolist()

    def plan(self, folder: Path) -> Plan:
        """As the official code cuts: whole chunks, the sound from 0. One chunk more than recorded
        is planned and never rendered, so that the last one's motion is encoded too."""
        infer = self.facts["infer"]
        kept = [*(chunk["kept_frames"] for chunk in self.chunks), infer]
        starts = np.cumsum([0, *kept]).tolist()
        request = self._request(folder)
        shot = whole_shot(request, starts[-1])
        chunks = tuple(
            Chunk(
                *(index, 0, index * infer, infer, infer - count, starts[index], count),
                prompt=request.prompt,
                seed=request.seed + index,
            )
            for index, count in enumerate(kept)
        )
        fps = Fraction(self.config["fps"])
        length = Fraction(len(self.wave()), SAMPLE_RATE)
        clip = AudioClip(request.audio, Fraction(0), starts[-1] / fps, length, SAMPLE_RATE, 1)
        geometry = ChunkGeometry(fps, infer, infer, infer - kept[0])
        return Plan(request, geometry, clip, starts[-1], (shot,), chunks)

    def pose(self) -> PoseVideo | None:
        """The recorded pose pictures: those of the video, or those that were cut to size."""
        found = {
            name: about
            for name, about in self.file.entry["tensors"].items()
            if "pose" in name and 3 in about["shape"] and len(about["shape"]) >= 4
        }
        if self.facts["pose"] is None or not found:
            return None
        name = min(found, key=lambda name: found[name]["dtype"] != "uint8")
        pictures = _channels_last(self.tensor(name))
        if found[name]["dtype"] != "uint8":
            return FittedPose(pictures)
        rate = Fraction(pose_rate(self.facts, self.config, found[name])).limit_denominator(1001)
        read = list(pictures.numpy())
        return PoseVideo(lambda: iter(read), rate, self.width, self.height, official=True)

    def pose_latents(self, chunk: int) -> Tensor | None:
        """The chunk's recorded pose latents (1, C, T, h, w), where the set has them."""
        pattern = re.compile(rf"(?:chunk{chunk}\.)(?:cond|pose)\w*")
        names = [name for name in self.file.keys if pattern.fullmatch(name)]
        return self.tensor(names[0]) if names and self.facts["pose"] is not None else None

    def _request(self, folder: Path) -> Request:
        image = folder / "reference.png"
        Image.fromarray(self.tensor("ref_image_uint8").numpy()).save(image)
        options = {
            "steps": self.facts["steps"],
            "flow_shift": self.facts["shift"],
            "sampler": self.facts["solver"],
            "guidance_scale": self.config["guide_scale"],
            "init_first_frame": self.facts["init"],
            "reference_timing": True,
        }
        return Request(
            audio=Path("wave"),
            image=image,
            prompt=PROMPT,
            negative_prompt=NEGATIVE,
            width=self.width,
            height=self.height,
            seed=self.facts["seed"],
            engine="wan",
            options=options,
        )


@dataclass
class FittedPose(PoseVideo):
    """Pose pictures (F, H, W, 3) in -1..1 that were cut to size and to 16 a second already."""

    pictures: Tensor

    def pixels(self, first: int, count: int) -> Tensor:
        real = self.pictures[first : first + count].permute(3, 0, 1, 2)[None]
        blank = torch.full((1, 3, count - real.shape[2], *real.shape[3:]), BLANK)
        return torch.cat([real, blank], dim=2)


def pose_rate(facts: dict[str, Any], config: dict[str, Any], about: dict[str, Any]) -> str:
    """Pictures a second of the pose video, where the manifest says it; else the model's own."""
    places = {**config, **facts, "pose_about": f"{about['meaning']} {about.get('units', '')}"}
    for name, value in places.items():
        if "pose" not in name:
            continue
        if isinstance(value, dict):
            value = next((rate for key, rate in value.items() if "fps" in key), None)
        if isinstance(value, str):
            match = re.search(r"(\d+(?:\.\d+)?)\s*fps|fps\s*=?\s*(\d+(?:\.\d+)?)", value)
            value = float(match[1] or match[2]) if match else None
        if isinstance(value, list | tuple):
            value = next((item for item in value if item not in about["shape"]), None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return str(config["fps"])


def _values_of(name: str, entry: object) -> Iterator[Any]:
    """Every number under that name, however deep in a manifest's entry."""
    for key, value in entry.items() if isinstance(entry, Mapping) else ():
        if key == name and isinstance(value, int):
            yield value
        elif key != "tensors":
            yield from _values_of(name, value)


def _channels_last(pictures: Tensor) -> Tensor:
    """(F, H, W, 3) of any order with or without a batch of 1."""
    if pictures.dim() == 5:
        pictures = pictures[0]
    if pictures.shape[-1] == 3:
        return pictures
    return pictures.movedim(0 if pictures.shape[0] == 3 else 1, -1)
