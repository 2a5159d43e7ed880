"""What a client may ask of the server at most."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Bounds; every one of them is checked before the work that it bounds.

    Attributes:
        photo_bytes: of the body of a request with one photo.
        job_bytes: of the body of a request with many photos.
        job_photos: photos in such a request.
        state_bytes: of all photos of jobs on the disk together.
        free_bytes: that jobs leave free on the disk.
        jobs: that are kept at the same time.
        incoming_bytes: of all bodies that are under way at the same time.
        pixels: of a photo.
        seconds: that a photo may take.
        waiting: photos that may wait.
        connections: requests at the same time; connections may be four times as many, and the quietest makes room.
        header_seconds: for a request's header.
        grace_seconds: for a body, beyond what its size takes at ``rate``.
        rate: bytes a second that a client must send or take at least.
        keep_hours: after which a job is deleted, if it is not running.
    """

    photo_bytes: int = 40 * MEGABYTE
    job_bytes: int = 4000 * MEGABYTE
    job_photos: int = 2000
    state_bytes: int = 40_000 * MEGABYTE
    free_bytes: int = 1000 * MEGABYTE
    jobs: int = 10_000
    incoming_bytes: int = 8000 * MEGABYTE
    pixels: int = 50_000_000
    seconds: float = 60.0
    waiting: int = 32
    connections: int = 100
    header_seconds: float = 10.0
    grace_seconds: float = 20.0
    rate: int = 16_384
    keep_hours: float = 24.0

    def body(self, path: str, method: str) -> int:
        """The most bytes that a request may send.

        Args:
            path: of the request.
            method: of the request.
        """
        if method in {"GET", "HEAD", "OPTIONS", "DELETE"}:
            return 0
        return self.job_bytes if path == "/v1/jobs" else self.photo_bytes
