"""Whether Hugging Face's hub is there."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 3.0
"""Seconds in which a hub that is there answers a knock."""


def look_for_hub() -> None:
    """Have Hugging Face's libraries take what is on this disk where their hub is not to be reached.

    By themselves they would knock for a minute and a half, file by file, before they say so.
    """
    from huggingface_hub import constants

    if os.environ.get("HF_HUB_OFFLINE") or getproxies():
        return
    hub = urlsplit(constants.ENDPOINT)
    try:
        socket.create_connection((hub.hostname or "", hub.port or 443), PATIENCE).close()
        constants.HF_HUB_OFFLINE = False
    except OSError:
        constants.HF_HUB_OFFLINE = True
