"""Each promise of safety by its name."""

from __future__ import annotations

import asyncio
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.web.asked.limits import Limits
from soundreel.web.http import guard
from soundreel.web.http.app import create_app
from soundreel.web.http.guard import COOKIE, Access, Rate, hosts_for
from soundreel.web.serve import checked_key
from soundreel.web.studio.service import Studio
from web.conftest import TINY, waiting_studio

KEY = "the-key-of-this-server"
HOME = "http://127.0.0.1"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    limits = Limits(upload_bytes=1 << 16, body_bytes=1 << 16)
    with waiting_studio(tmp_path_factory.mktemp("guarded"), limits) as studio:
        yield studio


def client_of(studio: Studio, key: str | None = None, **headers: str) -> TestClient:
    """Without its lifespan: nothing is started."""
    return TestClient(
        create_app(studio, Access(key)),
        base_url=HOME,
        headers=headers,
        raise_server_exceptions=False,
    )


@pytest.fixture(scope="module")
def client(studio: Studio) -> TestClient:
    return client_of(studio)


@pytest.fixture(scope="module")
def locked(studio: Studio) -> TestClient:
    return client_of(studio, KEY)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


class TestWhoMayComeIn:
    def test_another_host_than_loopback_needs_a_key_or_a_word(self) -> None:
        settings = Settings()
        for host in ("127.0.0.1", "::1", "localhost"):
            assert checked_key(host, None, settings, is_open=False) is None
        for host in ("0.0.0.0", "192.168.1.5", "::", "studio.example"):
            with pytest.raises(InputError, match="anybody there"):
                checked_key(host, None, settings, is_open=False)
            assert checked_key(host, None, settings, is_open=True) is None
            assert checked_key(host, KEY, settings, is_open=False) == KEY

    @pytest.mark.parametrize("key", ["short", "with a space in it", "non-ascii-käy-123"])
    def test_a_key_is_long_and_plain(self, key: str) -> None:
        with pytest.raises(InputError, match="at least 12"):
            checked_key("127.0.0.1", key, Settings(), is_open=False)

    def test_the_key_is_not_the_token_of_comfyui(self) -> None:
        settings = Settings(token=KEY)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="token") as caught:
            checked_key("127.0.0.1", KEY, settings, is_open=False)
        assert KEY not in str(caught.value)

    @pytest.mark.parametrize(
        "path",
        [
            *("/v1/videos", "/v1/uploads/x", "/v1/events", "/v1/options", "/metrics", "/docs"),
            *("/openapi.json", "/v1/videos/x/content", "/v1/uploads/x/content"),
        ],
    )
    def test_all_that_is_somebodys_asks_for_the_key(self, locked: TestClient, path: str) -> None:
        for headers in ({}, bearer("wrong"), {"cookie": f"{COOKIE}={KEY}"}):
            assert client_keys_left(locked)
            answer = locked.get(path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        assert locked.get("/v1/videos", headers=bearer(KEY)).status_code == 200
        assert locked.get("/health").status_code == 200

    def test_no_route_is_outside(self, studio: Studio, locked: TestClient) -> None:
        for path in create_app(studio, Access()).openapi()["paths"]:
            if path not in ("/health", "/v1/session"):
                assert locked.get(path.replace("{", "").replace("}", "")).status_code == 401, path

    def test_the_cookie_of_the_page(self, studio: Studio) -> None:
        client = client_of(studio, KEY)
        assert client.get("/v1/session").json()["admitted"] is False
        assert client.post("/v1/session", json={"access_key": "wrong"}).status_code == 401
        answer = client.post("/v1/session", json={"access_key": KEY})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert KEY not in cookie
        assert client.get("/v1/videos").status_code == 200
        client.delete("/v1/session")
        assert client.get("/v1/videos").status_code == 401

    def test_the_cookie_of_a_secure_page_is_secure(self, studio: Studio) -> None:
        app = create_app(studio, Access(KEY))
        client = TestClient(app, base_url="https://127.0.0.1")
        answer = client.post("/v1/session", json={"access_key": KEY})
        assert "Secure" in answer.headers["set-cookie"]

    def test_keys_are_compared_in_constant_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = []

        def compare(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

        monkeypatch.setattr(guard, "hmac", type("M", (), {"compare_digest": compare}))
        assert not Access(KEY).opens("wrong")
        assert Access(KEY).opens(KEY)
        assert compared == [(b"wrong", KEY.encode()), (KEY.encode(), KEY.encode())]

    def test_wrong_keys_are_few_and_then_the_right_one_waits_too(self, studio: Studio) -> None:
        client = client_of(studio, KEY)
        answers = [client.get("/v1/videos", headers=bearer("wrong")).status_code for _ in range(12)]
        assert answers[0] == 401
        assert answers[-1] == 429
        assert client.get("/v1/videos", headers=bearer(KEY)).status_code == 429
        assert client.post("/v1/session", json={"access_key": KEY}).status_code == 429


def client_keys_left(client: TestClient) -> bool:
    """The tests' own tries are not counted."""
    app: Any = client.app
    for middleware in app.user_middleware:
        wrong = middleware.kwargs.get("wrong_keys")
        if wrong is not None:
            wrong._left.clear()
    return True


class TestOtherSites:
    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "a:b:c", "["])
    def test_a_name_that_points_here_is_refused(self, client: TestClient, host: str) -> None:
        """DNS rebinding: the page's own name is in the Host header."""
        answer = client.get("/v1/videos", headers={"host": host})
        assert answer.status_code == 421

    @pytest.mark.parametrize(
        ("bound", "allowed", "host", "known"),
        [
            ("127.0.0.1", (), "localhost", True),
            ("127.0.0.1", (), "[::1]", True),
            ("0.0.0.0", (), "192.168.1.5", True),
            ("0.0.0.0", (), "studio.example", False),
            ("0.0.0.0", ("Studio.Example",), "studio.example", True),
            ("studio.example", (), "studio.example", True),
        ],
    )
    def test_hosts_that_are_known(
        self, studio: Studio, bound: str, allowed: tuple[str, ...], host: str, known: bool
    ) -> None:
        app = create_app(studio, Access(hosts=hosts_for(bound, allowed)))
        answer = TestClient(app, base_url=HOME).get("/health", headers={"host": f"{host}:7860"})
        assert (answer.status_code == 200) is known

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:1"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
    )
    def test_pages_of_other_sites_change_nothing(
        self, client: TestClient, headers: dict[str, str]
    ) -> None:
        """CSRF: the browser says whose page it is."""
        for method in ("POST", "DELETE"):
            answer = client.request(method, "/v1/videos/x", headers=headers)
            assert answer.status_code == 403, answer.text
        assert client.post("/v1/videos/x/cancel", headers={"origin": HOME}).status_code == 404

    def test_no_other_site_may_read(self, client: TestClient) -> None:
        answer = client.get("/v1/videos", headers={"origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]

    @pytest.mark.parametrize("path", ["/health", "/v1/videos", "/nothing", "/v1/videos/x", "/docs"])
    def test_headers_keep_the_page_in_its_frame(self, client: TestClient, path: str) -> None:
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


class TestTooMuch:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/v1/uploads", "application/octet-stream"),
            ("/v1/uploads", "multipart/form-data; boundary=x"),
            ("/v1/videos", "application/json"),
            ("/v1/videos", "multipart/form-data; boundary=x"),
        ],
    )
    def test_a_body_without_end_is_stopped_on_its_way(
        self, studio: Studio, path: str, kind: str
    ) -> None:
        taken, status = asyncio.run(endless(create_app(studio, Access()), path, kind))
        assert status == 413
        assert taken <= 2 * (studio.limits.upload_bytes + studio.limits.body_bytes)
        assert not list((studio.folder / "uploads").glob("*.part*"))

    def test_too_many_requests_wait(self, studio: Studio) -> None:
        few = Limits(requests_per_minute=20)
        app = create_app(studio, Access())
        guarded = guard.Guard(
            app, Access(), Rate(few.requests_per_minute), Rate(few.keys_per_minute)
        )
        client = TestClient(guarded, base_url=HOME)
        answers = [client.get("/health") for _ in range(10)]
        assert answers[0].status_code == 200
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        assert client.get("/").status_code == 200, "another tab of the page opens"

    def test_the_rate_refills_and_forgets(self) -> None:
        now = [0.0]
        rate = Rate(60, lambda: now[0])
        assert [rate.allows("a") for _ in range(17)].count(True) == 15
        assert rate.allows("b")
        now[0] = 2.0
        assert [rate.allows("a") for _ in range(3)].count(True) == 2
        for number in range(20_000):
            rate.allows(str(number))
        assert len(rate._left) <= 10_000

    def test_a_form_of_many_parts_is_refused(self, client: TestClient) -> None:
        files = {f"f{number}": (None, "x") for number in range(300)}
        assert client.post("/v1/videos", files=files).status_code == 400

    @pytest.mark.parametrize("text", ["[" * 20_000, "{" * 20_000, '{"a":' * 9_000])
    def test_nested_json_is_refused(self, client: TestClient, text: str) -> None:
        answer = client.post(
            "/v1/videos", content=text, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400


async def endless(app: Any, path: str, kind: str) -> tuple[int, int]:
    """Bytes that are taken of a body without end, and the status of the answer."""
    piece, taken, said = b"x" * 8192, 0, list[int]()
    begin = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    if "json" in kind:
        begin = b'{"prompt": "'

    async def receive() -> dict[str, Any]:
        nonlocal taken
        body = begin if not taken else piece
        taken += len(body)
        assert taken < 1 << 22, "nobody stops it"
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            said.append(message["status"])

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return taken, said[0]


class TestPathsAndNames:
    @pytest.mark.parametrize("key", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "x" * 5000])
    def test_ids_lead_nowhere_else(self, client: TestClient, key: str) -> None:
        for path in (f"/v1/videos/{key}/content", f"/v1/uploads/{key}/content", f"/{key}"):
            answer = client.get(path)
            assert answer.status_code in (404, 405), (path, answer.status_code)
            assert "root:" not in answer.text

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("audio", "/etc/passwd"),
            ("audio_reference", "../x.wav"),
            ("audio_reference", {"file_id": "/etc/passwd"}),
            ("input_reference", "/etc/passwd"),
            ("images", ["/etc/passwd"]),
            ("images", "/etc"),
            ("drive", "/etc/passwd"),
            ("drive", {"anna": "/etc/passwd"}),
            ("prompts", "/etc/passwd"),
            ("turns", "/etc/passwd.srt"),
            ("shots", "/etc/passwd"),
            ("shots", [{"start": 0, "image": "/etc/passwd"}]),
            ("shots", [{"start": 0, "faces": [{"name": "a", "region": "/etc/passwd"}]}]),
            ("cast", {"anna": "/etc/passwd"}),
            ("cast", ["anna=@/etc/passwd"]),
            ("output", "/tmp/x.mp4"),
            ("separator", "/etc/passwd"),
            ("lyrics", "/etc/passwd"),
            ("captions", "/etc/passwd.srt"),
            ("logo", "/etc/passwd"),
            ("font", ["/etc/passwd"]),
            ("artwork", "/etc/passwd"),
            ("background", "/etc/passwd"),
            ("background", "pyproject.toml"),
            ("options", {"model": "/etc/passwd"}),
            ("options", {"lora": ["../x"]}),
            ("options", {"workflow": "/etc/passwd"}),
            ("options", {"pose_video": "/etc/passwd"}),
            ("workflow", "x.json"),
            ("work_dir", "/tmp"),
            ("tag", "../x"),
        ],
    )
    def test_no_client_names_a_file_of_this_machine(
        self, studio: Studio, client: TestClient, sound_file: Path, field: str, value: Any
    ) -> None:
        sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
        body = {**TINY, "audio_reference": sound, field: value}
        answer = client.post("/v1/plan", json=body)
        assert answer.status_code == 400, answer.text
        assert "root:" not in answer.text

    def test_messages_hold_no_path_of_this_machine(
        self, studio: Studio, client: TestClient, sound_file: Path
    ) -> None:
        whole = sound_file.read_bytes()
        broken = studio.uploads.keep_bytes(whole[: len(whole) // 2], "broken.wav").id
        body = {**TINY, "audio_reference": broken, "model": "preview"}
        answer = client.post("/v1/plan", json={**body, "start": 5})
        assert answer.status_code == 400
        assert "broken.wav" in answer.json()["error"]["message"], answer.text
        for place in (str(studio.folder), "uploads/", broken.removeprefix("upload_")):
            assert place not in answer.text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("cannot read /a/b/c.wav: gone", "cannot read c.wav: gone"),
            ("in '/a/b c/d.wav'", "in 'd.wav'"),
            (r"C:\Users\me\x.wav is", "x.wav is"),
            ("see http://127.0.0.1:8188/queue now", "see http://127.0.0.1:8188/queue now"),
            ("1/2 of it, 24000/1001", "1/2 of it, 24000/1001"),
            ("send it to /v1/uploads", "send it to /v1/uploads"),
        ],
    )
    def test_paths_in_words_become_names(self, studio: Studio, text: str, shown: str) -> None:
        assert studio.desk.scrub.text(text) == shown

    def test_a_fault_of_ours_shows_no_traceback(
        self, studio: Studio, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("at /secret/place")

        monkeypatch.setattr(studio, "plan", fail)
        answer = client.post("/v1/plan", json={})
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text


class Recorder(HTTPServer):
    """Another server: notes what it is asked, and answers with `content`."""

    def __init__(self, content: bytes = b"{}") -> None:
        heard = self.heard = list[tuple[str, dict[str, str], bytes]]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                heard.append((self.path, dict(self.headers), body))
                self.send_response(302 if self.path == "/away" else 200)
                self.send_header("location", "http://127.0.0.1:9/")
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def recorder(sound_file: Path) -> Iterator[Recorder]:
    server = Recorder(sound_file.read_bytes())
    yield server
    server.shutdown()
    server.server_close()


class TestOtherServers:
    @pytest.mark.parametrize("scheme", ["http", "https", "file", "ftp", "gopher"])
    def test_web_addresses_are_refused(
        self, client: TestClient, recorder: Recorder, scheme: str
    ) -> None:
        """Request forgery: this server asks nobody in a client's name."""
        address = f"{scheme}://127.0.0.1:{recorder.server_port}/a.wav"
        body = {**TINY, "audio_reference": {"audio_url": address}}
        answer = client.post("/v1/videos", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "audio_reference.audio_url"
        assert not recorder.heard

    def test_allowed_hosts_are_fetched_from_without_going_on(
        self, tmp_path: Path, recorder: Recorder
    ) -> None:
        with waiting_studio(tmp_path, Limits(input_hosts=("127.0.0.1",))) as studio:
            client = client_of(studio)
            body = {**TINY, "audio_reference": {"audio_url": f"{recorder.url}/a.wav"}}
            assert client.post("/v1/plan", json=body).status_code == 200
            body = {**TINY, "audio_reference": {"audio_url": f"{recorder.url}/away"}}
            answer = client.post("/v1/plan", json=body)
            assert (answer.status_code, "302" in answer.text) == (400, True)

    def test_the_key_never_goes_to_comfyui(
        self, tmp_path: Path, recorder: Recorder, sound_file: Path
    ) -> None:
        settings = Settings(
            work_dir=tmp_path / "work",
            url=recorder.url,
            token="the-token-of-comfyui",  # type: ignore[arg-type]
        )
        studio = Studio(settings)
        try:
            sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
            body = {**TINY, "audio_reference": sound, "model": "auto"}
            client_of(studio, KEY).post("/v1/plan", json=body, headers=bearer(KEY))
        finally:
            studio.stop()
        assert recorder.heard, "the ComfyUI server was asked"
        assert "the-token-of-comfyui" in str(recorder.heard)
        assert KEY not in str(recorder.heard)

    def test_webhooks_are_signed_and_go_to_allowed_hosts_only(
        self, tmp_path: Path, recorder: Recorder, sound_file: Path
    ) -> None:
        """The field's own client takes the signature."""
        from openai import InvalidWebhookSignatureError, OpenAI

        limits = Limits(webhook_hosts=("127.0.0.1",), webhook_secret="whsec_c2VjcmV0")  # type: ignore[arg-type]
        with waiting_studio(tmp_path, limits) as studio:
            sound = studio.uploads.keep_bytes(sound_file.read_bytes(), "a.wav").id
            body = {**TINY, "audio_reference": sound, "webhook_url": f"{recorder.url}/told"}
            key = studio.submit(body).id
            studio.cancel(key)
            studio._webhooks._pool.shutdown(wait=True)
            other = {**body, "webhook_url": "http://127.0.0.2/told"}
            assert client_of(studio).post("/v1/videos", json=other).status_code == 400
        [(path, headers, content)] = recorder.heard
        assert path == "/told"
        client = OpenAI(api_key="none", webhook_secret="whsec_c2VjcmV0")
        client.webhooks.verify_signature(content.decode(), headers)
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.verify_signature(content.decode() + " ", headers)
        event = json.loads(content)
        assert (event["type"], event["data"]) == ("video.failed", {"id": key})
