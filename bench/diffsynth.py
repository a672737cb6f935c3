"""The transformer against DiffSynth-Studio's, on the CPU: the same weights, interleaved.

    pip install --no-deps --target DIR diffsynth einops
    PYTHONPATH=DIR python -m bench.diffsynth          # and in `make bench`, which waits minutes

One pass, a guided step, and a chunk of four guided steps with what prepares it, at dim 512 and 8
layers, 240x160, 80 frames. Times are CPU seconds of one thread, the least of the rounds: what else
runs on the machine makes them longer, never shorter. Per ratio the largest difference is told.

DiffSynth is taken from its files: two modules, and the one function `model_fn_wans2v` of its
pipeline, which as a whole wants packages that nothing here needs. It is called with
`drop_motion_frames=False`, since ours has motion too.
"""

from __future__ import annotations

import ast
import importlib
import sys
import time
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from soundreel.engines.wan.model.names import official_name
from soundreel.engines.wan.model.transformer import WanS2VTransformer3DModel
from soundreel.engines.wan.sampling.sampler import make_solver
from soundreel.engines.wan22 import TEXT_TOKENS, Sampling

DIM, LAYERS, HEADS, FFN, INJECTED = 512, 8, 4, 1382, (0, 2, 4, 6)
LATENTS = (20, 20, 30)
GUIDANCE, STEPS, ROUNDS = 4.5, 4, 5
TARGET, PASS_BOUND, STEP_BOUND = 1.08, 2e-5, 5e-5

Pass = Callable[[Tensor, Tensor, bool], Tensor]
"""Velocity (1, C, T, h, w) of latents and a timestep (1,), with the prompt and sound or without."""


def main() -> None:
    torch.set_num_threads(1)
    if find_spec("diffsynth") is None or find_spec("einops") is None:
        print(
            "DiffSynth is not here: pip install --no-deps --target DIR diffsynth einops, and "
            "PYTHONPATH=DIR"
        )
        return
    with torch.no_grad():
        model, inputs = our_model(), Inputs.made()
        walks = [Walk(lambda: ours(model, inputs)), Walk(lambda: theirs(model, inputs))]
        bench_chunk(walks, inputs)
        bench_compiled(model, inputs)


@dataclass(frozen=True)
class Inputs:
    """Of one chunk: the texts without padding, sound (1, 25, 1024, 80)."""

    noise: Tensor
    reference: Tensor
    motion: Tensor
    sound: Tensor
    text: Tensor
    null_text: Tensor

    @classmethod
    def made(cls) -> Inputs:
        random = torch.Generator().manual_seed(1)

        def some(*shape: int) -> Tensor:
            return torch.randn(shape, generator=random)

        frames, *size = LATENTS
        noise, reference, motion = (some(1, 16, n, *size) for n in (frames, 1, 19))
        sound, text, null_text = (
            some(1, 25, 1024, 4 * frames),
            some(1, 60, 4096),
            some(1, 126, 4096),
        )
        return cls(noise, reference, motion, sound, text, null_text)


