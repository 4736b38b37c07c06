"""Runs the application under uvicorn, and stops it without leaving live streams behind."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

_GRACE_SECONDS = 3


class ConsoleServer(uvicorn.Server):
    """uvicorn waits for open responses when it stops; a live stream never ends by itself, so it is told to."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS))
        self._services = app.state.services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.closing.set()
        await super().shutdown(sockets)
