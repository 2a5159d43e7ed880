"""Which files are photos and masks, by their suffix, and why others are not."""

from __future__ import annotations

from pathlib import PurePath

#: Suffixes of each picture format, by the name that Pillow gives it.
FORMATS = {
    "AVIF": (".avif",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "HEIF": (".heic", ".heif", ".hif"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "JPEG2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
#: Suffixes that a folder is searched for, in lower case.
PHOTO_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
#: A mask may have any format of a photo. One that loses detail, such as JPEG, is read with a threshold.
MASK_SUFFIXES = PHOTO_SUFFIXES
#: Formats that need the extra ``heif``.
HEIF_SUFFIXES = frozenset(FORMATS["HEIF"])

_OTHERS = {
    "a camera's raw file; export it as JPEG or TIFF": (
        ".3fr .arw .cr2 .cr3 .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srf .srw .x3f"
    ),
    "a document of an editor; export it as JPEG, PNG or TIFF": ".afphoto .ai .eps .indd .pdf .psb .psd .svg .xcf",
    "a video": ".3gp .avi .m4v .mkv .mov .mp4 .mpg .mts .webm .wmv",
}
_REASONS = {suffix: reason for reason, suffixes in _OTHERS.items() for suffix in suffixes.split()}
_REASONS |= dict.fromkeys(
    (".exr", ".hdr", ".ico", ".icns", ".jxl", ".jxr", ".pcx", ".qoi", ".sgi", ".tga", ".wdp"),
    "a picture format that cannot be read; save it as JPEG, PNG or TIFF",
)


def is_photo(name: str | PurePath) -> bool:
    """Whether a file's name has a photo's suffix, in upper or lower case."""
    return PurePath(name).suffix.lower() in PHOTO_SUFFIXES


def why_left_out(name: str | PurePath) -> str:
    """Why a file of this name is not taken for a photo, in words; empty if it is taken for one."""
    path = PurePath(name)
    if path.name.startswith("."):
        return "hidden: its name begins with a dot"
    return "" if is_photo(path) else _REASONS.get(path.suffix.lower(), "not a picture")
