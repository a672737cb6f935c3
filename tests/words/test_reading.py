"""Files of lyrics and captions, as they are found in the wild."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundreel.errors import InputError
from soundreel.events import RunControl
from soundreel.types import AudioClip
from soundreel.types.words import Cue
from soundreel.words.reading import ass, lrc, subtitles
from soundreel.words.reading.drafts import (
    LONGEST_S,
    LONGEST_WORD_S,
    Draft,
    Place,
    settled,
    trimmed,
)
from soundreel.words.reading.files import MOST_BYTES, read_cues

A_DAY = AudioClip(Path("none.wav"), Fraction(0), Fraction(100 * 3600), Fraction(0), 0, channels=0)
Read = Callable[..., tuple[Cue, ...]]

LRC = """\
[ar:Somebody]
[ti:Something: a song]
[Chorus]
[00:10.00]Hello there
[00:12.00][1:12.00] F: Again <00:12.50>and <00:13.00> again <00:14.00>

[00:20.00]
[00:25:50]M:A colon before the hundredths
"""
SRT = """\
1
00:00:01.000 --> 00:00:02,000 X1:100 X2:200 Y1:1 Y2:2
<i>Hello</i> <font color='red'>you</font>
{\\an8}up there


00:00:02,500 -> 0:00:03
no number before, none after
3
00:00:04,000 -->00:00:05,000
1984

4

00:00:06,000 --> 00:00:08,000
I <3 you --> always

Like this

5
00:00:07,000 --> 00:00:09,000
too early
"""
VTT = """\
WEBVTT - a title
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0

STYLE
::cue { color: red }

NOTE two
lines

intro
00:01.000 --> 00:04.000 align:start position:10%
<v.loud Anna>Never <00:00:02.000><c.blue>drink</c> <00:02.500>liquid &amp; nitrogen
now, <ruby>漢<rt>かん</rt></ruby>

99:00:00.000 --> 99:00:01.000
far
"""
ASS = """\
[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,said to nobody
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}, shown\\hhere
Dialogue: 1,0:00:05.00,0:00:06.00,Shade,,0,0,0,,{\\pos(1,2)}, shown\\hhere
Dialogue: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,,{\\k50}Ne{\\k30}ver \
{\\kf100\\b1}drink\\Nmore, {\\ko20}and
Dialogue: 0,0:00:07.00,0:00:07.00,Default,,0,0,0,,never seen
"""
AEGISUB = """\
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:01.00,0:00:03.00,Default,,0,0,0,karaoke,{\\k100}sing {\\k100}it
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,fx,{\\t(0,9,\\fscx200)}sing
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,fx,it
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(text: str, name: str = "words.txt", encoding: str = "utf-8") -> tuple[Cue, ...]:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return read_cues(path, A_DAY, None, RunControl())

    return read_text


def shown(cues: tuple[Cue, ...]) -> list[tuple[float, float, str]]:
    return [(float(cue.start), float(cue.end), cue.text) for cue in cues]


def sung(cue: Cue) -> list[tuple[str, float, float]]:
    return [(word.text, float(word.start), float(word.end)) for word in cue.words]


def test_lrc(read: Read) -> None:
    cues = read(LRC)
    assert shown(cues) == [
        (10, 12, "Hello there"),
        (12, 14, "Again and again"),
        (25.5, 25.5 + LONGEST_S, "A colon before the hundredths"),
        (72, 74, "Again and again"),
    ]
    assert sung(cues[1]) == [("Again ", 12, 12.5), ("and ", 12.5, 13), ("again", 13, 14)]
    assert sung(cues[3]) == [(text, at + 60, to + 60) for text, at, to in sung(cues[1])]


def test_a_line_of_lrc_without_words_ends_the_one_before(read: Read) -> None:
    assert shown(read("[00:01.00]one\n[00:02.00]\n[00:05.00]two\n[00:06]"))[0] == (1, 2, "one")


