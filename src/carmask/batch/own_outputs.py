"""Which files earlier runs have written: they are never taken for photos, and may be written again."""

from __future__ import annotations

from pathlib import Path

from carmask.batch.manifest import recorded_outputs
from carmask.batch.names import ERROR_LOG, MANIFEST, REPORT, STATE, VEHICLES
from carmask.formats.classes import CLASSES
from carmask.images import RealPaths, is_there, real_path

#: Why a photo is left out that an earlier run wrote. Such files have no row in the report.
OWN_OUTPUT = "written by an earlier run"


class OwnOutputs:
    """The files that runs have written, as the manifests of the folders say in which they lie."""

    def __init__(self, out: Path | str, state: Path | None, links: RealPaths) -> None:
        """Read what a run with this output folder has written; other folders are asked as files in them come up.

        Args:
            out: its output folder, or a location in a store.
            state: the local folder of the manifest, where ``out`` is in a store.
            links: real paths, kept for all that ask.

        Raises:
            UsageError: if another process is writing there.
        """
        self.links = links
        self._known: dict[Path, frozenset[Path]] = {}
        self._above: dict[Path, tuple[frozenset[Path], ...]] = {}
        self._out = out
        self._this = self._of(real_path(out)) if isinstance(out, Path) else frozenset()
        # Of a run that writes to a store the manifest is elsewhere, and names whole locations.
        self._stored = frozenset(recorded_outputs(state / STATE / MANIFEST)) if isinstance(out, str) and state else ()

    def of_this_run(self, file: Path) -> bool:
        """Whether earlier runs with the same output folder have written a file."""
        return self.links.entry(file) in self._this

    def in_store(self, photo: str) -> bool:
        """Whether runs have written an object of a store, or it lies where this one writes."""
        return photo in self._stored or (isinstance(self._out, str) and photo.startswith(f"{self._out}/"))

    def holds(self, file: Path) -> bool:
        """Whether runs have written a file, by the manifests in the folders above it."""
        path = self.links.entry(file)
        folder = path.parent
        if folder not in self._above:
            known = (self._this, *map(self._of, (folder, *folder.parents)))
            self._above[folder] = tuple(files for files in known if files)
        return any(path in files for files in self._above[folder])

    def _of(self, place: Path) -> frozenset[Path]:
        if place not in self._known:
            manifest = place / STATE / MANIFEST
            there = is_there(manifest)
            files = recorded_outputs(manifest) if there else ()
            written = [REPORT, VEHICLES, CLASSES, ERROR_LOG] if there else []
            self._known[place] = frozenset(place / file for file in (*files, *written))
        return self._known[place]
