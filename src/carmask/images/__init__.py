"""Read and write photos and masks.

Every reader either returns the whole picture as its contract says or raises ``PhotoError`` with the path and what is
wrong. Every writer puts the file in place whole or not at all.
"""

from carmask.images.masks import mask_size, read_mask
from carmask.images.metadata import KeepMetadata
from carmask.images.opening import MAX_PIXELS, decode
from carmask.images.pixels import stored_values
from carmask.images.png import encode_indexed, encode_mask, encode_png, encode_stencil
from carmask.images.presence import is_file, is_folder, is_link, is_there
from carmask.images.profiles import to_profile, to_srgb
from carmask.images.reading import (
    MIN_SIDE,
    PhotoFile,
    ReducedPhoto,
    image_photo,
    is_turned,
    open_photo,
    open_reduced,
    picture_size,
    read_layered,
    read_photo,
    reduce_photo,
)
from carmask.images.search import SUB_FOLDER, FoundPhotos, LeftOut, RealPaths, list_folder, real_path, search_photos
from carmask.images.suffixes import FORMATS, MASK_SUFFIXES, PHOTO_SUFFIXES, is_photo, why_left_out
from carmask.images.writing import (
    JPEG_QUALITY,
    MAX_JPEG_SIDE,
    MAX_WEBP_SIDE,
    WEBP_METHOD,
    WEBP_QUALITY,
    Format,
    check_writable,
    encode_picture,
    flush_file,
    flush_folder,
    make_folder,
    remove_file,
    remove_leftovers,
    replacing,
    write_atomically,
    write_mask,
    write_picture,
)

__all__ = [
    "FORMATS",
    "JPEG_QUALITY",
    "MASK_SUFFIXES",
    "MAX_JPEG_SIDE",
    "MAX_PIXELS",
    "MAX_WEBP_SIDE",
    "MIN_SIDE",
    "PHOTO_SUFFIXES",
    "SUB_FOLDER",
    "WEBP_METHOD",
    "WEBP_QUALITY",
    "Format",
    "FoundPhotos",
    "KeepMetadata",
    "LeftOut",
    "PhotoFile",
    "RealPaths",
    "ReducedPhoto",
    "check_writable",
    "decode",
    "encode_indexed",
    "encode_mask",
    "encode_picture",
    "encode_png",
    "encode_stencil",
    "flush_file",
    "flush_folder",
    "image_photo",
    "is_file",
    "is_folder",
    "is_link",
    "is_photo",
    "is_there",
    "is_turned",
    "list_folder",
    "make_folder",
    "mask_size",
    "open_photo",
    "open_reduced",
    "picture_size",
    "read_layered",
    "read_mask",
    "read_photo",
    "real_path",
    "reduce_photo",
    "remove_file",
    "remove_leftovers",
    "replacing",
    "search_photos",
    "stored_values",
    "to_profile",
    "to_srgb",
    "why_left_out",
    "write_atomically",
    "write_mask",
    "write_picture",
]
