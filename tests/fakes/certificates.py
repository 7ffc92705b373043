"""A certificate for localhost that signs itself, and what is signed with its key."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Signer:
    """A key, its certificate, and the files both lie in."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    key_file: Path
    certificate_file: Path

    def token(self, lifetime_s: float, **claims: Any) -> str:
        """A JSON web token, as docker-registry checks it: the certificate comes along."""
        chain = [base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()]
        now = int(time.time())
        document = {"nbf": now - 10, "iat": now, "exp": now + int(lifetime_s), **claims}
        return jwt.encode(document, self.key, algorithm="RS256", headers={"x5c": chain})

    def read(self, token: str, audience: str) -> dict[str, Any] | None:
        """The claims of a token of ours that is good now; None for any other."""
        try:
            found: dict[str, Any] = jwt.decode(
                token, self.key.public_key(), algorithms=["RS256"], audience=audience
            )
        except jwt.InvalidTokenError:
            return None
        return found


def make_signer(folder: Path) -> Signer:
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=7))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Signer(key, certificate, key_file, certificate_file)
