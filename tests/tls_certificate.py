"""A certificate for the loopback, and bundles that trust it; made anew each time, as none may be kept with its key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate with its key for 127.0.0.1, and a bundle that trusts it beside those of botocore."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    certificate, bundle = folder / "stub.pem", folder / "bundle.pem"
    certificate.write_bytes(private.private_bytes(serialization.Encoding.PEM, kind, plain) + public)
    bundle.write_bytes(botocore_bundle().read_bytes() + public)
    return certificate, bundle


def botocore_bundle() -> Path:
    """The certificates that botocore comes with."""
    return Path(botocore.__file__).parent / "cacert.pem"
