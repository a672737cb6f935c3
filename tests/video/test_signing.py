"""Content credentials, signed with a certificate made here and read by the standard's library."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_factory import sine, write_audio
from soundreel.api import generate
from soundreel.cli.app import run
from soundreel.config import Settings
from soundreel.errors import InputError
from soundreel.media.marks import SCHEME, TAG, TRAINED, read_box
from soundreel.types import Request
from soundreel.video.reader import read_frames, read_tags

c2pa = pytest.importorskip("c2pa")
x509 = pytest.importorskip("cryptography.x509")

from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: E402

PEM = serialization.Encoding.PEM
MIME = {"mp4": "video/mp4", "mov": "video/quicktime", "gif": "image/gif", "webp": "image/webp"}


def certificate(own: Any, issuer: Any, *, authority: bool) -> Any:
    """As C2PA wants it: a signer is no authority, and its key is for e-mail or documents."""
    now = datetime.now(UTC)

    def name(text: str) -> Any:
        return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, text)])

    usage = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("encipher_only", "decipher_only"),
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("authority" if authority else "signer"))
        .issuer_name(name("authority"))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=authority, crl_sign=authority, **usage
            ),
            critical=True,
        )
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer, hashes.SHA256())


def write_signer(path: Path, key: Any = None, password: bytes = b"") -> Path:
    authority, key = ec.generate_private_key(ec.SECP256R1()), key or new_key("es256")
    chain = (
        certificate(key, authority, authority=False),
        certificate(authority, authority, authority=True),
    )
    lock = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    own = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock)
    path.write_bytes(b"".join(each.public_bytes(PEM) for each in chain) + own)
    return path


def new_key(algorithm: str) -> Any:
    match algorithm:
        case "es256":
            return ec.generate_private_key(ec.SECP256R1())
        case "es384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ps256":
            return rsa.generate_private_key(65537, 2048)
        case _:
            return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def signing(settings: Settings, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"c2pa": write_signer(tmp_path / "signer.pem")})


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    sound = write_audio(tmp_path / "a.wav", sine(1, rate=16000), rate=16000)
    return Request(audio=sound, engine="fake", width=64, height=48, output=tmp_path / "a.mp4")


def credentials(path: Path) -> tuple[str, dict[str, Any]]:
    """(what the library says of the signature, the manifest)."""
    with path.open("rb") as file, c2pa.Reader(MIME[path.suffix[1:]], file) as reader:
        found = json.loads(reader.json())
    return found["validation_state"], found["manifests"][found["active_manifest"]]


@pytest.mark.parametrize("kind", MIME)
def test_a_signed_file_says_who_made_it_and_of_what_kind_it_is(
    request_: Request, signing: Settings, tmp_path: Path, kind: str
) -> None:
    path = generate(replace(request_, output=tmp_path / f"a.{kind}"), signing).path
    state, manifest = credentials(path)
    assert state == "Valid"
    assert manifest["claim_generator_info"][0]["name"] == "soundreel"
    said = {each["label"]: each["data"] for each in manifest["assertions"]}
    assert said["c2pa.actions.v2"]["actions"][0]["digitalSourceType"] == SCHEME + TRAINED
    assert read_tags(path)[TAG] == SCHEME + TRAINED
    if kind == "webp":  # of an animated one FFmpeg before 8.2 shows no picture
        assert Image.open(path).n_frames == 16  # type: ignore[attr-defined]
    else:
        assert len(list(read_frames(path))) == 16
    if kind in ("mp4", "mov"):
        assert read_box(path) == SCHEME + TRAINED
    left = {each.suffix for each in tmp_path.iterdir() if each.is_file()}
    assert left == {".wav", ".json", ".pem", path.suffix}


def test_one_changed_byte_is_seen(request_: Request, signing: Settings) -> None:
    path = generate(request_, signing).path
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat") + 100] ^= 1
    path.write_bytes(data)
    assert credentials(path)[0] == "Invalid"


@pytest.mark.parametrize("algorithm", ["es384", "ps256", "ed25519"])
def test_the_key_says_how_it_signs(
    request_: Request, settings: Settings, tmp_path: Path, algorithm: str
) -> None:
    pem = write_signer(tmp_path / "signer.pem", new_key(algorithm))
    path = generate(request_, settings.model_copy(update={"c2pa": pem})).path
    state, manifest = credentials(path)
    assert state == "Valid"
    assert manifest["signature_info"]["alg"].lower() == algorithm


def test_what_cannot_sign_is_said_before_the_work(
    request_: Request, settings: Settings, tmp_path: Path
) -> None:
    pem = tmp_path / "signer.pem"

    def refused(said: str) -> None:
        with pytest.raises(InputError, match=said):
            generate(request_, settings.model_copy(update={"c2pa": pem}))
        assert not settings.work_dir.exists() or not [*settings.work_dir.glob("*/")]

    refused("cannot be read")
    pem.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    refused("its key")
    write_signer(pem, password=b"secret")
    refused("with a password")
    whole = write_signer(pem).read_bytes()
    pem.write_bytes(whole.replace(b"MII", b"MIJ", 1))
    refused("cannot sign with it")


def test_a_container_that_cannot_be_signed_is_refused(
    request_: Request, signing: Settings, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="cannot sign a webm"):
        generate(replace(request_, output=tmp_path / "a.webm"), signing)


def test_without_the_library_the_command_line_says_how_to_get_it(
    request_: Request, signing: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "c2pa", None)
    given = [str(request_.audio), "--engine", "fake", "--size", "64x48", "-o", "b.mp4"]
    assert run([*given, "--c2pa", str(signing.c2pa)]) == 2
    shown = capsys.readouterr().err
    assert "--c2pa needs the package c2pa-python" in shown
    assert "[c2pa]" in shown