def test_an_offset_of_lrc_shows_the_words_earlier(read: Read) -> None:
    assert shown(read("[00:02.00]a <00:03.00>b\n[00:04]\n[offset:+1500]")) == [(0.5, 2.5, "a b")]
    assert shown(read("[offset: -500]\n[00:00.10]a\n[00:01.00]")) == [(0.6, 1.5, "a")]


def test_the_last_word_is_sung_no_longer_than_a_word(read: Read) -> None:
    [cue] = read("[00:10.00]<00:10.00>one <00:11.00>two")
    assert sung(cue)[1] == ("two", 11, 11 + LONGEST_WORD_S)
    assert cue.end == 10 + LONGEST_S


def test_srt(read: Read) -> None:
    assert shown(read("\ufeff" + SRT)) == [
        (1, 2, "Hello you\nup there"),
        (2.5, 3, "no number before, none after"),
        (4, 5, "1984"),
        (6, 7, "I <3 you --> always\nLike this"),
        (7, 9, "too early"),
    ]


def test_vtt(read: Read) -> None:
    first, last = read(VTT)
    assert shown((first,)) == [(1, 4, first.text)]
    assert first.text == "Never drink liquid & nitrogen\nnow, 漢"
    assert sung(first) == [
        ("Never ", 1, 2),
        ("drink ", 2, 2.5),
        ("liquid & nitrogen\nnow, 漢", 2.5, 4),
    ]
    assert last.start == 99 * 3600


def test_ass(read: Read) -> None:
    first, second = read(ASS)
    assert sung(first) == [
        ("Ne", 1, 1.5),
        ("ver ", 1.5, 1.8),
        ("drink\nmore, ", 1.8, 2.8),
        ("and", 2.8, 3),
    ]
    assert shown((second,)) == [(5, 6, ", shown\u00a0here")]


def test_of_a_karaoke_template_the_lines_are_read_that_it_was_applied_to(read: Read) -> None:
    [cue] = read(AEGISUB)
    assert sung(cue) == [("sing ", 1, 2), ("it", 2, 3)]


