"""Server addresses: every form that --url takes, and no credentials in anything that is shown."""

from __future__ import annotations

import base64
import logging
import shutil
import ssl
import subprocess
import traceback
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr

from comfyui.conftest import Log, short_graph, sweep, wav_bytes
from comfyui.fake.server import FakeComfyUI
from soundreel.engines.comfyui.client.results import Step
from soundreel.engines.comfyui.client.server import ComfyClient
from soundreel.engines.comfyui.client.wire.address import parse_server, parse_servers
from soundreel.errors import EngineUnavailable, InputError
from soundreel.safe.secrets import redacted


@pytest.mark.parametrize(
    ("given", "url", "socket"),
    [
        ("gpu:8188", "http://gpu:8188", "ws://gpu:8188"),
        ("http://gpu:8188/", "http://gpu:8188", "ws://gpu:8188"),
        ("https://host/comfy/", "https://host/comfy", "wss://host/comfy"),
        ("https://me:s3cret@host", "https://host", "wss://host"),
        ("http://[::1]:8188", "http://[::1]:8188", "ws://[::1]:8188"),
    ],
)
def test_address_forms(given: str, url: str, socket: str) -> None:
    address = parse_server(given)
    assert (str(address), address.socket_url) == (url, socket)


def test_several_servers_are_separated_by_commas() -> None:
    assert [str(a) for a in parse_servers("a:1, https://b/x,")] == ["http://a:1", "https://b/x"]


@pytest.mark.parametrize("bad", ["", " , ", "ftp://host", "http://", "http://host:port"])
def test_a_bad_address_is_an_input_error(bad: str) -> None:
    with pytest.raises(InputError):
        parse_servers(bad)


