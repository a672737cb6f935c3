"""The core names options as Python does; the command line spells them as flags, and only it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

import soundreel
from soundreel import registry
from soundreel.cli.flags.engine_options import engine_parameters
from soundreel.cli.terminal.spelling import spell
from soundreel.config import Settings
from soundreel.engines.wan22_i2v_options import ImageSamplingOptions
from soundreel.errors import mention
from soundreel.options.image_table import IMAGE_OPTIONS
from soundreel.options.table import REQUEST_OPTIONS

SOURCE = Path(soundreel.__file__).parent
OF_OTHERS = {"--max-upload-size", "--lowvram", "--upgrade"}
"""Flags of ComfyUI and of pip."""
OF_GENERATE = {
    *("overwrite", "keep_job", "config", "to", "revision", "options", "encoding"),
    *("access_key", "log_file", "open", "port", "report"),
    *("shot", "chunk", "takes", "faces", "size"),
}
"""Parameters of functions, which the command line has as flags."""


@pytest.mark.parametrize(
    ("core", "shown"),
    [
        (mention("fps"), "--fps"),
        (mention("url", "token"), "--url --token"),
        (mention(width=832, height=1216), "--size 832x1216"),
        (mention("width", "height"), "--size"),
        (mention(width=832), "--width 832"),
        (mention(tag="a b"), "--settings 'a b'"),
        (mention(num_frames=77), "--frames 77"),
        (mention(prompt="it's `so`, x=1"), """--prompt 'it'"'"'s '"'"'so'"'"', x=1'"""),
        (mention(overwrite=True), "--overwrite"),
        (mention(flow_shift=-1), "--flow-shift -1"),
        (mention(fps=Fraction(30000, 1001)), "--fps 30000/1001"),
        (mention(output=Path("a.mp4")), "--output a.mp4"),
        (mention(lora=("a:0.8", "b")), "--lora a:0.8,b"),
        (mention(audio="x.wav"), "AUDIO x.wav"),
        (mention(image="C:\\it's.png"), """--image 'C:\\it'"'"'s.png'"""),
        (mention(tag="\x1b[2J\n\u202e\ud800"), r"--settings '\x1b[2J\n\u202e\ud800'"),
        ("leave `fps=` out, try `engine='wan'`.", "leave --fps out, try --engine wan."),
        ("it said `model` and `x = 1` and `(`=`", "it said `model` and `x = 1` and `(`=`"),
    ],
)  # fmt: skip
def test_what_the_core_mentions_is_spelled_as_flags(core: str, shown: str) -> None:
    assert spell(core) == shown


def test_a_mention_is_short_and_on_one_line() -> None:
    text = mention(prompt="long\n" * 1000, seed=10**5000, image=b"\x00" * 1000)
    assert len(text) < 200
    assert "\n" not in text
    assert text.count("`") == 2


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module that is not a docstring, with its line; parts of f-strings too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in said:
            yield node.lineno, node.value


def modules() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if SOURCE / "cli" not in path.parents]


def test_only_the_command_line_spells_flags() -> None:
    flags = [
        f"{path.relative_to(SOURCE)}:{line}: {flag}"
        for path in modules()
        for line, text in texts(path)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)
        if flag not in OF_OTHERS
    ]
    assert not flags


def test_only_options_that_exist_are_mentioned() -> None:
    rows = (*REQUEST_OPTIONS, *IMAGE_OPTIONS)
    known = {path.rpartition(".")[2] for row in rows for path in row.fields}
    known |= {*Settings.model_fields, *ImageSamplingOptions.model_fields}
    for kind in registry.ENTRY_POINT_GROUPS:
        known |= {parameter.name for parameter in engine_parameters(kind)}
    wrong = [
        f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}: {name}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in mentioned(node)
        if name not in known | OF_GENERATE
    ]
    assert not wrong


def mentioned(node: ast.AST) -> list[str]:
    """The names in a call of `mention` or `InputError.about`, as far as they stand in the code."""
    if not isinstance(node, ast.Call):
        return []
    called = ast.unparse(node.func)
    if called == "mention":
        names = [word.value for word in node.args if isinstance(word, ast.Constant)]
        return [str(name) for name in names] + [word.arg for word in node.keywords if word.arg]
    if called == "InputError.about" and isinstance(node.args[0], ast.Dict):
        keys = [key.value for key in node.args[0].keys if isinstance(key, ast.Constant)]
        return [str(key).rpartition(".")[2] for key in keys]
    return []
