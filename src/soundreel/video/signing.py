"""Content credentials (C2PA) in a finished file, signed with the user's own certificate.

The manifest says that the pictures were created, by which program, and from what kind of source
(https://c2pa.org/specifications/, action c2pa.created). No time stamp server is asked, so nothing
goes over the network. A signature holds random numbers: signed files differ from run to run.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from PIL import Image

from soundreel.errors import InputError, mention
from soundreel.installation import __version__, install_command
from soundreel.media import marks
from soundreel.types import Encoding
from soundreel.video.containers import container_of
from soundreel.video.storage import writing
from soundreel.work.files import read_regular, sync

_KINDS: Mapping[str, str] = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "gif": "image/gif",
    "webp": "image/webp",
}
"""What the standard knows how to sign, of what we make."""

_MOST_BYTES = 1 << 20
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\r?\n?", re.DOTALL
)
_KEY = re.compile(
    rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----\r?\n?", re.DOTALL
)
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, slots=True, repr=False)
class _Identity:
    """algorithm: as C2PA names it, e.g. "es256". certificates: PEM, the signer's own first."""

    algorithm: str
    certificates: bytes
    key: bytes


def check_signer(pem: Path, encoding: Encoding) -> None:
    """Sign one pixel, so that what is wrong with the certificate is said before hours of work.
    Raises InputError."""
    container = container_of(encoding).name
    if container not in _KINDS:
        raise InputError.about(
            {"c2pa": pem},
            f"C2PA cannot sign a {container} file",
            hint=f"choose another: {mention(container='mp4')}",
        )
    pixel = BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    pixel.seek(0)
    _sign(pixel, BytesIO(), "image/png", pem, marks.SCHEME + marks.ALGORITHMIC)


def sign(path: Path, pem: Path, encoding: Encoding, source_type: str) -> None:
    """Put signed credentials into the file. source_type: the URI of IPTC's term. Raises InputError,
    WorkError."""
    kind = _KINDS[container_of(encoding).name]
    with writing(path), TemporaryFile(dir=path.parent) as signed:
        with path.open("rb") as plain:
            _sign(plain, signed, kind, pem, source_type)
        signed.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(signed, file)
        sync(path)


def _sign(source: BinaryIO, target: Any, kind: str, pem: Path, source_type: str) -> None:
    identity = _identity(pem)
    c2pa = _library()
    info = c2pa.C2paSignerInfo(
        identity.algorithm.encode(), identity.certificates, identity.key, None
    )
    try:
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_manifest(source_type)) as builder:
            builder.sign(signer, kind, source, target)
    except c2pa.C2paError as err:
        raise InputError.about(
            {"c2pa": pem},
            f"cannot sign with it: {err}",
            hint="docs/security.md says what a certificate needs",
        ) from err


def _manifest(source_type: str) -> str:
    created = {"action": "c2pa.created", "digitalSourceType": source_type}
    return json.dumps(
        {
            "claim_generator_info": [{"name": "soundreel", "version": __version__}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
        }
    )


def _identity(pem: Path) -> _Identity:
    """Raises InputError where the file does not hold certificates and an open key."""
    try:
        text = read_regular(pem, _MOST_BYTES)
    except OSError as err:
        raise InputError.about({"c2pa": pem}, f"cannot be read: {err.strerror or err}") from err
    certificates, key = _CERTIFICATE.findall(text), _KEY.search(text)
    if not certificates or key is None:
        raise InputError.about(
            {"c2pa": pem},
            "a PEM file with the signer's certificate, those that vouch for it, and its key",
            hint="e.g. cat certificate.pem chain.pem key.pem > signer.pem",
        )
    return _Identity(_algorithm(pem, key[0]), b"".join(certificates), key[0])


def _algorithm(pem: Path, key: bytes) -> str:
    _library()  # cryptography comes with it
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except (TypeError, ValueError) as err:  # TypeError: it has a password
        raise InputError.about(
            {"c2pa": pem}, "its private key cannot be read; one with a password is not asked for"
        ) from err
    curve = getattr(getattr(loaded, "curve", None), "name", "")
    if "Ed25519" in type(loaded).__name__:
        return "ed25519"
    return _CURVES.get(curve, "ps256")


def _library() -> Any:
    try:
        return import_module("c2pa")
    except ImportError as err:
        raise InputError(
            f"{mention('c2pa')} needs the package c2pa-python: {err}", hint=install_command("c2pa")
        ) from err
