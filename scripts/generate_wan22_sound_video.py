"""Sound to video with Wan 2.2 S2V, with the options that this command always had.

A thin shim over `soundreel generate`: it uses the ComfyUI engine when its server answers, else
what `--engine auto` picks, and says so. 77 frames unless a duration is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

_VENV_PYTHON = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"
_CLASSIC_FRAMES = "77"


def main(argv: list[str]) -> int:
    from soundreel.cli.app import run

    given = vars(_parser().parse_args(argv))
    audio = str(given.pop("audio"))
    options = [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value]
    if not given["frames"] and not given["audio_duration"]:
        options.append(f"--frames={_CLASSIC_FRAMES}")
    return run(["generate", f"--engine={_choose_engine(given['url'])}", *options, "--", audio])


def _choose_engine(url: str | None) -> str:
    from soundreel.errors import InputError

    try:
        answers = _server_answers(url)
    except InputError:
        return "comfyui"  # which says what is wrong with the address
    if answers:
        print("a ComfyUI server answers: engine comfyui", file=sys.stderr)
        return "comfyui"
    print("no ComfyUI server answers: taking the best engine that can run here", file=sys.stderr)
    return "auto"


def _server_answers(url: str | None) -> bool:
    from soundreel.config import load_settings
    from soundreel.engines.comfyui.client.address import parse_servers
    from soundreel.engines.comfyui.client.server import ComfyClient
    from soundreel.errors import EngineError

    settings = load_settings({"url": url})
    for address in parse_servers(settings.url, settings.token):
        try:
            with ComfyClient(address, connect_timeout=1.0) as client:
                client.system_stats()
                return True
        except EngineError:
            continue
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("audio", help="the sound: any audio or video file")
    parser.add_argument("--ref-image", help="reference image: who or what is seen")
    parser.add_argument("--frames", help=f"pictures ({_CLASSIC_FRAMES} unless a duration is given)")
    parser.add_argument("--audio-start", help="where to start, e.g. 90.5 or 1:30.5")
    parser.add_argument("--audio-duration", help="how long")
    parser.add_argument("--width", default="832")
    parser.add_argument("--height", default="1216")
    parser.add_argument("--positive", help="what the picture shows")
    parser.add_argument("--negative", help="what it must not show")
    parser.add_argument("--settings", default="s2v", help="short word in the file name")
    parser.add_argument("--interpolate", choices=("film", "flow", "none"), default="none")
    parser.add_argument("--crf", default="18", help="quality, 0 (lossless) to 51")
    parser.add_argument("--timeout", help="stop the job after so many seconds")
    parser.add_argument("--url", help="the ComfyUI server")
    return parser


if __name__ == "__main__":
    try:
        import soundreel  # noqa: F401
    except ImportError:  # run from a clone with another Python: take the one that was set up
        if not _VENV_PYTHON.exists():
            sys.exit("soundreel is not set up yet: run `make demo` in the clone first")
        os.execv(_VENV_PYTHON, [str(_VENV_PYTHON), __file__, *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