def test_a_bad_port_does_not_repeat_the_password() -> None:
    with pytest.raises(InputError) as caught:
        parse_server("http://me:s3cret@host:many")
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize(
    "password",
    ["s3cret/x", "s3cret#x", "s3cret?x", "12/s3cret", "s3cret x", "s3cret\nx", "s3cret\u2100x",
     "[s3cret", "s3cret]", "s3cret,x", "12,s3cret", "s3cret\udcff"],
)  # fmt: skip
def test_a_password_that_breaks_the_address_is_refused_unseen(password: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_servers(f"http://me:{password}@host:8188")
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert "s3cret" not in shown


def test_a_password_may_hold_what_is_percent_encoded() -> None:
    [address] = parse_servers("http://me:a%2Fb%23c%3Fd%40e%2Cf@host")
    assert str(address) == "http://host"
    pair = base64.b64encode(b"me:a/b#c?d@e,f").decode()
    assert address.headers() == {"Authorization": f"Basic {pair}"}
    assert "a/b#c?d@e,f" not in redacted("it says a/b#c?d@e,f")


def test_password_goes_before_token() -> None:
    token = SecretStr("t0ken")
    assert parse_server("http://host", token).headers() == {"Authorization": "Bearer t0ken"}
    assert parse_server("http://a%40b:c@host", token).headers() == {
        "Authorization": "Basic YUBiOmM="
    }


def test_credentials_reach_the_server_and_nothing_else(
    caplog: pytest.LogCaptureFixture, log: Log
) -> None:
    caplog.set_level(logging.DEBUG)
    steps: list[Step] = []
    with FakeComfyUI(authorization="Bearer t0ken", prefix="/comfy") as server:
        address = parse_server(server.url, SecretStr("t0ken"))
        with ComfyClient(address, poll_seconds=0.05) as client:
            name = client.upload(wav_bytes(sweep(1)), ".wav", log.control)
            client.run_and_fetch(
                short_graph(name),
                log.control,
                wanted=["10"],
                on_progress=lambda p: steps.append(p) if isinstance(p, Step) else None,
            )
        assert server.authorizations == {"Bearer t0ken"}
    assert len(steps) == 2, "the socket lives under the same prefix"
    shown = caplog.text + log.notices + repr(address) + str(address)
    assert "t0ken" not in shown


def test_a_server_on_this_machine_is_asked_without_a_proxy(
    server: FakeComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with ComfyClient(parse_server(server.url)) as client:
        assert client.system_stats().version


def make_certificate(certificate: Path, key: Path, name: str) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    subprocess.run(
        [*command.split(), f"subjectAltName={name}", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_https_and_its_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(certificate, key, "IP:127.0.0.1")
    seen: list[Step] = []
    with FakeComfyUI(certificate=(certificate, key)) as server:
        address = parse_server(server.url)
        with ComfyClient(address) as client, pytest.raises(EngineUnavailable, match="not trusted"):
            client.system_stats()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with ComfyClient(address, poll_seconds=0.05) as client:
            name = client.upload(wav_bytes(sweep(1)), ".wav", log.control)
            client.run_and_fetch(
                short_graph(name),
                log.control,
                wanted=["10"],
                on_progress=lambda p: seen.append(p) if isinstance(p, Step) else None,
            )
    assert len(seen) == 2


def test_certificates_are_read_once_for_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", "/nothing")
    read, reading = list[ssl.SSLContext](), httpx.create_ssl_context

    def counted() -> ssl.SSLContext:
        read.append(reading())
        return read[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", counted)
    for port in (8188, 8189):
        with ComfyClient(parse_server(f"http://127.0.0.1:{port}")):
            pass
    assert len(read) == 1


@pytest.mark.parametrize("token", [None, SecretStr("wr0ng")])
def test_a_stranger_is_told_how_to_get_in(token: SecretStr | None) -> None:
    with FakeComfyUI(authorization="Bearer t0ken") as server:
        client = ComfyClient(parse_server(server.url, token))
        with client, pytest.raises(EngineUnavailable) as caught:
            client.system_stats()
    assert "SOUNDREEL_TOKEN" in caught.value.hint
    assert "wr0ng" not in str(caught.value)


def test_no_server_is_said_within_the_connect_timeout() -> None:
    client = ComfyClient(parse_server("http://127.0.0.1:9"), connect_timeout=1.0)
    with client, pytest.raises(EngineUnavailable, match=r"no answer from http://127\.0\.0\.1:9"):
        client.system_stats()


def test_another_kind_of_server_is_recognised(server: FakeComfyUI) -> None:
    stray = ComfyClient(parse_server(f"{server.url}/elsewhere"))
    with stray, pytest.raises(EngineUnavailable, match="404 at /elsewhere/object_info"):
        stray.object_info()


@pytest.mark.parametrize("page", ["<html>hello</html>", "[]", ""])
def test_a_web_page_is_not_taken_for_a_server(monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    async def answer(self: FakeComfyUI, request: web.Request) -> web.Response:
        return web.Response(text=page)

    monkeypatch.setattr(FakeComfyUI, "_get_stats", answer)
    with (
        FakeComfyUI() as server,
        ComfyClient(parse_server(server.url)) as stray,
        pytest.raises(EngineUnavailable, match="does not answer like ComfyUI"),
    ):
        stray.system_stats()


def refusal(url: str) -> tuple[str, str]:
    """What a person is told of this address."""
    with ComfyClient(parse_server(url)) as client, pytest.raises(EngineUnavailable) as caught:
        client.system_stats()
    return caught.value.message, caught.value.hint


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_trouble_with_certificates_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(certificate, key, "DNS:elsewhere")
    with FakeComfyUI(certificate=(certificate, key)) as server:
        message, hint = refusal(server.url)
        assert "is not trusted: self-signed certificate" in message
        assert "set SSL_CERT_FILE to that file" in hint
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert "a name that the certificate is for" in refusal(server.url)[1]
        message, hint = refusal(server.url.replace("https", "http"))
        assert "it closes the connection" in message
        assert f"url='{server.url}'" in hint


def test_http_where_https_is_asked_for(server: FakeComfyUI) -> None:
    message, hint = refusal(server.url.replace("http", "https"))
    assert message.endswith("does not speak https")
    assert f"url='{server.url}'" in hint


def test_a_wrong_path_is_answered_with_the_address_without_it(server: FakeComfyUI) -> None:
    message, hint = refusal(f"{server.url}/comfy")
    assert "does not answer like ComfyUI: 404 at /comfy/system_stats" in message
    assert f"is the path /comfy right? try `url='{server.url}'`" in hint


def test_a_dead_address_is_one_short_line() -> None:
    message, _ = refusal("http://127.0.0.1:9")
    assert message == "no answer from http://127.0.0.1:9 (connection refused)"
    assert "(no such host)" in refusal("http://no.such.host.invalid")[0]
