"""Nothing private is printed, wherever it stands and however it is written."""

from __future__ import annotations

import base64
import json
import time

import httpx
import pytest

from soundreel.errors import EngineUnavailable
from soundreel.events import Notice
from soundreel.safe import secrets
from soundreel.safe.secrets import is_secret_name, keep_environment_secret, keep_secret, redacted

PRIVATE = "s3cr3tValue"


@pytest.fixture(autouse=True)
def _own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_kept", {})


@pytest.mark.parametrize(
    "text",
    [
        f"no answer from http://me:{PRIVATE}@gpu:8188/prompt",
        f"no answer from https://me:pa/{PRIVATE}#?@gpu/comfy",
        f"two servers: http://a:{PRIVATE}@one,https://b:{PRIVATE}@two",
        f"ws://{PRIVATE}@gpu",
        f"url = 'me:{PRIVATE}@gpu:8188'",
        f"Authorization: Bearer {PRIVATE}",
        f"{{'authorization': 'Bearer {PRIVATE}', 'accept': '*/*'}}",
        f"[(b'Authorization', b'Basic {base64.b64encode(b'me:' + PRIVATE.encode()).decode()}')]",
        f"the proxy says: bearer {PRIVATE} is unknown",
        f"Set-Cookie: session={PRIVATE}; HttpOnly",
        f"X-Api-Key: {PRIVATE}",
        f"GET /view?filename=a.png&token={PRIVATE}&type=temp",
        f"https://bucket/file?X-Amz-Signature={PRIVATE}&X-Amz-Credential={PRIVATE}",
        f"https://host/x?sig={PRIVATE}",
        f'{{"api_key": "{PRIVATE}", "size": 3}}',
        f"HF_TOKEN={PRIVATE} SOUNDREEL_TOKEN={PRIVATE}",
        f"aws_secret_access_key = '{PRIVATE} with spaces'",
        f'token = "{PRIVATE}"',
        "hf_abcdefgh12345678s3cr3tValue",
        "ghp_0123456789abcdefs3cr3tValue",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s3cr3tValue",
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n{PRIVATE}\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_secret_is_known_by_its_place_or_shape(text: str) -> None:
    shown = redacted(text)
    assert PRIVATE not in shown
    assert base64.b64encode(b"me:" + PRIVATE.encode()).decode() not in shown
    assert "***" in shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "no answer from http://127.0.0.1:8188: connection refused",
        "set the token (SOUNDREEL_TOKEN) or write user:password in --url",
        "a bearer token for them",
        "4 audio tokens: 5, num_tokens=77, 512 tokens",
        "needs authorization, see the docs",
        "basic settings and Basic ideas",
        "/home/me/song 12:30 @ home.wav: 3 s",
        r"C:\Users\me@work\song.wav",
        "SHA-256 c3355d30191f..., published is 2fc39d31359a...",
        "https://huggingface.co/Comfy-Org/Wan_2.2_ComfyUI_Repackaged",
        "monkey=1, turkey: 2, hockey = 3",
        "chunk 1/3: 80 frames at 16 fps",
    ],
)
def test_what_is_not_private_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "value", ['pa"ss\\word', "two words", "naïve-pässwort", "100%/#?&x", PRIVATE]
)
def test_what_was_declared_is_found_in_every_spelling(value: str) -> None:
    keep_secret(f" {value}\n")
    spellings = [
        value,
        httpx.URL("http://gpu/", params={"x": value}).query.decode(),
        httpx.URL("http://gpu", username="me", password=value).userinfo.decode(),
        json.dumps({"x": value}),
        json.dumps({"x": value}, ensure_ascii=False),
        repr([value, value.encode()]),
        base64.b64encode(value.encode()).decode(),
    ]
    for text in spellings:
        assert "***" in redacted(f"the server said {text}."), text
        assert value not in redacted(f"the server said {text}.")


def test_a_short_word_does_not_mask_every_text() -> None:
    keep_secret("a")
    keep_secret("")
    keep_secret(None)
    assert redacted("a sound of a file") == "a sound of a file"


def test_the_environments_secrets_are_declared_by_their_names() -> None:
    keep_environment_secret(
        {
            "HF_TOKEN": PRIVATE,
            "HOME": "/home/me",
            "AWS_SECRET_ACCESS_KEY": "qwertz12",
            "A_TOKEN": "true",
            "PWD": "/home/me/music",
            "OLDPWD": "/home/me/old-music",
        }
    )
    assert redacted(f"{PRIVATE} qwertz12 /home/me true") == "*** *** /home/me true"
    assert redacted("/home/me/music /home/me/old-music") == "/home/me/music /home/me/old-music"
    assert is_secret_name("RUNPOD_API_KEY")
    assert not is_secret_name("PATH")


def test_errors_and_events_hold_no_secret() -> None:
    error = EngineUnavailable(f"http://me:{PRIVATE}@gpu is away", hint=f"token={PRIVATE}")
    assert PRIVATE not in f"{error} {error!r} {error.message} {error.hint} {error.args}"
    assert PRIVATE not in repr(Notice(f"found http://me:{PRIVATE}@gpu"))


@pytest.mark.parametrize(
    "text",
    [
        *("x" * 300_000, "://" * 100_000, "http://" + "a" * 300_000, "a:" * 150_000),
        *("token " * 50_000, "-" * 300_000, "eyJ" * 100_000, "a-" * 150_000, "'" * 300_000),
        *("secret_" * 40_000, " " * 300_000, "authorization" * 20_000),
        "-----BEGIN PRIVATE KEY-----" * 10_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.process_time()
    redacted(text)
    assert time.process_time() - start < 5
