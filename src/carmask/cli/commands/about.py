"""``carmask about``."""

from __future__ import annotations

import click

from carmask.cli.command import Command
from carmask.cli.options import model_option


@click.command("about", cls=Command, examples=("carmask about", "carmask about --model best"))
@model_option
def about(model: str) -> None:
    """Show versions, processor, and how a model is computed here.

    Prints the versions of carmask and of the libraries that decide the result, the processor's cores and instruction
    sets, the model's name, version and SHA-256, the arithmetic in which it is computed on this processor and why, and
    which extras are installed. Put it into a bug report. 'carmask --version --verbose' prints the same.
    """
    print_about(model)


def print_about(model: str = "default") -> None:
    """Print what ``carmask about`` prints."""
    from carmask.machine import KNOWN
    from carmask.model.about import about as describe

    found = describe(model)
    sets = [name for name in KNOWN if name in found.processor.instruction_sets]
    rows = [
        ("carmask", found.version),
        ("python", f"{found.python}, {found.system}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in found.libraries.items())),
        ("processor", found.processor.name or "unknown"),
        ("instruction sets", " ".join(sets) or "none that carmask chooses by"),
        ("cores", f"{found.cores} of {found.cores_of_machine}; a network runs on {found.cores} threads"),
        ("model", f"{found.info.name} version {found.info.version}, {found.model}"),
        ("SHA-256", found.digest),
        ("precision", str(found.precision)),
        *(("", reason) for reason in found.reasons),
        *(
            (f"extra [{name}]", f"not installed: {', '.join(missing)}" if missing else "installed")
            for name, missing in found.extras.items()
        ),
    ]
    for name, value in rows:
        print(f"{name:18}{value}")