def test_lines_that_start_together_are_one_cue(read: Read) -> None:
    [cue] = read("[00:01.00]Bonjour\n[00:01.00]<00:01.00>Good <00:02.00>day\n[00:03.00]")
    assert cue.text == "Bonjour\nGood day"
    assert sung(cue) == [("Bonjour\n", 1, 3), ("Good ", 1, 2), ("day", 2, 3)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.lrc", "[00:01.25]one\n[00:02.50][00:07.00]two\n[00:04.00]three\n"),
        ("a.srt", "1\n00:00:01,250 --> 00:00:02,500\none\n\n2\n01:00:03,001 --> 01:00:04,000\ntwo"),
        ("a.vtt", "WEBVTT\n\n00:01.250 --> 00:02.500\none\n\n01:00:03.001 --> 01:00:04.000\ntwo"),
    ],
)  # fmt: skip
def test_times_are_those_that_ffmpeg_reads(
    read: Read, tmp_path: Path, name: str, text: str
) -> None:
    cues = read(text, name)
    with av.open(str(tmp_path / name)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        starts = [packet.pts * packet.time_base for packet in packets]  # type: ignore[operator]
        said = [bytes(packet).decode().strip() for packet in packets]
    assert [(cue.start, cue.text) for cue in cues] == list(zip(starts, said, strict=True))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_that_say_what_they_are(read: Read, encoding: str) -> None:
    mark = "\ufeff" if encoding.startswith("utf-16-") else ""
    [cue] = read(f"{mark}[00:01.00]žluťoučký 馬\n[00:02.00]", encoding=encoding)
    assert cue.text == "žluťoučký 馬"


def test_the_format_is_told_by_the_content(read: Read) -> None:
    assert shown(read(SRT, "song.lrc")) == shown(read(SRT, "song.srt"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[00:01.00]one\nand two", "line 2: 'and two' has no time"),
        ("[00:01.00]a\n[00:61.00]b", "line 2: '00:61.00' is not a time"),
        ("[00:01.00]a <00:09.00>b <00:05.00>c", "line 1: a word begins at 5.00 s, before"),
        ("[offset:x]\n[00:01.00]a", "line 1: the offset is 'x'"),
        ("1\n00:00:01 --> 00:00:01\na", "line 2: the cue ends at 00:00:01, no later"),
        ("hm\n1\n00:00:01 --> 00:00:02\na", "line 1: 'hm' stands before the first line of times"),
        ("1\n00:00:01 --> 00:00:02\na\n\n00:00:03 --> what\nb", "line 5: '00:00:03 --> what' is"),
        ("1\n00:59:01,0 --> 1:00:62,0\na", "line 2: '1:00:62,0' is not a time"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nb", "line 6: 'b' stands outside of a cue"),
        ("WEBVTT\n\nx\n--> 00:02.000\na", "line 4: '--> 00:02.000' is not a line of two times"),
        ("[Events]\nFormat: Start, End\n", "line 2: the fields are 'Start, End'"),
        ("[Events]\nDialogue: 0,0:00:01.00", "line 2: 2 fields, and an event has 10"),
        ("[Events]\nDialogue: 0,soon,0:00:01.00,,,,,,,x", "line 2: 'soon' is not a time"),
        ("[00:01.00]\n[00:02.00]", "there are no words in words.txt"),
        ("WEBVTT\n", "there are no words in words.txt"),
        (f"[00:01.00]{'a' * 1001}", "line 1: a cue of 1001 characters"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(read: Read, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[00:01.00]a\n[00:02.00]caf\xe9", "the byte 0xE9 in line 2 is not UTF-8 text"),
        ("[00:01.00]a".encode("utf-16-le"), "holds a zero byte in line 1"),
        (b"\xff\xfe\x00", "is not UTF-16-LE text"),
        (b"PK\3\4 and more", "is a ZIP archive, as .docx and .odt are"),
        (b"RIFF\0\0\0\0WAVEfmt ", "is a sound (WAV)"),
        (b"\0\0\0\x18ftypmp42", "is a film or a sound (MP4)"),
        (b"", "is empty"),
        (b" " * (MOST_BYTES + 1), "is too large"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "song.lrc"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_cues(path, A_DAY, None, RunControl())
    assert said in caught.value.message
    assert caught.value.hint


def test_a_segment_keeps_what_is_shown_in_it(read: Read) -> None:
    cues = read("[00:01.00]a\n[00:02.00]b <00:03.00>c\n[00:04.00]d\n[00:05.00]e")
    kept = trimmed(cues, Fraction(7, 2), Fraction(5))
    assert shown(kept) == [(3.5, 4, "b c"), (4, 5, "d")]
    assert sung(kept[0]) == [("b ", 3.5, 3.5), ("c", 3.5, 4)]


LINES = st.one_of(
    st.sampled_from(
        [line for text in (LRC, SRT, VTT, ASS, AEGISUB) for line in text.splitlines()]
        + ["", "[00:0", "[offset:99999999999]", "<00:01.00>", "{\\k99999}", "-->", "9:9 --> 9:8"]
    ),
    st.text(alphabet="[]<>{}\\:.,-0123456789kKpN \u2028\u0663é", max_size=30),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=8).map("\n".join))
def test_whatever_stands_there_is_read_or_refused(text: str) -> None:
    for reader in (subtitles.read_vtt, subtitles.read_srt, ass.read, lrc.read):
        try:
            cues = settled(reader(text, "file"))
        except InputError:
            continue
        for before, after in pairwise(cues):
            assert before.end <= after.start
        for cue in cues:
            assert 0 <= cue.start < cue.end
            assert cue.text == cue.text.strip(" \n")
            assert "".join(word.text for word in cue.words) in ("", cue.text)
            assert all(cue.start <= word.start <= word.end <= cue.end for word in cue.words)


def test_a_draft_without_end_stands_until_the_next_at_most_so_long() -> None:
    place = Place("file", 1)
    drafts = [Draft(Fraction(at), None, "a", place) for at in (0, 3, 60)]
    assert [cue.end - cue.start for cue in settled(drafts)] == [3, LONGEST_S, LONGEST_S]
