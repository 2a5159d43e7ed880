"""What a run's own files are called, beside the results."""

from __future__ import annotations

#: The folder in the output folder that holds the manifest, and the manifest's name there.
STATE, MANIFEST = ".carmask", "manifest.sqlite"
#: Options of a run, in a folder of photos.
PROFILE = "carmask.toml"
#: A row for each photo.
REPORT = "report.csv"
#: A row for each vehicle, where photos are grouped.
VEHICLES = "vehicles.csv"
#: Tracebacks of errors that carmask did not expect; written only if there were any.
ERROR_LOG = "carmask-errors.log"
