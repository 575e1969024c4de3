"""The TLS context of the server, from a certificate and its key."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NoReturn

from seamless_database.errors import CertificateError, OptionError

if TYPE_CHECKING:
    from pathlib import Path


def check_pair(cert: Path | None, key: Path | None) -> None:
    """Raise an `OptionError` for one file without the other."""
    if (cert is None) != (key is None):
        raise OptionError("--tls-cert and --tls-key go together; give both, or neither")


def create_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Create the TLS context; None if neither file is given."""
    check_pair(cert, key)
    if cert is None or key is None:
        return None
    for path in (cert, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise CertificateError(path, str(error.strerror)) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])

    def reject_passphrase() -> NoReturn:
        # a server in the background cannot ask for a passphrase
        raise CertificateError(key, "the key is protected by a passphrase; store it unencrypted")

    try:
        context.load_cert_chain(cert, key, password=reject_passphrase)
    except ssl.SSLError as error:
        reason = error.reason or "the files are not a certificate and its key in PEM format"
        raise CertificateError(f"{cert} with {key}", reason) from error
    return context
