"""What a plan says of image to video is what the modules themselves would take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from soundreel import ImageRequest, plan
from soundreel.config import Settings
from soundreel.engines.wan.files.lookup import scan
from soundreel.engines.wan.files.places import Place
from soundreel.engines.wan.image.cost import precision_of
from soundreel.engines.wan.image.counted import expert_weights, image_step_count
from soundreel.engines.wan.image.files import select
from soundreel.engines.wan.image.needs import ImageWorkload, transformer_weights
from soundreel.engines.wan.image.options import WanImageOptions
from soundreel.engines.wan.memory.cards import GIB
from soundreel.engines.wan.memory.fit import fit, stage_needs
from soundreel.engines.wan.memory.main_memory import main_memory
from soundreel.engines.wan.memory.needs import Precision, step_count, vae_weights
from soundreel.engines.wan22_i2v import TRANSFORMERS
from wan.files.weight_files import key_lists, write_sparse

STALE = "run scripts/needs_table.py"


@pytest.mark.parametrize("row", ["fp8_scaled", "16 bits", "unpacked"])
@pytest.mark.parametrize("size", [(320, 240, 12), (832, 480, 80)], ids=["one piece", "several"])
def test_a_pass_is_counted(row: str, size: tuple[int, int, int]) -> None:
    load = ImageWorkload(*size, passes=1)
    counted, told = image_step_count(load, row), step_count(load, row)
    assert told.flops == counted.flops, STALE
    assert told.peak_bytes == counted.peak_bytes, STALE


@pytest.mark.parametrize("row", ["fp8_scaled", "16 bits"])
def test_the_weights_are_those_of_one_of_the_two(row: str) -> None:
    assert transformer_weights(row) == expert_weights(row), STALE


@pytest.fixture
def precision(tmp_path: Path) -> Precision:
    """Of the published files, all holes; the low one is in 16 bits."""
    listed = key_lists()
    high = listed["i2v_fp8_scaled"]
    scales = ("scale_weight", "scale_input", "scaled_fp8")
    low = {n: (shape, "BF16") for n, (shape, _) in high.items() if not n.endswith(scales)}
    for file, tensors in zip(TRANSFORMERS.values(), (high, low), strict=True):
        write_sparse(tmp_path / file.folder / file.name, tensors)
    write_sparse(tmp_path / "text_encoders" / "t5.safetensors", listed["umt5_fp8_scaled"])
    write_sparse(tmp_path / "vae" / "vae.safetensors", listed["vae_comfy"])
    quality = WanImageOptions(sampling_preset="quality")
    return precision_of(select(list(scan([Place("given", tmp_path)])), quality))


def test_one_transformer_at_a_time_counts_the_larger_one(precision: Precision) -> None:
    assert precision.transformer == "bf16"
    assert precision.transformer_weights == expert_weights("16 bits")
    assert precision.in_turn is not None
    assert abs(precision.in_turn.all - expert_weights("fp8_scaled").all) < 2000
    stages = {each.name: each for each in stage_needs(ImageWorkload(64, 64, 8), precision, "none")}
    assert set(stages) == {"text", "pictures", "sampling", "decode"}
    vae = vae_weights().all
    assert stages["sampling"].weights == precision.transformer_weights.all + vae
    assert stages["decode"].weights == stages["pictures"].weights == vae


def test_both_files_are_mapped_into_main_memory(precision: Precision) -> None:
    assert precision.in_turn is not None
    files = (precision.transformer_weights, precision.in_turn)
    both = sum(file.all - file.own for file in files)  # what is converted is no longer the file's
    assert main_memory(precision, "model").mapped == both


def test_published_weights_fit_a_card_of_24_gib() -> None:
    weights = transformer_weights("fp8_scaled")
    published = Precision(transformer_file=weights, in_turn=weights, audio=False)
    way = fit(ImageWorkload(832, 1216, 80, passes=1), published, 24 * GIB)
    assert way.fits(24 * GIB)
    assert way.level == "none"


def test_a_plan_says_stages_time_and_memory(tmp_path: Path, settings: Settings) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "a.png")
    request = ImageRequest(image=tmp_path / "a.png", engine="wan", seed=1, num_frames=161)
    made, estimate = plan(request, settings.model_copy(update={"gpu": "RTX 4090"}))
    assert [chunk.generated_frames for chunk in made.chunks] == [80, 80]
    told = dict(estimate.details)
    assert {"text", "pictures", "sampling", "decode", "main memory"} <= set(told)
    assert told["passes of the model"] == "4 a part"
    assert estimate.likely_seconds is not None
    assert 0 < (estimate.seconds or 0) < estimate.likely_seconds[0]
