"""What a file is, by how it begins: names and types that a client gives count for nothing."""

from __future__ import annotations

from carmask.errors import PhotoError

#: How files begin, and the suffix that they get: whatever the client calls them.
_SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"BM", ".bmp"),
    (b"GIF8", ".gif"),
)
#: The same for files of ISO's base media format, by their major brand.
_BRANDS = {
    b"heic": ".heic",
    b"heix": ".heic",
    b"heim": ".heic",
    b"heis": ".heic",
    b"mif1": ".heic",
    b"avif": ".avif",
}


def suffix_of(content: bytes) -> str:
    """The suffix that belongs to a picture, by its first bytes.

    Raises:
        PhotoError: if it is none that is accepted.
    """
    for signature, suffix in _SIGNATURES:
        if content.startswith(signature):
            return suffix
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    if content[4:8] == b"ftyp" and content[8:12] in _BRANDS:
        return _BRANDS[content[8:12]]
    raise PhotoError(
        "photo: " + ("the file is empty" if not content else "not a JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF")
    )