class Walk:
    """Samples a chunk step by step; every time is CPU seconds."""

    def __init__(self, prepare: Callable[[], Pass]) -> None:
        self.prepare_s, self._pass = _timed(prepare)
        self.pass_s: list[float] = []
        self.step_s: list[float] = []
        self.velocities: list[Tensor] = []

    def step(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """The guided velocity."""
        times, found = [], []
        for prompted in (True, False):
            spent, velocity = _timed(lambda given=prompted: self._pass(latents, timestep, given))  # type: ignore[misc]
            times.append(spent)
            found.append(velocity)
        self.pass_s += times
        self.step_s.append(sum(times))
        self.velocities.append(found[0])
        guided: Tensor = found[1] + GUIDANCE * (found[0] - found[1])
        return guided


def bench_chunk(walks: list[Walk], inputs: Inputs) -> None:
    """Four steps of a chunk and one more, in turns."""
    solvers = [make_solver(Sampling(STEPS, GUIDANCE, 3.0, "unipc")) for _ in walks]
    latents = [inputs.noise] * len(walks)
    guided: list[list[Tensor]] = []
    for index in range(ROUNDS):
        turns = [0, 1] if index % 2 else [1, 0]
        timestep = solvers[0].timesteps[index % STEPS].float()[None]
        velocities = {turn: walks[turn].step(latents[turn], timestep) for turn in turns}
        guided.append([velocities[0], velocities[1]])
        if index < STEPS:
            latents = [solvers[i].step(velocities[i], latents[i]) for i in (0, 1)]
    first = _difference(*(walk.velocities[0] for walk in walks))
    _tell("one pass", [min(walk.pass_s) for walk in walks], first, PASS_BOUND)
    _tell(
        "a guided step", [min(walk.step_s) for walk in walks], _difference(*guided[0]), STEP_BOUND
    )
    chunks = [walk.prepare_s + sum(walk.step_s[:STEPS]) for walk in walks]
    _tell(f"a chunk of {STEPS} guided steps", chunks, _difference(*latents), None)


def bench_compiled(model: WanS2VTransformer3DModel, inputs: Inputs) -> None:
    """One pass with the blocks compiled, against one without."""
    plain = ours(model, inputs)
    arguments = inputs.noise, torch.tensor([900.0]), True
    times = [_timed(lambda: plain(*arguments)) for _ in range(ROUNDS)]
    try:
        model.compile_repeated_blocks(fullgraph=True)
        first_s, compiled = _timed(lambda: plain(*arguments))
    except Exception as err:  # no compiler, or one that torch cannot use
        print(f"compiled blocks: not here ({type(err).__name__})")
        return
    best = min(_timed(lambda: plain(*arguments))[0] for _ in range(ROUNDS))
    gain, difference = min(t for t, _ in times) / best, _difference(compiled, times[0][1])
    print(
        f"compiled blocks: a pass {best:.2f} CPU s, {gain:.2f}x as fast as without; the first "
        f"{first_s:.1f} s; difference {difference:.1e}"
    )


def _tell(name: str, times: list[float], difference: float, bound: float | None) -> None:
    ours_s, theirs_s = times
    limit = "" if bound is None else f" (bound {bound:.0e})"
    print(
        f"{name}: {ours_s:.2f} CPU s, DiffSynth {theirs_s:.2f}: {theirs_s / ours_s:.2f}x as fast "
        f"(target {TARGET}); difference {difference:.1e}{limit}",
        flush=True,
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.process_time()
    made = work()
    return time.process_time() - begun, made


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


# --- both models ------------------------------------------------------------------------------


def our_model() -> WanS2VTransformer3DModel:
    """With random weights of the size that keeps what passes through them alike."""
    torch.manual_seed(0)
    model = WanS2VTransformer3DModel(
        num_attention_heads=HEADS,
        attention_head_dim=DIM // HEADS,
        ffn_dim=FFN,
        num_layers=LAYERS,
        audio_inject_layers=INJECTED,
    )
    for name, parameter in model.named_parameters():
        inputs = parameter[0].numel() if parameter.dim() > 1 else 25
        parameter.data = torch.randn_like(parameter) * inputs**-0.5
        if "norm" in name and name.endswith("weight"):
            parameter.data = 1 + 0.1 * parameter.data
    made: WanS2VTransformer3DModel = model.eval().requires_grad_(False)
    return made


def ours(model: WanS2VTransformer3DModel, inputs: Inputs) -> Pass:
    prompted, silent = (
        model.prepare(text, sound, LATENTS, inputs.reference, inputs.motion)
        for text, sound in (
            (inputs.text, inputs.sound),
            (inputs.null_text, torch.zeros_like(inputs.sound)),
        )
    )

    def velocity(latents: Tensor, timestep: Tensor, given: bool) -> Tensor:
        sample: Tensor = model(latents, timestep, prompted if given else silent).sample
        return sample

    return velocity


def theirs(model: WanS2VTransformer3DModel, inputs: Inputs) -> Pass:
    """DiffSynth's model with the weights of ours."""
    run, other = _diffsynth(model.state_dict())
    texts = [_padded(text) for text in (inputs.null_text, inputs.text)]
    sounds = [torch.zeros_like(inputs.sound), inputs.sound]

    def velocity(latents: Tensor, timestep: Tensor, given: bool) -> Tensor:
        led = torch.cat([inputs.reference, latents], dim=2)
        made: Tensor = run(
            other,
            led,
            timestep,
            texts[given],
            sounds[given],
            inputs.motion,
            None,
            drop_motion_frames=False,
        )
        return made[:, :, -LATENTS[0] :]

    return velocity


def _padded(text: Tensor) -> Tensor:
    return F.pad(text, (0, 0, 0, TEXT_TOKENS - text.shape[1]))


def _diffsynth(state: Mapping[str, Tensor]) -> tuple[Any, torch.nn.Module]:
    """`model_fn_wans2v` and the model that it runs."""
    spec = find_spec("diffsynth")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    home = Path(spec.submodule_search_locations[0])
    for folder in ("", "core", "models"):  # their __init__ modules want all that it can do
        module = types.ModuleType(f"diffsynth.{folder}".rstrip("."))
        module.__path__ = [str(home / folder)]
        sys.modules[module.__name__] = module
    s2v, dit, gradient = (
        importlib.import_module(f"diffsynth.{name}")
        for name in ("models.wan_video_dit_s2v", "models.wan_video_dit", "core.gradient")
    )
    other = s2v.WanS2VModel(
        **{"dim": DIM, "in_dim": 16, "ffn_dim": FFN, "out_dim": 16, "text_dim": 4096},
        **{"freq_dim": 256, "eps": 1e-6, "patch_size": (1, 2, 2), "num_heads": HEADS},
        **{"num_layers": LAYERS, "cond_dim": 16, "audio_dim": 1024, "num_audio_token": 4},
        audio_inject_layers=list(INJECTED),
    )
    other.load_state_dict({official_name(name, INJECTED): t for name, t in state.items()})
    names = {
        "torch": torch,
        "rope_precompute": s2v.rope_precompute,
        "sinusoidal_embedding_1d": dit.sinusoidal_embedding_1d,
        "gradient_checkpoint_forward": gradient.gradient_checkpoint_forward,
    }
    return _function(home / "pipelines/wan_video.py", "model_fn_wans2v", names), other.eval()


def _function(path: Path, name: str, names: dict[str, Any]) -> Any:
    """One function of a module, without what the module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[ast.stmt] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    exec(compile(ast.Module(found, []), str(path), "exec"), names)
    return names[name]


if __name__ == "__main__":
    main()
