"""Requests sent byte by byte to a server on the loopback address, and limits that make hostile ones quick to see."""

from __future__ import annotations

import re
import socket

from carmask.server.limits import Limits

QUICK = Limits(
    photo_bytes=200_000,
    job_bytes=400_000,
    job_photos=3,
    pixels=1_000_000,
    header_seconds=0.6,
    grace_seconds=0.8,
    rate=200_000,
)


def raw(port: int, request: bytes, *, wait: float = 8.0) -> bytes:
    """Send bytes as they are, and read what comes until the other side is done."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        connection.sendall(request)
        connection.settimeout(wait)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
                head, _, body = found.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if length and len(body) >= int(length[1]):
                    break
        except OSError:
            pass
    return found


#: How a form with a photo begins.
FORM = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


def get(path: str, *headers: str, method: str = "GET", host: str = "localhost") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
