"""Two folders: ``images/``, and ``masks/NAME.png`` with a mask for each photo. All labels become one.

Read is also a folder of masks by itself, such as corrections: the photos' folder is named beside it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from carmask.errors import DataError
from carmask.formats.index_png import mask_files
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Instance, Picture, union
from carmask.formats.reading import ReadOptions, file_size, gathered, without_mask
from carmask.formats.writing import Loaded, WriteOptions
from carmask.images import list_folder, make_folder, read_mask, write_mask

MASKS = "masks"
#: What folders of photos and of masks are called, the likeliest first.
_NAMES = (("images", "imgs", "image", "img", "photos"), ("masks", "mask"))


def find(path: Path) -> tuple[Path | None, Path | None]:
    """The folders of photos and of masks in a folder, whatever the case of their names; None for what is not there.

    Raises:
        DataError: if the folder cannot be read.
    """
    inner = {one.name.lower(): one for one in list_folder(path) if one.is_dir()} if path.is_dir() else {}
    photos, masks = (next((inner[name] for name in names if name in inner), None) for names in _NAMES)
    return photos, masks


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a folder of masks.

    Args:
        path: a folder with ``masks``, or of masks.
        options: where the photos lie, if elsewhere; what the masks show.

    Raises:
        DataError: if there are none.
    """
    images, masks = find(path)
    folder = masks or path
    photos = options.find(*([images] if images is not None else []))
    files = mask_files(folder, photos)
    if not files:
        raise DataError(f"{folder}: no masks in it")
    found = Annotations([], (options.label,))
    gathered([mask_picture(stem, file, photos, options.label) for stem, file in files.items()], found)
    found.bare = without_mask(found, photos)
    return found


def mask_picture(
    stem: str, file: Path, photos: Photos, label: str, score: float | None = None
) -> Callable[[], Picture]:
    """Makes a picture whose one instance is a mask file.

    Args:
        stem: of the picture's name.
        file: the mask.
        photos: to find the photo in.
        label: what the mask shows.
        score: of the model that made it.
    """

    def make() -> Picture:
        photo = photos.find_stem(stem)
        name = stem + (photo.suffix if photo else ".jpg")
        return Picture(name, file_size(file, photo), partial(mask_instance, file, label, score), photo, (file,))

    return make


def mask_instance(file: Path, label: str, score: float | None = None) -> list[Instance]:
    """The one instance of a mask file."""
    return [Instance(label, read_mask(file), score)]


def write(out: Path, pictures: Iterable[Loaded], _: Sequence[str], __: WriteOptions) -> None:
    """Write ``masks/NAME.png``, one bit a pixel.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        _: labels become one.
        __: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out / MASKS)
    for picture in pictures:
        target = out / MASKS / f"{picture.stem}.png"
        make_folder(target.parent)
        write_mask(target, union(picture.instances, picture.size))
