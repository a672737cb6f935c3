"""One table of options: each field of a request has its row, which reads what people write."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest

from soundreel.errors import InputError, mention
from soundreel.options.table import REQUEST_OPTIONS, read_field
from soundreel.types import Encoding, Request, with_values

ROWS = [row for row in REQUEST_OPTIONS if len(row.fields) == 1]


def test_every_field_of_a_request_stands_in_the_table_once() -> None:
    own = {each.name for each in fields(Request)} - {"encoding", "options"}
    nested = {f"encoding.{each.name}" for each in fields(Encoding)}
    assert sorted(row.fields[0] for row in ROWS) == sorted(own | nested)


def test_no_name_is_given_twice() -> None:
    names = [name for row in REQUEST_OPTIONS for name in row.names]
    assert len(names) == len(set(names))


def test_the_shown_defaults_are_the_defaults() -> None:
    request = Request(audio=Path("a.wav"))
    for row in ROWS:
        if row.default and not row.optional:
            owner = request.encoding if "." in row.fields[0] else request
            assert row.read(row.default) == getattr(owner, row.fields[0].rpartition(".")[2])
    [size] = [row for row in REQUEST_OPTIONS if len(row.fields) == 2]
    assert size.read(size.default) == (request.width, request.height)


@pytest.mark.parametrize(
    ("path", "written", "value"),
    [
        ("start", "1:30.5", Fraction(181, 2)),
        ("start", "181/2", Fraction(181, 2)),
        ("duration", 10.1, Fraction(101, 10)),
        ("duration", None, None),
        ("fps", "30000/1001", Fraction(30000, 1001)),
        ("fps", 16, Fraction(16)),
        ("num_frames", "77", 77),
        ("width", 832.0, 832),
        ("seed", str(2**64 - 1), 2**64 - 1),
        ("image", "a.png", Path("a.png")),
        ("allow_truncated", True, True),
        ("prompt", "", ""),
    ],
)
def test_values_are_read_from_text_and_from_numbers(
    path: str, written: object, value: object
) -> None:
    assert read_field(path, written) == value


@pytest.mark.parametrize(
    ("path", "written"),
    [
        *(("audio", value) for value in (None, 3, b"a.wav", "", " ", "a\0b", ["a.wav"])),
        *(("start", value) for value in (True, -1, "-1", float("nan"), 10**5000, [1], "1:75")),
        *(("duration", value) for value in (0, float("inf"), "1/0", b"5", 1j)),
        *(("fps", value) for value in (0, 241, "2e1", "1/0", "1.00000001", True)),
        *(("num_frames", value) for value in (0, 1.5, True, "seven", 10**5000 * -1)),
        *(("width", value) for value in (15, 17, 5000, "big", None)),
        *(("seed", value) for value in (-2, 2**64, "9" * 5000)),
        *(("prompt", value) for value in (None, 3, b"x", "\ud800")),
        *(("tag", value) for value in ("", "a/b", "a b", "a" * 41, "\ud800", 7)),
        *(("allow_truncated", value) for value in ("yes", 1, None)),
        *(("encoding.crf", value) for value in (-1, 52, "x")),
        *(("encoding.preset", value) for value in ("warp", 1, None)),
        *(("encoding.audio_codec", value) for value in ("mp3", "AAC", 1, None)),
        *(("encoding.audio_bitrate", value) for value in ("192", "fast", "5M", True, 64000.5)),
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, int) else "number",
)
def test_a_value_that_does_not_fit_is_named_by_its_field(path: str, written: object) -> None:
    with pytest.raises(InputError) as caught:
        read_field(path, written)
    assert list(caught.value.fields) == [path]
    assert caught.value.rule
    assert caught.value.message.startswith(f"`{path.rpartition('.')[2]}=")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("options", [3, None, ["a"], {1: 2}, {"a": object()}, {"a": [[[[[1]]]]]}])
def test_options_of_an_engine_are_plain_values(options: object) -> None:
    with pytest.raises(InputError, match=r"`(options|a)="):
        Request(audio=Path("a.wav"), options=options)  # type: ignore[arg-type]


def test_values_by_their_paths_change_a_request() -> None:
    request = Request(audio=Path("a.wav"))
    changed = with_values(request, {"width": "64", "encoding.crf": 20})
    assert changed == Request(audio=Path("a.wav"), width=64, encoding=Encoding(crf=20))
    with pytest.raises(InputError, match="crf=99"):
        with_values(request, {"encoding.crf": 99})


def test_a_secret_option_is_mentioned_without_its_value() -> None:
    assert InputError(f"set {mention('token')}").message == "set `token=`"
    assert "hidden-word" not in InputError(mention(token="hidden-word")).message
