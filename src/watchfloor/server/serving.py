"""Runs the application under uvicorn, and stops it without leaving live streams behind."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

_GRACE_SECONDS = 3
# Shippers keep a connection between two batches.
_KEPT_SECONDS = 75


class ConsoleServer(uvicorn.Server):
    """uvicorn waits for open responses when it stops; a live stream never ends by itself, so it is told to."""

    def __init__(self, app: FastAPI, front: ASGIApp | None = None) -> None:
        """Serves `app`, or `front` where something stands before it."""
        config = uvicorn.Config(
            front or app,
            log_level="warning",
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=_KEPT_SECONDS,
        )
        super().__init__(config)
        self._services = app.state.services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.closing.set()
        await super().shutdown(sockets)
