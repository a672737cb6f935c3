"""What a job needs is counted exactly, and what is decided from it fits."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional as F

from soundreel.engines.wan.cost import _published
from soundreel.engines.wan.encoders.tiles import TileSize, tile_sizes
from soundreel.engines.wan.encoders.vae import WanVae, _empty_cache, vae_model
from soundreel.engines.wan.files.lookup import given
from soundreel.engines.wan.load.mapped import empty_model
from soundreel.engines.wan.load.models import load_transformer
from soundreel.engines.wan.memory import needs
from soundreel.engines.wan.memory.cards import CARDS, GIB, card_named, memory_named
from soundreel.engines.wan.memory.counting import count
from soundreel.engines.wan.memory.estimate import (
    Passes,
    count_workloads,
    predict,
    target_here,
    target_named,
)
from soundreel.engines.wan.memory.fit import RESERVE, fit, remedies, require, stage_needs
from soundreel.engines.wan.memory.main_memory import main_memory
from soundreel.engines.wan.memory.needs import OffloadLevel, Precision, StageNeeds, Workload
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.options import parse_options
from soundreel.errors import EngineUnavailable, InputError
from soundreel.timeline.plan import make_plan
from soundreel.types import AudioClip, ChunkGeometry, Plan, Request
from wan import model_folder as testing
from wan.files.weight_files import key_lists, write_sparse

ROOT = Path(__file__).parents[3]
SMALL = Workload(256, 256, 16)
DEFAULT = Workload(832, 1216, 80)


# --- counting ---------------------------------------------------------------------------------


def test_the_peak_is_what_lives_at_once() -> None:
    def run() -> torch.Tensor:
        a = torch.empty(1000, device="meta")
        b = a + 1
        del a
        return b * 2

    assert (count(run).peak_bytes, count(run).held_bytes) == (8000, 4000)


def test_views_cost_nothing_and_copies_do() -> None:
    x = torch.empty(10, 10, device="meta")
    assert count(lambda: x.view(100)[5:].unsqueeze(0)).peak_bytes == 0
    assert count(lambda: x.t().contiguous()).peak_bytes == 400


def test_operations_are_counted_by_formula() -> None:
    x, linear = torch.empty(3, 8, device="meta"), nn.Linear(8, 5, device="meta")
    counted = count(lambda: linear(x), [linear])
    assert counted.flops == 2 * 3 * 8 * 5
    assert counted.parts == (counted.flops,)


def test_attention_is_counted_as_a_fused_kernel() -> None:
    q = torch.empty(1, 2, 100, 16, device="meta")
    k = torch.empty(1, 2, 50, 16, device="meta")
    counted = count(lambda: F.scaled_dot_product_attention(q, k, k))
    assert counted.flops == 4 * 2 * 100 * 50 * 16
    assert counted.peak_bytes == q.nbytes // 1 + 2 * 100 * 4


def test_rms_norm_is_counted_as_a_fused_kernel() -> None:
    x = torch.empty(1, 100, 64, device="meta", dtype=torch.bfloat16)
    norm = nn.RMSNorm(64, device="meta", dtype=torch.bfloat16)
    assert count(lambda: norm(x)).peak_bytes == x.nbytes + 100 * 4


def _tiny(device: str) -> tuple[WanS2VTransformer3DModel, dict[str, torch.Tensor]]:
    with torch.device(device):
        model = WanS2VTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=24,
            text_dim=24,
            ffn_dim=100,
            num_layers=2,
            audio_dim=16,
            num_audio_layers=3,
            audio_inject_layers=(0,),
        )
        inputs = {
            "latents": torch.zeros(1, 16, 3, 10, 14),
            "text": torch.zeros(1, 7, 24),
            "sound": torch.zeros(1, 3, 16, 12),
            "motion": torch.zeros(1, 16, 19, 10, 14),
            "time": torch.zeros(()),
        }
    return model.eval().requires_grad_(False), inputs


def test_counts_on_the_meta_device_equal_a_real_run() -> None:
    counts = []
    for device in ("meta", "cpu"):
        model, x = _tiny(device)

        def run(model: WanS2VTransformer3DModel = model, x: dict[str, torch.Tensor] = x) -> object:
            ready = model.prepare(x["text"], x["sound"], (3, 10, 14), None, x["motion"])
            return model(x["latents"], x["time"], ready).sample

        counts.append(count(run, list(model.blocks)))
    assert counts[0] == counts[1]
    assert counts[0].peak_bytes > 0


def _vae_run(device: str) -> Callable[[], object]:
    with torch.device(device):
        vae = WanVae(testing._vae())
        latents = torch.zeros(1, 16, 3, 8, 12)
    return lambda: list(vae.decode(latents))


def _text_run(device: str) -> Callable[[], object]:
    with torch.device(device):
        model = testing._text_encoder().eval()
        tokens = torch.ones(1, 9, dtype=torch.long)
    return lambda: model(tokens).last_hidden_state


def _sound_run(device: str) -> Callable[[], object]:
    with torch.device(device):
        model = testing._audio_encoder().eval()
        wave = torch.zeros(1, 16000)
    return lambda: model(wave, output_hidden_states=True)


@pytest.mark.parametrize("make", [_vae_run, _text_run, _sound_run])
def test_counts_of_the_other_models_equal_a_real_run(
    make: Callable[[str], Callable[[], object]],
) -> None:
    on_meta, on_cpu = count(make("meta")), count(make("cpu"))
    assert on_meta.flops == on_cpu.flops > 0
    assert on_meta.peak_bytes == on_cpu.peak_bytes


def test_more_blocks_need_no_more_activations() -> None:
    """So two blocks are enough to count forty."""
    peaks = set()
    for layers in (2, 5):
        with torch.device("meta"):
            config = {"num_attention_heads": 2, "attention_head_dim": 24, "ffn_dim": 100}
            model = WanS2VTransformer3DModel(
                **config, num_layers=layers, audio_inject_layers=(0,), text_dim=24
            )
            latents, text = torch.empty(1, 16, 4, 16, 16), torch.empty(1, 7, 24)
            sound, time = torch.empty(1, 25, 1024, 16), torch.empty(())
        with torch.no_grad():
            ready = model.prepare(text, sound, (4, 16, 16))
        peaks.add(count(partial(model, latents, time, ready)).peak_bytes)
    assert len(peaks) == 1


def test_pass_flops_follow_the_papers_arithmetic() -> None:
    """Matrix products and attention of 40 blocks, by hand, are all but a hundredth of the count."""
    tokens_noisy = 20 * 76 * 52
    tokens = tokens_noisy + 76 * 52 + 76 * 52 + 38 * 26 + 4 * 19 * 13
    dim, ffn = 5120, 13824
    block = 2 * tokens * (4 * dim * dim + 2 * dim * dim + 2 * dim * ffn)  # self, cross q/o, ffn
    block += 2 * 512 * 2 * dim * dim  # cross k/v
    block += 4 * tokens * tokens * dim + 4 * tokens * 512 * dim
    counted = needs.step_count(DEFAULT, "bf16").flops
    assert 0 < counted / (40 * block) - 1 < 0.02


@pytest.mark.parametrize("number_format", ["fp8_scaled", "bf16"])
def test_a_pass_at_the_default_size_stays_small(number_format: str) -> None:
    assert needs.step_count(DEFAULT, number_format).peak_bytes <= 6 * GIB


# --- weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "form"), [("s2v_fp8_scaled", "fp8_scaled"), ("s2v_bf16", "bf16")]
)
def test_weight_bytes_equal_the_loaded_full_size_model(
    tmp_path: Path, listed: str, form: str
) -> None:
    path = write_sparse(tmp_path / "x.safetensors", key_lists()[listed])
    cpu, half = torch.device("cpu"), torch.bfloat16
    model = load_transformer(given(path, "transformer"), device=cpu, dtype=half)
    tensors = (*model.parameters(), *model.buffers())
    assert needs.transformer_weights(form).all == sum(tensor.nbytes for tensor in tensors)
    largest = max(sum(p.nbytes for p in block.parameters()) for block in model.blocks)
    scales = sum(buffer.nbytes for buffer in model.blocks[0].buffers())
    assert needs.transformer_weights(form).block == largest + scales


def test_published_sizes_of_the_other_models() -> None:
    encoder, decoder = 53_596_928, 73_295_603  # numbers
    assert needs.vae_weights().all == 4 * encoder + 2 * decoder
    assert needs.text_weights("fp16").all == pytest.approx(11_366_399_385 - 4_548_313, rel=1e-5)
    assert needs.text_weights("fp8_scaled").all == pytest.approx(
        6_735_906_897 - 4_548_313, rel=1e-5
    )


# --- what fits --------------------------------------------------------------------------------


def test_levels_need_less_and_less() -> None:
    peaks = [
        max(stage.peak for stage in stage_needs(SMALL, Precision(), level))
        for level in ("none", "model", "block")
    ]
    assert peaks == sorted(peaks, reverse=True)
    assert peaks[0] > peaks[2]


def test_loras_lie_beside_the_weights_that_they_change() -> None:
    size = 600 * 2**20
    levels: tuple[tuple[OffloadLevel, float], ...] = (("none", 1.0), ("block", 2 / 40))
    for level, share in levels:
        plain, changed = (_sampling(Precision(lora_bytes=n), level) for n in (0, size))
        assert changed.weights - plain.weights == pytest.approx(share * size)
    assert changed.bus - plain.bus == size


def _sampling(precision: Precision, level: OffloadLevel) -> StageNeeds:
    return next(s for s in stage_needs(SMALL, precision, level) if s.name == "sampling")


def test_the_presets_lora_is_planned_for_in_16_bits() -> None:
    size = _published(parse_options({})).lora_bytes
    assert size / 2**30 == pytest.approx(0.57, abs=0.01)
    assert _published(parse_options({"sampling_preset": "quality"})).lora_bytes == 0


def test_auto_takes_the_fastest_level_that_fits() -> None:
    assert fit(SMALL, Precision(), 80 * GIB).level == "none"
    way = fit(SMALL, Precision(), 12 * GIB)
    assert way.level == "block"
    assert way.fits(12 * GIB)
    assert not fit(SMALL, Precision(), 12 * GIB, "none").fits(12 * GIB)


def test_the_vae_is_tiled_only_where_it_must_be_and_then_in_the_largest_tiles() -> None:
    free = 10 * GIB
    assert fit(SMALL, Precision(), free).tiling.whole
    large = Workload(832, 1216, 16, motion=False)
    way = fit(large, Precision(), free)
    assert way.fits(free)
    assert way.tiling.decode == tile_sizes(152, 104)[1], "two tiles"
    assert way.tiling.encode == TileSize(152, 104), "one picture's encoder fits as it is"


def test_a_carried_decoder_hands_on_what_its_convolutions_saw() -> None:
    decoder = empty_model(lambda: vae_model({})).get_submodule("decoder")
    cache, place = _empty_cache(decoder), (2, 3)
    for _ in range(3):
        latent = torch.empty(1, 16, 1, *place, device="meta")
        decoder(latent, feat_cache=cache, feat_idx=[0])
    numbers = sum(entry.numel() for entry in cache if isinstance(entry, torch.Tensor))
    assert numbers == needs.DECODER_STATE * place[0] * place[1]


def test_what_a_carried_decoder_hands_on_lies_on_the_device_or_in_main_memory() -> None:
    carried = replace(SMALL, carried=True)
    state = needs.decoder_state_bytes(carried, None)
    assert state == 2 * needs.DECODER_STATE * (SMALL.width // 8) * (SMALL.height // 8)
    assert needs.decoder_state_bytes(SMALL, None) == 0
    levels: list[tuple[OffloadLevel, int]] = [("none", state), ("block", 0)]
    for level, rests in levels:
        plain, more = (
            {stage.name: stage for stage in stage_needs(work, Precision(), level)}
            for work in (SMALL, carried)
        )
        for name in ("sampling", "motion"):
            assert more[name].weights - plain[name].weights == rests
        assert more["decode"].bus == (0 if rests else 2 * state)
        assert more["decode"].flops < 0.9 * plain["decode"].flops
    own = [main_memory(Precision(), "block", size).own for size in (0, state)]
    assert own[1] - own[0] == state
    assert main_memory(Precision(), "none", state) == main_memory(Precision(), "none")


def test_encoder_and_decoder_are_tiled_each_on_its_own() -> None:
    free = 12 * GIB
    way = fit(Workload(832, 1216, 16), Precision(), free)
    assert way.fits(free)
    assert way.tiling.decode == TileSize(152, 104)
    assert way.tiling.encode != way.tiling.decode
    smaller = fit(Workload(832, 1216, 16), Precision(), free - 2 * GIB).tiling
    sizes = tile_sizes(152, 104)
    assert smaller.decode is not None
    assert sizes.index(smaller.decode) > 0


def test_attention_is_sliced_only_where_the_smallest_cards_need_it() -> None:
    assert not fit(DEFAULT, Precision(), 10 * GIB).in_slices
    way = fit(DEFAULT, Precision(), 8 * GIB)
    assert way.fits(8 * GIB)
    assert way.told == "block, VAE in tiles, attention in slices"
    whole, sliced = DEFAULT.ways_to_attend
    saved = [needs.step_count(load, "bf16").peak_bytes for load in (whole, sliced)]
    tokens = needs.step_sizes(DEFAULT, 1, 1)[0][3]
    assert saved[0] - saved[1] > tokens * 5120 * 2, "the queries of all tokens, and more"
    smaller = fit(Workload(480, 832, 80), Precision(), 8 * GIB)
    assert smaller.told == "block"


def test_remedies_fit() -> None:
    free = 6 * GIB
    texts = remedies(DEFAULT, Precision(), free)
    assert len(texts) == 2
    frames = int(re.findall(r"chunk_frames=(\d+)", texts[0])[0])
    assert fit(Workload(832, 1216, frames), Precision(), free).fits(free)
    assert not fit(Workload(832, 1216, frames + 4), Precision(), free).fits(free)
    width, height = map(int, re.findall(r"(?:width|height)=(\d+)", texts[1]))
    assert width % 16 == height % 16 == 0
    assert fit(Workload(width, height, 80), Precision(), free).fits(free)


def test_too_little_memory_is_refused_with_what_would_fit() -> None:
    with pytest.raises(EngineUnavailable, match="even with `offload='block'`") as caught:
        require(DEFAULT, Precision(), 6 * GIB, None)
    assert "width=" in caught.value.hint
    assert "chunk_frames=" in caught.value.hint


def test_a_level_that_the_user_names_is_tried() -> None:
    assert require(SMALL, Precision(), 8 * GIB, "none").level == "none"


# --- cards and the prediction -----------------------------------------------------------------


@pytest.mark.parametrize("text", ["RTX 4090", "rtx4090", "NVIDIA GeForce RTX 4090", "4090"])
def test_cards_are_known_by_any_spelling(text: str) -> None:
    assert card_named(text).name == "RTX 4090"


def test_unknown_cards_are_listed() -> None:
    with pytest.raises(InputError, match="not a card that is known") as caught:
        card_named("Voodoo 2")
    assert all(card.name in caught.value.hint for card in CARDS)


@pytest.mark.parametrize(
    "text", ["RTX 4080 SUPER", "RTX 4090 Laptop GPU", "NVIDIA H200", "Tesla T4", ""]
)
def test_cards_that_only_sound_alike_have_no_rates(text: str) -> None:
    assert target_here(text, 10).card is None


@pytest.mark.parametrize(
    ("text", "size"), [("24GB", 24 * GIB), ("16 GiB", 16 * GIB), ("4090", None)]
)
def test_memory_instead_of_a_card(text: str, size: int | None) -> None:
    assert memory_named(text) == size


def _plan(num_frames: int = 40) -> Plan:
    geometry = ChunkGeometry(Fraction(16), 16, 4, 3, 3, 16)
    seconds = Fraction(num_frames, 16)
    audio = AudioClip(Path("a.wav"), Fraction(0), seconds, seconds, 16000, 1)
    request = Request(audio=Path("a.wav"), image=Path("b.png"), width=256, height=256)
    return make_plan(request, geometry, audio, num_frames)


def test_the_prediction_names_every_stage_and_its_sources() -> None:
    estimate = predict(_plan(), target_named("RTX 4090"))
    details = dict(estimate.details)
    stages = ("text", "reference", "sound", "sampling", "decode", "motion")
    assert all("weights" in details[name] for name in stages)
    assert "white paper" in details["rates"]
    assert details["passes of the model"] == "80 a part"
    assert "predicted" in estimate.source
    assert estimate.memory_bytes == fit(SMALL, Precision(), 24 * GIB).peak + RESERVE
    assert "fits" in details


def test_time_is_passes_times_the_pass() -> None:
    def seconds(count: int, texts: int = 2) -> float:
        passes = Passes(count, texts, count, texts=texts)
        value = predict(_plan(), target_named("RTX 4090"), passes=passes).seconds
        assert value is not None
        return value

    each = (seconds(20) - seconds(10)) / 10
    assert each == pytest.approx((seconds(80) - seconds(20)) / 60)
    assert each == pytest.approx((seconds(20, 1) - seconds(10, 1)) / 10, rel=1e-6)
    workloads = count_workloads(_plan(), passes=2)
    flops = [needs.step_count(load, "fp8_scaled").flops * n for load, n in workloads.items()]
    assert each == pytest.approx(sum(flops) / 165.2e12)


def test_memory_alone_gives_no_time() -> None:
    estimate = predict(_plan(), target_named("24GB"))
    assert estimate.seconds is None
    assert estimate.memory_bytes is not None


def test_what_does_not_fit_says_what_would() -> None:
    details = dict(predict(_plan(), target_named("RTX 3060"), level="none").details)
    assert "of 12.0 GiB" in details["does not fit"]
    assert details["would fit"] == "`offload='block'`"


def test_the_table_in_the_docs_is_what_the_program_counts() -> None:
    script = importlib.util.spec_from_file_location(
        "memory_table", ROOT / "scripts/memory_table.py"
    )
    assert script is not None
    assert script.loader is not None
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    written = page.split(module.BEGIN)[1].split(module.END)[0].strip().splitlines()
    assert written == module.table()
    assert len(written) == 2 + 32
    files = page.split(module.FILES_BEGIN)[1].split(module.FILES_END)[0].strip().splitlines()
    assert files == module.file_table()
    assert len(files) == 2 + 10
