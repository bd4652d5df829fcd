"""Whether a host is there that networks are fetched from, Hugging Face's hub above all."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 3.0
"""Seconds in which a host that is there answers a knock."""


def reachable(address: str) -> bool:
    """Whether the host of an address answers; behind a proxy nobody can say, and it is taken for granted."""
    parts = urlsplit(address)
    if getproxies():
        return True
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), PATIENCE).close()
    except OSError:
        return False
    return True


def look_for_hub() -> None:
    """Have Hugging Face's libraries take what is on this disk where their hub is not to be reached.

    By themselves they would knock for a minute and a half, file by file, before they say so.
    """
    from huggingface_hub import constants

    if not os.environ.get("HF_HUB_OFFLINE"):
        constants.HF_HUB_OFFLINE = not reachable(constants.ENDPOINT)
