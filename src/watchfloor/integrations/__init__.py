"""Connections to other products: which actions they offer, how to reach them, and a company to try them on."""

from watchfloor.integrations.catalogue import Action, Actions, Parameter
from watchfloor.integrations.client import Caller, Client, Reply
from watchfloor.integrations.connection import Connection, read_connections, write_connections

__all__ = [
    "Action",
    "Actions",
    "Caller",
    "Client",
    "Connection",
    "Parameter",
    "Reply",
    "read_connections",
    "write_connections",
]
