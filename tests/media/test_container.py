"""The one door to a media file: only that file is read, and what is wrong with it is said well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from media_factory import sine, write_audio
from soundreel.audio.load import probe
from soundreel.errors import InputError, WorkError
from soundreel.media.container import open_media
from soundreel.media.formats import WITHIN_ONE_FILE
from soundreel.video.reader import probe_video

NO_FILE = 1
"""AVFMT_NOFILE: the format's reader opens what it wants by itself."""

LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{name}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {name}\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4">'
    '<Representation id="a" bandwidth="1"><BaseURL>{name}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio 5004 RTP/AVP 0\n",
    "index beside its data": "# VobSub index file, v7 (do not modify this line!)\n",
}
ASK = """
import sys
from pathlib import Path
from soundreel.audio.load import probe
from soundreel.errors import InputError
from soundreel.video.reader import probe_video
for ask in (probe, probe_video):
    try:
        ask(Path(sys.argv[1]))
        sys.exit(9)
    except InputError as err:
        print(err.message)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("ending", ["mp4", "wav", "own"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused_and_what_it_names_is_never_opened(
    tmp_path: Path, kind: str, ending: str
) -> None:
    """Whoever opened the pipe that it names would wait for ever."""
    own = {"hls": "m3u8", "concat": "ffconcat", "dash": "mpd", "sdp": "sdp"}.get(kind, "idx")
    path = tmp_path / f"a.{own if ending == 'own' else ending}"
    os.mkfifo(tmp_path / "pipe.wav")
    os.mkfifo(tmp_path / "a.sub")
    path.write_text(LISTS[kind].format(name="pipe.wav"))
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    if kind in ("hls", "concat", "dash", "sdp"):
        assert done.stdout.count("names other files") == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_as_a_video_too(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="not a regular file"):
        probe_video(tmp_path / "pipe.mp4")


def test_no_format_on_the_list_is_a_device_or_reads_by_name() -> None:
    for name in WITHIN_ONE_FILE & av.formats_available:
        assert not av.format.ContainerFormat(name, "r").flags & NO_FILE, name
    assert not WITHIN_ONE_FILE & {"hls", "concat", "dash", "image2", "imf", "sdp", "rtsp", "lavfi"}


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("-", "standard input is not read"),
        ("https://example.org/a.mp3", "is an address: download the sound first"),
        ("rtmp://example.org/live", "is an address: download the sound first"),
        ("missing.wav", "check the name"),
    ],
)
def test_what_is_no_file_gets_advice_that_fits(name: str, advice: str) -> None:
    with pytest.raises(InputError) as caught:
        probe(Path(name))
    assert advice in caught.value.message + caught.value.hint


def test_a_failure_inside_is_raised_as_the_caller_asked(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", sine(0.1))
    with pytest.raises(WorkError) as caught, open_media(path, WorkError, "do this"):
        raise av.InvalidDataError(1, "no sense in it")
    assert caught.value.hint == "do this"
    with pytest.raises(WorkError), open_media(tmp_path / "away.mp4", WorkError, "do this"):
        pass
