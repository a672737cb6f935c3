"""Several speakers: each adds its share to where its mask is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from torch import Tensor

from soundreel.engines.wan.model.audio_injector import AudioTokens, WanS2VAudioInjector
from soundreel.engines.wan.model.conditioning import WanS2VConditioning
from wan.model.test_transformer import SIZE, inputs, make_model, noise

ROWS, COLUMNS = SIZE[1] // 2, SIZE[2] // 2


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode(False), torch.no_grad():
        yield


def halves(soft: float = 0.0) -> Tensor:
    """Left and right, (2, 1, rows, columns), with a column between them that is shared."""
    left = torch.zeros(1, ROWS, COLUMNS)
    left[..., : COLUMNS // 2] = 1
    left[..., COLUMNS // 2] = soft
    return torch.stack([left, 1 - left])


def run(
    speakers: int, masks: Tensor | None, seeds: Iterable[int] = (1, 1, 1), **changes: Any
) -> Tensor:
    model = make_model()
    sounds = [
        noise(1, 3, 8, 4 * SIZE[0], seed=seed)
        for seed, _ in zip(seeds, range(speakers), strict=False)
    ]
    given = {**inputs(), "audio_features": sounds if masks is not None else sounds[0], **changes}
    conditioning = model.prepare(**given, audio_masks=masks)
    sample: Tensor = model(noise(1, 16, *SIZE, seed=9), torch.tensor([700]), conditioning).sample
    return sample


@pytest.mark.parametrize("soft", [0.0, 0.3])
@pytest.mark.parametrize("absent", [(), ("reference_latents",), ("motion_latents", "pose_latents")])
def test_two_speakers_with_one_sound_are_one_speaker(soft: float, absent: tuple[str, ...]) -> None:
    """Where their masks add up to 1; whatever other tokens there are, which no sound reaches."""
    without: Any = dict.fromkeys(absent)
    one = run(1, None, **without)
    both = run(2, halves(soft), **without)
    torch.testing.assert_close(both, one, rtol=0, atol=2e-6)
    other = run(2, halves(soft), seeds=(1, 5), **without)
    assert (other - one).abs().max() > 1e-3


def test_a_mask_of_every_latent_frame_is_one_of_all() -> None:
    still = run(2, halves(0.3), seeds=(1, 5))
    moving = halves(0.3).expand(-1, SIZE[0], -1, -1)
    assert torch.equal(run(2, moving, seeds=(1, 5)), still)
    swapped = torch.stack([moving[0], moving[1]])
    swapped[:, 1] = swapped[:, 1].flip(0)
    assert not torch.allclose(run(2, swapped, seeds=(1, 5)), still)


def test_what_is_added_is_the_sum_over_the_speakers() -> None:
    """r = s (m_1 attention(norm(x), sound_1) + m_2 ...), written with the layers themselves."""
    torch.manual_seed(0)
    frames, tokens, dim = 3, 6, 32
    injector = WanS2VAudioInjector(dim, 2, 1e-6)
    hidden = torch.randn(2, frames * tokens, dim)
    speakers = [
        AudioTokens(torch.randn(2, frames, 5, dim), torch.randn(2, frames, dim), mask)
        for mask in (
            torch.rand(1, tokens, 1),
            torch.rand(frames, tokens, 1),
            torch.rand(1, tokens, 1),
        )
    ]
    injector.strength = 1.5
    made = injector(hidden, speakers, torch.float32).view(2, frames, tokens, dim)
    for batch in range(2):
        for frame in range(frames):
            x = hidden.view(2, frames, tokens, dim)[batch, frame][None]
            wanted = torch.zeros(tokens, dim)
            for local, whole, mask in speakers:
                assert mask is not None
                normed = injector.adain(x, temb=whole[batch, frame][None])
                looked = injector.attn(normed, local[batch, frame][None])[0]
                wanted += mask[frame if len(mask) > 1 else 0] * looked
            torch.testing.assert_close(made[batch, frame], 1.5 * wanted, rtol=0, atol=2e-6)


def test_pieces_of_the_tokens_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    moving = halves(0.3).expand(-1, SIZE[0], -1, -1).clone()
    moving[:, 1] = moving[:, 1].flip(0)
    whole = run(2, moving, seeds=(1, 5))
    monkeypatch.setattr("soundreel.engines.wan.model.blocks.INJECTED", 1)
    torch.testing.assert_close(run(2, moving, seeds=(1, 5)), whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("speakers", "masks", "message"),
    [
        (2, torch.ones(3, 1, ROWS, COLUMNS), "3 masks for 2 speakers"),
        (2, torch.ones(2, 1, ROWS, COLUMNS + 1), "needed"),
        (2, torch.ones(2, 5, ROWS, COLUMNS), "one frame for all"),
    ],
)
def test_masks_that_do_not_fit_are_named(speakers: int, masks: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(speakers, masks)
    with pytest.raises(ValueError, match="give a mask for each"):
        make_model().prepare(**inputs() | {"audio_features": [noise(1, 3, 8, 8)] * 2})


def test_several_speakers_make_no_batch() -> None:
    model = make_model()
    sounds = {"audio_features": [noise(1, 3, 8, 8)] * 2, "audio_masks": halves()}
    with pytest.raises(ValueError, match="several speakers"):
        WanS2VConditioning.cat([model.prepare(**inputs() | sounds)] * 2)
