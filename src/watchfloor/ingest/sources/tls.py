"""TLS towards what a source connects to: the server is always verified, by name too."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import model_validator

from watchfloor.core.errors import WatchfloorError
from watchfloor.core.noun import Noun


class Tls(Noun):
    """`{}` is TLS with the authorities that this machine trusts."""

    ca: Path | None = None
    """The authorities (PEM) instead of the machine's own."""
    certificate: Path | None = None
    """What this side shows (PEM), with its `key`."""
    key: Path | None = None

    @model_validator(mode="after")
    def _both(self) -> Tls:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self

    def context(self, where: str) -> ssl.SSLContext:
        """Raises WatchfloorError when a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise WatchfloorError(
                f"ca, certificate or key of tls cannot be used: {error}", where=where, do="Name PEM files"
            ) from None
        return context
